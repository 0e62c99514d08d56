"""A greeting for the answering machine, spoken with the hours that hold on the day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Spoken, Text, TextMatch
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
    WrongSolution,
)
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
GUIDE = """\
# Answering machine

The greeting is spoken by espeak-ng in its plain English voice (`en`) at its usual speed, 175 words
a minute: what the speech tool does when it is told nothing else. Its words are

`Hello, this is {house}. On {day} we are open from {start} to {end}. Please leave a message.`

in one go, the four values put in: `<house>` {name}; `<day>`, `<start>` and `<end>` from hours.csv.
A day has several rows there; the one with the latest `valid_from` that is not after {today} holds.
"""
WORDS = (
    "Hello, this is {house}. On {day} we are open from {start} to {end}. Please leave a message."
)


class Params(KitParams):
    """The day of the greeting, and how often the hours changed."""

    day: str
    changes: int = Field(ge=2, le=5)


@dataclass(frozen=True)
class World:
    """The office and what its machine says."""

    contents: dict[str, str | bytes]
    said: str
    outdated: str
    future: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the office from the parameters."""
    d, f = Draw(p.content), p.folder
    house = d.word("companies")
    months = sorted(d.some(range(1, 12), p.changes + 1))
    today = f"2025-{months[-2]:02d}-20"
    # No two rows of the day share an hour: each other one can be heard.
    starts, ends = d.some(range(6, 12), len(months)), d.some(range(13, 20), len(months))
    of_day = list(zip(starts, ends, strict=True))
    rows = [
        (day, f"2025-{month:02d}-01", *(own if day == p.day else (d.integer(7, 10), 17)))
        for month, own in zip(months, of_day, strict=True)
        for day in DAYS
    ]

    def words(hours: tuple[int, int]) -> str:
        return WORDS.format(house=house, day=p.day, start=hours[0], end=hours[1])

    slots = {"house": "<house>", "day": "<day>", "start": "<start>", "end": "<end>"}
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/GREETING.md": GUIDE.format(**slots, name=f"is {house}", today=today),
        f"{f}/hours.csv": csv_text(("day", "valid_from", "start", "end"), d.shuffled(rows)),
    }
    return World(contents, words(of_day[-2]), words(of_day[0]), words(of_day[-1]))


def tts(text: str) -> ToolCall:
    """Speak with the tool."""
    return ToolCall("tts", {"text": text})


class RecordGreeting(Kit[Params]):
    """A greeting to speak."""

    name = "multimedia/record-greeting"
    title = "Record a greeting"
    description = (
        "Speak an answering machine's greeting with the hours that hold, and write it down."
    )
    tools = ("exec", "read", "write", "tts")
    requires = ("espeak-ng",)
    obstacle = "the hours changed several times, and one change is still to come"
    folders = ("answering-machine", "phone-greeting", "voice-box")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more changes of the hours."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            day=one(rng, DAYS),
            changes={"simple": 2, "medium": 3, "complex": 5}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The hours and the words."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Speak, then write down what was spoken."""
        guide, target, text = (
            f"{p.folder}/{n}" for n in ("GREETING.md", "greeting.wav", "greeting.txt")
        )
        return (
            SubGoal(
                id="speak",
                request=f"record the greeting for {p.day} as {target}, spoken the way {guide} says",
                label=f"the greeting for {p.day}",
                facts=(Fact("day", p.day), Fact("target", target), Fact("guide", guide)),
                artifacts=(target,),
                question="Which hours hold if a day has several rows?",
                answer="Those that hold today, GREETING.md says how to tell",
            ),
            SubGoal(
                id="write",
                request=f"write the words of {target} to {text} on one line and tell me until "
                f"what hour we are open on {p.day}",
                label="the words of the greeting",
                facts=(Fact("target", target), Fact("text", text), Fact("day", p.day)),
                artifacts=(text,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is heard, what is written, what is told; the hours stay."""
        w, f = world(p), p.folder
        closing = int(found(r" to (\d+)", w.said))
        return (
            Spoken(
                id="greeting",
                subgoal="speak",
                path=f"{f}/greeting.wav",
                text=w.said,
                weight=2,
                failure="greeting.wav does not say what GREETING.md asks for",
            ),
            Text(
                id="text",
                subgoal="write",
                path=f"{f}/greeting.txt",
                text=TextMatch(equals=w.said),
            ),
            Said(id="told", subgoal="write", unit=("until", "open", "close", "to"), number=closing),
            untouched({k: v for k, v in w.contents.items() if k.endswith((".md", "hours.csv"))}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the hours that hold, speak; write."""
        return self._speak(p) if subgoal == "speak" else self._write(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the recording or the text."""
        if subgoal == "speak":
            (shown,) = yield sh("wc -c < greeting.wav", workdir=p.folder)
            return f"I looked again: greeting.wav is there, {shown.text.strip()} bytes."
        (text,) = yield read(f"{p.folder}/greeting.txt")
        return f"I looked again, it reads: {text.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first hours ever; those that are still to come."""
        w = world(p)
        return (
            WrongSolution("outdated hours", self._speak(p, w.outdated)),
            WrongSolution("hours to come", self._speak(p, w.future)),
        )

    def _words(self, guide: str, hours: str, day: str) -> str:
        today = found(r"not after (\S+) holds", guide)
        rows = [line.split(",") for line in hours.splitlines() if line.startswith(f"{day},")]
        start, end = max((since, start, end) for _, since, start, end in rows if since <= today)[1:]
        text = found(r"^`(Hello.+)`$", guide)
        house = found(r"`<house>` is (.+?);", guide)
        values = {"<house>": house, "<day>": day, "<start>": start, "<end>": end}
        for slot, value in values.items():
            text = text.replace(slot, value)
        return text

    def _speak(self, p: Params, words: str = "") -> Solution:
        f = p.folder
        guide, hours = yield [read(f"{f}/GREETING.md"), sh(f"grep '^{p.day},' {f}/hours.csv")]
        text = words or self._words(guide.text, hours.text, p.day)
        (spoken,) = yield tts(text)
        if spoken.failed:
            return f"It could not be spoken: {last_line(spoken.text)}."
        made = found(r"MEDIA:(\S+)", spoken.text)
        (moved,) = yield sh(f"mv {made} {f}/greeting.wav && wc -c < {f}/greeting.wav")
        if moved.failed:
            return f"The recording could not be moved: {last_line(moved.text)}."
        return f"{f}/greeting.wav is recorded ({moved.text.strip()} bytes). It says: {text}"

    def _write(self, p: Params) -> Solution:
        f = p.folder
        guide, hours = yield [read(f"{f}/GREETING.md"), sh(f"grep '^{p.day},' {f}/hours.csv")]
        text = self._words(guide.text, hours.text, p.day)
        (saved,) = yield write(f"{f}/greeting.txt", f"{text}\n")
        if saved.failed:
            return f"The words could not be written: {saved.text}"
        (counted,) = yield sh(f"wc -w < {f}/greeting.txt")
        return (
            f"The {plural(counted.text.strip(), 'word')} are in {f}/greeting.txt: on {p.day} you "
            f"are open until {found(r' to ([0-9]+)', text)}."
        )
