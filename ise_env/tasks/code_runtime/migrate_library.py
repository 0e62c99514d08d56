"""Modules that use what the next version of a library drops."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Text, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._ledgerkit import GUIDE, Caller, callers, library
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write

CALLS = """\
import importlib, json, sys
sys.path.insert(0, ".")
found = {}
for name, call in json.load(sys.stdin).items():
    try:
        m = importlib.import_module(f"books.{name}")
        found[name] = eval(call)
    except Exception as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""


class Params(KitParams):
    """How many modules use the library."""

    project: str
    modules: int = Field(ge=3, le=9)


@dataclass(frozen=True)
class World:
    """The project, and what each module's calls give."""

    contents: dict[str, str]
    callers: dict[str, Caller]
    values: dict[str, object]


def _value(caller: Caller) -> object:
    """What a call gives, by the new way and the library as it will be."""
    scope: dict[str, object] = {}
    exec(library("3.0", old=False) + caller.new.partition("\n\n\n")[2], scope)  # our own source
    return eval(caller.call, {"m": _Namespace(scope)})


class _Namespace:
    def __init__(self, scope: dict[str, object]) -> None:
        self.__dict__.update(scope)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    made = callers(d, d.different("topics", p.modules))
    around = surroundings(d, p.project, package="tools", modules=7, docs=3, others=4)
    tests = "".join(
        f"    def test_{name}(self):\n        m = importlib.import_module('books.{name}')\n"
        f"        self.assertEqual({caller.call}, {_value(caller)!r})\n\n"
        for name, caller in made.items()
    )
    contents = around | {f"books/{name}.py": caller.old for name, caller in made.items()}
    contents |= {
        "books/__init__.py": "",
        "ledgerkit.py": library("2.9", old=True),
        "docs/ledgerkit-3.md": GUIDE,
        "test_books.py": "import importlib\nimport unittest\n\n\n"
        f"class TestBooks(unittest.TestCase):\n{tests}",
        "requirements.txt": "ledgerkit>=2.9,<3\n",
        "README.md": f"# {p.project}\n\n`ledgerkit.py` is a copy of version 2.9, which we do not "
        f"change ourselves; 3.0 comes in spring.\n{d.person()} has the guide.\n",
    }
    values = {name: _value(caller) for name, caller in made.items()}
    return World(below(p.folder, contents), made, values)


