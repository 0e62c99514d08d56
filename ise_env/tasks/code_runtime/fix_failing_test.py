"""A small module with one real bug, and a test that shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Exists
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime import _buggy_modules
from ise_env.tasks.code_runtime._buggy_modules import Bug
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh

PROBE = """\
import json, sys
sys.path.insert(0, ".")
module = __import__(sys.argv[1])
function = getattr(module, sys.argv[2])
print(json.dumps([function(*args) for args in json.load(sys.stdin)]))
"""


class Params(KitParams):
    """Which bug, in which project."""

    bug: str
    project: str
    extra_modules: int = Field(ge=1, le=3)


@dataclass(frozen=True)
class World:
    """The project's files and the verifier's hidden cases."""

    bug: Bug
    contents: dict[str, str]
    inputs: list[list[Any]]
    outputs: list[Any]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    bug = _buggy_modules.BUGS[p.bug]
    inputs = _buggy_modules.telling_cases(bug, d, 12)
    outputs = [bug.right(*args) for args in inputs]
    shown = _buggy_modules.telling_cases(bug, d, 3)
    root = p.folder
    others = {
        f"{root}/{name}.py": source
        for name, source in d.some(sorted(_buggy_modules.BYSTANDERS.items()), p.extra_modules)
    }
    contents = {
        f"{root}/{bug.module}.py": bug.source,
        f"{root}/test_{bug.module}.py": bug.test(shown),
        f"{root}/README.md": f"# {p.project}\n\nRun the tests with `python3 -m unittest -v`.\n"
        f"Maintained by {d.person()}.\n",
        **others,
    }
    return World(bug, contents, inputs, outputs)


class FixFailingTest(Kit[Params]):
    """A failing test to fix."""

    name = "code-runtime/fix-failing-test"
    title = "Fix the bug behind a failing test"
    description = "Find and mend a bug in a Python module so that its unit tests pass."
    obstacle = "a failing test whose cause is in the module, not in the test"
    requires = ("python3",)
    folders = ("toolbox", "pylib", "backend")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more modules around the one with the bug."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            bug=one(rng, sorted(_buggy_modules.BUGS)),
            project=f"{d.word('projects')}-{d.word('services')}",
            extra_modules={"simple": 1, "medium": 2, "complex": 3}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """A module, its tests, a README and modules that are fine."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """One: make the tests pass."""
        bug = world(p).bug
        return (
            SubGoal(
                id="fix",
                request=f"find out why `python3 -m unittest` fails in {p.folder} and fix the bug "
                f"in {p.folder}/{bug.module}.py, leaving the tests as they are; {bug.rule}",
                label=f"the fix in {p.folder}/{bug.module}.py",
                facts=(Fact("folder", p.folder), Fact("module", f"{p.folder}/{bug.module}.py")),
                artifacts=(f"{p.folder}/{bug.module}.py",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Cases that nobody has seen come out right; the tests are the user's."""
        w = world(p)
        module = f"{p.folder}/{w.bug.module}.py"
        rest = {path: text for path, text in w.contents.items() if path != module}
        return (
            Command(
                id="behaves",
                subgoal="fix",
                argv=(*CLEAN_PYTHON, "-c", PROBE, w.bug.module, w.bug.function),
                cwd=p.folder,
                stdin=json.dumps(w.inputs),
                prints=list(w.outputs),
                timeout_s=20,
                failure=f"{w.bug.function} is still wrong on inputs outside the given tests",
            ),
            Exists(id="kept", path=module, weight=0, failure="the module is gone"),
            untouched(rest, id="tests", failure="tests or other modules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Run the tests, read the code, edit, run again."""
        return self._fix(p, world(p).bug.mended)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the tests once more."""
        (ran,) = yield sh("python3 -m unittest 2>&1 | tail -n 4", workdir=p.folder)
        count = found(r"Ran (\d+) test", ran.text, "0")
        if count == "0":
            return f"I wanted to run the tests again, but no test ran: `{last_line(ran.text)}`."
        if "FAILED" in last_line(ran.text):
            return f"I ran the tests again, and the code still fails: `{last_line(ran.text)}`."
        return f"I ran {plural(count, 'test')} again; the result is `{last_line(ran.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Special-casing the visible tests; deleting the test."""
        return (
            WrongSolution("another mistake instead", self._fix(p, world(p).bug.slip)),
            WrongSolution("the failing test removed", self._delete_test(p)),
        )

    def _fix(self, p: Params, mended: str) -> Solution:
        bug = world(p).bug
        path = f"{p.folder}/{bug.module}.py"
        (before,) = yield sh("python3 -m unittest 2>&1 | tail -n 25", workdir=p.folder)
        failing = found(r"^(?:FAIL|ERROR): (\w+)", before.text, "nothing")
        code, tests = yield [read(path), read(f"{p.folder}/test_{bug.module}.py")]
        if bug.flaw not in code.text or bug.function not in tests.text:
            return f"{path} does not look as I expected; I stopped at {failing}."
        (changed,) = yield edit(path, bug.flaw, mended)
        if changed.failed:
            return f"The edit of {path} failed: {changed.text}"
        (after,) = yield sh("python3 -m unittest -v 2>&1 | tail -n 12", workdir=p.folder)
        (rest,) = yield sh(
            "python3 -m py_compile *.py && echo all modules compile; rm -rf __pycache__",
            workdir=p.folder,
        )
        result = after.text.strip().splitlines()[-1]
        return (
            f"{failing} failed because of `{bug.flaw.strip()}`. Now: {result}, {rest.text.strip()}."
        )

    def _delete_test(self, p: Params) -> Solution:
        bug = world(p).bug
        (gone,) = yield sh(f"rm {p.folder}/test_{bug.module}.py; ls {p.folder}")
        return f"All green now; {p.folder} holds {', '.join(gone.text.split())}."
