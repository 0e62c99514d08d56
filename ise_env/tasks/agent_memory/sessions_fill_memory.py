"""Things to remember that were said in earlier sessions and never noted, or changed since."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.agent_memory.sessions_pick_up import SMALL_TALK
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
from ise_env.tasks.steps import plural, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tools.session_seed import SessionSeed

SUBJECTS = {
    "alarm company": ("Nightowl Alarms", "Sentry Row", "the landlord's own", "Brightkey"),
    "archive room": ("basement, second door", "attic, left", "next to the kitchen", "unit 14"),
    "boiler service": ("every May", "every October", "twice a year", "when the light blinks"),
    "bulky waste": ("first Monday of the month", "by phone only", "Thursdays", "twice a year"),
    "courier cut-off": ("15:30", "16:45", "17:15", "noon on Fridays"),
    "fire drill": ("in March", "in September", "unannounced", "together with the neighbours"),
    "guest parking": ("bays 4 to 6", "behind the bakery", "bay 11 only", "along the canal"),
    "key holder": ("the porter", "Tamsin Weller", "the night desk", "Goran Ilves"),
    "lift inspector": ("Pinnacle Lifts", "the city", "Hollis and sons", "the insurer"),
    "meeting snacks": ("no nuts", "fruit only", "nothing with gluten", "vegan"),
    "paper supplier": ("Calloway Print", "Quillfeather Books", "the wholesaler", "Larkspur"),
    "spare projector": ("cupboard B2", "lent to Hartford", "at the repair shop", "room 3.07"),
}
SESSIONS = {"simple": 6, "medium": 9, "complex": 12}

HEAD = """\
# Facts

What the user asked to remember, one line for each subject, in alphabetical order:
`- <subject>: <what>`. What was said last holds; what was taken back does not stand here.

