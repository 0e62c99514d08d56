"""Promises to come back to people, scattered over daily notes, some kept and some put off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.agent_memory._diary import diary, page, pages, put
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    WrongSolution,
)
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import plural, read, sh, write

GUIDE = """\
# Follow-ups

In the daily notes of {memory}:

- `follow up F12 with <person> by <day>: <what>` opens one; F12 is its number.
- `F12 done` closes it, on the day of the note.
- `F12 moved to <day>` gives it another day; the newest note counts.

A follow-up is due when it is open and its day is today or earlier. A list of follow-ups has the
columns number, person, day and what, by day, then by number.

To put a follow-up off, add the line `- F12 moved to <day>` to today's note, below what it has, in
order of the numbers. Older notes are never edited.
"""
OPENED = re.compile(r"follow up F(\d+) with (.+?) by (\S+): (.+)$")
CHANGED = re.compile(r"F(\d+) (done|moved to (\S+))$")
WHATS = (
    "the price list", "the invoice", "a date for the tour", "the missing signature",
    "the {t} keys", "the {p} contract", "an answer on {t}", "the photographs of {p}",
    "the spare badge", "the travel costs", "a second opinion on {t}",
)  # fmt: skip
Item = tuple[int, str, str, str]
"""Number, person, day, what."""


class Params(KitParams):
    """How many follow-ups there are, and today."""

    items: int = Field(ge=7, le=18)
    today: str
    later: str


@dataclass(frozen=True)
class World:
    """Notes, what is due, and today's note after putting off."""

    contents: dict[str, str]
    due: list[Item]
    note: str


