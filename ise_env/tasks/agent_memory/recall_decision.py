"""A decision that was taken in an earlier session, and taken again differently in a later one."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    ToolReply,
    WrongSolution,
)
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh, write

SUBJECTS = {
    "report layout": ("two columns", "one column", "landscape", "no charts"),
    "backup schedule": ("nightly", "every six hours", "weekly", "on demand"),
    "invoice numbering": ("by year", "by customer", "continuous", "by branch"),
    "chat tool": ("Matrix", "Zulip", "plain mail", "IRC"),
    "hosting": ("own server", "Frankfurt region", "the reseller", "Oslo region"),
    "tax adviser": ("Lindqvist & Cho", "in-house", "Galvin Partners", "none this year"),
    "date format": ("ISO", "day first", "month name", "week numbers"),
    "newsletter day": ("Tuesday", "Thursday", "first of the month", "Sunday evening"),
    "licence": ("MIT", "Apache-2.0", "GPL-3.0", "no licence yet"),
    "print shop": ("Calloway", "Marlow", "the campus one", "online"),
}
CHATTER = (
    "Can you shorten this paragraph?",
    "Thanks, that reads better.",
    "The numbers of last week are in.",
    "Remind me to call back tomorrow.",
    "I moved the meeting to the afternoon.",
    "Please keep the tone friendly.",
    "That is all for now.",
    "What did the supplier answer?",
    "They want to know by Friday.",
    "I will think about it.",
)
SESSIONS = {"simple": 6, "medium": 10, "complex": 16}


class Params(KitParams):
    """What was decided, and in how many sessions it can hide."""

    subject: str
    sessions: int = Field(ge=6, le=16)
    torn: bool
    """Whether one log ends in the middle of a line."""


@dataclass(frozen=True)
class World:
    """Logs, memory, and the two decisions."""

    contents: dict[str, str]
    lines: list[str]
    """Of the memory's section, old ones included, in order."""
    replaced: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the logs from the parameters."""
    d = Draw(p.content)
    days = sorted({d.day(2025).isoformat() for _ in range(p.sessions * 3)})
    days = sorted(d.some(days, p.sessions))
    user, helper = d.word("first_names"), "assistant"
    ids = {day: f"{day}-{d.integer(0x100, 0xFFF):x}" for day in days}
    logs: dict[str, list[dict[str, str]]] = {}
    for day in days:
        spoken = d.some(CHATTER, d.integer(4, 8))
        logs[day] = [{"who": user if d.chance(0.6) else helper, "text": text} for text in spoken]
    choices = d.some(SUBJECTS[p.subject], 3)
    early, late = d.integer(0, p.sessions // 2 - 1), d.integer(p.sessions // 2, p.sessions - 2)
    others = [name for name in d.shuffled(sorted(SUBJECTS)) if name != p.subject]

    def say(index: int, who: str, text: str) -> None:
        lines = logs[days[index]]
        lines.insert(d.integer(1, len(lines) - 1), {"who": who, "text": text})

    say(early, user, f"Decision on {p.subject}: {choices[0]}.")
    say(late, user, f"We go back on it. Decision on {p.subject}: {choices[1]}.")
    say(p.sessions - 1, helper, f"Idea for {p.subject}: {choices[2]}. Shall we?")
    say(p.sessions - 1, user, f"Not now, {p.subject} stays as it is.")
    free = [index for index in range(p.sessions) if index not in (early, late)]
    known = []
    for name in others[: p.sessions // 3]:
        index, choice = d.pick(free), d.pick(SUBJECTS[name])
        say(index, user, f"Decision on {name}: {choice}.")
        known.append(f"- {days[index]} {name}: {choice} (session {ids[days[index]]})")
    known.sort()
    new = f"- {days[late]} {p.subject}: {choices[1]} (session {ids[days[late]]})"
    old = f"- {days[early]} {p.subject}: {choices[0]} (session {ids[days[early]]})"
    f = p.folder
    contents = {
        f"{f}/sessions/{ids[day]}.jsonl": "".join(json.dumps(line) + "\n" for line in lines)
        for day, lines in logs.items()
    }
    if p.torn:
        torn = f"{f}/sessions/{ids[days[late]]}.jsonl"
        contents[torn] += f'{{"who": "{user}", "text": "And one more thi'
    contents[f"{f}/MEMORY.md"] = (
        "# Memory\n\n"
        "One line for each subject, the decision that holds today, oldest first:\n"
        "`- <day> <subject>: <choice> (session <name of the log without .jsonl>)`\n\n"
        "## Decisions\n\n" + "".join(line + "\n" for line in known)
    )
    return World(contents, sorted([*known, new]), old)


class RecallDecision(Kit[Params]):
    """A decision to look up."""

    name = "agent-memory/recall-decision"
    title = "Recall an earlier decision"
    description = "Find the decision that holds in many session logs and record it in MEMORY.md."
    obstacle = "the first decision that turns up was reversed in a later session"
    folders = ("diary", "recall", "agent-notes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sessions, one of them with a torn last line."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            subject=one(rng, sorted(SUBJECTS)),
            sessions=SESSIONS[complexity],
            torn=complexity != "simple",
        )

    def seed(self, p: Params) -> Seed:
        """Session logs as JSON lines, and a memory without the decision."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """What holds, then what it replaced."""
        sessions, memory = f"{p.folder}/sessions", f"{p.folder}/MEMORY.md"
        subject, replaced = Fact("subject", p.subject), f"{p.folder}/replaced.md"
        return (
            SubGoal(
                id="record",
                request=f"find out from the session logs in {sessions} what we decided about the "
                f"{p.subject} and add it to {memory} in the form described there",
                label=f"the decision about the {p.subject}",
                facts=(Fact("sessions", sessions), Fact("memory", memory), subject),
                artifacts=(memory,),
                question="Does a later decision replace an earlier one on the same subject?",
                answer="Yes, only the decision that holds today belongs there",
            ),
            SubGoal(
                id="replaced",
                request=f"write the earlier decision about the {p.subject} that this one replaced "
                f"to {replaced}, as one line in the same form",
                label="the decision that was replaced",
                facts=(subject, Fact("replaced", replaced)),
                artifacts=(replaced,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The memory as a whole, the replaced line; logs stay."""
        w = world(p)
        memory = f"{p.folder}/MEMORY.md"
        head = w.contents[memory].partition("## Decisions\n")[0]
        logs = {path: text for path, text in w.contents.items() if path != memory}
        return (
            Text(
                id="recorded",
                subgoal="record",
                weight=2,
                path=memory,
                text=TextMatch(
                    equals=head + "## Decisions\n\n" + "".join(f"{x}\n" for x in w.lines)
                ),
                failure="the memory does not hold the decision of today in its place",
            ),
            Text(
                id="replaced",
                subgoal="replaced",
                path=f"{p.folder}/replaced.md",
                text=TextMatch(equals=w.replaced),
            ),
            untouched(logs, id="logs", failure="a session log was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Search, pick the latest, put it where it belongs; then the one before."""
        return self._record(p) if subgoal == "record" else self._replaced(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the line."""
        name = "MEMORY.md" if subgoal == "record" else "replaced.md"
        (shown,) = yield sh(f"grep -h '{p.subject}' {name}", workdir=p.folder)
        return f"I looked again: {p.folder}/{name} says `{shown.text.strip().lstrip('- ')}`"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first decision that turns up; the latest mention, which is none."""
        return (
            WrongSolution("first decision", self._record(p, which=0)),
            WrongSolution(
                "an idea for a decision",
                self._record(p, words="Idea for"),
            ),
        )

    def _record(self, p: Params, which: int = -1, words: str = "Decision on") -> Solution:
        memory = f"{p.folder}/MEMORY.md"
        before, listing = yield [read(memory), sh("ls sessions", workdir=p.folder)]
        hits = yield from self._search(p, words)
        if not hits:
            return f"None of the {len(listing.text.split())} logs mentions such a decision."
        line = hits[which]
        entries = [row for row in before.text.splitlines() if row.startswith("- 20")]
        earlier = [row for row in entries if row[:12] < line[:12]]
        anchor = earlier[-1] if earlier else "## Decisions\n"
        (changed,) = yield edit(memory, anchor, f"{anchor}\n{line}")
        if changed.failed:
            return f"{memory} could not be edited: {changed.text}"
        (after,) = yield sh(f"grep -n -A99 Decisions {memory}")
        noted = found(rf"({p.subject}: .*)$", after.text)
        return (
            f"I added it to {memory}: {noted}. It was decided {plural(len(hits), 'time')}; "
            f"this is the last."
        )

    def _replaced(self, p: Params) -> Solution:
        hits = yield from self._search(p, "Decision on")
        (holding,) = yield sh(f"grep '{p.subject}' {p.folder}/MEMORY.md")
        old = [line for line in hits if line not in holding.text]
        if not old:
            return "There is no earlier decision on it."
        (saved,) = yield write(f"{p.folder}/replaced.md", old[-1] + "\n")
        return f"I noted the earlier one, {old[-1][2:]}. {saved.text.strip()}"

    def _search(self, p: Params, words: str) -> Generator[ToolCall, list[ToolReply], list[str]]:
        """What the logs say, as lines of the memory's form, by day."""
        (hits,) = yield sh(f"grep -H '{p.subject}' sessions/*.jsonl", workdir=p.folder)
        return _lines(hits.text, f"{words} {p.subject}: ", p.subject)


def _lines(text: str, words: str, subject: str) -> list[str]:
    lines = []
    for row in filter(lambda row: words in row, text.splitlines()):
        session = found(r"sessions/(.+?)\.jsonl", row)
        choice = found(rf"{words}(.+?)\.(?!\w)", row)
        lines.append(f"- {session[:10]} {subject}: {choice} (session {session})")
    return lines
