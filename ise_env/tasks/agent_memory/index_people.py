"""An index of the people in daily notes, who appear there under several names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.agent_memory._diary import diary, pages, put
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import plural, read, sh, write

GUIDE = """\
# The index of people

Daily notes in {memory} mention people as `@handle` and projects as `#project`. The same person can
have several handles: `{memory}/handles.md` says whose they are. Handles that are not in it belong
to nobody and are left out.

One line a person, by name, below the heading `# People` and an empty line:

    - <name>: <projects, sorted, separated by a comma and a blank> (last seen <day>)

Projects of a person are those on lines that mention the person. Who comes up only without projects
has `none` in their place. Last seen is the day of the newest note with the person. People who are
in `handles.md` but in no note are left out.
"""
TAGGED = (
    "@{h} finished the plan for #{p}",
    "call with @{h} about #{p} and #{q}",
    "@{h} and the budget of #{p}: still nothing",
    "#{p} waits for @{h}",
)
BARE = ("@{h} is on leave", "birthday cake from @{h}", "@{h} lost a glove")
Seen = tuple[str, str]
"""Day and line."""


class Params(KitParams):
    """How many people, how many mentions, since when they count."""

    people: int = Field(ge=5, le=10)
    mentions: int = Field(ge=12, le=40)
    since: str


@dataclass(frozen=True)
class World:
    """Notes, the index, who is quiet."""

    contents: dict[str, str]
    index: str
    quiet: list[str]


def indexed(handles: str, lines: Iterable[Seen]) -> dict[str, tuple[set[str], str]]:
    """Name to projects and last day."""
    owners = {
        handle: name
        for name, several in re.findall(r"^- (.+?): (@.+)$", handles, re.MULTILINE)
        for handle in re.findall(r"@([\w.]+)", several)
    }
    found: dict[str, tuple[set[str], str]] = {}
    for day, line in lines:
        for handle in re.findall(r"@([\w.]+)", line):
            if name := owners.get(handle):
                projects, last = found.setdefault(name, (set(), day))
                projects |= set(re.findall(r"#(\w+)", line))
                found[name] = (projects, max(last, day))
    return found


def _rendered(found: dict[str, tuple[set[str], str]]) -> str:
    rows = [
        f"- {name}: {', '.join(sorted(projects)) or 'none'} (last seen {last})\n"
        for name, (projects, last) in sorted(found.items())
    ]
    return "# People\n\n" + "".join(rows)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the notes from the parameters."""
    d = Draw(p.content)
    days = diary(d, 18, date(2025, 9, 1))
    projects = d.different("projects", 6)
    names = d.people(p.people + 1)
    owned: dict[str, list[str]] = {}
    for name in names:
        first, last = name.lower().split()
        owned[name] = d.some([first, f"{first[0]}.{last}", last], d.integer(1, 3))
    when = sorted(days)
    present = names[:-1]
    early = [day for day in when if str(day) < p.since]
    for number in range(p.mentions):
        name = present[number % len(present)]
        early_only = number % len(present) < 2
        handle = d.pick(owned[name])
        bare = number % len(present) == len(present) - 1 or d.chance(0.15)
        template = d.pick(BARE if bare else TAGGED)
        first, second = d.some(projects, 2)
        line = template.format(h=handle, p=first, q=second)
        put(d, days, d.pick(early if early_only else when), line)
    put(d, days, when[-1], f"wrong number, somebody called @{d.word('topics')}")
    handles = "# Handles\n\n" + "".join(
        f"- {name}: {', '.join('@' + handle for handle in several)}\n"
        for name, several in d.shuffled(sorted(owned.items()))
    )
    memory = f"memory/{p.folder}"
    notes = pages(p.folder, days)
    found = indexed(handles, [(str(day), line) for day, lines in days.items() for line in lines])
    quiet = sorted(name for name, (_, last) in found.items() if last < p.since)
    contents = {
        **notes,
        f"{memory}/handles.md": handles,
        f"{p.folder}/INDEX-FORM.md": GUIDE.format(memory=memory),
    }
    return World(contents, _rendered(found), quiet)


