"""A tiny supervisor whose unit files have faults that show one after another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._supervisor import PROGRAM, README, SUPERVISOR
from ise_env.workspaces.protocol import SeedFile

FAULTS = {
    "simple": ("lock", "program"),
    "medium": ("lock", "program", "environment", "name"),
    "complex": ("lock", "program", "environment", "name", "cycle", "mode"),
}


class Params(KitParams):
    """What is broken."""

    faults: tuple[str, ...]
    units: int = Field(ge=5, le=10)
    added: str


@dataclass(frozen=True)
class World:
    """The supervisor's folder, and what a start should give."""

    contents: dict[str, str]
    programs: dict[str, str]
    locked: str
    """The unit whose program lost its executable bit, if one did."""
    after: dict[str, list[str]]
    up: dict[str, str]


def unit(name: str, after: list[str], program: str, env: str) -> str:
    """The text of a unit file."""
    return (
        f"[Unit]\nDescription={name.capitalize()} of this site\nAfter={' '.join(after)}\n\n"
        f"[Service]\nExecStart={program}\nEnvironmentFile={env}\n"
    )


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the units from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = [name for name in d.different("services", p.units + 1) if name != p.added][: p.units]
    after = {name: d.some(names[:at], min(at, d.integer(1, 2))) for at, name in enumerate(names)}
    nodes = {name: (d.word("projects"), d.integer(10, 99)) for name in [*names, p.added]}
    waits = {name: list(before) for name, before in after.items()}
    program = {name: f"bin/{name}-serve.sh" for name in names}
    env = {name: f"env/{name}.env" for name in names}
    victims = d.shuffled(names[2:])
    for number, fault in enumerate(p.faults):
        name = victims[number % len(victims)]
        if fault == "program":
            program[name] = f"bin/{name}.sh"
        elif fault == "environment":
            env[name] = f"env/{name}.conf"
        elif fault == "name":
            waits[name][0] = waits[name][0][:-1]
        elif fault == "cycle":
            waits[names[0]] = [names[1]]
    locked = victims[-1] if "mode" in p.faults else ""
    table = "\n".join(f"| {n} | {' '.join(after[n]) or 'nothing'} |" for n in sorted(names))
    contents = {
        f"{f}/README.md": README.format(table=table, person=d.person()),
        f"{f}/sv.py": SUPERVISOR,
        f"{f}/run/sv.lock": f"{d.integer(3_100_000, 4_100_000)}\n",
        **surroundings(p.content, f, 8),
    }
    for name, (node, slot) in nodes.items():
        contents[f"{f}/env/{name}.env"] = f"UNIT={name}\nNODE={node}\nSLOT={slot}\n"
    for name in names:
        contents[f"{f}/units/{name}.unit"] = unit(name, waits[name], program[name], env[name])
    programs = {f"{f}/bin/{name}-serve.sh": PROGRAM.format(name=name) for name in nodes}
    up = {name: f"{name}@{node}:{slot}" for name, (node, slot) in nodes.items()}
    return World(contents, programs, locked, after, up)