class MigrateLibrary(Kit[Params]):
    """Code to move to a new version of a library."""

    name = "code-runtime/migrate-library"
    title = "Move code to the next version of a library"
    description = "Replace deprecated calls in several modules by a guide, with the same results."
    obstacle = "the last calls hide where the tests stop at the first warning"
    requires = ("python3",)
    folders = ("ledger-house", "club-books", "petty-cash")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more modules."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            project=d.word("projects"),
            modules={"simple": 3, "medium": 5, "complex": 9}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Move the calls; then the requirement."""
        f = p.folder
        guide, books, needs = f"{f}/docs/ledgerkit-3.md", f"{f}/books", f"{f}/requirements.txt"
        run = "python3 -W error::DeprecationWarning -m unittest"
        return (
            SubGoal(
                id="move",
                request=f"move every module in {books} to what {guide} says, so that they work "
                f"with ledgerkit 3.0 and `{run}` passes in {f}, with the same results and the "
                "copy of the library as it is",
                label=f"the move of {books}",
                facts=(
                    Fact("books", books),
                    Fact("guide", guide),
                    Fact("run", run),
                    Fact("folder", f),
                ),
                artifacts=(books,),
                question="Should the warnings be switched off instead?",
                answer="No, in 3.0 the old names are gone",
            ),
            SubGoal(
                id="allow",
                request=f"let {needs} allow 3.x as well, but not 4, and list the modules that you "
                f"changed in {f}/docs/moved.txt, one file name a line, sorted",
                label="the new requirement",
                facts=(Fact("needs", needs), Fact("list", f"{f}/docs/moved.txt")),
                artifacts=(needs, f"{f}/docs/moved.txt"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every module over the library without the old names; the requirement, the list."""
        w, f = world(p), p.folder
        keep = ("ledgerkit.py", "test_books.py", "docs/ledgerkit-3.md", "README.md")
        given = {path: text for path, text in w.contents.items() if path[len(f) + 1 :] in keep}
        listed = "".join(f"{name}.py\n" for name in sorted(w.callers))
        return (
            Command(
                id="without-the-old",
                subgoal="move",
                weight=2,
                argv=(*CLEAN_PYTHON, "-c", CALLS),
                cwd=f,
                files={f"{f}/ledgerkit.py": library("3.0", old=False)},
                stdin=json.dumps({name: caller.call for name, caller in w.callers.items()}),
                prints=dict(w.values),
                failure="with ledgerkit 3.0 a module fails or gives another result",
            ),
            Text(
                id="requirement",
                subgoal="allow",
                path=f"{f}/requirements.txt",
                text=TextMatch(
                    matches=(rf"^ledgerkit *({_LEAST}, *{_MOST}|{_MOST}, *{_LEAST})\s*$",)
                ),
            ),
            Text(
                id="list",
                subgoal="allow",
                path=f"{f}/docs/moved.txt",
                text=TextMatch(matches=(rf"\A{_lines(listed)}\Z",)),
            ),
            untouched(given, id="given", failure="the library, a test or the guide was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read guide and modules, rewrite each, run with warnings as errors; edit and list."""
        return self._move(p) if subgoal == "move" else self._allow(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run again, or show the requirement."""
        if subgoal == "allow":
            (shown,) = yield sh("cat requirements.txt; wc -l < docs/moved.txt", **_in(p))
            return f"I looked again: {shown.text.splitlines()[0]}, {last_line(shown.text)} listed."
        (ran,) = yield sh(_STRICT, **_in(p))
        return f"I ran the tests again with warnings as errors: {last_line(ran.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Warnings silenced; arguments left in their old order."""
        return (
            WrongSolution("warnings silenced", self._silence(p)),
            WrongSolution("one module forgotten", self._move(p, leave=1)),
        )

    def _move(self, p: Params, leave: int = 0) -> Solution:
        f, w = p.folder, world(p)
        guide, uses, before = yield [
            read(f"{f}/docs/ledgerkit-3.md"),
            sh("grep -lE 'from ledgerkit|import ledgerkit' books/*.py", **_in(p)),
            sh(_STRICT, **_in(p)),
        ]
        if "gone in 3.0" not in guide.text:
            return "The guide is not what I expected."
        paths = uses.text.split()
        for path in paths[leave:]:
            name = path.rpartition("/")[2].removesuffix(".py")
            (code,) = yield read(f"{f}/{path}")
            if code.text.strip() == w.callers[name].new.strip():
                continue
            (saved,) = yield write(f"{f}/{path}", w.callers[name].new)
            if saved.failed:
                return f"{path} could not be written: {saved.text}"
        (after,) = yield sh(_STRICT, **_in(p))
        errors = found(r"errors=(\d+)", before.text, "0")
        (left,) = yield sh(f"grep -nE '{_OLD_NAMES}' books/*.py || echo none", **_in(p))
        return (
            f"{plural(len(paths) - leave, 'module')} moved to the new calls. With warnings as "
            f"errors the tests ended with {plural(errors, 'error')} before and say "
            f"{last_line(after.text)} now; old names left: {last_line(left.text)}."
        )

    def _allow(self, p: Params) -> Solution:
        (listed,) = yield sh(
            "sed -i 's/^ledgerkit.*/ledgerkit>=2.9,<4/' requirements.txt && "
            "(cd books && grep -l 'from ledgerkit' *.py | LC_ALL=C sort) > docs/moved.txt; "
            "cat requirements.txt docs/moved.txt",
            **_in(p),
        )
        lines = listed.text.split()
        needs = found(r"^(ledgerkit\S*)", listed.text)
        return f"requirements.txt says {needs} now, and moved.txt lists {len(lines) - 1} modules."

    def _silence(self, p: Params) -> Solution:
        silent = 'import warnings\\nwarnings.simplefilter("ignore")\\n'
        (done,) = yield sh(f"printf '{silent}' > books/__init__.py; {_STRICT}", **_in(p))
        return f"No warnings any more: {last_line(done.text)}."


_STRICT = "python3 -B -W error::DeprecationWarning -m unittest 2>&1 | tail -n 1"
_LEAST, _MOST = r">= *2\.9(\.0)?", r"< *4(\.0)*"
_OLD_NAMES = "read_entries|sum_up|biggest|format_cents|get_balance|[.]book[(]"


def _lines(text: str) -> str:
    return text.replace(".", r"\.").replace("\n", r"\s*\n")


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