"""


class Params(KitParams):
    """How many sessions there are, and what is asked about in the end."""

    sessions: int = Field(ge=6, le=12)


@dataclass(frozen=True)
class World:
    """Sessions, memory, and what the memory should say."""

    contents: dict[str, str]
    sessions: tuple[SessionSeed, ...]
    facts: dict[str, str]
    """As they should stand in the end, by subject."""
    changed: str
    """A subject of which the memory holds what no longer counts."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive sessions and memory from the parameters."""
    d = Draw(p.content)
    subjects = d.shuffled(sorted(SUBJECTS))
    changed, withdrawn, twice = subjects[0], subjects[1], subjects[2]
    fresh, kept = subjects[3 : 3 + p.sessions // 3], subjects[-4:]
    values = {subject: d.shuffled(SUBJECTS[subject]) for subject in subjects}
    noted = {subject: values[subject][0] for subject in (changed, withdrawn, *kept)}
    # In this order, each in a session of its own or together with its neighbour.
    said = [
        f"Please remember, {twice}: {values[twice][0]}.",
        *(f"Please remember, {subject}: {values[subject][1]}." for subject in fresh),
        f"Please remember, {changed}: {values[changed][1]}.",
        f"Please remember, {twice}: {values[twice][2]}. The other one is out of date.",
        f"Forget what I said about the {withdrawn}, it no longer holds.",
    ]
    facts = {subject: noted[subject] for subject in kept}
    facts |= {subject: values[subject][1] for subject in (*fresh, changed)}
    facts[twice] = values[twice][2]
    memory = f"memory/{p.folder}"
    contents = {f"{memory}/facts.md": page(noted)}
    for path, text in surroundings(p.content, "x", 6).items():
        contents[f"{memory}/{path.rpartition('/')[2].rpartition('.')[0]}.md"] = text
    return World(contents, _sessions(d, p, said), facts, changed)


def page(facts: dict[str, str]) -> str:
    """The page of facts."""
    return HEAD + "".join(f"- {subject}: {facts[subject]}\n" for subject in sorted(facts))


def _sessions(d: Draw, p: Params, said: Sequence[str]) -> tuple[SessionSeed, ...]:
    """Conversations, the oldest first, with what was said spread over them in order."""
    places = sorted(d.integer(0, p.sessions - 1) for _ in said)
    sessions, age = [], 60 * 24 * (p.sessions * 3 + 2)
    for number in range(p.sessions):
        pairs = d.some(SMALL_TALK, d.integer(2, 4))
        here = [text for place, text in zip(places, said, strict=True) if place == number]
        at = d.integer(0, len(pairs))
        pairs[at:at] = [(text, "I will keep it in mind.") for text in here]
        age -= d.integer(60 * 20, 60 * 70)
        messages = tuple(
            {"role": role, "content": text}
            for pair in pairs
            for role, text in zip(("user", "assistant"), pair, strict=True)
        )
        name = f"{p.folder}-{d.integer(0x1000, 0xFFFF):x}-{number}"
        sessions.append(SessionSeed(name=name, messages=messages, age_minutes=age))
    return tuple(d.shuffled(sessions))


class SessionsFillMemory(Kit[Params]):
    """What was promised to be kept in mind."""

    name = "agent-memory/sessions-fill-memory"
    title = "Bring memory up to date from earlier sessions"
    description = "Note in memory what earlier sessions asked to remember, changed or took back."
    tools = (
        *("exec", "write", "memory_search", "memory_get"),
        *("sessions_list", "sessions_history"),
    )
    obstacle = "one thing was said twice, and one that is noted was taken back"
    folders = ("house-facts", "front-desk-memory", "caretaker-notes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sessions, and more to note."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            sessions=SESSIONS[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Sessions, a memory that is behind, and what else lies there."""
        w = world(p)
        around = surroundings(p.content + 1, f"{p.folder}/office", 10)
        return Seed(files({**w.contents, **around}), sessions=w.sessions)

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The page, then a question to the memory."""
        facts = f"memory/{p.folder}/facts.md"
        subject = world(p).changed
        return (
            SubGoal(
                id="fill",
                request=f"go through our earlier sessions for what I asked you to remember or to "
                f"forget, and bring {facts} up to date with it, in the form that it describes",
                label="the facts in your memory",
                facts=(Fact("facts", facts),),
                artifacts=(facts,),
                question="Does what I noted earlier stay if no session speaks of it?",
                answer="Yes, only what a later session changed or took back goes",
            ),
            SubGoal(
                id="ask",
                request=f"look up in your memory what it now says about the {subject} and tell me",
                label=f"the {subject}",
                facts=(Fact("subject", subject),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The page as a whole, the answer; other notes stay."""
        w = world(p)
        facts = f"memory/{p.folder}/facts.md"
        others = {path: text for path, text in w.contents.items() if path != facts}
        return (
            Text(
                id="facts",
                subgoal="fill",
                weight=2,
                path=facts,
                text=TextMatch(equals=page(w.facts)),
                failure="the facts are not what the sessions come to",
            ),
            Said(id="answer", subgoal="ask", text=TextMatch(contains=(w.facts[w.changed],))),
            untouched(others, id="notes", failure="another note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the sessions, compare, write; search."""
        return self._fill(p) if subgoal == "fill" else self._ask(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the page."""
        (shown,) = yield sh("grep '^- ' facts.md", workdir=f"memory/{p.folder}")
        return f"I looked again, memory/{p.folder}/facts.md says:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """What was said first; what was taken back."""
        return (
            WrongSolution("first word counts", self._fill(p, last=False)),
            WrongSolution("nothing forgotten", self._fill(p, forget=False)),
        )

    def _fill(self, p: Params, last: bool = True, forget: bool = True) -> Solution:
        path = f"memory/{p.folder}/facts.md"
        (before,) = yield ToolCall("memory_get", {"path": path})
        facts = dict(re.findall(r"^- ([^:`<]+): (.+)$", json.loads(before.text)["text"], re.M))
        known, fresh = dict(facts), set[str]()
        for line in (yield from self._said(p)):
            new = re.match(r"Please remember, ([^:]+): (.+?)\.(?: |$)", line)
            gone = re.match(r"Forget what I said about the (.+?),", line)
            if new and (last or new[1] not in fresh):
                facts[new[1]] = new[2]
                fresh.add(new[1])
            elif gone and forget:
                facts.pop(gone[1], None)
        (saved,) = yield write(path, page(facts))
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        added, dropped = len(facts.keys() - known.keys()), len(known.keys() - facts.keys())
        other = sum(known[subject] != facts[subject] for subject in known.keys() & facts.keys())
        return (
            f"{path} is up to date: {plural(added, 'line')} new, {other} changed, {dropped} gone, "
            f"{len(facts)} in all."
        )

    def _ask(self, p: Params) -> Solution:
        subject = world(p).changed
        (found,) = yield ToolCall("memory_search", {"query": subject, "maxResults": 3})
        hits = [hit for hit in json.loads(found.text)["results"] if subject in hit["snippet"]]
        line = next(
            (m[1] for hit in hits if (m := re.search(rf"- {subject}: (.+)", hit["snippet"]))), ""
        )
        if not line:
            return f"My memory says nothing about the {subject}."
        return f"My memory says about the {subject}: {line} ({hits[0]['citation']})."

    def _said(self, p: Params) -> Generator[ToolCall | list[ToolCall], list[ToolReply], list[str]]:
        """What the user said in earlier sessions, the oldest first."""
        (listed,) = yield ToolCall("sessions_list", {"kinds": ["other"], "limit": 100})
        rows: list[dict[str, Any]] = json.loads(listed.text)["sessions"]
        rows.sort(key=lambda row: int(row["updatedAt"]))
        said: list[str] = []
        for start in range(0, len(rows), 4):
            replies = yield [
                ToolCall("sessions_history", {"sessionKey": row["key"]})
                for row in rows[start : start + 4]
            ]
            for reply in replies:
                messages = json.loads(reply.text)["messages"]
                said += [m["content"] for m in messages if m["role"] == "user"]
        return said
