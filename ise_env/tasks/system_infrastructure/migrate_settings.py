"""Settings in several ini files to bring into one TOML file, without the secrets in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field, JsonValue

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._migrate_settings_texts import PROGRAM, RULES

LOAD = """\
import json, tomllib
print(json.dumps(tomllib.load(open("app.toml", "rb"))))
"""
SECRETS = ("password", "token", "secret")


class Params(KitParams):
    """How much there is to migrate."""

    sections: int = Field(ge=3, le=9)
    overrides: int = Field(ge=1, le=5)


@dataclass(frozen=True)
class World:
    """The old files, what the new one says, and the secrets."""

    contents: dict[str, str]
    settings: dict[str, dict[str, JsonValue]]
    secrets: tuple[str, ...]
    names: str
    """Lines of the list of environment variables."""


def _setting(d: Draw, kind: int) -> tuple[str, str, JsonValue]:
    """A key with its old and its new value."""
    if kind == 0:
        key = d.pick(("enabled", "verbose", "keep_alive", "dry_run"))
        text = d.pick(("yes", "no", "on", "off"))
        return key, text, text in ("yes", "on")
    if kind == 1:
        number = d.integer(2, 900)
        return d.pick(("workers", "port_offset", "limit", "depth")), str(number), number
    if kind == 2:
        number, unit = d.integer(2, 45), d.pick("smh")
        key = d.pick(("timeout", "interval", "grace"))
        return key, f"{number}{unit}", number * {"s": 1, "m": 60, "h": 3600}[unit]
    if kind == 3:
        hosts = d.different("projects", d.integer(2, 4))
        return d.pick(("hosts", "peers")), ", ".join(hosts), list(hosts)
    if kind == 4:
        town = d.word("towns")
        return "site", town, town
    release = f"{d.integer(1, 9)}.{d.integer(0, 20)}"
    return "release", release, release


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive old and new settings from the parameters."""
    d = Draw(p.content)
    f = p.folder
    old: dict[str, dict[str, str]] = {}
    new: dict[str, dict[str, JsonValue]] = {}
    secrets: list[str] = []
    names: list[str] = []

    def hidden(section: str, key: str) -> str:
        secrets.append(f"{d.pick('kqxz')}{d.integer(10**9, 10**10):x}{d.integer(10**6, 10**7)}")
        return secrets[-1]

    for number, section in enumerate(d.different("services", p.sections)):
        old[section], new[section] = {}, {}
        for kind in d.some(range(6), 5):
            key, text, value = _setting(d, kind)
            old[section][key], new[section][key] = text, value
        if number % 2 == 0:
            key = ("db_" if d.chance(0.5) else "") + d.pick(SECRETS)
            old[section][key] = hidden(section, key)
            new[section][key] = "env:" + f"{section}_{key}".upper()
            names.append(f"{section}_{key}".upper())
    later: dict[str, dict[str, str]] = {}
    for section in d.some(list(old), p.overrides):
        for key in d.some([k for k in old[section] if k not in ("hosts", "peers")], 2):
            if key.endswith(SECRETS):
                later.setdefault(section, {})[key] = hidden(section, key)
                continue
            for kind in range(6):
                for _ in range(40):
                    other, text, value = _setting(d, kind)
                    if other == key and text != old[section][key]:
                        later.setdefault(section, {})[key] = text
                        new[section][key] = value
                        break
    half = len(old) // 2
    sections = list(old)
    contents = {
        f"{f}/MIGRATION.md": RULES.format(person=d.person()),
        f"{f}/conf.d/10-base.ini": _ini(d, {s: old[s] for s in sections[:half]}),
        f"{f}/conf.d/20-services.ini": _ini(d, {s: old[s] for s in sections[half:]}),
        f"{f}/conf.d/90-local.ini": _ini(d, later),
        **surroundings(p.content, f, 13),
    }
    listed = "".join(f"{name}\n" for name in sorted(names))
    return World(contents, new, tuple(secrets), listed)


def _ini(d: Draw, sections: dict[str, dict[str, str]]) -> str:
    lines = [f"; checked by {d.person()}"]
    for section, settings in sections.items():
        lines.append(f"\n[{section}]")
        for key, text in settings.items():
            note = f"  ; since {d.day(2024).isoformat()}" if d.chance(0.25) else ""
            lines.append(f"{key} = {text}{note}")
        if d.chance(0.5):
            lines.append(f"; {d.pick(('workers', 'timeout'))} = {d.integer(1, 99)}")
    return "\n".join(lines) + "\n"


