"""A program whose dependencies must come from a folder of wheels, one pin of which is not there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Text, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._wheels import wheel
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh, write

INVOICE = '''\
"""Prints an invoice: python3 invoice.py TABLE."""

import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

from centform import euros
from roundhalf import half_up
from tabulon import table

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = [(row["what"], int(row["cents"])) for row in csv.DictReader(file)]
total = half_up(sum(cents for _, cents in rows), 5)
print(table([*((what, euros(cents)) for what, cents in rows), ("to pay", euros(total))]))
'''

VERSIONS = """\
import importlib.metadata, json, sys
found = importlib.metadata.distributions(path=["lib"])
print(json.dumps({d.metadata["Name"]: d.version for d in found}))
"""

RULES = """\
# Dependencies

- They are installed into `lib/` next to the program (pip calls that a target folder), only from
  `wheels/`; there is no network on the machine in {town}.
- A version that `requirements.txt` pins and `wheels/` does not have is replaced by the newest
  one there with the same first two numbers, and the pin is changed accordingly. Nothing else in
  `requirements.txt` is changed.
- `requirements.lock` lists what is in `lib/`, one `name==version` a line, sorted by name,
  what was pulled in by others included.
"""


class Params(KitParams):
    """Versions that are there, and the one that is not."""

    minor: int = Field(ge=2, le=8)
    pinned: int = Field(ge=1, le=11)
    """Patch number that `requirements.txt` asks for."""
    there: tuple[int, ...]
    """Patch numbers in the folder, under the same minor number."""
    rows: int = Field(ge=4, le=11)


@dataclass(frozen=True)
class World:
    """The program, the wheels, the versions that belong into `lib`."""

    contents: dict[str, str]
    wheels: dict[str, bytes]
    wanted: dict[str, str]
    requirements: str
    hidden: str
    printed: str


def _invoice(d: Draw, rows: int) -> tuple[str, str]:
    """A table, and what the program prints for it."""
    entries = [(f"{d.word('products')} {n}", d.cents(2, 90)) for n in range(1, rows + 1)]
    total = (sum(cents for _, cents in entries) + 2) // 5 * 5
    cells = [(what, money(cents)) for what, cents in entries] + [("to pay", money(total))]
    wide = max(len(what) for what, _ in cells)
    printed = "".join(f"{what.ljust(wide)} | {amount}\n" for what, amount in cells)
    return csv_text(("what", "cents"), entries), printed


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive program and wheels from the parameters."""
    d = Draw(p.content)
    newest = f"1.{p.minor}.{max(p.there)}"
    cell, cent, half = f"0.{d.integer(3, 9)}.1", f"2.{d.integer(0, 7)}.0", f"1.0.{d.integer(1, 8)}"
    made = [
        *(wheel("tabulon", f"1.{p.minor}.{n}", ("cellwidth>=0.3",)) for n in p.there),
        wheel("tabulon", f"1.{p.minor - 1}.4", ("cellwidth>=0.3",)),
        wheel("tabulon", f"1.{p.minor + 1}.0", ("cellwidth>=0.3",)),
        wheel("tabulon", "2.0.1"),
        wheel("cellwidth", "0.2.9"),
        wheel("cellwidth", cell),
        wheel("centform", cent),
        wheel("centform", "3.0.0"),
        wheel("roundhalf", half),
    ]
    requirements = f"tabulon==1.{p.minor}.{p.pinned}\ncentform>=2,<3\nroundhalf==1.*\n"
    town = d.word("towns")
    names = [f"data/{d.word('towns').lower().replace(' ', '-')}-{n}.csv" for n in range(1, 5)]
    contents = surroundings(d, "invoices", package="tools", modules=6, docs=3, others=4)
    contents |= {name: _invoice(d, p.rows)[0] for name in names}
    contents |= {
        "invoice.py": INVOICE,
        "requirements.txt": requirements,
        "docs/dependencies.md": RULES.format(town=town),
        "README.md": f"# Invoices\n\n`python3 invoice.py data/TABLE.csv` prints one. Its libraries "
        f"lie in `lib/`, which is empty on a new machine.\nQuestions to {d.person()}.\n",
    }
    wanted = {"tabulon": newest, "cellwidth": cell, "centform": cent, "roundhalf": half}
    pinned = requirements.replace(f"1.{p.minor}.{p.pinned}", newest)
    wheels = {f"{p.folder}/wheels/{name}": content for name, content in made}
    return World(below(p.folder, contents), wheels, wanted, pinned, *_invoice(d, 7))


