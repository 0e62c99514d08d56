"""Facts that keep coming up in daily notes, to be promoted to what is remembered for good."""

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
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import plural, read, sh, write

GUIDE = """\
# What becomes lasting memory

Daily notes hold facts as `fact: <subject> = <value>`. `{memory}/LASTING.md` has the ones that last,
one a line below its heading: `- <subject> = <value>`, sorted.

1. A fact is promoted when the same value was noted on {least} different days or more. Twice on one
   day is one day. Capitals make no difference; write it as it was noted last.
2. A subject whose newest note has another value is not promoted: it is in flux.
3. A line that LASTING.md has on a subject already is replaced if a fact on it is promoted, and
   stays otherwise.
4. `flux.txt` in `{folder}` has the subjects of rule 2, that is, of those that would have been
   promoted but for their newest note, one a line, sorted.
5. Daily notes are never edited.
"""
FACT = re.compile(r"fact: (.+?) = (.+)$")
SUBJECTS = {
    "door code": ("three threes", "the founding year", "nobody knows"),
    "quiet hours": ("before ten", "after four", "all Friday"),
    "tea": ("Assam", "rooibos", "peppermint"),
    "print room": ("second floor", "basement", "closed"),
    "fire drill": ("first Monday", "quarterly", "unannounced"),
    "best desk": ("by the window", "near the stairs", "the tall one"),
    "lunch": ("at noon", "half past twelve", "when it rains"),
    "post": ("collected at three", "collected at five", "bring it yourself"),
    "taxi": ("the green firm", "by phone only", "never on time"),
    "wifi guest name": ("meadow", "orchard", "harbour"),
    "bicycle shed": ("left of the gate", "behind the kitchen", "full by nine"),
    "minutes": ("by mail", "in the wiki", "on paper"),
}


class Params(KitParams):
    """How many subjects, and on how many days a fact has to be noted."""

    subjects: int = Field(ge=6, le=11)
    least: int = Field(ge=3, le=4)


@dataclass(frozen=True)
class World:
    """Notes, and what is promoted."""

    contents: dict[str, str]
    lasting: str
    flux: list[str]
    promoted: int


def judged(notes: Iterable[tuple[str, str, str]], least: int) -> tuple[dict[str, str], list[str]]:
    """What is promoted, and what is in flux, of (day, subject, value), oldest first."""
    days: dict[tuple[str, str], set[str]] = {}
    newest: dict[str, str] = {}
    for day, subject, value in sorted(notes, key=lambda note: note[0]):
        days.setdefault((subject, value.casefold()), set()).add(day)
        newest[subject] = value
    steady = {key for key, seen in days.items() if len(seen) >= least}
    promoted = {s: v for s, v in newest.items() if (s, v.casefold()) in steady}
    flux = sorted({subject for subject, _ in steady} - promoted.keys())
    return promoted, flux


