"""Tests that pass in one order and fail in another: the fault is in the module."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._leaky_modules import LEAKS, SHUFFLED, Leak
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh, write

RUNS = """\
import json, subprocess, sys
module, isolation = sys.argv[1], sys.argv[2]
given = json.load(sys.stdin)
plain = "import sys, unittest; sys.path.insert(0, '.'); unittest.main(module=sys.argv.pop(1))"
mixed = "import sys, runpy; sys.path.insert(0, '.'); runpy.run_path('shuffled.py')"
def ran(code, argument, source=None):
    if source is not None:
        with open(f"{module}.py", "w") as file:
            file.write(source)
    done = subprocess.run([sys.executable, "-I", "-B", "-c", code, argument],
                          capture_output=True, timeout=20)
    return done.returncode == 0
found = [ran(mixed, str(number)) for number in given["numbers"]]
found += [ran(plain, isolation, source) for source in given["sources"]]
print(json.dumps(found))
"""
"""Shuffled runs of the tests, then an isolation test over versions of the module."""


class Params(KitParams):
    """Which leak, and the number of an order that shows it."""

    leak: str
    number: int = Field(ge=1, le=999)


@dataclass(frozen=True)
class World:
    """The project."""

    leak: Leak
    contents: dict[str, str]


def failing_order(leak: Leak, start: int) -> int:
    """The first number from `start` on whose order puts the polluter before its victim."""
    names = sorted(re.findall(r"def (test_\w+)", leak.tests))
    for number in range(start, start + 100):
        draw = random.Random(number)
        order = sorted(names, key=lambda name: draw.random())
        if order.index(leak.polluter) < order.index(leak.victim):
            return number
    raise AssertionError("no such order")


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    leak = LEAKS[p.leak]
    project = d.word("projects")
    contents = surroundings(d, project, package="src", modules=9, docs=4, others=4) | {
        f"{leak.module}.py": leak.source,
        f"test_{leak.module}.py": leak.tests,
        "shuffled.py": SHUFFLED.replace("MODULE", f"test_{leak.module}"),
        "README.md": f"# {project}\n\n`python3 -m unittest` runs the tests in the order of their "
        "names, `python3 shuffled.py NUMBER` in\nanother one, the same for the same number. "
        f"{d.person()} sees failures now and then, and they are gone\nwhen one looks again.\n",
    }
    return World(leak, below(p.folder, contents))


class SteadyTests(Kit[Params]):
    """Tests that depend on their order."""

    name = "code-runtime/steady-tests"
    title = "Find out why tests fail in some orders only"
    description = "Mend a module that leaks from call to call, and add a test that shows it."
    obstacle = "a flaky test: the plain run passes, other orders fail"
    requires = ("python3",)
    folders = ("now-and-then", "flaky-corner", "test-lab")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: leaks that a cosmetic repair hides better."""
        choices = {
            "simple": ("default", "cache"),
            "medium": ("cache", "class"),
            "complex": ("class", "shared"),
        }
        leak = one(rng, choices[complexity])
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            leak=leak,
            number=failing_order(LEAKS[leak], int(rng.integers(1, 400))),
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend it, then write the test that was missing."""
        f, module = p.folder, world(p).leak.module
        run, source, test = (
            f"python3 shuffled.py {p.number}",
            f"{f}/{module}.py",
            f"{f}/test_isolation.py",
        )
        return (
            SubGoal(
                id="mend",
                request=f"find out why `{run}` fails in {f} although `python3 -m unittest` passes, "
                f"and mend the cause in {source}, so that the tests pass in any order as they are",
                label=f"the mended {source}",
                facts=(Fact("run", run), Fact("folder", f), Fact("source", source)),
                artifacts=(source,),
                question="Is one of the tests to blame?",
                answer="No, each of them is right on its own",
            ),
            SubGoal(
                id="test",
                request=f"add a unit test {test} that shows the fault all by itself: it has to "
                f"fail with {source} as it was before and pass with it as it is now",
                label="the new test",
                facts=(Fact("test", test), Fact("source", source)),
                artifacts=(test,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Many orders, and calls that must not leak; a test that tells both versions apart."""
        w, f = world(p), p.folder
        leak = w.leak
        numbers = [p.number, *(failing_order(leak, start) for start in (500, 600, 700))]
        own = f"{f}/{leak.module}.py"
        rest = {path: text for path, text in w.contents.items() if path != own}
        tests = {path: rest[path] for path in rest if "test_" in path or "shuffled" in path}

        def runs(name: str, subgoal: str, isolation: str, given: object, **more: Any) -> Check:
            return Command(
                id=name,
                subgoal=subgoal,
                argv=(*CLEAN_PYTHON, "-c", RUNS, leak.module, isolation),
                cwd=f,
                stdin=json.dumps(given),
                timeout_s=60,
                **more,
            )

        return (
            runs(
                "any-order",
                "mend",
                "test_later",
                {"numbers": numbers, "sources": [None]},
                files={**tests, f"{f}/test_later.py": leak.isolation()},
                prints=[True] * (len(numbers) + 1),
                failure="some order still fails, or one call still leaks into the next",
            ),
            runs(
                "tells-apart",
                "test",
                "test_isolation",
                {"numbers": [], "sources": [None, leak.source, leak.with_(leak.mended)]},
                prints=[True, False, True],
                failure="the new test does not [pass now, fail before, pass with another repair]",
            ),
            untouched(rest, id="given", failure="a test or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """See it fail, read, mend, try many orders; write the test and try it on both."""
        leak = world(p).leak
        return self._mend(p, leak.mended) if subgoal == "mend" else self._test(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Try many orders again, or the new test."""
        if subgoal == "test":
            (ran,) = yield sh("python3 -B -m unittest test_isolation 2>&1 | tail -n 1", **_in(p))
            return f"I ran the new test again: {last_line(ran.text)}."
        (ran,) = yield sh(_MANY, **_in(p))
        return f"I tried these orders again: {last_line(ran.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A cosmetic repair; a test that always passes."""
        leak = world(p).leak
        return (
            WrongSolution("a cosmetic repair", self._mend(p, leak.slip)),
            WrongSolution("a test that shows nothing", self._test(p, idle=True), "test"),
        )

    def _mend(self, p: Params, passage: str) -> Solution:
        leak = world(p).leak
        path = f"{p.folder}/{leak.module}.py"
        plain, shuffled = yield [
            sh("python3 -B -m unittest 2>&1 | tail -n 1", **_in(p)),
            sh(
                f"python3 -B shuffled.py {p.number} 2>&1 | grep -E '^(FAIL|ERROR):|Error'", **_in(p)
            ),
        ]
        code, tests = yield [read(path), read(f"{p.folder}/test_{leak.module}.py")]
        failing = found(r"^(?:FAIL|ERROR): (\w+)", shuffled.text, "nothing")
        if leak.flaw not in code.text or leak.victim not in tests.text:
            return f"{path} does not look as I expected; I stopped at {failing}."
        (kept,) = yield sh(f"cp {leak.module}.py /tmp/{leak.module}-before.py", **_in(p))
        (changed,) = yield edit(path, leak.flaw, passage)
        if changed.failed or kept.failed:
            return f"{path} could not be edited: {changed.text}"
        diff = f"diff /tmp/{leak.module}-before.py {leak.module}.py"
        (lines,) = yield sh(f"{diff} | grep -c '^[<>]'", **_in(p))
        (many,) = yield sh(_MANY, **_in(p))
        return (
            f"In the order of their names the tests say {last_line(plain.text)}, in the order "
            f"{p.number} {failing} fails: what an earlier call left behind was still there. "
            f"Mended, with {lines.text.strip()} lines of difference to what it was; of other "
            f"orders, {last_line(many.text)}."
        )

    def _test(self, p: Params, idle: bool = False) -> Solution:
        leak = world(p).leak
        path = f"{p.folder}/test_isolation.py"
        (code,) = yield read(f"{p.folder}/{leak.module}.py")
        text = leak.isolation()
        if idle:
            text = text.replace(leak.alone, "        self.assertTrue(True)\n")
        (saved,) = yield write(path, text)
        if saved.failed or "def " not in code.text:
            return f"{path} could not be written: {saved.text}"
        run = "python3 -B -m unittest test_isolation 2>&1 | tail -n 1"
        (now,) = yield sh(run, **_in(p))
        (before,) = yield sh(
            f"cp {leak.module}.py /tmp/now.py; cp /tmp/{leak.module}-before.py {leak.module}.py; "
            f"{run}; cp /tmp/now.py {leak.module}.py",
            **_in(p),
        )
        shown = found(r"(?:failures|errors)=(\d+)", before.text, "0")
        return (
            f"{path} is there: {last_line(now.text)} with the module as it is now, and as it was "
            f"before {plural(shown, 'failure')}."
        )


_MANY = (
    "n=0; for k in $(seq 1 20); do python3 -B shuffled.py $k >/dev/null 2>&1 && n=$((n + 1)); "
    "done; echo $n of 20 pass"
)


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