class InstallFromWheels(Kit[Params]):
    """Dependencies to install without a network."""

    name = "code-runtime/install-from-wheels"
    title = "Install dependencies from a folder of wheels"
    description = "Install a program's libraries offline, mend a pin that is not there, lock them."
    obstacle = "a pinned version is missing from the local wheel folder"
    requires = ("python3", "pip3")
    folders = ("invoice-printer", "billing-desk", "offline-office")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more versions to choose from."""
        count = {"simple": 1, "medium": 2, "complex": 3}[complexity]
        patches = [int(n) for n in rng.permutation(np.arange(1, 12))[: count + 1]]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            minor=int(rng.integers(2, 9)),
            pinned=patches[0],
            there=tuple(patches[1:]),
            rows=int(rng.integers(4, 12)),
        )

    def seed(self, p: Params) -> Seed:
        """The program without its libraries, and the wheels."""
        return Seed(files({**world(p).contents, **world(p).wheels}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Install, then lock."""
        needs, wheels, lib = (f"{p.folder}/{n}" for n in ("requirements.txt", "wheels", "lib"))
        rules, lock = f"{p.folder}/docs/dependencies.md", f"{p.folder}/requirements.lock"
        return (
            SubGoal(
                id="install",
                request=f"install what {needs} asks for from {wheels} into {lib} so that "
                f"{p.folder}/invoice.py runs; there is no network, and where a version is "
                f"missing, {rules} says what to do",
                label=f"the libraries in {lib}",
                facts=(
                    Fact("needs", needs),
                    Fact("wheels", wheels),
                    Fact("lib", lib),
                    Fact("program", f"{p.folder}/invoice.py"),
                    Fact("rules", rules),
                ),
                artifacts=(lib, needs),
            ),
            SubGoal(
                id="lock",
                request=f"write down in {lock} what is in {lib} now, the way {rules} wants it",
                label="the lock file",
                facts=(Fact("lock", lock), Fact("lib", lib), Fact("rules", rules)),
                artifacts=(lock,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The right versions, the program's output, the pin and the lock."""
        w, f = world(p), p.folder
        pin = [line for line in w.requirements.splitlines() if line]
        locked = "".join(f"{name}=={w.wanted[name]}\n" for name in sorted(w.wanted))
        mended = {path: text for path, text in w.contents.items() if "requirements" not in path}
        return (
            Command(
                id="versions",
                subgoal="install",
                argv=(*CLEAN_PYTHON, "-c", VERSIONS),
                cwd=f,
                prints=dict(w.wanted),
                failure="other versions are installed than the rules ask for",
            ),
            Command(
                id="runs",
                subgoal="install",
                argv=(*CLEAN_PYTHON, "invoice.py", "later.csv"),
                cwd=f,
                files={f"{f}/later.csv": w.hidden},
                stdout=TextMatch(equals=w.printed),
                failure="the program does not run with what is installed",
            ),
            Text(
                id="pin",
                subgoal="install",
                path=f"{f}/requirements.txt",
                text=TextMatch(matches=tuple(f"^{_escape(line)}\\s*$" for line in pin)),
                failure="the pins are not what the rules say",
            ),
            Text(
                id="lock",
                subgoal="lock",
                path=f"{f}/requirements.lock",
                text=TextMatch(equals=locked),
            ),
            untouched({**mended, **w.wheels}, id="given", failure="a wheel or file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Try, read the rules, mend the pin, install; list."""
        return self._install(p) if subgoal == "install" else self._lock(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the program, or show the lock."""
        if subgoal == "lock":
            (shown,) = yield read(f"{p.folder}/requirements.lock")
            return f"I looked again; the lock file says:\n{shown.text.strip()}"
        (ran,) = yield sh("python3 invoice.py $(ls data/*.csv | head -n 1)", workdir=p.folder)
        return f"I ran invoice.py again; its last line is `{last_line(ran.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The newest of all; the newest below the next major version."""
        return (
            WrongSolution("pin loosened", self._install(p, "tabulon<2")),
            WrongSolution("pin dropped", self._install(p, "tabulon")),
        )

    def _install(self, p: Params, pin: str = "") -> Solution:
        here, needs = {"workdir": p.folder}, f"{p.folder}/requirements.txt"
        install = (
            "rm -rf lib; python3 -m pip install -q --no-index --find-links wheels --target lib "
            "-r requirements.txt 2>&1 | tail -n 4"
        )
        asked, rules, first = yield [
            read(needs),
            read(f"{p.folder}/docs/dependencies.md"),
            sh(install, **here),
        ]
        old = found(r"^(tabulon\S*)$", asked.text)
        if "Could not find a version" in first.text and "first two numbers" in rules.text:
            (listed,) = yield sh("ls wheels", **here)
            prefix = old.partition("==")[2].rpartition(".")[0]
            patches = [
                int(line.split("-")[1].rpartition(".")[2])
                for line in listed.text.split()
                if line.startswith(f"tabulon-{prefix}.")
            ]
            new = pin or f"tabulon=={prefix}.{max(patches)}"
            (changed,) = yield edit(needs, old, new)
            if changed.failed:
                return f"{needs} could not be edited: {changed.text}"
            old = f"{old}, which is not in wheels, became {new}"
        (second,) = yield sh(install, **here)
        (ran,) = yield sh("python3 invoice.py $(ls data/*.csv | head -n 1) | tail -n 1", **here)
        if "Traceback" in ran.text or "ERROR" in second.text:
            return f"invoice.py still fails: {last_line(ran.text)}"
        end = last_line(ran.text)
        return f"{old}. The libraries are in {p.folder}/lib; invoice.py ends with `{end}`."

    def _lock(self, p: Params) -> Solution:
        (listed,) = yield sh("python3 -m pip list --path lib --format freeze", workdir=p.folder)
        lines = sorted(line for line in listed.text.splitlines() if "==" in line)
        (saved,) = yield write(f"{p.folder}/requirements.lock", "\n".join(lines) + "\n")
        if saved.failed:
            return f"The lock file could not be written: {saved.text}"
        count = plural(len(lines), "library", "libraries")
        return f"requirements.lock names {count}: {', '.join(lines)}."


def _escape(text: str) -> str:
    return "".join(c if c.isalnum() else "\\" + c for c in text)
