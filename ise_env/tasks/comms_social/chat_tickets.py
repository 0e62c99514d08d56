"""Turn reports in a channel into a table; then answer the one that waits longest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import ChatNotPosted, ChatPosted, CsvRows, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Channel, ChatMessage, ChatSeed
from ise_env.tasks.correspondence import asked, people, post, talk
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, write

REPORTS = {"simple": 6, "medium": 10, "complex": 16}


class Params(KitParams):
    """How many reports there are."""

    reports: int = Field(ge=6, le=16)


@dataclass(frozen=True)
class World:
    """What was reported and what was mended."""

    contents: dict[str, str]
    chat: ChatSeed
    channel: str
    rows: tuple[tuple[str, str, str], ...]
    oldest: tuple[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 7)
    nicks = [person.nick for person in staff]
    said = talk(d, nicks, 75)
    numbers = sorted(d.some(range(100, 999), p.reports))
    moments = sorted(d.some(range(len(said) - 20), p.reports))
    rows, extra = [], []
    for number, place in zip(numbers, moments, strict=True):
        who, what = d.pick(nicks), f"{d.word('products')} in {d.word('towns')}"
        when = said[place].when + timedelta(seconds=30)
        extra.append(ChatMessage(sender=who, text=f"broken #{number}: {what}", when=when))
        mended = d.chance(0.5) and number != numbers[0]
        if mended:
            later = said[place + d.integer(1, 15)].when + timedelta(seconds=50)
            extra.append(ChatMessage(sender=d.pick(nicks), text=f"mended #{number}", when=later))
        rows.append((str(number), who, "mended" if mended else "open"))
    joke = ChatMessage(sender=nicks[1], text="is my mood broken #000 or what", when=said[30].when)
    if all(state == "open" for _, _, state in rows):
        last = rows[-1]
        rows[-1] = (last[0], last[1], "mended")
        extra.append(ChatMessage(sender=nicks[0], text=f"mended #{last[0]}", when=said[-1].when))
    channel = f"{p.folder}-reports"
    messages = tuple(sorted([*said, *extra, joke], key=lambda m: m.when))
    contents = {
        f"{p.folder}/people.csv": csv_text(
            ("name", "chat", "title"), [(s.name, s.nick, s.title) for s in staff]
        ),
        f"{p.folder}/how-to-report.md": "# Reports\n\nA report is a message that begins with "
        "`broken #NUMBER:`; `mended #NUMBER` closes it, whoever says it.\n",
    }
    for number in range(1, 13):
        contents[f"{p.folder}/old/2025-{number:02d}.csv"] = csv_text(
            ("number", "by", "state"),
            [(d.integer(10, 99), d.pick(nicks), "mended") for _ in range(5)],
        )
    channels = (
        Channel(name=channel, topic="What is broken", members=tuple(nicks), messages=messages),
        Channel(name=f"{p.folder}-chat", members=tuple(nicks), messages=tuple(talk(d, nicks, 20))),
    )
    first = next(row for row in rows if row[2] == "open")
    chat = ChatSeed(people=staff, channels=channels)
    return World(contents, chat, channel, tuple(rows), (first[0], first[1]))


class ChatTickets(Kit[Params]):
    """Reports in a channel."""

    name = "comms-social/chat-tickets"
    title = "Turn reports in a channel into a table"
    description = "Collect reports and their state from a chat channel; answer the oldest open one."
    obstacle = "the channel has several pages, and not every message with a number is a report"
    folders = ("caretaker-desk", "repairs", "breakdowns")
    people = True
    requires = ("curl",)
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more reports."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), reports=REPORTS[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The channel, and tables of last year."""
        w = world(p)
        return Seed(files(w.contents), services=(w.chat,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The table, then the message."""
        w = world(p)
        rules, table = f"{p.folder}/how-to-report.md", f"{p.folder}/reports.csv"
        return (
            SubGoal(
                id="table",
                request=f"write {table} with the columns number, by and state, one row for each "
                f"report in the chat channel {w.channel} as {rules} describes them, by being the "
                "chat name of whoever reported it and state being open or mended",
                label="the table of reports",
                facts=(Fact("table", table), Fact("channel", w.channel), Fact("rules", rules)),
                artifacts=(table,),
            ),
            SubGoal(
                id="answer",
                request=f"send whoever made the oldest report that is open in {table} one direct "
                "message in the chat that names its number, and nothing to anybody else",
                label="the message about the oldest report",
                facts=(Fact("table", table),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The rows, and one message to one person."""
        w = world(p)
        number, who = w.oldest
        return (
            CsvRows(
                id="rows",
                subgoal="table",
                weight=2,
                path=f"{p.folder}/reports.csv",
                columns=("number", "by", "state"),
                rows=w.rows,
            ),
            ChatPosted(
                id="answered",
                subgoal="answer",
                to=who,
                text=TextMatch(matches=(rf"\b{number}\b",)),
            ),
            ChatNotPosted(
                id="others",
                channels=(f"{p.folder}-*",),
                to=(f"*.{p.folder}",),
                allowed=(who,),
                weight=0,
                forbidden=True,
                failure="something was said to somebody else",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Page through the channel; then look into the table."""
        return self._table(p) if subgoal == "table" else self._answer(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the table."""
        (shown,) = yield read(f"{p.folder}/reports.csv")
        return f"{plural(shown.text.count(',open'), 'report is', 'reports are')} open in the table."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Only the last page; states not followed up; said in the open."""
        w = world(p)
        openly = self._answer(p, place=f"channels/{w.channel}")
        return (
            WrongSolution("only the last page", self._table(p, pages=1)),
            WrongSolution("everything open", self._table(p, closing="never ")),
            WrongSolution("in the channel", openly, "answer"),
        )

    def _table(self, p: Params, pages: int = 99, closing: str = "mended") -> Solution:
        w = world(p)
        rules, *_ = yield [read(f"{p.folder}/how-to-report.md")]
        begins = found(r"begins with\s+`(\w+) #", rules.text)
        messages: list[dict[str, str]] = []
        before, more = "", True
        while more and pages:
            (shown,) = yield asked(f"channels/{w.channel}/messages?limit=50{before}")
            page = json.loads(shown.text)
            messages = page["messages"] + messages
            before, more = f"&before={page['messages'][0]['id']}", page["more"]
            pages -= 1
        rows: dict[str, list[str]] = {}
        for message in messages:
            if match := re.match(rf"{begins} #(\d+):", message["text"]):
                rows[match[1]] = [match[1], message["from"], "open"]
            match = re.match(rf"{closing} #(\d+)", message["text"])
            if match and match[1] in rows:
                rows[match[1]][2] = "mended"
        path = f"{p.folder}/reports.csv"
        text = csv_text(("number", "by", "state"), list(rows.values()))
        (saved,) = yield write(path, text)
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (shown,) = yield read(path)
        return f"{path} lists {plural(len(shown.text.strip().splitlines()) - 1, 'report')}."

    def _answer(self, p: Params, place: str = "") -> Solution:
        (table,) = yield read(f"{p.folder}/reports.csv")
        number, who = found(r"^(\d+,\S+),open", table.text).split(",")
        text = f"Your report #{number} is not forgotten."
        (said,) = yield post(place or f"users/{who}", text)
        if '"error"' in said.text:
            return f"It could not be sent: {said.text.strip()}"
        return f"I wrote to {who} about report {number}."