def _rendered(facts: dict[str, str]) -> str:
    return "# Lasting\n\n" + "".join(f"- {s} = {v}\n" for s, v in sorted(facts.items()))


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the notes from the parameters."""
    d = Draw(p.content)
    days = diary(d, 18, date(2025, 6, 2))
    when = sorted(days)
    fates = ["steady", "steady", "flux", "same day", "rare", "shouted"]
    fates += [d.pick(fates) for _ in range(p.subjects - len(fates))]
    subjects = d.some(sorted(SUBJECTS), p.subjects)
    for subject, fate in zip(subjects, d.shuffled(fates), strict=True):
        value, other, _ = d.shuffled(SUBJECTS[subject])
        on = sorted(d.some(when[:-2], p.least))
        if fate in ("same day", "rare"):
            on = on[:-1]
        for place, day in enumerate(on):
            shouted = value.capitalize() if fate == "shouted" and place == 0 else value
            put(d, days, day, f"fact: {subject} = {shouted}")
        if fate == "same day":  # as often, but not on as many days
            days[on[-1]].append(f"fact: {subject} = {value}")
        if fate == "flux":
            put(d, days, when[-1], f"fact: {subject} = {other}")
    known = dict.fromkeys(d.some(subjects, 2), "see the notice board")
    spare = d.pick(sorted(set(SUBJECTS) - set(subjects)) or ["plants"])
    known[spare] = "ask at the desk"
    notes = [
        (str(day), found[1], found[2])
        for day, lines in days.items()
        for line in lines
        if (found := FACT.search(line))
    ]
    promoted, flux = judged(notes, p.least)
    memory = f"memory/{p.folder}"
    contents = {
        **pages(p.folder, days),
        f"{memory}/LASTING.md": _rendered(known),
        f"{p.folder}/PROMOTE.md": GUIDE.format(memory=memory, folder=p.folder, least=p.least),
    }
    return World(contents, _rendered({**known, **promoted}), flux, len(promoted))


class PromoteFacts(Kit[Params]):
    """Facts to promote."""

    name = "agent-memory/promote-facts"
    title = "Promote recurring facts to lasting memory"
    description = "Find facts noted on enough days, keep them for good, and name those in flux."
    tools = ("exec", "read", "write", "memory_search")
    obstacle = "repeats on one day do not count, and a newer note can speak against a fact"
    folders = ("habit-log", "house-rules", "team-lore")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more subjects."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            subjects={"simple": 6, "medium": 8, "complex": 11}[complexity],
            least=int(rng.integers(3, 5)),
        )

    def seed(self, p: Params) -> Seed:
        """Daily notes, lasting memory, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Promote, then name what is in flux."""
        f = p.folder
        lasting, guide, flux = f"memory/{f}/LASTING.md", f"{f}/PROMOTE.md", f"{f}/flux.txt"
        return (
            SubGoal(
                id="promote",
                request=f"promote what recurs in the daily notes in memory/{f} to {lasting} by "
                f"{guide} and tell me how many facts you promoted",
                label="the promoted facts",
                facts=(
                    Fact("notes", f"memory/{f}"),
                    Fact("lasting", lasting),
                    Fact("guide", guide),
                ),
                artifacts=(lasting,),
            ),
            SubGoal(
                id="flux",
                request=f"write {flux}, the subjects that are in flux in the sense of {guide}",
                label="the list of what is in flux",
                facts=(Fact("flux", flux), Fact("guide", guide)),
                artifacts=(flux,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Lasting memory as a whole, the list; daily notes stay."""
        w = world(p)
        lasting = f"memory/{p.folder}/LASTING.md"
        return (
            Text(
                id="lasting",
                subgoal="promote",
                weight=2,
                path=lasting,
                text=TextMatch(equals=w.lasting),
                failure="LASTING.md is not what PROMOTE.md leads to",
            ),
            Said(id="told", subgoal="promote", number=w.promoted, unit=("fact", "promot")),
            Text(
                id="flux",
                subgoal="flux",
                path=f"{p.folder}/flux.txt",
                text=TextMatch(equals="\n".join(w.flux)),
            ),
            untouched(
                {k: v for k, v in w.contents.items() if k != lasting},
                id="daily",
                failure="a daily note or the rules were changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Gather facts with their days, judge them."""
        return self._promote(p) if subgoal == "promote" else self._flux(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show what was written."""
        name = "LASTING.md" if subgoal == "promote" else "flux.txt"
        folder = f"memory/{p.folder}" if subgoal == "promote" else p.folder
        (shown,) = yield read(f"{folder}/{name}")
        return f"I read {folder}/{name} once more:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Counting lines and not days; the newest note overlooked."""
        return (
            WrongSolution("lines counted, not days", self._promote(p, by_line=True)),
            WrongSolution("one day less", self._promote(p, off=-1)),
        )

    def _promote(self, p: Params, by_line: bool = False, off: int = 0) -> Solution:
        lasting = f"memory/{p.folder}/LASTING.md"
        guide, known, hits, lines = yield [
            read(f"{p.folder}/PROMOTE.md"),
            read(lasting),
            ToolCall("memory_search", {"query": "fact:", "maxResults": 50}),
            sh(f"grep -rn 'fact: ' memory/{p.folder}/2025-*.md"),
        ]
        promoted, _ = judged(_facts(lines.text, by_line), _least(guide.text) + off)
        facts = dict(re.findall(r"^- (.+?) = (.+)$", known.text, re.MULTILINE)) | promoted
        (saved,) = yield write(lasting, _rendered(facts))
        if saved.failed:
            return f"{lasting} could not be written: {saved.text}"
        passages = plural(hits.text.count('"citation"'), "passage")
        return (
            f"{plural(len(promoted), 'fact')} promoted, from {passages} that speak of facts; "
            f"{lasting} has {plural(len(facts), 'line')} now."
        )

    def _flux(self, p: Params) -> Solution:
        guide, lines = yield [
            read(f"{p.folder}/PROMOTE.md"),
            sh(f"grep -rn 'fact: ' memory/{p.folder}/2025-*.md"),
        ]
        _, flux = judged(_facts(lines.text), _least(guide.text))
        (saved,) = yield write(f"{p.folder}/flux.txt", "".join(f"{s}\n" for s in flux))
        if saved.failed:
            return f"flux.txt could not be written: {saved.text}"
        return f"In flux: {', '.join(flux)}."


def _least(guide: str) -> int:
    match = re.search(r"on (\d+) different days", guide)
    return int(match[1]) if match else 3


def _facts(text: str, by_line: bool = False) -> list[tuple[str, str, str]]:
    """Day, subject, value of what grep found; the line's number makes days differ if wanted."""
    rows = []
    for path, number, line in (row.split(":", 2) for row in text.strip().splitlines()):
        if match := FACT.search(line):
            day = path[-13:-3]
            rows.append((f"{day} {number:>3}" if by_line else day, match[1], match[2]))
    return rows
