"""Entries that were to be kept for a time, some of them renewed since, some for good."""

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
from ise_env.tasks.agent_memory._diary import chatter, diary, pages, put
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
from ise_env.tasks.steps import found, plural, read, sh, write

GUIDE = """\
# Pruning

Entries in `facts.md` are `- E<number> [<day added>, <n>d] <text>` or `- E<number> [<day added>,
pinned] <text>`.

1. An entry of n days goes when more than n days have passed since it was added, or since it was
   last renewed: a daily note with `renewed E<number>` counts from the day of that note.
2. Pinned entries never go. `pinned E<number>` in a daily note pins an entry from then on, even if
   the entry itself still says otherwise.
3. What goes moves to `pruned.md` beside it, below what is there, in the order that it had, to the
   letter. What stays keeps order and wording, too. Headings and empty lines stay.
4. A list of what goes soon has the columns entry (`E<number>`) and left, the days that remain on
   the day in question: 0 is its last day. Pinned entries are not on it.
"""
ENTRY = re.compile(r"^- E(\d+) \[(\S+), (\w+)\] (.+)$", re.MULTILINE)
TEXTS = (
    "{a} can sign for parcels", "the {t} cupboard has a new lock", "{c} delivers before eight",
    "room {n} is used as a store", "{b} knows the {p} archive", "the gate on the {w} side sticks",
    "{c} grants {n} days to pay", "the {t} password hint is a bird", "{a} answers for {b}",
)  # fmt: skip


class Params(KitParams):
    """How many entries, what day it is, how far ahead to look."""

    entries: int = Field(ge=8, le=20)
    today: str
    days: int = Field(ge=5, le=11)


@dataclass(frozen=True)
class World:
    """Memory, and what stays, goes, and goes soon."""

    contents: dict[str, str]
    facts: str
    pruned: str
    gone: int
    soon: list[tuple[str, str]]


