"""A week of daily notes to sum up, and what it leaves open to carry over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
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
# Digests

A week runs from Monday to Sunday and is named as in ISO 8601. In daily notes, `open: <thing>`
begins something, `done: <thing>` ends it, `dropped: <thing>` says that nobody will do it; other
lines do not matter here. Things are told apart by their words.

```
# Week <week>

## Done

- <thing> (<day>)

## Still open

- <thing> (since <day>)
```

- Done has what a note of that week says is done, with that day, in order of the days and within a
  day in order of the note. Something done twice stands there once, with its first day.
- Still open has what was opened in that week **or before** and was, by the end of that week,
  neither done nor dropped, with the day on which it was opened, oldest first, then by name. What
  happened after that week does not count.
- To carry over means: right below the heading of the next page and its empty line, one line
  `- open: <thing>` for each thing still open, in the same order, above what the page has already.
"""
LINE = re.compile(r"^(\d{4}-\d\d-\d\d):(\d+):- (open|done|dropped): (.+)$")
THINGS = (
    "label the {p} boxes", "quote for {c}", "find the {t} folder", "answer {w} town hall",
    "renew the {t} cards", "draft for {p}", "call {c} back", "key list for {w}",
    "photos of {p}", "translate the {t} page", "check the bill of {c}", "map of {w}",
)  # fmt: skip


class Params(KitParams):
    """Which week, how many things."""

    monday: str
    things: int = Field(ge=8, le=12)


@dataclass(frozen=True)
class World:
    """Notes, the digest, the page that things are carried to."""

    contents: dict[str, str]
    digest: str
    carried: str
    still_open: int


def week_name(monday: str) -> str:
    """`2025-W37`."""
    year, week, _ = date.fromisoformat(monday).isocalendar()
    return f"{year}-W{week:02d}"


