"""A new kit's files to start from: small, complete, and admitted as they are.

`KIT` is a working kit about counting marked lines; its `Fill in` comments say what an author
replaces. `PHRASING` is its table for `ise_env/intents/realisers/phrasing/<domain>.toml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.tasks import registry

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*/[a-z][a-z0-9]*(-[a-z0-9]+)*")

KIT = '''\
"""Fill in: what this task is about and what makes it hard, in a sentence or two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

MARKS = ("OPEN", "LATER", "ASK")


class Params(KitParams):
    """Fill in: what differs from task to task; few and small, for intents store them.

    Every number has the range that `draw` draws from: others are refused.
    """

    mark: str
    lines: int = Field(ge=1, le=80)


@dataclass(frozen=True)
class World:
    """What the workspace starts with, and what follows from it."""

    contents: dict[str, str]
    marked: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    # Fill in: the files of your task. Draw names and figures from `d`, never from `random`.
    d = Draw(p.content)
    marks = [p.mark, *(d.pick(MARKS) for _ in range(p.lines - 1))]
    lines = [f"{mark}: {d.word('topics')}, says {d.person()}" for mark in d.shuffled(marks)]
    # A line that only mentions the mark: what a careless solution counts as well.
    lines.append(f"NOTE: nothing is {p.mark} at {d.word('companies')}")
    contents = {f"{p.folder}/notes.txt": "".join(f"{line}\\n" for line in lines)}
    return World(contents, marks.count(p.mark))


class CLASS(Kit[Params]):
    """Fill in: the task in a phrase."""

    name = "NAME"
    title = "TITLE"
    description = "Fill in: one sentence for people who choose kits."
    # Fill in: the authentic difficulty, in a phrase; leave it out if there is none.
    obstacle = "a line that only mentions what is counted"
    folders = FOLDERS
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more lines."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            mark=one(rng, MARKS),
            lines={"simple": 12, "medium": 30, "complex": 80}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """What lies in the workspace before the first turn."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """What the user asks for, one turn each, every fact in it verbatim."""
        notes, count = f"{p.folder}/notes.txt", f"{p.folder}/count.txt"
        return (
            SubGoal(
                id="count",
                request=f"count the lines of {notes} that begin with {p.mark}, write the number "
                f"to {count} and tell me",
                label=f"the count of lines with {p.mark}",
                facts=(Fact("notes", notes), Fact("mark", p.mark), Fact("count", count)),
                artifacts=(count,),
                question="Do lines count that mention it further on?",
                answer="No, only those that begin with it",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What must hold at the end; every one follows from the request."""
        w = world(p)
        number = TextMatch(matches=(rf"\\A\\s*{w.marked}\\s*\\Z",))
        return (
            Text(id="count", subgoal="count", path=f"{p.folder}/count.txt", text=number),
            Said(id="told", subgoal="count", unit=("line",), number=w.marked),
            untouched(w.contents, failure="the notes were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """The oracle: looks first, and says only what the tools returned."""
        (notes,) = yield read(f"{p.folder}/notes.txt")
        (counted,) = yield sh(f"grep -c '^{p.mark}' notes.txt", workdir=p.folder)
        number = found(r"^(\\d+)", counted.text)
        (saved,) = yield write(f"{p.folder}/count.txt", f"{number}\\n")
        if saved.failed:
            return f"The number could not be written: {saved.text}"
        of = plural(len(notes.text.strip().splitlines()), "line")
        return f"{plural(number, 'line')} begin with {p.mark}. The file has {of}."

    def review(self, p: Params, subgoal: str) -> Solution:
        """A look at the result, for a user who wants it verified."""
        (shown,) = yield read(f"{p.folder}/count.txt")
        return f"I looked again: {p.folder}/count.txt says {shown.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Fill in: plausible mistakes; the checks must catch each of them."""
        return (WrongSolution("mentions counted", self._everywhere(p)),)

    def _everywhere(self, p: Params) -> Solution:
        (counted,) = yield sh(f"grep -c {p.mark} notes.txt | tee count.txt", workdir=p.folder)
        return f"There are {plural(counted.text, 'line')} with {p.mark}."
'''

PHRASING = """
["NAME"]
# Fill in: at least four wordings that differ in structure, for each sub-goal; each begins with a
# verb, to follow "please". `{id}` is a fact, `[a|b]` a choice; the key is the request as the kit
# words it, or a stretch of it.
"count the lines of {notes} that begin with {mark}, write the number to {count} and tell me" = [
  "[see|check] how many lines of {notes} begin with {mark}; put the number into {count} and say it",
  "write to {count} how many of the lines in {notes} begin with {mark}, and report the number",
  "let {count} hold the number of lines in {notes} with {mark} at the start, and name it to me",
  "tell me how many lines start with {mark} in {notes}, having [written|put] that to {count}",
]
"""


@dataclass(frozen=True)
class Planned:
    """What is going to be written."""

    kit: Path
    text: str
    phrasing: Path
    table: str
    new_domain: bool
    """Whether the domain's package has to be made as well."""


def plan(name: str, package: Path) -> Planned:
    """Work out a new kit's files without writing anything.

    Args:
        name: `<domain>/<slug>`, as the kit will be called.
        package: Folder of the package `ise_env` that it goes into.

    Raises:
        ConfigError: The name is not one, or is taken; `package` is no source tree.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name}: a kit is named <domain>/<slug>, lower case, as in file-io/sort")
    if not (package.parent / "pyproject.toml").is_file():
        raise ConfigError(
            f"{package}: no source tree, there is no pyproject.toml beside it; make a checkout "
            "and install it with `pip install -e .`"
        )
    domain, _, slug = name.partition("/")
    kit = package / "tasks" / domain.replace("-", "_") / f"{slug.replace('-', '_')}.py"
    if name in registry.names() or kit.exists():
        raise ConfigError(f"{name}: there is such a kit already; choose another name")
    title = slug.replace("-", " ").capitalize()
    text = (
        KIT.replace("CLASS", "".join(part.capitalize() for part in slug.split("-")))
        .replace("NAME", name)
        .replace("TITLE", title)
        .replace("FOLDERS", _quoted(_free_folders(slug)))
    )
    phrasing = package / "intents" / "realisers" / "phrasing" / f"{domain}.toml"
    return Planned(kit, text, phrasing, PHRASING.replace("NAME", name), not kit.parent.exists())


def put(planned: Planned) -> None:
    """Write a planned kit; nothing that exists is overwritten."""
    if planned.new_domain:
        planned.kit.parent.mkdir(parents=True)
        about = planned.kit.parent.name.replace("_", "-")
        (planned.kit.parent / "__init__.py").write_text(f'"""Kits of the domain {about}."""\n')
    with planned.kit.open("x", encoding="utf-8") as file:
        file.write(planned.text)
    planned.phrasing.parent.mkdir(parents=True, exist_ok=True)
    before = planned.phrasing.read_text("utf-8") if planned.phrasing.exists() else ""
    table = planned.table if before else planned.table.lstrip("\n")
    with planned.phrasing.open("a", encoding="utf-8") as file:
        file.write(table if before.endswith("\n") or not before else f"\n{table}")


def _free_folders(slug: str) -> tuple[str, str]:
    taken = {folder for kit in registry.all_kits() for folder in kit.folders}
    candidates = [slug, f"{slug}-work", *(f"{slug}-{number}" for number in range(2, 99))]
    first, second, *_ = [name for name in candidates if name not in taken]
    return first, second


def _quoted(names: tuple[str, str]) -> str:
    return "(" + ", ".join(f'"{name}"' for name in names) + ")"
