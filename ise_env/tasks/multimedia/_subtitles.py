"""Subtitles as SRT and WebVTT, and lines that people say in films that do not exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ise_env.tasks.draw import Draw

LINES = (
    "You came back.",
    "I never left, I only went to {town}.",
    "The boat leaves at {hour}.\nWith you or without you.",
    "Who told you about {name}?",
    "Nobody tells me anything.",
    "{name} has the other key.",
    "It was raining the day we met.",
    "Then count it again.",
    "Seven, eight...\nThere is one missing.",
    "I have been to {town}. It is closed in winter.",
    "Close the door, {name}.",
    "That is not what the letter says.",
    "Read it to me, slowly.",
    "We had the house, the dog,\nand no plan at all.",
    "Somebody moved the piano.",
    "Ask {name}. Ask anyone in {town}.",
    "At {hour}? That is far too late.",
    "I would do it again.",
    "Do you hear that?",
    "It is only the wind.",
    "My father built this bridge.",
    "And yours took it down.",
    "There is a café at the corner.",
    "Señora, your change!",
    "Leave it. It is only money.",
    "The train to {town} is late, as ever.",
)
_BLOCK = re.compile(
    r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n(.*?)(?:\n\n|\n*\Z)", re.DOTALL
)


@dataclass(frozen=True)
class Cue:
    """One subtitle; times in milliseconds."""

    start: int
    end: int
    text: str

    def later(self, ms: int) -> Cue:
        """The same words at another time."""
        return replace(self, start=self.start + ms, end=self.end + ms)


def dialogue(d: Draw, count: int, begin: int = 1_200) -> list[Cue]:
    """Cues one after another, none overlapping."""
    cues, at = [], begin
    people = d.different("first_names", 3)
    lines: list[str] = []
    while len(lines) < count:
        lines += d.some(LINES, min(count - len(lines), len(LINES)))
    for line in lines:
        text = line.format(
            town=d.word("towns"), name=d.pick(people), hour=f"{d.integer(1, 11)} sharp"
        )
        end = at + d.integer(900, 2_600)
        cues.append(Cue(at, end, text))
        at = end + d.integer(120, 1_500)
    return cues


def srt(cues: Sequence[Cue]) -> str:
    """SubRip: numbered from 1."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Sequence[Cue]) -> str:
    """WebVTT without numbers."""
    blocks = [f"{_clock(c.start, '.')} --> {_clock(c.end, '.')}\n{c.text}\n" for c in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def parse(text: str) -> list[Cue]:
    """The cues of an SRT text."""
    found = []
    for match in _BLOCK.finditer(text.replace("\r\n", "\n")):
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups()[:8])
        start, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        found.append(Cue(start, end, match[9]))
    return found


def _clock(ms: int, point: str) -> str:
    s, ms = divmod(ms, 1000)
    return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}{point}{ms:03d}"
