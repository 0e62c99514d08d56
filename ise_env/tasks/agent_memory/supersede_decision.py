"""A decision taken in an earlier conversation, which takes the place of one that was noted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.agent_memory._diary import diary, pages
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
from ise_env.tools.session_seed import SessionSeed

SUBJECTS = {
    "payroll provider": ("Bellwether", "Juniper Labs", "in-house", "Northfield"),
    "office plants": ("rented", "none", "bought", "borrowed from the lobby"),
    "release day": ("Tuesday", "Thursday", "first Monday", "whenever it is ready"),
    "password manager": ("the shared vault", "one vault a team", "paper in the safe", "none yet"),
    "catering": ("cold buffet", "food truck", "bring your own", "the canteen"),
    "visitor parking": ("bay 3", "street", "roof deck", "by appointment"),
    "logo colour": ("teal", "brick", "navy", "slate"),
    "meeting language": ("English", "Spanish", "whatever the guest speaks", "English and Dutch"),
    "archive cycle": ("monthly", "quarterly", "yearly", "never"),
    "travel agent": ("Kestrel", "online only", "Harborlight", "nobody"),
}
GUIDE = """\
# How decisions are kept

`{file}` has a section a decision, oldest first:

```
## <day> <subject>
Choice: <choice>
Status: holds
```

- A new decision is a new section at the end, dated by the day on which it was agreed.
- If an older decision on the subject holds, its status becomes
  `superseded on <day of the new one>`. Nothing else of it changes, and nothing is ever deleted.
- A proposal is no decision. What was agreed last in a conversation counts.
"""
SECTION = re.compile(r"^## (\S+) (.+)\nChoice: (.+)\nStatus: (.+)$", re.MULTILINE)


class Params(KitParams):
    """What was decided, and how much else."""

    subject: str
    decisions: int = Field(ge=4, le=9)


@dataclass(frozen=True)
class World:
    """Notes, the conversation, and what the file becomes."""

    contents: dict[str, str]
    session: SessionSeed
    others: tuple[SessionSeed, ...]
    after: str
    holding: list[tuple[str, str]]


def _file(p: Params) -> str:
    return f"memory/{p.folder}/decisions.md"


def _rendered(sections: list[tuple[str, str, str, str]]) -> str:
    blocks = [f"## {day} {s}\nChoice: {c}\nStatus: {status}\n" for day, s, c, status in sections]
    return "\n".join(["# Decisions\n", *blocks])


def _talk(*lines: str) -> tuple[dict[str, str], ...]:
    roles = ("user", "assistant")
    return tuple({"role": roles[n % 2], "content": line} for n, line in enumerate(lines))


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive memory and conversations from the parameters."""
    d = Draw(p.content)
    subjects = [p.subject, *d.some(sorted(set(SUBJECTS) - {p.subject}), p.decisions - 1)]
    days = sorted({d.day(2025, month) for month in d.some(range(1, 8), 6)})
    sections = []
    for place, subject in enumerate(d.shuffled(subjects)):
        day = str(days[place % len(days)])
        sections.append((day, subject, SUBJECTS[subject][0], "holds"))
    twice = d.pick(sorted(set(subjects) - {p.subject}))
    sections = [
        (day, s, c, "superseded on 2025-08-04" if s == twice else status)
        for day, s, c, status in sections
    ]
    sections.append(("2025-08-04", twice, SUBJECTS[twice][1], "holds"))
    sections.sort(key=lambda section: section[0])
    _, first, second, last = SUBJECTS[p.subject]
    first, second, last = d.shuffled([first, second, last])
    agreed = d.day(2025, 10)
    boss = d.word("first_names")
    session = SessionSeed(
        f"{p.folder}-autumn-planning",
        _talk(
            f"It is {agreed}. {boss} wants to talk about the {p.subject} again.",
            "What is it to be instead?",
            f"The proposal is: {first}. Let us decide on that.",
            f"Noted as a decision on the {p.subject}: {first}?",
            "Wait. The board will not pay for that.",
            f"Then there is {second}, which was the runner-up.",
            f"Yes. We agree on {second} for the {p.subject}, as of today.",
            "Understood.",
            f"Somebody will bring up {last} again next year. Not now.",
            "Fine. Shall I write it down?",
            "Later, when we are done with the rest.",
        ),
        label="autumn planning",
        age_minutes=5_000,
    )
    chat = SessionSeed(
        f"{p.folder}-travel",
        _talk(
            "Which trains go to Ashby on Friday?",
            "At 8:12, 10:12 and 15:40.",
            f"By the way, what would {last} cost us for the {p.subject}?",
            "I would have to ask.",
        ),
        label="train times",
        age_minutes=900,
    )
    new = (str(agreed), p.subject, second, "holds")
    after = [
        (day, s, c, f"superseded on {agreed}" if s == p.subject else status)
        for day, s, c, status in sections
    ]
    after.append(new)
    holding = sorted((s, c) for _, s, c, status in after if status == "holds")
    contents = {
        **pages(p.folder, diary(d, 16, date(2025, 9, 1))),
        _file(p): _rendered(sections),
        f"{p.folder}/DECISIONS.md": GUIDE.format(file=_file(p)),
    }
    return World(contents, session, (chat,), _rendered(after), holding)