def summed_up(lines: str, monday: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What was done in a week, and what is still open at its end, each with its day.

    Args:
        lines: `<day>:<number of the line>:- open: ...`, as grep shows them.
        monday: First day of the week.
    """
    sunday = str(date.fromisoformat(monday) + timedelta(days=6))
    rows = [match.groups() for line in lines.splitlines() if (match := LINE.match(line))]
    rows.sort(key=lambda row: (row[0], int(row[1])))
    done: dict[str, str] = {}
    still: dict[str, str] = {}
    for day, _, what, thing in rows:
        if day > sunday:
            continue
        if what == "open":
            still.setdefault(thing, day)
            continue
        still.pop(thing, None)
        if what == "done" and day >= monday:
            done.setdefault(thing, day)
    return list(done.items()), sorted(still.items(), key=lambda item: (item[1], item[0]))


def _rendered(monday: str, done: list[tuple[str, str]], still: list[tuple[str, str]]) -> str:
    rows = [
        *(f"# Week {week_name(monday)}", "", "## Done", ""),
        *(f"- {thing} ({day})" for thing, day in done),
        *("", "## Still open", ""),
        *(f"- {thing} (since {day})" for thing, day in still),
    ]
    return "\n".join(rows) + "\n"


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the notes from the parameters."""
    d = Draw(p.content)
    monday = date.fromisoformat(p.monday)
    days = diary(d, 16, monday - timedelta(days=11))
    before, within, after = (
        [day for day in sorted(days) if low <= (day - monday).days < high]
        for low, high in ((-30, 0), (0, 7), (7, 30))
    )
    fates = ["done", "carried and done", "open", "open", "old and open", "dropped", "done later"]
    fates += ["twice", *(d.pick(fates) for _ in range(p.things - 8))]
    words = [
        template.format(
            p=d.word("projects"), c=d.word("companies"), t=d.word("topics"), w=d.word("towns")
        )
        for template in d.some(THINGS, min(p.things, len(THINGS)))
    ]
    for thing, fate in zip(words, d.shuffled(fates[: len(words)]), strict=True):
        begun = d.pick(before if fate in ("carried and done", "old and open") else within[:2])
        put(d, days, begun, f"open: {thing}")
        if fate in ("done", "carried and done", "twice"):
            put(d, days, d.pick(within[2:4]), f"done: {thing}")
        if fate == "twice":
            put(d, days, within[-1], f"done: {thing}")
        if fate == "dropped":
            put(d, days, within[-1], f"dropped: {thing}")
        if fate == "done later":
            put(d, days, d.pick(after), f"done: {thing}")
    put(d, days, d.pick(before[:3]), f"done: {d.word('topics')} stocktaking")
    lines = "\n".join(
        f"{day}:{number}:- {line}" for day, some in days.items() for number, line in enumerate(some)
    )
    done, still = summed_up(lines, p.monday)
    f = p.folder
    page = [f"- open: {d.word('projects')} review\n", f"- {d.word('first_names')} is on call\n"]
    top = "# Next week\n\n"
    contents = {
        **pages(f, days),
        f"{f}/DIGEST.md": GUIDE,
        f"memory/{f}/next.md": top + "".join(page),
    }
    opened = "".join(f"- open: {thing}\n" for thing, _ in still)
    return World(
        contents, _rendered(p.monday, done, still), top + opened + "".join(page), len(still)
    )


class WeeklyDigest(Kit[Params]):
    """A week to sum up."""

    name = "agent-memory/weekly-digest"
    title = "Write a weekly digest"
    description = "Sum up a week of notes in what is done and what is open, and carry that over."
    obstacle = "things are opened before the week, dropped within it, and finished after it"
    folders = ("week-book", "studio-journal", "shift-notes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more things."""
        first = date(2025, 3, 3)
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            monday=str(first + timedelta(weeks=int(rng.integers(2, 36)))),
            things={"simple": 8, "medium": 10, "complex": 12}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Notes, the form of a digest, the next page."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Sum up, then carry over."""
        f, week = p.folder, week_name(p.monday)
        notes, guide, digest, after = (
            *(f"memory/{f}", f"{f}/DIGEST.md"),
            *(f"{f}/digest-{week}.md", f"memory/{f}/next.md"),
        )
        return (
            SubGoal(
                id="digest",
                request=f"write the digest of {week} from the daily notes in {notes} to {digest} "
                f"as {guide} describes",
                label=f"the digest of {week}",
                facts=(
                    Fact("digest", digest),
                    Fact("week", week),
                    Fact("notes", notes),
                    Fact("guide", guide),
                ),
                artifacts=(digest,),
            ),
            SubGoal(
                id="carry",
                request=f"add what is still open in {digest} to the top of {after} as {guide} says "
                "and tell me how many things that are",
                label="carrying over what is open",
                facts=(Fact("digest", digest), Fact("next", after), Fact("guide", guide)),
                artifacts=(after,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both texts, the number; daily notes stay."""
        w, f = world(p), p.folder
        after = f"memory/{f}/next.md"
        return (
            Text(
                id="digest",
                subgoal="digest",
                weight=2,
                path=f"{f}/digest-{week_name(p.monday)}.md",
                text=TextMatch(equals=w.digest),
                failure="the digest is not what the notes come to",
            ),
            Text(id="carried", subgoal="carry", path=after, text=TextMatch(equals=w.carried)),
            Said(id="told", subgoal="carry", number=w.still_open, unit=("thing", "open")),
            untouched(
                {k: v for k, v in w.contents.items() if k != after},
                id="notes",
                failure="a daily note was changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Follow each thing through the notes; then copy what is open."""
        return self._digest(p) if subgoal == "digest" else self._carry(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the result."""
        name = f"{p.folder}/digest-{week_name(p.monday)}.md"
        (shown,) = yield read(name if subgoal == "digest" else f"memory/{p.folder}/next.md")
        return f"I read it once more:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Only the week's own notes; dropped taken for open."""
        return (
            WrongSolution("earlier notes not read", self._digest(p, since=p.monday)),
            WrongSolution("dropped things overlooked", self._digest(p, kinds="open|done")),
        )

    def _digest(self, p: Params, since: str = "", kinds: str = "open|done|dropped") -> Solution:
        guide, lines = yield [
            read(f"{p.folder}/DIGEST.md"),
            sh(
                f"grep -nHE '^- ({kinds}): ' 2025-*.md | sed 's/\\.md:/:/'",
                workdir=f"memory/{p.folder}",
            ),
        ]
        if "by the end of that week" not in guide.text:
            return "DIGEST.md does not say what counts as open."
        rows = [line for line in lines.text.splitlines() if line[:10] >= since]
        done, still = summed_up("\n".join(rows), p.monday)
        name = f"{p.folder}/digest-{week_name(p.monday)}.md"
        (saved,) = yield write(name, _rendered(p.monday, done, still))
        if saved.failed:
            return f"{name} could not be written: {saved.text}"
        return (
            f"{name} is written from {plural(len(rows), 'line')}: {plural(len(done), 'thing')} "
            f"done, and {len(still)} left for later."
        )

    def _carry(self, p: Params) -> Solution:
        after = f"memory/{p.folder}/next.md"
        digest, page = yield [read(f"{p.folder}/digest-{week_name(p.monday)}.md"), read(after)]
        still = re.findall(r"^- (.+) \(since \S+\)$", digest.text, re.MULTILINE)
        top, _, rest = page.text.partition("\n\n")
        opened = "".join(f"- open: {thing}\n" for thing in still)
        (saved,) = yield write(after, f"{top}\n\n{opened}{rest.rstrip()}\n")
        if saved.failed:
            return f"{after} could not be written: {saved.text}"
        return f"{plural(len(still), 'thing')} stand on top of {after} now, first {still[0]}."