def due_on(today: str, notes: list[tuple[str, str]]) -> list[Item]:
    """What is due, from lines with the day of their notes, oldest first."""
    items: dict[int, Item] = {}
    for _, line in sorted(notes, key=lambda note: note[0]):
        if opened := OPENED.search(line):
            items[int(opened[1])] = (int(opened[1]), opened[2], opened[3], opened[4])
        elif changed := CHANGED.search(line):
            number, person, _, what = items[int(changed[1])]
            if changed[2] == "done":
                del items[number]
            else:
                items[number] = (number, person, changed[3], what)
    due = [item for item in items.values() if item[2] <= today]
    return sorted(due, key=lambda item: (item[2], item[0]))


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the notes from the parameters."""
    d = Draw(p.content)
    today = date.fromisoformat(p.today)
    days = diary(d, 20, today - timedelta(days=27))
    when = [day for day in sorted(days) if day < today]
    days = {day: days[day] for day in when}
    fates = ["due", "due", "done", "moved out", "moved in", "later"]
    fates += [d.pick(fates) for _ in range(p.items - len(fates))]
    numbers = sorted(d.some(range(10, 90), p.items))
    people = d.people(p.items)

    def near(low: int, high: int) -> str:
        return str(today + timedelta(days=d.integer(low, high)))

    for number, person, fate in zip(numbers, people, d.shuffled(fates), strict=True):
        what = d.pick(WHATS).format(t=d.word("topics"), p=d.word("projects"))
        opened, changed = sorted(d.some(when[: len(when) - 1], 2))
        day = near(1, 20) if fate in ("later", "moved in") else near(-9, 0)
        put(d, days, opened, f"follow up F{number} with {person} by {day}: {what}")
        if fate == "done":
            put(d, days, changed, f"F{number} done")
        elif fate in ("moved out", "moved in"):
            to = near(2, 20) if fate == "moved out" else near(-3, 0)
            put(d, days, changed, f"F{number} moved to {to}")
            if fate == "moved out" and d.chance(0.5):
                put(d, days, when[-1], f"F{number} moved to {near(3, 9)}")
    days[today] = [f"{d.word('first_names')} called early", f"the {d.word('topics')} list is out"]
    notes = pages(p.folder, days)
    due = due_on(p.today, [(str(day), line) for day, lines in days.items() for line in lines])
    moved = [f"F{number} moved to {p.later}" for number, *_ in sorted(due)]
    contents = {**notes, f"{p.folder}/FOLLOW-UPS.md": GUIDE.format(memory=f"memory/{p.folder}")}
    return World(contents, due, page(today, [*days[today], *moved]))


class FollowUpsDue(Kit[Params]):
    """Follow-ups to look after."""

    name = "agent-memory/follow-ups-due"
    title = "List the follow-ups that are due"
    description = "Work out from daily notes which follow-ups are due, then put them off in memory."
    tools = ("exec", "read", "write", "memory_search")
    obstacle = "some are done or were moved in later notes, one of them twice"
    folders = ("callbacks", "client-care", "promises")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more follow-ups."""
        today = date(2025, int(rng.integers(4, 11)), int(rng.integers(10, 20)))
        today += timedelta(days=max(0, 7 - today.weekday()) if today.weekday() > 4 else 0)
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            items={"simple": 7, "medium": 11, "complex": 18}[complexity],
            today=str(today),
            later=str(today + timedelta(days=int(rng.integers(7, 21)))),
        )

    def seed(self, p: Params) -> Seed:
        """Notes and how follow-ups are written."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List what is due, then put it off."""
        f = p.folder
        memory, guide, due = f"memory/{f}", f"{f}/FOLLOW-UPS.md", f"{f}/due.csv"
        return (
            SubGoal(
                id="due",
                request=f"list in {due} the follow-ups in {memory} that are due, taking {p.today} "
                f"for today and going by {guide}, and tell me how many are due",
                label="the follow-ups that are due",
                facts=(
                    Fact("due", due),
                    Fact("memory", memory),
                    Fact("today", p.today),
                    Fact("guide", guide),
                ),
                artifacts=(due,),
                question="What if a follow-up was moved more than once?",
                answer="The newest note counts",
            ),
            SubGoal(
                id="move",
                request=f"put all follow-ups in {due} off to {p.later} in {memory}, in the way "
                f"that {guide} lays down",
                label=f"putting them off to {p.later}",
                facts=(
                    Fact("due", due),
                    Fact("later", p.later),
                    Fact("memory", memory),
                    Fact("guide", guide),
                ),
                artifacts=(f"{memory}/{p.today}.md",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The list in order, the number, today's note; older notes stay."""
        w = world(p)
        note = f"memory/{p.folder}/{p.today}.md"
        older = {k: v for k, v in w.contents.items() if k != note}
        return (
            CsvRows(
                id="due",
                subgoal="due",
                weight=2,
                path=f"{p.folder}/due.csv",
                columns=("number", "person", "day", "what"),
                rows=tuple((f"F{n}", person, day, what) for n, person, day, what in w.due),
                ordered=True,
            ),
            Said(id="told", subgoal="due", number=len(w.due), unit=("due", "follow")),
            Text(
                id="moved",
                subgoal="move",
                path=note,
                text=TextMatch(equals=w.note),
                failure="today's note does not put off what is due",
            ),
            untouched(older, id="older", failure="an older note was edited"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Follow each number through the notes; then add to today's."""
        return self._due(p) if subgoal == "due" else self._move(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the end of the list or of the note."""
        name = f"{p.folder}/due.csv" if subgoal == "due" else f"memory/{p.folder}/{p.today}.md"
        (shown,) = yield sh(f"tail -n 1 {name}")
        return f"I looked again: {name} ends with `{shown.text.strip()}`"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """As they were opened; done ones left out but moves overlooked."""
        return (
            WrongSolution("later notes overlooked", self._due(p, skip="F[0-9]+ (done|moved)")),
            WrongSolution("moves overlooked", self._due(p, skip="F[0-9]+ moved")),
        )

    def _due(self, p: Params, skip: str = "^$") -> Solution:
        f = p.folder
        guide, hits, lines = yield [
            read(f"{f}/FOLLOW-UPS.md"),
            ToolCall("memory_search", {"query": "follow up", "maxResults": 50}),
            sh(f"grep -rE 'F[0-9]+ (with|done|moved)' memory/{f} | grep -vE '{skip}' | sort"),
        ]
        if "today or earlier" not in guide.text:
            return "FOLLOW-UPS.md does not say when one is due."
        notes = [
            (path[-13:-3], line)
            for path, _, line in (row.partition(":") for row in lines.text.splitlines())
        ]
        due = due_on(p.today, notes)
        rows = [(f"F{number}", *rest) for number, *rest in due]
        text = csv_text(("number", "person", "day", "what"), rows)
        (saved,) = yield write(f"{f}/due.csv", text)
        if saved.failed:
            return f"due.csv could not be written: {saved.text}"
        seen = hits.text.count('"citation"')
        return (
            f"I went through {plural(seen, 'passage')} on follow-ups and what later notes say of "
            f"them. {len(due)} are due on {p.today}, the oldest is {'; '.join(rows[0][:3])}."
        )

    def _move(self, p: Params) -> Solution:
        note = f"memory/{p.folder}/{p.today}.md"
        listed, before = yield [read(f"{p.folder}/due.csv"), read(note)]
        numbers = sorted(int(n) for n in re.findall(r"^F(\d+),", listed.text, re.MULTILINE))
        added = "".join(f"- F{number} moved to {p.later}\n" for number in numbers)
        (saved,) = yield write(note, before.text.rstrip() + "\n" + added)
        if saved.failed:
            return f"{note} could not be written: {saved.text}"
        return f"{note} moves {plural(len(numbers), 'follow-up')} to {p.later}."
