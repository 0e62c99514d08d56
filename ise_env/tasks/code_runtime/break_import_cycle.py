"""A package that cannot be imported, because its modules import each other in a circle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._circular_package import MENDED, THEMES, Theme, sources
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh, write

STRUCTURE = """\
import ast, json, pathlib, subprocess, sys
package, shared, *names = sys.argv[1:]
start = "import sys; sys.path.insert(0, '.'); import importlib as i; m = i.import_module('{}')"
first = [subprocess.run([sys.executable, "-I", "-B", "-c", start.format(f"{package}.{path.stem}")],
         capture_output=True).returncode
         for path in sorted(pathlib.Path(package).glob("*.py")) if path.stem != "__main__"]
trees = {p.stem: ast.parse(p.read_text()) for p in pathlib.Path(package).glob("*.py")}
inner = [n for t in trees.values() for f in ast.walk(t)
         if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)
         if isinstance(n, (ast.Import, ast.ImportFrom))]
homes = {name: sorted(m for m, t in trees.items() for n in t.body
         if isinstance(n, (ast.Assign, ast.AnnAssign))
         for x in (n.targets if isinstance(n, ast.Assign) else [n.target])
         if isinstance(x, ast.Name) and x.id == name) for name in names}
print(json.dumps([not any(first), not inner, homes == {name: [shared] for name in names}]))
"""
"""Every module first in a process of its own; no import inside a function; one home each."""

OLD_NAMES = """\
import sys
sys.path.insert(0, ".")
exec(sys.argv[1])
print("all there")
"""


class Params(KitParams):
    """Which package, and how long the circle is."""

    theme: str
    rates: bool
    """Whether three modules are in it, not two."""
    base: bool
    """Whether two constants are needed on both sides, not one."""
    rows: int = Field(ge=8, le=29)


@dataclass(frozen=True)
class World:
    """The project, its constants, its tables and their totals."""

    theme: Theme
    contents: dict[str, str]
    constants: dict[str, str]
    """Name to definition."""
    table: str
    cents: int
    hidden: str
    hidden_cents: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    theme = THEMES[p.theme]
    shares = {key: d.integer(3, 40) for key in theme.keys}
    base = d.integer(10, 95) if p.base else 0
    constants = {theme.table: f"{theme.table} = {shares}".replace("'", '"')}
    if p.base:
        constants["BASE"] = f"BASE = {base}"

    def table(rows: int) -> tuple[str, int]:
        drawn = [(d.word("products"), d.pick(theme.keys), d.cents(1, 80)) for _ in range(rows)]
        total = sum(cents + cents * shares[key] // 100 + base for _, key, cents in drawn)
        return csv_text(("name", theme.key, "cents"), drawn), total

    project = d.word("projects")
    months = d.some(("january", "february", "march", "april", "may", "june"), 4)
    tables = {f"data/{month}.csv": table(p.rows) for month in months}
    shown = next(iter(tables))
    hidden, hidden_cents = table(9)
    contents = surroundings(d, project, package="scripts/py", modules=6, docs=4, others=4)
    contents |= {path: text for path, (text, _) in tables.items()}
    contents |= sources(theme, "\n".join(constants.values()) + "\n", rates=p.rates, base=p.base)
    contents["README.md"] = (
        f"# {project}\n\n`python3 -m {theme.package} data/MONTH.csv` says what a month comes to.\n"
        f"{d.person()} split one big file into modules; it has not started since.\n"
    )
    return World(
        theme,
        below(p.folder, contents),
        constants,
        shown,
        tables[shown][1],
        hidden,
        hidden_cents,
    )


class BreakImportCycle(Kit[Params]):
    """A circle of imports to break."""

    name = "code-runtime/break-import-cycle"
    title = "Break a circle of imports"
    description = (
        "Make a package importable again by giving shared constants a module of their own."
    )
    obstacle = "a broken import cycle that moving one import line only shifts"
    requires = ("python3",)
    folders = ("split-up", "monthly-sums", "modules-2025")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer circle, more that is shared."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            theme=one(rng, sorted(THEMES)),
            rates=complexity != "simple",
            base=complexity == "complex",
            rows=int(rng.integers(8, 30)),
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Break it, then use the package."""
        w, f = world(p), p.folder
        shared, names = f"{f}/{w.theme.package}/shared.py", " and ".join(w.constants)
        run = f"python3 -m {w.theme.package}"
        return (
            SubGoal(
                id="break",
                request=f"get `{run}` in {f} to start again by moving {names} into a new module "
                f"{shared}, so that every module can be imported first; no import may hide in a "
                "function, and the old places have to know the moved names still",
                label="the circle of imports",
                facts=(
                    Fact("run", run),
                    Fact("folder", f),
                    Fact("names", names),
                    Fact("shared", shared),
                ),
                artifacts=(shared,),
                question="Who else imports these names from the old place?",
                answer="Programs of other teams do, so the old imports have to go on working",
            ),
            SubGoal(
                id="sum",
                request=f"run it on {f}/{w.table} and tell me how many cents that comes to",
                label=f"the sum of {w.table}",
                facts=(Fact("table", f"{f}/{w.table}"),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Imports in any order, structure, old names, a hidden table; the sum."""
        w, f = world(p), p.folder
        t = w.theme
        old = f"from {t.package}.{t.things} import Entry, total, {', '.join(w.constants)}"
        entries = w.hidden.count("\n") - 1
        mine = {path for path in w.contents if path.startswith(f"{f}/{t.package}/")}
        rest = {path: text for path, text in w.contents.items() if path not in mine}
        return (
            Command(
                id="structure",
                subgoal="break",
                argv=(*CLEAN_PYTHON, "-c", STRUCTURE, t.package, "shared", *w.constants),
                cwd=f,
                prints=[True, True, True],
                failure="[every module can be imported first, no import in a function, the names "
                "are defined in shared.py only]",
            ),
            Command(
                id="old-names",
                subgoal="break",
                argv=(*CLEAN_PYTHON, "-c", OLD_NAMES, old),
                cwd=f,
                stdout=TextMatch(equals="all there\n"),
                failure="what could be imported before no longer can",
            ),
            Command(
                id="same",
                subgoal="break",
                argv=("python3", "-B", "-m", t.package, "later.csv"),
                cwd=f,
                files={f"{f}/later.csv": w.hidden},
                stdout=TextMatch(equals=f"{entries} entries, {w.hidden_cents} cents\n"),
                failure="the package gives another sum than it should",
            ),
            Said(id="told", subgoal="sum", number=w.cents, unit=("cent",)),
            untouched(rest, id="given", failure="a table or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """See the circle, read, move, import each alone; run."""
        return self._break(p) if subgoal == "break" else self._sum(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Import everything again, or sum again."""
        t = world(p).theme
        if subgoal == "sum":
            (ran,) = yield sh(f"python3 -m {t.package} {world(p).table}", workdir=p.folder)
            return f"I ran it again: {last_line(ran.text)}."
        (ran,) = yield sh(_alone(t), workdir=p.folder)
        good = plural(ran.text.split().count("fine"), "module")
        return f"I imported each module first in a process of its own again: {good} went well."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The import at the end of the module; the import inside the function."""
        return (
            WrongSolution("import at the end", self._shift(p, inside=False)),
            WrongSolution("import in the function", self._shift(p, inside=True)),
        )

    def _break(self, p: Params) -> Solution:
        w, t, here = world(p), world(p).theme, {"workdir": p.folder}
        (failed,) = yield sh(f"python3 -m {t.package} {w.table} 2>&1 | tail -n 3", **here)
        (uses,) = yield sh(f"grep -n 'import' {t.package}/*.py", **here)
        home = found(rf"^{t.package}/(\w+)\.py:\d+:from {t.package}\.{t.costs} import", uses.text)
        path = f"{p.folder}/{t.package}/{home}.py"
        (code,) = yield read(path)
        names = [name for name in w.constants if f"\n{name} = " in code.text]
        lines = [found(rf"^({name} = .*)$", code.text) for name in names]
        (made,) = yield write(f"{p.folder}/{t.package}/shared.py", MENDED + "\n".join(lines) + "\n")
        block = "\n".join(["", *lines, "", ""])
        (cut,) = yield edit(path, block, "")
        line = f"from {t.package}.{t.costs} import cost\n"
        listed = ", ".join(sorted(names))
        (kept,) = yield edit(path, line, f"{line}from {t.package}.shared import {listed}\n\n")
        if made.failed or cut.failed or kept.failed:
            return f"{path} could not be changed: {cut.text} {kept.text}"
        (moved,) = yield sh(
            f"sed -i -E '/import ({'|'.join(names)})/ s/{t.package}[.]{home} import/{t.package}."
            f"shared import/' {t.package}/{t.costs}.py {t.package}/[!_]*.py && {_alone(t)}; "
            f"python3 -m {t.package} {w.table}; rm -rf {t.package}/__pycache__",
            **here,
        )
        if "fails" in moved.text or "Traceback" in moved.text:
            return f"A circle is left: {last_line(moved.text)}"
        cause = last_line(failed.text).split(":")[0]
        good = plural(moved.text.split().count("fine"), "module")
        return (
            f"It stopped with an {cause}. {listed} now live in {t.package}/shared.py; "
            f"{good} can each be imported first."
        )

    def _sum(self, p: Params) -> Solution:
        w = world(p)
        (ran,) = yield sh(f"python3 -m {w.theme.package} {w.table}", workdir=p.folder)
        if ran.failed:
            return f"It still fails: {last_line(ran.text)}"
        cents = found(r"(\d+) cents", ran.text)
        entries = found(r"^(\d+) entries", ran.text)
        return f"{w.table} comes to {cents} cents, over {plural(entries, 'entry', 'entries')}."

    def _shift(self, p: Params, inside: bool) -> Solution:
        t = world(p).theme
        path = f"{p.folder}/{t.package}/{t.things}.py"
        line = f"from {t.package}.{t.costs} import cost\n"
        (first,) = yield edit(path, line, "")
        (code,) = yield read(path)
        if inside:
            last = "    return sum(cost"
            (second,) = yield edit(path, last, f"    {line}\n{last}")
        else:
            (second,) = yield write(path, f"{code.text.rstrip()}\n\n\n{line}")
        (ran,) = yield sh(f"python3 -m {t.package} {world(p).table}", workdir=p.folder)
        if first.failed or second.failed:
            return f"It could not be edited: {second.text}"
        return f"It starts again: {last_line(ran.text)}."


def _alone(theme: Theme) -> str:
    """A command that imports each module first in a process of its own."""
    return (
        f"for m in {theme.package}/[!_]*.py; do m=$(basename $m .py); python3 -B -c "
        f'"import {theme.package}.$m" 2>/dev/null && echo $m fine || echo $m fails; done'
    )
