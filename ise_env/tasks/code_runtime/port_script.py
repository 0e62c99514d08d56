"""A shell report to port to Python, down to the last character."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime import _shell_scripts
from ise_env.tasks.code_runtime._shell_scripts import Report
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh, write
from ise_env.workspaces.protocol import SeedFile

NIGHTLY = """\
#!/usr/bin/env bash
# Writes the report of every table in data/ to out/. Run by hand on Mondays.
set -eu
cd "$(dirname "$0")"
mkdir -p out
for table in data/*.csv; do
  bash report.sh "$table" > "out/$(basename "$table" .csv).txt"
done
"""

ALONE = 'PATH=/nowhere exec "$(command -v python3)" -I -S report.py data/later.csv'
"""Runs the port where it finds no other program, and no old script that works."""


class Params(KitParams):
    """Which script, and how much data lies beside it."""

    report: str
    tables: int = Field(ge=1, le=4)
    rows: int = Field(ge=16, le=70)


@dataclass(frozen=True)
class World:
    """The script, its data, and hidden data with what it should give."""

    report: Report
    contents: dict[str, str]
    tables: dict[str, str]
    hidden: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the data from the parameters."""
    d = Draw(p.content)
    report = _shell_scripts.REPORTS[p.report]
    names = d.different("towns", p.tables)
    tables = {
        f"data/{name.lower().replace(' ', '-')}.csv": _shell_scripts.table(d, report.header, p.rows)
        for name in names
    }
    hidden = [_shell_scripts.table(d, report.header, rows) for rows in (24, 60)]
    f = p.folder
    contents = {f"{f}/{path}": text for path, text in tables.items()}
    contents |= {
        f"{f}/report.sh": report.shell,
        f"{f}/README.md": f"# {report.title}\n\n`bash report.sh data/TABLE.csv` prints it.\n"
        f"`nightly.sh` writes it for every table. Kept by {d.person()}.\n",
    }
    return World(report, contents, tables, hidden)


class PortScript(Kit[Params]):
    """A script to port."""

    name = "code-runtime/port-script"
    title = "Port a shell report to Python"
    description = "Rewrite a shell and awk report in Python with the same output, and switch to it."
    obstacle = "blanks, remarks, ties and roundings that the old script treats in its own way"
    requires = ("python3", "awk")
    folders = ("reporting", "old-scripts", "porting")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more and longer tables."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            report=one(rng, sorted(_shell_scripts.REPORTS)),
            tables={"simple": 1, "medium": 2, "complex": 4}[complexity],
            rows={"simple": 16, "medium": 30, "complex": 70}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The script, the one that calls it, the tables."""
        nightly = SeedFile(f"{p.folder}/nightly.sh", NIGHTLY.encode(), mode=0o755)
        return Seed((*files(world(p).contents), nightly))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The port, then the switch."""
        old, new, nightly = (f"{p.folder}/{n}" for n in ("report.sh", "report.py", "nightly.sh"))
        return (
            SubGoal(
                id="port",
                request=f"port {old} to Python as {new}, so that `python3 report.py TABLE` prints "
                "exactly the same for any table, with the standard library only and without "
                "calling other programs",
                label=f"the port of {old}",
                facts=(Fact("old", old), Fact("new", new)),
                artifacts=(new,),
                question="Should the port keep the quirks of the shell script?",
                answer="Yes, its output has to be the same to the last character",
            ),
            SubGoal(
                id="switch",
                request=f"make {nightly} call the Python script instead of the shell script, and "
                "run it once",
                label=f"the switch in {nightly}",
                facts=(Fact("nightly", nightly),),
                artifacts=(nightly, f"{p.folder}/out"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Hidden tables come out the same; the nightly script uses the port."""
        w, f = world(p), p.folder

        def same(number: int, text: str) -> Check:
            return Command(
                id=f"same-{number}",
                subgoal="port",
                argv=("bash", "--noprofile", "--norc", "-c", ALONE),
                cwd=f,
                files={f"{f}/data/later.csv": text, f"{f}/report.sh": "exit 1\n"},
                stdout=TextMatch(equals=w.report.output(text)),
                failure="the port prints something else for a table that it has not seen",
            )

        outs = tuple(
            Text(
                id=f"out-{path.removeprefix('data/')}",
                subgoal="switch",
                path=f"{f}/out/{path.removeprefix('data/').removesuffix('.csv')}.txt",
                text=TextMatch(equals=w.report.output(text)),
            )
            for path, text in w.tables.items()
        )
        return (
            *(same(number, text) for number, text in enumerate(w.hidden, 1)),
            *outs,
            Text(
                id="switched",
                subgoal="switch",
                path=f"{f}/nightly.sh",
                text=TextMatch(contains=("report.py",), lacks=("report.sh",)),
            ),
            untouched(w.contents, failure="the old script or a table was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read, run, write, compare; edit and run."""
        return self._port(p) if subgoal == "port" else self._switch(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare once more."""
        (same,) = yield sh(
            "n=0; for t in data/*.csv; do cmp <(bash report.sh $t) <(python3 report.py $t) && "
            "n=$((n + 1)); done; echo $n the same",
            workdir=p.folder,
        )
        return f"I compared both scripts on every table again: {same.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A port that misses a quirk; one that calls the old script."""
        old, new = world(p).report.flaw
        careless = world(p).report.program.replace(old, new)
        wrapper = (
            "import subprocess, sys\n"
            'sys.stdout.write(subprocess.run(["bash", "report.sh", sys.argv[1]], '
            "capture_output=True, text=True).stdout)\n"
        )
        return (
            WrongSolution("a quirk missed", self._port(p, careless)),
            WrongSolution("a wrapper", self._port(p, wrapper)),
        )

    def _port(self, p: Params, program: str = "") -> Solution:
        f = p.folder
        shell, listing = yield [
            read(f"{f}/report.sh"),
            sh("ls data; head -n 8 data/*.csv", workdir=f),
        ]
        table = listing.text.split()[0]
        (wanted,) = yield sh(f"bash report.sh data/{table}", workdir=f)
        if "awk -F," not in shell.text:
            return f"{f}/report.sh is not what I expected."
        (saved,) = yield write(f"{f}/report.py", program or world(p).report.program)
        if saved.failed:
            return f"{f}/report.py could not be written: {saved.text}"
        (same,) = yield sh(
            "for t in data/*.csv; do cmp <(bash report.sh $t) <(python3 report.py $t) && "
            "echo same; done",
            workdir=f,
        )
        lines, alike = len(wanted.text.splitlines()), same.text.splitlines().count("same")
        if not alike:
            return f"{f}/report.py still differs from the shell script on every table in {f}/data."
        return (
            f"{f}/report.py is written. On {plural(alike, 'table')} it "
            f"prints the same as "
            f"the shell script, {lines} lines for {table}."
        )

    def _switch(self, p: Params) -> Solution:
        f = p.folder
        (nightly,) = yield read(f"{f}/nightly.sh")
        call = found(r"^ *(bash report\.sh)", nightly.text)
        (changed,) = yield edit(f"{f}/nightly.sh", call, "python3 report.py")
        if changed.failed:
            return f"{f}/nightly.sh could not be edited: {changed.text}"
        (ran,) = yield sh("./nightly.sh && wc -l out/*.txt", workdir=f)
        written = len(_counted(ran.text))
        return f"{f}/nightly.sh calls the Python script now; it wrote {written} reports to out."


def _counted(text: str) -> list[str]:
    """Lines of `wc` that name a file."""
    return [line for line in text.splitlines() if line.rstrip().endswith(".txt")]