class RepairUnits(Kit[Params]):
    """Unit files to mend."""

    name = "system-infrastructure/repair-units"
    title = "Get a supervisor's units to start"
    description = "Mend unit files until everything starts in order, then add a unit."
    obstacle = "a stale lock, and faults that show only after the one before is mended"
    requires = ("python3",)
    folders = ("supervisor", "site-units", "boot-order")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more faults, more units."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            faults=FAULTS[complexity],
            units={"simple": 5, "medium": 7, "complex": 10}[complexity],
            added=one(rng, ("beacon", "tally", "relay", "warden")),
        )

    def seed(self, p: Params) -> Seed:
        """The units, the programs, the stale lock."""
        w = world(p)
        programs = (
            SeedFile(
                path, text.encode(), mode=0o644 if path.endswith(f"/{w.locked}-serve.sh") else 0o755
            )
            for path, text in w.programs.items()
        )
        return Seed((*files(w.contents), *programs))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend; add."""
        f = p.folder
        supervisor, units, readme = f"{f}/sv.py", f"{f}/units", f"{f}/README.md"
        added, first = f"{f}/units/{p.added}.unit", min(world(p).after)
        return (
            SubGoal(
                id="mend",
                request=f"repair the files in {units} until `python3 {supervisor} up` starts every "
                f"unit, as {readme} says",
                label="the start of the units",
                facts=(
                    Fact("units", units),
                    Fact("supervisor", supervisor),
                    Fact("readme", readme),
                ),
                artifacts=(units,),
                question="May I change the programs or the environments?",
                answer="No, only the unit files and a lost executable bit",
            ),
            SubGoal(
                id="add",
                request=f"add a unit {added} for the program and the environment that lie there "
                f"for it, to start after {first}, bring everything up once more and tell me how "
                "many units are up",
                label=f"the new unit {p.added}",
                facts=(Fact("added", added), Fact("first", first)),
                artifacts=(added,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A start in a copy brings up what it should, in an order that the table allows."""
        w, f = world(p), p.folder
        old = {name: told for name, told in w.up.items() if name != p.added}
        before = {name: w.contents[f"{f}/units/{name}.unit"] for name in w.after}
        fixed = {
            path: text
            for path, text in w.contents.items()
            if "/units/" not in path and "/run/" not in path
        }

        def starts(name: str, subgoal: str, program: str, up: dict[str, str]) -> Check:
            return Command(
                id=name,
                subgoal=subgoal,
                weight=2,
                argv=("python3", "-I", "-c", program, "up"),
                cwd=f,
                prints=dict(up),
                failure="not every unit starts",
            )

        # The supervisor of this side runs, with and without the unit that is asked for later.
        whole = SUPERVISOR.replace("Path(__file__).resolve().parent", "Path.cwd()")
        former = whole.replace('.glob("*.unit")}', f'.glob("*.unit") if path.stem != "{p.added}"}}')
        return (
            starts("up", "mend", former, old),
            *(
                Text(
                    id=f"after {name}",
                    path=f"{f}/units/{name}.unit",
                    text=TextMatch(matches=(_after(names),)),
                    # What the table says already is only to stay so.
                    weight=0 if re.search(_after(names), before[name], re.MULTILINE) else 1,
                    subgoal="mend",
                    failure="a unit does not wait for what the table says",
                )
                for name, names in w.after.items()
            ),
            starts("up with the new one", "add", whole, w.up),
            Text(
                id="order",
                subgoal="add",
                path=f"{f}/units/{p.added}.unit",
                text=TextMatch(matches=(rf"^After *= *{min(w.after)} *$",)),
            ),
            Said(id="told", subgoal="add", unit=("unit",), number=len(w.up)),
            untouched(
                {**fixed, **w.programs}, failure="a program, an environment or sv.py was changed"
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Start, mend what it names, start again; copy a unit."""
        return self._mend(p) if subgoal == "mend" else self._add(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Start once more."""
        (ran,) = yield sh("python3 sv.py up", workdir=p.folder)
        line = found(r"^(\d+ units are up)", ran.text, last_line(ran.text))
        return f"I started everything once more: {line}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Only the lock removed; the dependencies dropped; the unit without its order."""
        return (
            WrongSolution("only the lock removed", self._mend(p, tries=1)),
            WrongSolution("every After dropped", self._dropped(p)),
            WrongSolution("no order", self._add(p, ordered=False), "add"),
        )

    def _mend(self, p: Params, tries: int = 12) -> Solution:
        here = {"workdir": p.folder}
        readme, listing = yield [
            read(f"{p.folder}/README.md"),
            sh("ls bin env; grep ^After= units/*.unit", **here),
        ]
        rows = re.findall(r"^\| (\w+) \| ([\w ]+) \|", readme.text, re.MULTILINE)
        table = dict(rows[1:])
        done: list[str] = []
        for _ in range(tries):
            (ran,) = yield sh("python3 sv.py up", **here)
            if not ran.failed:
                break
            fault = found(r"^sv: (.*)", ran.text)
            command = _mending(fault, table, listing.text)
            if not command:
                return f"I do not know how to mend this: {fault}"
            yield sh(command, **here)
            done.append(fault)
        if ran.failed:
            return f"It still stops: {last_line(ran.text)}"
        line = found(r"^(\d+ units are up)", ran.text)
        return f"I mended {plural(len(done), 'fault')} (first: {done[0]}). Now {line}."

    def _add(self, p: Params, ordered: bool = True) -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        (there,) = yield sh(f"ls bin env | grep {p.added}", **here)
        program = found(rf"^({p.added}\S*\.sh)", there.text)
        env = found(rf"^({p.added}\S*\.env)", there.text)
        after = [min(world(p).after)] if ordered else []
        text = unit(p.added, after, f"bin/{program}", f"env/{env}")
        (saved,) = yield write(f"{f}/units/{p.added}.unit", text)
        (ran,) = yield sh("python3 sv.py up", **here)
        if saved.failed or ran.failed:
            return f"It does not come up: {last_line(ran.text)}"
        count = found(r"^(\d+) units are up", ran.text)
        return f"{p.added} is there; {plural(count, 'unit')} are up."

    def _dropped(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "rm -f run/sv.lock; sed -i 's/^After=.*/After=/' units/*.unit; chmod +x bin/*; "
            "for u in units/*.unit; do n=$(basename $u .unit); "
            'sed -i "s|^ExecStart=.*|ExecStart=bin/$n-serve.sh|; '
            's|^EnvironmentFile=.*|EnvironmentFile=env/$n.env|" $u; done; python3 sv.py up',
            workdir=p.folder,
        )
        return f"They come up: {last_line(ran.text)}"


def _mending(fault: str, table: dict[str, str], listing: str) -> str:
    """What mends a fault that the supervisor names, in its folder; empty if nothing does."""
    name = found(r"^unit (\w+):", fault, "")
    if fault.startswith("locked"):
        pid = found(r"process (\d+)", fault)
        return f"kill -0 {pid} 2>/dev/null || rm run/sv.lock"
    if "After" in fault or "cycle" in fault:
        waits = dict(re.findall(r"units/(\w+)\.unit:After=(.*)", listing))
        right = {unit: after.replace("nothing", "").split() for unit, after in table.items()}
        off = [unit for unit in right if sorted(waits[unit].split()) != sorted(right[unit])]
        return "; ".join(
            f"sed -i 's/^After=.*/After={' '.join(right[unit])}/' units/{unit}.unit"
            for unit in ([name] if name else off)
        )
    if "is not there" in fault:
        key, path = found(r": (\w+): ", fault), found(r": (\S+) is not there", fault)
        folder, _, file = path.partition("/")
        ending = ".env" if folder == "env" else ".sh"
        own = [n for n in listing.split() if n.startswith(name) and n.endswith(ending)]
        near = get_close_matches(file, own)
        return f"sed -i 's|^{key}=.*|{key}={folder}/{near[0]}|' units/{name}.unit" if near else ""
    if "executable" in fault:
        return f"chmod +x {found(r': (.+) is not executable', fault)}"
    return ""


def _after(names: list[str]) -> str:
    """A pattern for a line that waits for these units, in any order."""
    return rf"^After *= *(?:{' +'.join(names)}|{' +'.join(names[::-1])}) *$"