class IndexPeople(Kit[Params]):
    """People to index."""

    name = "agent-memory/index-people"
    title = "Index the people in daily notes"
    description = "Gather people and their projects from tagged notes under one name each."
    obstacle = "one person has several handles, and one handle belongs to nobody"
    folders = ("who-is-who", "network-notes", "people-map")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people, more mentions."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            people={"simple": 5, "medium": 7, "complex": 10}[complexity],
            mentions={"simple": 12, "medium": 22, "complex": 40}[complexity],
            since=str(date(2025, 9, int(rng.integers(9, 17)))),
        )

    def seed(self, p: Params) -> Seed:
        """Notes, handles, the form."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The index, then who is quiet in it."""
        f = p.folder
        memory, guide, index, quiet = (
            *(f"memory/{f}", f"{f}/INDEX-FORM.md"),
            *(f"memory/{f}/PEOPLE.md", f"{f}/quiet.txt"),
        )
        return (
            SubGoal(
                id="index",
                request=f"write an index of the people in {memory} to {index} in the form that "
                f"{guide} gives",
                label="the index of people",
                facts=(Fact("memory", memory), Fact("index", index), Fact("guide", guide)),
                artifacts=(index,),
            ),
            SubGoal(
                id="quiet",
                request=f"write {quiet}, the names of those in {index} who were last seen before "
                f"{p.since}, one a line and sorted, and tell me how many they are",
                label="the list of quiet people",
                facts=(Fact("quiet", quiet), Fact("index", index), Fact("since", p.since)),
                artifacts=(quiet,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both texts, the number; notes stay."""
        w = world(p)
        return (
            Text(
                id="index",
                subgoal="index",
                weight=2,
                path=f"memory/{p.folder}/PEOPLE.md",
                text=TextMatch(equals=w.index),
                failure="the index is not what the notes and INDEX-FORM.md lead to",
            ),
            Text(
                id="quiet",
                subgoal="quiet",
                path=f"{p.folder}/quiet.txt",
                text=TextMatch(equals="\n".join(w.quiet)),
            ),
            Said(
                id="told",
                subgoal="quiet",
                number=len(w.quiet),
                unit=("people", "person", "name", "quiet", "of them", "seen"),
            ),
            untouched(w.contents, failure="a note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Resolve handles, gather; then compare days."""
        return self._index(p) if subgoal == "index" else self._quiet(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the lines again."""
        if subgoal == "index":
            (shown,) = yield sh("grep '^- ' PEOPLE.md | head -n 1", workdir=f"memory/{p.folder}")
            return f"I looked again: the index begins with `{shown.text.strip()}`"
        (shown,) = yield sh("head -n 1 quiet.txt", workdir=p.folder)
        return f"I looked again: the list begins with {shown.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A handle a person; the first day in place of the last."""
        return (
            WrongSolution("handles as names", self._index(p, by_handle=True)),
            WrongSolution("only lines with projects", self._index(p, only="#")),
        )

    def _index(self, p: Params, by_handle: bool = False, only: str = "") -> Solution:
        memory = f"memory/{p.folder}"
        guide, handles, lines = yield [
            read(f"{p.folder}/INDEX-FORM.md"),
            read(f"{memory}/handles.md"),
            sh(f"grep -rh -H '@.*{only}' {memory}/2025-*.md"),
        ]
        if "several handles" not in guide.text:
            return "INDEX-FORM.md does not say whose the handles are."
        seen = [
            (path[-13:-3], line)
            for path, _, line in (row.partition(":") for row in lines.text.splitlines())
        ]
        known = handles.text
        if by_handle:
            known = "\n".join(f"- {h}: @{h}" for h in re.findall(r"@([\w.]+)", handles.text))
        found = indexed(known, seen)
        (saved,) = yield write(f"{memory}/PEOPLE.md", _rendered(found))
        if saved.failed:
            return f"PEOPLE.md could not be written: {saved.text}"
        return (
            f"{plural(len(seen), 'line')} mention somebody; {memory}/PEOPLE.md has "
            f"{plural(len(found), 'person', 'people')}."
        )

    def _quiet(self, p: Params) -> Solution:
        (index,) = yield read(f"memory/{p.folder}/PEOPLE.md")
        rows = re.findall(r"^- (.+?): .* \(last seen (\S+)\)$", index.text, re.MULTILINE)
        quiet = sorted(name for name, last in rows if last < p.since)
        (saved,) = yield write(f"{p.folder}/quiet.txt", "".join(f"{name}\n" for name in quiet))
        if saved.failed:
            return f"quiet.txt could not be written: {saved.text}"
        return (
            f"{plural(len(quiet), 'person', 'people')} in {p.folder}/quiet.txt: {', '.join(quiet)}."
        )
