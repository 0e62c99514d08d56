"""A function that is quadratic for no reason, and a counter that does not depend on the clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._slow_functions import COUNTER, SLOW, Entries, Slow, entries
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, read, sh, write

RESULTS = """\
import json, sys
sys.path.insert(0, ".")
function = getattr(__import__(sys.argv[1]), sys.argv[2])
given = [[tuple(entry) for entry in entries] for entries in json.load(sys.stdin)]
print(json.dumps([function(entries) for entries in given]))
"""
LOW = "import sys; sys.path.insert(0, 'tools'); from steps import steps; print(steps(1000) < {})"
TABLE = """\
import csv, json, sys
sys.path.insert(0, "tools")
from steps import steps
with open("steps.csv", newline="", encoding="utf-8-sig") as file:
    rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
sizes = json.loads(sys.argv[1])
print(rows == [["entries", "steps"], *([str(n), str(steps(n))] for n in sizes)])
"""
"""Measures again and compares: what is right depends on how the function was rewritten."""


class Params(KitParams):
    """Which function, how few steps it may take, and what is measured."""

    slow: str
    limit: int = Field(ge=24000, le=40000)
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class World:
    """The project and hidden inputs."""

    slow: Slow
    contents: dict[str, str]
    hidden: list[Entries]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    slow = SLOW[p.slow]
    project = d.word("projects")
    counter = COUNTER.replace("MODULE", slow.module).replace("FUNCTION", slow.function)
    history = csv_text(("kind", "ref"), entries(d, 120, 40))
    contents = surroundings(d, project, modules=9, docs=4, others=4) | {
        f"{slow.module}.py": slow.source,
        "tools/steps.py": counter,
        f"data/{slow.module}.csv": history,
        "README.md": f"# {project}\n\n`{slow.module}.py` is right, but since {d.word('towns')} "
        "joined us it takes all night.\n`python3 tools/steps.py 1000` counts what it does for a "
        f"thousand entries. Ask {d.person()}.\n",
    }
    hidden = [entries(d, count, refs) for count, refs in ((0, 1), (1, 1), (30, 3), (90, 30))]
    return World(slow, below(p.folder, contents), hidden)


class CutSteps(Kit[Params]):
    """A quadratic function to rewrite."""

    name = "code-runtime/cut-steps"
    title = "Rewrite a quadratic function"
    description = "Make a function do far less work with the same results, and measure it."
    requires = ("python3",)
    folders = ("tool-library", "overnight-match", "workbench")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a tighter bound, more sizes to measure."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            slow=one(rng, sorted(SLOW)),
            limit={"simple": 40_000, "medium": 30_000, "complex": 24_000}[complexity],
            sizes={"simple": (500, 1000), "medium": (250, 500, 1000)}.get(
                complexity, (125, 250, 500, 1000)
            ),
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Rewrite, then measure."""
        slow, f = world(p).slow, p.folder
        module, tool, table = f"{f}/{slow.module}.py", f"{f}/tools/steps.py", f"{f}/steps.csv"
        sizes = ", ".join(map(str, p.sizes[:-1])) + f" and {p.sizes[-1]}"
        return (
            SubGoal(
                id="rewrite",
                request=f"rewrite {slow.function} in {module} so that {tool} counts fewer than "
                f"{p.limit} steps for 1000 entries, with the same results as now and without "
                "touching the counter",
                label=f"the faster {slow.function}",
                facts=(
                    Fact("function", slow.function),
                    Fact("module", module),
                    Fact("tool", tool),
                    Fact("limit", str(p.limit)),
                ),
                artifacts=(module,),
                question="May it use more memory?",
                answer="Yes, memory does not matter here",
            ),
            SubGoal(
                id="measure",
                request=f"measure the new one with {tool} for {sizes} entries and write the "
                f"counts to {table} with the columns entries and steps",
                label="the table of steps",
                facts=(Fact("tool", tool), Fact("sizes", sizes), Fact("table", table)),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The same results with fewer steps; figures that a second measurement confirms."""
        w, f = world(p), p.folder
        tool = f"{f}/tools/steps.py"
        own = f"{f}/{w.slow.module}.py"
        rest = {path: text for path, text in w.contents.items() if path != own}

        def measured(name: str, subgoal: str, *code: str, failure: str) -> Check:
            return Command(
                id=name,
                subgoal=subgoal,
                argv=(*CLEAN_PYTHON, "-c", *code),
                cwd=f,
                files={tool: w.contents[tool]},
                stdout=TextMatch(equals="True\n"),
                failure=failure,
            )

        return (
            measured(
                "steps",
                "rewrite",
                LOW.format(p.limit),
                failure=f"{w.slow.function} still takes {p.limit} steps or more",
            ),
            Command(
                id="results",
                argv=(*CLEAN_PYTHON, "-c", RESULTS, w.slow.module, w.slow.function),
                cwd=f,
                stdin=json.dumps(w.hidden),
                prints=[w.slow.answer(given) for given in w.hidden],
                weight=0,
                failure=f"{w.slow.function} gives other results than before",
            ),
            measured(
                "table",
                "measure",
                TABLE,
                json.dumps(p.sizes),
                failure="steps.csv does not say what the counter says",
            ),
            untouched(rest, id="given", failure="the counter or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Count, read, rewrite, compare with the old one; measure."""
        return self._rewrite(p, world(p).slow.mended) if subgoal == "rewrite" else self._measure(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count once more."""
        if subgoal == "measure":
            (shown,) = yield read(f"{p.folder}/steps.csv")
            return f"I looked again; the table reads:\n{shown.text.strip()}"
        (again,) = yield sh("python3 tools/steps.py 1000", workdir=p.folder)
        return f"I counted again: {last_line(again.text)} steps for 1000 entries."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Fast and wrong; measured before the rewrite."""
        slow = world(p).slow
        return (
            WrongSolution("other results", self._rewrite(p, slow.mended.replace(*slow.slip))),
            WrongSolution("nearly as slow", self._rewrite(p, slow.source)),
        )

    def _rewrite(self, p: Params, source: str) -> Solution:
        slow, here = world(p).slow, {"workdir": p.folder}
        path = f"{p.folder}/{slow.module}.py"
        code, tool, before = yield [
            read(path),
            read(f"{p.folder}/tools/steps.py"),
            sh("python3 tools/steps.py 1000", **here),
        ]
        if f"def {slow.function}" not in code.text or slow.module not in tool.text:
            return f"{path} is not what I expected."
        (kept,) = yield sh(f"cp {slow.module}.py /tmp/before.py", **here)
        (saved,) = yield write(path, source)
        if saved.failed or kept.failed:
            return f"{path} could not be written: {saved.text}"
        (after,) = yield sh("python3 tools/steps.py 1000", **here)
        (same,) = yield sh(_same(slow), **here)
        return (
            f"{slow.function} took {last_line(before.text)} steps for 1000 entries and takes "
            f"{last_line(after.text)} now; {last_line(same.text)}."
        )

    def _measure(self, p: Params) -> Solution:
        sizes = " ".join(map(str, p.sizes))
        (ran,) = yield sh(
            f"for n in {sizes}; do echo $n,$(python3 tools/steps.py $n); done", workdir=p.folder
        )
        rows = [line for line in ran.text.splitlines() if line[:1].isdigit()]
        (saved,) = yield write(f"{p.folder}/steps.csv", "\n".join(["entries,steps", *rows]) + "\n")
        if saved.failed:
            return f"steps.csv could not be written: {saved.text}"
        most, first = found(r"^1000,(\d+)", ran.text), rows[0].replace(",", " entries and ")
        return f"{p.folder}/steps.csv goes from {first} steps to {most} steps for 1000 entries."


def _same(slow: Slow) -> str:
    """A command that compares with the copy of the old module over the table that is there."""
    call = f"{{}}.{slow.function}(rows)"
    code = (
        f"import csv, sys; sys.path[:0] = ['.', '/tmp']; import before, {slow.module}; "
        f"rows = [tuple(row) for row in csv.reader(open('data/{slow.module}.csv'))][1:]; "
        f"same = {call.format('before')} == {call.format(slow.module)}; "
        "print(len(rows), 'rows of the data give', 'the same' if same else 'something else')"
    )
    return f'python3 -c "{code}"; rm -rf __pycache__ tools/__pycache__'
