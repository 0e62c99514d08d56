"""Two memory files of one person, kept on two machines, to merge into one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
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

VALUES = {
    "stand-up": ("09:15 daily", "09:30 daily", "10:00 on Mondays", "cancelled on Fridays"),
    "coffee order": ("flat white", "oat latte", "double espresso", "green tea"),
    "parking": ("bay 12", "bay 31", "street permit 7Q", "bay 4, level 2"),
    "invoice address": ("14 Mill Lane", "PO box 220", "2 Harbour Row", "9 Station Yard"),
    "printer": ("3rd floor", "room 2.07", "next to reception", "copy shop"),
    "holiday cover": ("Nadia", "Tomas", "the agency", "Piotr"),
    "report format": ("PDF", "one slide", "CSV by mail", "plain text"),
    "travel class": ("second", "first above 4 hours", "second, window", "no flights"),
    "backup disk": ("blue one", "drawer 3", "with Ines", "safe"),
    "phone hours": ("10 to 12", "after 15:00", "mornings", "any time"),
    "expense limit": ("80 a day", "120 a day", "60 a day", "ask first"),
    "meeting room": ("Elm", "Birch", "Rowan", "Alder"),
    "newsletter": ("every second Tuesday", "monthly", "quarterly", "on hold"),
    "dietary note": ("no nuts", "vegetarian", "no dairy", "nothing special"),
    "time zone": ("UTC+1", "UTC+2", "UTC-5", "UTC+8"),
    "signature": ("Kind regards", "Best", "Cheers", "first name only"),
}
SIZES = {"simple": 6, "medium": 10, "complex": 15}
NAMES = (("laptop.md", "phone.md"), ("office.md", "home.md"), ("desk.md", "tablet.md"))
FORGOTTEN = "-"
ENTRY = re.compile(r"^- (\S+) \| (.+?) \| (.+)$", re.MULTILINE)

Entry = tuple[date, str, str]
"""Day, topic, value."""


class Params(KitParams):
    """The two files and how many topics they hold."""

    first: str
    second: str
    topics: int = Field(ge=6, le=15)
    dotted: bool
    """Whether the second file writes its dates as 31.12.2025."""


@dataclass(frozen=True)
class World:
    """Both memories and what they come to."""

    contents: dict[str, str]
    merged: str
    conflicts: list[str]


def newest(entries: list[Entry]) -> dict[str, Entry]:
    """The last entry of each topic by day; of one day, the one that comes first."""
    best: dict[str, Entry] = {}
    for entry in entries:
        if entry[1] not in best or entry[0] > best[entry[1]][0]:
            best[entry[1]] = entry
    return best


def render(first: list[Entry], second: list[Entry], keep_forgotten: bool = False) -> str:
    """The merged file: one line a topic, sorted."""
    rows = sorted(newest([*first, *second]).values(), key=lambda entry: entry[1])
    lines = [
        f"- {topic}: {value} ({day})"
        for day, topic, value in rows
        if value != FORGOTTEN or keep_forgotten
    ]
    return "\n".join(["# Memory", "", *lines]) + "\n"


def disagreeing(first: list[Entry], second: list[Entry]) -> list[str]:
    """Topics that both hold with different newest values."""
    ours, theirs = newest(first), newest(second)
    return sorted(t for t in ours.keys() & theirs.keys() if ours[t][2] != theirs[t][2])


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both files from the parameters."""
    d = Draw(p.content)
    topics = d.some(sorted(VALUES), p.topics)
    first: list[Entry] = []
    second: list[Entry] = []
    for number, topic in enumerate(topics):
        values = d.some(VALUES[topic], 3)
        days = sorted(d.day(2025, month) for month in d.some(range(1, 12), 3))
        if number == 0:  # the same day on both sides
            first.append((days[0], topic, values[0]))
            second.append((days[0], topic, values[1]))
        elif number == 1:  # forgotten later, on the second side
            first.append((days[0], topic, values[0]))
            second.append((days[1], topic, FORGOTTEN))
        elif number == 2:  # forgotten early, known again
            first += [(days[0], topic, FORGOTTEN), (days[2], topic, values[1])]
            second.append((days[1], topic, values[1]))
        else:
            sides = d.pick(((first, second), (second, first), (first, first), (second, second)))
            sides[0].append((days[0], topic, values[0]))
            sides[1].append((days[1], topic, d.pick(values[:2])))
            if d.chance(0.4):
                sides[0].append((days[2], topic, values[2]))
    first, second = d.shuffled(first), d.shuffled(second)
    f = p.folder
    contents = {
        f"{f}/{p.first}": _shown(first, "%Y-%m-%d"),
        f"{f}/{p.second}": _shown(second, "%d.%m.%Y" if p.dotted else "%Y-%m-%d"),
        f"{f}/README.md": "# How memories are merged\n\n"
        "- Every entry is `- <day> | <topic> | <value>`; entries are in no particular order.\n"
        f"- The newest entry of a topic wins, whichever file it is in. On the same day\n"
        f"  {p.first} wins over {p.second}.\n"
        f"- A value of `{FORGOTTEN}` means: forget it. A topic whose winning value is "
        f"`{FORGOTTEN}` is left out.\n"
        "- The merged file starts with the line `# Memory` and an empty line; then comes one line\n"
        "  a topic, sorted by topic: `- <topic>: <value> (<day as YYYY-MM-DD>)`.\n"
        "- Two files disagree on a topic when both have it and their own newest values differ.\n",
        f"{f}/archive/2024.md": f"# Memory\n\n- {d.pick(topics)}: {d.word('towns')} (2024-03-02)\n",
    }
    return World(contents, render(first, second), disagreeing(first, second))