def left(entry: tuple[str, ...], notes: str, today: str) -> int | None:
    """Days that an entry has left; None if it is pinned.

    Args:
        entry: Number, day, keep, text.
        notes: Lines `<day>:... renewed E12` and `... pinned E12`.
        today: Day in question.
    """
    number, added, keep, _ = entry
    if keep == "pinned" or re.search(rf"pinned E{number}\b", notes):
        return None
    renewed = re.findall(rf"^(\S+?):.*renewed E{number}\b", notes, re.MULTILINE)
    since = date.fromisoformat(max([added, *renewed]))
    return int(keep.removesuffix("d")) - (date.fromisoformat(today) - since).days


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive memory from the parameters."""
    d = Draw(p.content)
    today = date.fromisoformat(p.today)
    days = diary(d, 17, today - timedelta(days=25))
    when = [day for day in sorted(days) if day < today]
    fates = ["stale", "stale", "renewed", "pinned", "pinned later", "fresh", "soon", "last day"]
    fates += [d.pick(fates[:7]) for _ in range(p.entries - len(fates))]
    numbers = d.some(range(10, 99), p.entries)
    lines = []
    for number, fate in zip(numbers, d.shuffled(fates), strict=True):
        keep = d.pick((30, 60, 90))
        age = {
            "fresh": d.integer(1, keep - p.days - 1),
            "soon": keep - d.integer(1, p.days),
            "last day": keep,
        }.get(fate, keep + d.integer(1, 40))
        kept = "pinned" if fate == "pinned" else f"{keep}d"
        lines.append(
            f"- E{number} [{today - timedelta(days=age)}, {kept}] {chatter(d, d.pick(TEXTS))}"
        )
        if fate in ("renewed", "pinned later"):
            put(d, days, d.pick(when), f"{fate.split()[0]} E{number}")
    noted = "\n".join(f"{day}:- {line}" for day, some in days.items() for line in some)
    half = len(lines) // 2
    head = ["# Facts", "", *lines[:half], "", "## Newer", "", *lines[half:]]
    remaining = {e[0]: left(e, noted, p.today) for e in ENTRY.findall("\n".join(lines))}
    stale = [line for line in lines if (remaining[line[3:5]] or 0) < 0]
    memory = f"memory/{p.folder}"
    before = f"# Pruned\n\n- E7 [2024-01-05, 30d] {chatter(d, TEXTS[0])}\n"
    contents = {
        **pages(p.folder, {day: days[day] for day in when}),
        f"{memory}/facts.md": "\n".join(head) + "\n",
        f"{memory}/pruned.md": before,
        f"{p.folder}/PRUNE.md": GUIDE,
    }
    soon = [
        (f"E{number}", str(days_left))
        for number, days_left in remaining.items()
        if days_left is not None and 0 <= days_left <= p.days
    ]
    return World(
        contents,
        "\n".join(line for line in head if line not in stale) + "\n",
        before + "".join(f"{line}\n" for line in stale),
        len(stale),
        soon,
    )


class PruneStale(Kit[Params]):
    """Memory to prune."""

    name = "agent-memory/prune-stale"
    title = "Prune stale memory entries"
    description = "Move expired entries out of memory, minding renewals and pins, and look ahead."
    obstacle = "daily notes renewed or pinned entries that look stale"
    folders = ("fact-sheet", "concierge", "reception-notes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more entries."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            entries={"simple": 8, "medium": 13, "complex": 20}[complexity],
            today=str(date(2025, int(rng.integers(5, 12)), int(rng.integers(3, 27)))),
            days=int(rng.integers(5, 12)),
        )

    def seed(self, p: Params) -> Seed:
        """Entries, notes, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Prune, then look ahead in what is left."""
        f = p.folder
        facts, guide, soon = f"memory/{f}/facts.md", f"{f}/PRUNE.md", f"{f}/soon.csv"
        today = Fact("today", p.today)
        return (
            SubGoal(
                id="prune",
                request=f"prune {facts} as of {p.today} by the rules in {guide} and tell me how "
                "many entries went",
                label=f"the pruning of {facts}",
                facts=(Fact("facts", facts), today, Fact("guide", guide)),
                artifacts=(facts, f"memory/{f}/pruned.md"),
                question="Is an entry stale on its very last day?",
                answer="No, only when more than its days have passed",
            ),
            SubGoal(
                id="soon",
                request=f"write {soon} with the entries of {facts} that will go within {p.days} "
                f"days of {p.today}, in the form that {guide} gives",
                label="the list of what goes soon",
                facts=(
                    Fact("soon", soon),
                    Fact("facts", facts),
                    Fact("days", str(p.days)),
                    today,
                    Fact("guide", guide),
                ),
                artifacts=(soon,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both files as a whole, the number, the list; daily notes stay."""
        w, memory = world(p), f"memory/{p.folder}"
        kept = {k: v for k, v in w.contents.items() if not k.endswith(("facts.md", "pruned.md"))}
        return (
            Text(
                id="facts",
                subgoal="prune",
                path=f"{memory}/facts.md",
                text=TextMatch(equals=w.facts),
                failure="facts.md lost an entry that stays, or kept one that goes",
            ),
            Text(
                id="pruned",
                subgoal="prune",
                path=f"{memory}/pruned.md",
                text=TextMatch(equals=w.pruned),
            ),
            Said(id="told", subgoal="prune", number=w.gone, unit=("entr",)),
            CsvRows(
                id="soon",
                subgoal="soon",
                path=f"{p.folder}/soon.csv",
                columns=("entry", "left"),
                rows=tuple(w.soon),
            ),
            untouched(kept, id="notes", failure="a daily note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look each entry up in the notes; move what is over."""
        return self._prune(p) if subgoal == "prune" else self._soon(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count entries."""
        if subgoal == "soon":
            (shown,) = yield read(f"{p.folder}/soon.csv")
            return f"I looked again; what goes soon:\n{shown.text.strip()}"
        (shown,) = yield sh("grep -c '^- E' facts.md pruned.md", workdir=f"memory/{p.folder}")
        kept, gone = (line.rpartition(":")[2] for line in shown.text.split())
        return f"I looked again: facts.md holds {kept}, pruned.md {gone} with the old ones."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Renewals and pins overlooked; the last day is one too many."""
        return (
            WrongSolution("notes not read", self._prune(p, words="nothing of the kind")),
            WrongSolution("gone on the last day", self._prune(p, least=1)),
        )

    def _prune(self, p: Params, words: str = "(renewed|pinned) E", least: int = 0) -> Solution:
        memory = f"memory/{p.folder}"
        guide, facts, pruned, notes = yield [
            read(f"{p.folder}/PRUNE.md"),
            read(f"{memory}/facts.md"),
            read(f"{memory}/pruned.md"),
            self._noted(p, words),
        ]
        if "never go" not in guide.text:
            return "PRUNE.md does not say what may never go, so I left everything."
        lines = facts.text.rstrip().splitlines()
        stale = []
        for line in lines:
            entry = ENTRY.match(line)
            days = left(entry.groups(), notes.text, p.today) if entry else None
            if days is not None and days < least:
                stale.append(line)
        saved = yield [
            write(f"{memory}/facts.md", "\n".join(x for x in lines if x not in stale) + "\n"),
            write(f"{memory}/pruned.md", "\n".join([pruned.text.rstrip(), *stale]) + "\n"),
        ]
        if any(reply.failed for reply in saved):
            return f"The files could not be written: {saved[0].text}"
        kept = plural(notes.text.count(" E"), "note")
        return (
            f"{plural(len(stale), 'entry', 'entries')} went to {memory}/pruned.md. "
            f"{kept} on renewals and pins decided about others."
        )

    def _soon(self, p: Params) -> Solution:
        guide, facts, notes = yield [
            read(f"{p.folder}/PRUNE.md"),
            read(f"memory/{p.folder}/facts.md"),
            self._noted(p, "(renewed|pinned) E"),
        ]
        rows = []
        for entry in ENTRY.findall(facts.text):
            days = left(entry, notes.text, p.today)
            if days is not None and 0 <= days <= p.days:
                rows.append((f"E{entry[0]}", days))
        columns = ("entry", found(r"`E<number>`\) and (\w+)", guide.text))
        (saved,) = yield write(f"{p.folder}/soon.csv", csv_text(columns, rows))
        if saved.failed:
            return f"soon.csv could not be written: {saved.text}"
        return f"{p.folder}/soon.csv has {plural(len(rows), 'row')}."

    def _noted(self, p: Params, words: str) -> ToolCall:
        return sh(f"grep -HE '{words}' 2025-*.md | sed 's/\\.md:/:/'", workdir=f"memory/{p.folder}")