class MigrateSettings(Kit[Params]):
    """Settings to migrate."""

    name = "system-infrastructure/migrate-settings"
    title = "Migrate ini settings to TOML"
    description = "Merge ini files into one TOML file by given rules and keep secrets out of it."
    obstacle = "a local file overrides keys, and secrets must not be copied"
    requires = ("python3",)
    folders = ("settings-move", "conf-migration", "toml-switch")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sections, more overrides."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            sections={"simple": 3, "medium": 5, "complex": 9}[complexity],
            overrides={"simple": 1, "medium": 3, "complex": 5}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The old files and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Migrate; list what the environment has to hold."""
        f = p.folder
        old, rules, new, names = (
            f"{f}/conf.d",
            f"{f}/MIGRATION.md",
            f"{f}/app.toml",
            f"{f}/env.list",
        )
        return (
            SubGoal(
                id="migrate",
                request=f"convert the settings of the ini files in {old} into one file {new} as "
                f"{rules} says, without changing the old files",
                label="the new settings file",
                facts=(Fact("old", old), Fact("new", new), Fact("rules", rules)),
                artifacts=(new,),
                question="What becomes of passwords and tokens?",
                answer="Only a reference to the environment goes into the new file, never a secret",
            ),
            SubGoal(
                id="list",
                request=f"list the environment variables that {new} refers to in {names}, one name "
                "a line in alphabetical order and without any values, and tell me how many "
                "variables they are",
                label="the list of environment variables",
                facts=(Fact("new", new), Fact("names", names)),
                artifacts=(names,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The settings as TOML reads them, the list, no secret anywhere else."""
        w, f = world(p), p.folder
        wanted: dict[str, JsonValue] = {name: dict(table) for name, table in w.settings.items()}
        search = 'grep -rlF --exclude-dir=conf.d -e "$1" . | LC_ALL=C sort'
        patterns = "\n".join(w.secrets)
        return (
            Command(
                id="settings",
                subgoal="migrate",
                weight=2,
                argv=("python3", "-I", "-c", LOAD),
                cwd=f,
                prints=wanted,
                failure="app.toml does not hold the settings that the rules give",
            ),
            Text(id="names", subgoal="list", path=f"{f}/env.list", text=TextMatch(equals=w.names)),
            Said(id="told", subgoal="list", unit=("variable",), number=w.names.count("\n")),
            Command(
                id="no secret copied",
                argv=("bash", "--noprofile", "--norc", "-c", search, "secrets", patterns),
                cwd=f,
                stdout=TextMatch(equals=""),
                weight=0,
                forbidden=True,
                failure="a secret was copied into another file",
            ),
            untouched(w.contents, failure="an old settings file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the rules, convert with a short program; extract the names."""
        return self._migrate(p) if subgoal == "migrate" else self._list(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Load the new file, or show the list."""
        if subgoal == "list":
            (shown,) = yield sh("cat env.list", workdir=p.folder)
            return f"I looked again; the list begins with {shown.text.split()[0]}."
        (loaded,) = yield sh(
            'python3 -c \'import tomllib; print(*tomllib.load(open("app.toml", "rb")))\'',
            workdir=p.folder,
        )
        tables = plural(len(loaded.text.split()), "table")
        return f"I loaded the new file: {tables}, {' '.join(loaded.text.split())}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Overrides the wrong way round; secrets copied; the values beside the names."""
        return (
            WrongSolution("base overrides local", self._migrate(p, reverse=True)),
            WrongSolution("secrets copied", self._migrate(p, hide="^$")),
            WrongSolution("values in the list", self._valued(p), "list"),
        )

    def _migrate(
        self, p: Params, hide: str = "(password|token|secret)$", reverse: bool = False
    ) -> Solution:
        here = {"workdir": p.folder}
        rules, listing = yield [read(f"{p.folder}/MIGRATION.md"), sh("ls conf.d", **here)]
        program = PROGRAM.format(hide=hide, order=", reverse=True" if reverse else "")
        (ran,) = yield sh(
            f"cat > /tmp/migrate.py <<'EOF'\n{program}EOF\npython3 /tmp/migrate.py", **here
        )
        if ran.failed or "env:SECTION_KEY" not in rules.text:
            return f"The old files could not be read: {last_line(ran.text)}"
        told = found(r"^(\d+ keys in \d+ sections)", ran.text)
        return f"app.toml has {told}, from {', '.join(listing.text.split())}; secrets stay outside."

    def _list(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "grep -o 'env:[A-Z0-9_]*' app.toml | cut -d: -f2 | LC_ALL=C sort > env.list; "
            "wc -l < env.list",
            workdir=p.folder,
        )
        return f"env.list is written; the new file refers to {plural(ran.text, 'variable')}."

    def _valued(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "grep -rhE '(password|token|secret) *=' conf.d | sort > env.list; wc -l < env.list",
            workdir=p.folder,
        )
        return f"There are {plural(ran.text, 'variable')}."
