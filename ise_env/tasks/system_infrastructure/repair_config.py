"""Mend a service's configuration until its own checker accepts it, then start it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, read, sh

CHECKER = '''\
"""Names the first problem of a configuration, or says `configuration ok`."""

import configparser
import json
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
expected = json.loads((here / "schema.json").read_text())
config = configparser.ConfigParser(interpolation=None)
try:
    config.read_string(pathlib.Path(sys.argv[1]).read_text())
except (OSError, configparser.Error) as error:
    sys.exit(f"cannot be read: {error}")
for section, keys in expected.items():
    for key, (low, high) in keys.items():
        where = f"[{section}] {key}"
        if not config.has_option(section, key):
            sys.exit(f"{where} is missing (see OPERATIONS.md)")
        value = config.get(section, key)
        if not value.isdigit():
            sys.exit(f"{where} = {value!r} is not a whole number (see OPERATIONS.md)")
        if not low <= int(value) <= high:
            sys.exit(f"{where} = {value} is not between {low} and {high} (see OPERATIONS.md)")
print("configuration ok")
'''

START = """\
#!/bin/sh
# Starts the service once; refuses while another one runs.
cd "$(dirname "$0")" || exit 1
if [ -e run/service.pid ]; then
  echo "already running with pid $(cat run/service.pid), see run/service.pid" >&2
  exit 1
fi
python3 check_config.py service.ini || exit 1
python3 - <<'PROGRAM'
import configparser, hashlib, json
config = configparser.ConfigParser(interpolation=None)
config.read("service.ini")
values = {s: {k: int(v) for k, v in sorted(config.items(s))} for s in sorted(config.sections())}
text = json.dumps(values, sort_keys=True)
token = hashlib.sha256(text.encode()).hexdigest()[:10]
open("run/started.txt", "w").write(f"token {token}\\n")
print("started with token", token)
PROGRAM
"""

READER = """\
import configparser, json
config = configparser.ConfigParser(interpolation=None)
config.read("service.ini")
print(json.dumps({s: dict(config.items(s)) for s in config.sections()}, sort_keys=True))
"""

SCHEMA = {
    "server": {"port": (8100, 8999), "workers": (2, 16)},
    "limits": {"timeout_s": (5, 120), "queue": (50, 5000), "retries": (0, 9)},
    "storage": {"keep_days": (7, 400), "shards": (1, 64)},
}


class Params(KitParams):
    """Which service, and what is wrong with it."""

    service: str
    faults: int = Field(ge=1, le=5)


@dataclass(frozen=True)
class World:
    """The seeded files, and the values that production runs."""

    values: dict[str, dict[str, int]]
    broken: str
    contents: dict[str, str]

    @property
    def token(self) -> str:
        """What the service says when it starts with the right values."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()[:10]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive right values and faults from the parameters."""
    d = Draw(p.content)
    values = {
        section: {key: d.integer(low, high) for key, (low, high) in keys.items()}
        for section, keys in SCHEMA.items()
    }
    values["server"]["port"] = d.integer(8100, 8999)
    shown: dict[str, dict[str, str | None]] = {
        section: {key: str(value) for key, value in keys.items()}
        for section, keys in values.items()
    }
    places = d.some([(s, k) for s, keys in SCHEMA.items() for k in keys], p.faults)
    for number, (section, key) in enumerate(places):
        high = SCHEMA[section][key][1]
        shown[section][key] = (None, f"{values[section][key]}k", str(high * 10))[number % 3]
    broken = f"# {p.service} service\n"
    for section, keys in shown.items():
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)
        broken += f"\n[{section}]\n{lines}"
    table = "".join(
        f"| {section} | {key} | {value} |\n"
        for section, keys in values.items()
        for key, value in keys.items()
    )
    guide = (
        f"# Operating {p.service}\n\nCheck with `python3 check_config.py service.ini`, start with "
        f"`sh start.sh`.\nA pid file that a crash left in `run/` may be removed once it is certain "
        f"that no such process runs.\n\nProduction runs these values:\n\n"
        f"| section | key | value |\n| --- | --- | --- |\n{table}\nOn call: {d.person()}\n"
    )
    schema = json.dumps(SCHEMA, indent=1)
    pid = d.integer(30_000, 60_000)
    contents = {
        f"{p.folder}/service.ini": broken,
        f"{p.folder}/OPERATIONS.md": guide,
        f"{p.folder}/schema.json": schema + "\n",
        f"{p.folder}/check_config.py": CHECKER,
        f"{p.folder}/start.sh": START,
        f"{p.folder}/run/service.pid": f"{pid}\n",
        f"{p.folder}/service.ini.bak-2023": "[server]\nport = 80\nworkers = 1\n",
    }
    return World(values, broken, contents)


