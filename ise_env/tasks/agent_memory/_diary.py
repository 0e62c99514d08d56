"""Daily notes of an assistant: what lies around the entries that a task is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from ise_env.tasks.draw import Draw

_LINES = (
    "{a} asked for the minutes of the {t} meeting; sent",
    "{b} is away until Thursday",
    "read the offer of {c}, nothing new in it",
    "the {t} form moved to the intranet",
    "{a} prefers calls in the morning",
    "{c} wants an answer by the end of the month",
    "printed {n} copies for {b}",
    "{a} and {b} agreed to meet in {w}",
    "the {p} folder was full, made room",
    "{c} moved to {w}",
    "{b} sent {n} photographs, none of them labelled",
    "no news on {p}",
    "looked up train times to {w} for {a}",
    "{t}: {n} forms came back",
    "the scanner eats the second page",
    "{a} thanked us for the summary of {p}",
    "{b} found the missing page of the {t} file",
    "{c} asks who pays for the {t}",
    "calendar of {a} cleaned up, {n} entries gone",
    "the plan for {p} has a new cover sheet",
)


def diary(d: Draw, count: int, first: date) -> dict[date, list[str]]:
    """That many days from `first` on, weekends left out, each with a few lines."""
    days: dict[date, list[str]] = {}
    day = first
    while len(days) < count:
        if day.weekday() < 5:
            days[day] = [chatter(d, line) for line in d.some(_LINES, d.integer(3, 5))]
        day += timedelta(days=1)
    return days


def chatter(d: Draw, line: str) -> str:
    """A template with names and figures in it."""
    first, second = d.different("first_names", 2)
    return line.format(
        a=first, b=second, c=d.word("companies"), t=d.word("topics"), w=d.word("towns"),
        p=d.word("projects"), n=d.integer(2, 90),
    )  # fmt: skip


def put(d: Draw, days: Mapping[date, list[str]], day: date, line: str) -> None:
    """Write a line somewhere among those of a day."""
    lines = days[day]
    lines.insert(d.integer(0, len(lines)), line)


def page(day: date, lines: Iterable[str]) -> str:
    """A day's note."""
    return f"# {day}\n\n" + "".join(f"- {line}\n" for line in lines)


def pages(folder: str, days: Mapping[date, list[str]]) -> dict[str, str]:
    """All notes, where the memory tools look: path to text."""
    return {f"memory/{folder}/{day}.md": page(day, lines) for day, lines in days.items()}