class MergeMemories(Kit[Params]):
    """Two memories to merge."""

    name = "agent-memory/merge-memories"
    title = "Merge two memory files"
    description = "Merge two dated memory files by a stated rule and report where they disagreed."
    obstacle = "facts that contradict each other, some of them withdrawn, in two date formats"
    folders = ("second-brain", "memory-sync", "assistant-home")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more topics, and dates written in two ways."""
        first, second = one(rng, NAMES)
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            first=first,
            second=second,
            topics=SIZES[complexity],
            dotted=complexity != "simple",
        )

    def seed(self, p: Params) -> Seed:
        """Two memories, the rules, and last year's memory."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The merged memory, then the contradictions."""
        first, second, target, listed = (
            f"{p.folder}/{n}" for n in (p.first, p.second, "MEMORY.md", "conflicts.txt")
        )
        return (
            SubGoal(
                id="merge",
                request=f"merge the memory files {first} and {second} into {target} "
                f"by the rules in {p.folder}/README.md",
                label=f"the merge into {target}",
                facts=(Fact("first", first), Fact("second", second), Fact("target", target)),
                artifacts=(target,),
                question="Which of the two files wins when both know a topic from the same day?",
                answer=f"On the same day {p.first} wins, as the README says",
            ),
            SubGoal(
                id="conflicts",
                request=f"list the topics on which the two files disagreed in {listed}, "
                "one a line in alphabetical order, and tell me how many they are",
                label="the list of contradictions",
                facts=(Fact("list", listed),),
                artifacts=(listed,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The whole merged text, the list, the number; sources stay."""
        w = world(p)
        return (
            Text(
                id="merged",
                subgoal="merge",
                weight=2,
                path=f"{p.folder}/MEMORY.md",
                text=TextMatch(equals=w.merged),
                failure="the merged memory does not follow the rules",
            ),
            Text(
                id="listed",
                subgoal="conflicts",
                path=f"{p.folder}/conflicts.txt",
                text=TextMatch(equals="\n".join(w.conflicts)),
            ),
            Said(
                id="told",
                subgoal="conflicts",
                unit=("topic", "disagree", "contradict", "conflict"),
                number=len(w.conflicts),
            ),
            untouched(w.contents, failure="a memory file or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read rules and memories, merge, write; compare, list."""
        return self._merge(p) if subgoal == "merge" else self._conflicts(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the result."""
        name = "MEMORY.md" if subgoal == "merge" else "conflicts.txt"
        (shown,) = yield sh(f"grep -c . {name}; tail -n 1 {name}", workdir=p.folder)
        count, _, last = shown.text.partition("\n")
        return (
            f"I checked {p.folder}/{name}: {plural(count, 'line')}, the last one reads "
            f"`{last.strip()}`"
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """One side always wins; what was to be forgotten is kept."""
        return (
            WrongSolution("forgotten kept", self._merge(p, keep=True)),
            WrongSolution("second file wins a tie", self._merge(p, swap=True)),
        )

    def _merge(self, p: Params, keep: bool = False, swap: bool = False) -> Solution:
        f, target = p.folder, f"{p.folder}/MEMORY.md"
        (rules,) = yield read(f"{f}/README.md")
        first, second = yield [read(f"{f}/{p.first}"), read(f"{f}/{p.second}")]
        ours, theirs = _entries(first.text), _entries(second.text)
        if f"{p.first} wins over" not in rules.text:
            return f"The README does not name a winner for ties, so I left {target} alone."
        text = render(theirs, ours, keep) if swap else render(ours, theirs, keep)
        (saved,) = yield write(target, text)
        if saved.failed:
            return f"I could not write {target}: {saved.text}"
        (counted,) = yield sh("grep -c '^- ' MEMORY.md; sort -c <(grep '^- ' MEMORY.md)", workdir=f)
        return (
            f"I merged {len(ours)} and {len(theirs)} entries into {target}, which now has "
            f"{plural(counted.text.split()[0], 'topic')}."
        )

    def _conflicts(self, p: Params) -> Solution:
        f, listed = p.folder, f"{p.folder}/conflicts.txt"
        first, second = yield [read(f"{f}/{p.first}"), read(f"{f}/{p.second}")]
        topics = disagreeing(_entries(first.text), _entries(second.text))
        (saved,) = yield write(listed, "\n".join(topics) + "\n")
        if saved.failed:
            return f"I could not write {listed}: {saved.text}"
        (counted,) = yield sh(f"wc -l {listed}")
        number = found(r"^(\d+)", counted.text)
        return f"The files disagreed on {plural(number, 'topic')}; the list is in {listed}."


def _shown(entries: list[Entry], day: str) -> str:
    lines = [f"- {when.strftime(day)} | {topic} | {value}" for when, topic, value in entries]
    return "# Things to remember\n\n" + "\n".join(lines) + "\n"


def _entries(text: str) -> list[Entry]:
    return [(_day(day), topic, value) for day, topic, value in ENTRY.findall(text)]


def _day(text: str) -> date:
    day, _, rest = text.partition(".")
    if not rest:
        return date.fromisoformat(text)
    month, _, year = rest.partition(".")
    return date(int(year), int(month), int(day))