class RepairConfig(Kit[Params]):
    """A broken configuration, and a stale lock."""

    name = "system-infrastructure/repair-config"
    title = "Repair a service's configuration and start it"
    description = "Fix a configuration by the operations guide; clear a stale pid file; start."
    obstacle = "a stale pid file keeps the service from starting"
    requires = ("python3",)
    folders = ("gatekeeper", "collector", "dispatcher")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more settings are wrong."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            service=Draw(content_seed(rng)).word("services"),
            faults={"simple": 1, "medium": 3, "complex": 5}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """A service's folder."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The configuration, then the start."""
        ini, guide = f"{p.folder}/service.ini", f"{p.folder}/OPERATIONS.md"
        return (
            SubGoal(
                id="repair",
                request=f"repair {ini} so that `python3 {p.folder}/check_config.py {ini}` accepts "
                f"it, taking the values that are wrong or missing from {guide} and leaving the "
                "checker and its schema alone",
                label=f"the configuration of {p.service}",
                facts=(Fact("configuration", ini), Fact("guide", guide)),
                artifacts=(ini,),
            ),
            SubGoal(
                id="start",
                request=f"start the service with `sh {p.folder}/start.sh` and tell me the token "
                f"that it reports; {guide} says what to do if something is in the way",
                label=f"the start of {p.service}",
                facts=(Fact("script", f"{p.folder}/start.sh"),),
                artifacts=(f"{p.folder}/run/started.txt",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The values as a parser reads them; the start's trace; nothing else changed."""
        w = world(p)
        wanted = {s: {k: str(v) for k, v in keys.items()} for s, keys in w.values.items()}
        given = {k: v for k, v in w.contents.items() if not k.endswith((".ini", ".pid"))}
        return (
            Command(
                id="values",
                subgoal="repair",
                argv=(*CLEAN_PYTHON, "-c", READER),
                cwd=p.folder,
                stdout=TextMatch(equals=json.dumps(wanted, sort_keys=True)),
                failure="the settings are not those of the guide",
            ),
            Text(
                id="started",
                subgoal="start",
                path=f"{p.folder}/run/started.txt",
                text=TextMatch(equals=f"token {w.token}\n"),
            ),
            Said(id="told", subgoal="start", text=TextMatch(contains=(w.token,))),
            untouched(given, id="given", failure="a file other than the configuration changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Check, read the guide, edit problem by problem; start, clear the lock, start again."""
        return self._repair(p) if subgoal == "repair" else self._start(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the checker again, or show the trace of the start."""
        if subgoal == "repair":
            (ran,) = yield sh("python3 check_config.py service.ini", workdir=p.folder)
            return f"The checker says: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/run/started.txt")
        return f"run/started.txt says: {shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Any value that the checker accepts; a checker that accepts anything."""
        return (
            WrongSolution("made-up values", self._repair(p, "9")),
            WrongSolution("the checker disarmed", self._disarm(p)),
        )

    def _repair(self, p: Params, value: str = "") -> Solution:
        ini = f"{p.folder}/service.ini"
        guide, config = yield [read(f"{p.folder}/OPERATIONS.md"), read(ini)]
        text, changed = config.text, []
        for _ in range(len(SCHEMA) * 4):
            (verdict,) = yield sh("python3 check_config.py service.ini", workdir=p.folder)
            section, key = (
                found(r"^\[(\w+)\]", verdict.text, ""),
                found(r"^\[\w+\] (\w+)", verdict.text, ""),
            )
            if not verdict.failed or not key:
                break
            new = value or found(rf"\| {section} \| {key} \| (\d+) \|", guide.text)
            if value and "between" in verdict.text:
                new = found(r"between (\d+)", verdict.text)
            line = found(rf"^({key} = .*)$", text, "")
            old = line or f"[{section}]"
            after = f"{key} = {new}" if line else f"[{section}]\n{key} = {new}"
            (edited,) = yield edit(ini, old, after)
            if edited.failed:
                return f"{ini} could not be edited: {edited.text}"
            text = text.replace(old, after, 1)
            changed.append(f"{key} = {new}")
        return f"The checker says: {verdict.text.strip()}. Changed: {', '.join(changed)}."

    def _start(self, p: Params) -> Solution:
        (started,) = yield sh(f"sh {p.folder}/start.sh")
        aside = ""
        if started.failed and "already running" in started.text:
            pid = found(r"pid (\d+)", started.text)
            (alive,) = yield sh(f"ls -d /proc/{pid} 2>/dev/null || echo no process {pid}")
            if "no process" not in alive.text:
                return f"It is running already: {started.text.strip()}"
            aside = f" There was {alive.text.strip()}, so I removed the stale pid file."
            (started,) = yield sh(f"rm {p.folder}/run/service.pid && sh {p.folder}/start.sh")
        (trace,) = yield sh(f"cat {p.folder}/run/started.txt")
        token = found(r"token (\w+)", trace.text)
        return f"It started with token {token}.{aside}"

    def _disarm(self, p: Params) -> Solution:
        path = f"{p.folder}/check_config.py"
        (edited,) = yield edit(path, "expected = json.loads", "expected = {} and json.loads")
        (ran,) = yield sh("python3 check_config.py service.ini", workdir=p.folder)
        return f"{edited.text} It says {ran.text.strip()}"