class SupersedeDecision(Kit[Params]):
    """A decision to record."""

    name = "agent-memory/supersede-decision"
    title = "Record a decision that supersedes another"
    description = "Find what was agreed in an earlier conversation, note it, mark the old one."
    tools = ("exec", "read", "write", "sessions_list", "sessions_history")
    obstacle = "the conversation agrees on one thing, takes it back, and agrees on another"
    folders = ("council", "steering", "round-table")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more decisions."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            subject=one(rng, sorted(SUBJECTS)),
            decisions={"simple": 4, "medium": 6, "complex": 9}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Memory, and two earlier conversations."""
        w = world(p)
        return Seed(files(w.contents), sessions=(w.session, *w.others))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Record, then list what holds."""
        kept, guide, holding = _file(p), f"{p.folder}/DECISIONS.md", f"{p.folder}/holding.csv"
        return (
            SubGoal(
                id="record",
                request=f"look up in our earlier conversation {p.folder}-autumn-planning what we "
                f"agreed about the {p.subject} and record it in {kept} as {guide} wants it",
                label=f"the decision on the {p.subject}",
                facts=(
                    Fact("session", f"{p.folder}-autumn-planning"),
                    Fact("subject", p.subject),
                    Fact("kept", kept),
                    Fact("guide", guide),
                ),
                artifacts=(kept,),
                question="Does a proposal that was noted count as a decision?",
                answer="No, what was agreed last in that conversation counts",
            ),
            SubGoal(
                id="holding",
                request=f"write {holding} with the columns subject and choice for all decisions in "
                f"{kept} that hold now",
                label="the list of what holds",
                facts=(Fact("holding", holding), Fact("kept", kept)),
                artifacts=(holding,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The file as a whole, the list; daily notes stay."""
        w = world(p)
        notes = {k: v for k, v in w.contents.items() if k != _file(p)}
        return (
            Text(
                id="recorded",
                subgoal="record",
                weight=2,
                path=_file(p),
                text=TextMatch(equals=w.after),
                failure="the decisions are not kept as DECISIONS.md says",
            ),
            CsvRows(
                id="holding",
                subgoal="holding",
                path=f"{p.folder}/holding.csv",
                columns=("subject", "choice"),
                rows=tuple(w.holding),
            ),
            untouched(notes, id="notes", failure="another note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the conversation to its end; then the file."""
        return self._record(p) if subgoal == "record" else self._holding(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the last section, or the list."""
        if subgoal == "holding":
            (shown,) = yield read(f"{p.folder}/holding.csv")
            return f"I looked again; what holds:\n{shown.text.strip()}"
        (shown,) = yield sh(f"tail -n 3 {_file(p)}; grep -c superseded {_file(p)}")
        *section, old = shown.text.strip().splitlines()
        return f"The last section is `{' / '.join(section)}`; superseded in all: {old}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first proposal; the old decision overwritten."""
        return (
            WrongSolution("the proposal", self._record(p, words="The proposal is: (.+?)\\.")),
            WrongSolution("the old one replaced", self._record(p, replace=True)),
        )

    def _record(self, p: Params, words: str = "", replace: bool = False) -> Solution:
        guide, listed, before = yield [
            read(f"{p.folder}/DECISIONS.md"),
            ToolCall("sessions_list", {}),
            read(_file(p)),
        ]
        rows = json.loads(listed.text)["sessions"]
        key = next(row["key"] for row in rows if row["key"].endswith("-autumn-planning")
                   and p.folder in row["key"])  # fmt: skip
        (talk,) = yield ToolCall("sessions_history", {"sessionKey": key})
        if "no decision" not in guide.text:
            return "DECISIONS.md does not say what counts, so I recorded nothing."
        day = found(r"It is (\d{4}-\d\d-\d\d)", talk.text)
        choice = found(words or r"We agree on (.+?) for the", talk.text)
        status = f"superseded on {day}"
        sections = [
            (when, s, c, status if (s, old) == (p.subject, "holds") else old)
            for when, s, c, old in SECTION.findall(before.text)
            if not (replace and s == p.subject)
        ]
        sections.append((day, p.subject, choice, "holds"))
        (saved,) = yield write(_file(p), _rendered(sections))
        if saved.failed:
            return f"{_file(p)} could not be written: {saved.text}"
        return (
            f"On {day} we agreed on {choice} for the {p.subject}. {_file(p)} has it as the last of "
            f"{plural(len(sections), 'section')}, and the former one is marked."
        )

    def _holding(self, p: Params) -> Solution:
        (kept,) = yield read(_file(p))
        rows = [(s, c) for _, s, c, status in SECTION.findall(kept.text) if status == "holds"]
        (saved,) = yield write(f"{p.folder}/holding.csv", csv_text(("subject", "choice"), rows))
        if saved.failed:
            return f"holding.csv could not be written: {saved.text}"
        return f"{plural(len(rows), 'decision')} hold now; they are in {p.folder}/holding.csv."
