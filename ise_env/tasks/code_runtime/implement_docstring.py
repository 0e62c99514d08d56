"""A function that so far exists as a docstring, and the report that waits for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._specs import SPECS, Spec
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh

REPORT = '''\
"""Goes through a table: python3 report.py TABLE."""

import csv
import sys

from {module} import {function}

total = 0
with open(sys.argv[1], newline="", encoding="utf-8") as table:
    for row in csv.DictReader(table):
        try:
            found = {function}(row["{column}"])
        except ValueError:
            print(f"{{row['{key}']}}: cannot be read")
            continue
        print(f"{{row['{key}']}}: {{found}}")
        total += len(found) if isinstance(found, list) else found
print(f"total: {{total}}")
'''

PROBE = """\
import json, sys
sys.path.insert(0, ".")
function = getattr(__import__(sys.argv[1]), sys.argv[2])
def tried(text):
    try:
        return function(text)
    except ValueError:
        return "ValueError"
print(json.dumps([tried(text) for text in json.load(sys.stdin)]))
"""


class Params(KitParams):
    """Which function, and how much it will be used on."""

    spec: str
    project: str
    rows: int = Field(ge=6, le=40)


@dataclass(frozen=True)
class World:
    """The project, hidden inputs, what the report should print."""

    spec: Spec
    contents: dict[str, str]
    hidden: list[str]
    table: str
    report: str
    total: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    spec = SPECS[p.spec]
    key, column = spec.columns
    texts = [*(spec.text(d) for _ in range(p.rows)), *d.some(spec.telling, 3)]
    rows = [(f"{d.word('products')} {n}", text) for n, text in enumerate(d.shuffled(texts), 1)]
    answers = [spec.answer(text) for _, text in rows]
    sizes = [len(a) if isinstance(a, list) else a for a in answers if a != "ValueError"]
    printed = [
        f"{name}: {'cannot be read' if answer == 'ValueError' else answer}"
        for (name, _), answer in zip(rows, answers, strict=True)
    ]
    table = f"data/{p.spec}-{d.integer(1, 12):02d}.csv"
    plain = [text for text in (spec.text(d) for _ in range(40)) if spec.answer(text)][:2]
    tests = "".join(
        f"    def test_{n}(self):\n"
        f"        self.assertEqual({spec.function}({text!r}), {spec.answer(text)!r})\n\n"
        for n, text in enumerate(plain, 1)
    )
    contents = surroundings(d, p.project, modules=9, docs=4, others=4) | {
        f"{spec.module}.py": spec.source(""),
        f"test_{spec.module}.py": "import unittest\n\n"
        f"from {spec.module} import {spec.function}\n\n\n"
        f"class Test{spec.function.title().replace('_', '')}(unittest.TestCase):\n{tests}",
        "report.py": REPORT.format(
            module=spec.module, function=spec.function, key=key, column=column
        ),
        table: csv_text((key, column), rows),
        "README.md": f"# {p.project}\n\n`report.py` waits for `{spec.module}.py`, of which only "
        f"the docstring is there.\nIt was agreed word by word with {d.person()}; a few easy cases "
        f"are in `test_{spec.module}.py`.\n",
    }
    hidden = [*spec.telling, *(spec.text(d) for _ in range(20))]
    report = "\n".join([*printed, f"total: {sum(sizes)}"]) + "\n"
    return World(spec, below(p.folder, contents), hidden, table, report, sum(sizes))


class ImplementDocstring(Kit[Params]):
    """A function to write."""

    name = "code-runtime/implement-docstring"
    title = "Implement a function as its docstring says"
    description = "Write the body of a documented function, then run the report that needs it."
    requires = ("python3",)
    folders = ("timesheets", "print-room", "helpdesk-code")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer table."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            spec=one(rng, sorted(SPECS)),
            project=d.word("projects"),
            rows={"simple": 6, "medium": 14, "complex": 40}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The project around a function without a body."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write it, then use it."""
        w, f = world(p), p.folder
        module, saved, table = f"{f}/{w.spec.module}.py", f"{f}/report.txt", f"{f}/{w.table}"
        return (
            SubGoal(
                id="implement",
                request=f"write the function {w.spec.function} in {module}, which is only a "
                "docstring so far, exactly as that docstring says",
                label=f"the function {w.spec.function}",
                facts=(Fact("function", w.spec.function), Fact("module", module)),
                artifacts=(module,),
                question="Do the few tests say all there is to say?",
                answer="No, the docstring counts; the tests are only a few easy cases",
            ),
            SubGoal(
                id="use",
                request=f"run report.py in {f} on {table} with it, save what that prints as "
                f"{saved}, and tell me the total",
                label="the report",
                facts=(Fact("folder", f), Fact("table", table), Fact("saved", saved)),
                artifacts=(saved,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Inputs at every edge of the docstring; the report."""
        w, f = world(p), p.folder
        own = f"{f}/{w.spec.module}.py"
        rest = {path: text for path, text in w.contents.items() if path != own}
        return (
            Command(
                id="behaves",
                subgoal="implement",
                weight=2,
                argv=(*CLEAN_PYTHON, "-c", PROBE, w.spec.module, w.spec.function),
                cwd=f,
                stdin=json.dumps(w.hidden),
                prints=[w.spec.answer(text) for text in w.hidden],
                failure=f"{w.spec.function} does not do what its docstring says",
            ),
            Text(
                id="saved",
                subgoal="use",
                path=f"{f}/report.txt",
                text=TextMatch(equals=w.report),
            ),
            Said(id="told", subgoal="use", number=w.total, unit=("total",)),
            untouched(rest, id="given", failure="a test, the report or its data was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the docstring and the tests, write, test; run and read."""
        return self._implement(p) if subgoal == "implement" else self._use(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the tests again, or look at the end of the report."""
        if subgoal == "use":
            (end,) = yield sh("tail -n 2 report.txt", workdir=p.folder)
            return f"I looked again: the report ends with `{last_line(end.text)}`."
        (ran,) = yield sh("python3 -m unittest 2>&1 | tail -n 4", workdir=p.folder)
        count = found(r"Ran (\d+) test", ran.text, "0")
        return f"I ran {plural(count, 'test')} again: `{last_line(ran.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """An edge missed; only what the tests show."""
        spec = world(p).spec
        first = spec.text(Draw(p.content))
        table = {first: spec.answer(first)}
        return (
            WrongSolution("an edge missed", self._implement(p, spec.body.replace(*spec.slip))),
            WrongSolution("a lookup", self._implement(p, f"    return {table!r}.get(text, 0)\n")),
        )

    def _implement(self, p: Params, body: str = "") -> Solution:
        spec = world(p).spec
        path = f"{p.folder}/{spec.module}.py"
        code, tests = yield [read(path), read(f"{p.folder}/test_{spec.module}.py")]
        stub = found(r"^(    raise NotImplementedError)$", code.text, "")
        if not stub:
            # Somebody has written a body already: everything after the docstring goes.
            stub = code.text.rpartition('"""\n')[2].rstrip("\n")
        (changed,) = yield edit(path, stub, (body or spec.body).rstrip("\n"))
        if changed.failed or spec.function not in tests.text:
            return f"{path} could not be edited: {changed.text}"
        (ran,) = yield sh("python3 -m unittest 2>&1 | tail -n 4; rm -rf __pycache__", **_in(p))
        count = found(r"Ran (\d+) test", ran.text, "0")
        edge = "ValueError" if "Raises:" in code.text else "no error"
        return (
            f"{spec.function} is written, with {edge} for what its docstring rules out. "
            f"{plural(count, 'test')}: {last_line(ran.text)}."
        )

    def _use(self, p: Params) -> Solution:
        table = world(p).table
        (ran,) = yield sh(f"python3 report.py {table} > report.txt; tail -n 1 report.txt", **_in(p))
        (shown,) = yield sh("wc -l < report.txt; grep -c 'cannot be read' report.txt", **_in(p))
        total = found(r"^total: (\d+)", ran.text)
        lines, unread = shown.text.split()[:2]
        return (
            f"The total is {total}. {p.folder}/report.txt has {plural(lines, 'line')}, "
            f"{unread} of which say that an entry cannot be read."
        )


def _in(p: Params) -> dict[str, Any]:
    return {"workdir": p.folder}
