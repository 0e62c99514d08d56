"""Drawing a kit's contents: names, amounts, dates, from one integer.

A kit keeps its parameters small by storing one integer and deriving its tables from
`Draw(params.content)`. Only `random.Random.random` is used below, whose sequence Python
guarantees for a seed, so stored intents mean the same on every version.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def content_seed(rng: np.random.Generator) -> int:
    """One integer for `Draw`, drawn from the episode's generator."""
    return int(rng.integers(1, 2**31))


@cache
def words(kind: str) -> tuple[str, ...]:
    """A list of `words.toml`."""
    text = resources.files("ise_env.tasks").joinpath("words.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)[kind])


class Draw:
    """A stream of plausible details.

    Args:
        seed: Same seed, same details.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self._random.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.integer(0, len(items) - 1)]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """That many different ones, in random order."""
        return self.shuffled(items)[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of them in random order."""
        rest, draw = list(items), self._random.random
        for last in range(len(rest) - 1, 0, -1):
            # What `integer(0, last)` gives, without the calls: the innermost loop of sampling.
            other = int(draw() * (last + 1))
            rest[last], rest[other] = rest[other], rest[last]
        return rest

    def word(self, kind: str) -> str:
        """A word of a list of `words.toml`."""
        return self.pick(words(kind))

    def different(self, kind: str, count: int) -> list[str]:
        """That many different words of a list."""
        return self.some(words(kind), count)

    def person(self) -> str:
        """A full name."""
        return f"{self.word('first_names')} {self.word('last_names')}"

    def people(self, count: int) -> list[str]:
        """That many people, no two sharing a first or a last name."""
        firsts, lasts = self.different("first_names", count), self.different("last_names", count)
        return [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)]

    def cents(self, low: int, high: int) -> int:
        """An amount in cents; `low` and `high` in whole units."""
        return self.integer(low * 100, high * 100)

    def day(self, year: int, month: int | None = None) -> date:
        """A day of that year, or month."""
        month = month or self.integer(1, 12)
        return date(year, month, self.integer(1, 28))

    def moment(self, day: date, from_hour: int = 0, to_hour: int = 23) -> datetime:
        """A second of that day."""
        start = datetime(day.year, day.month, day.day, from_hour)
        return start + timedelta(seconds=self.integer(0, (to_hour - from_hour + 1) * 3600 - 1))


def money(cents: int) -> str:
    """`1234.50`: two decimals, no thousands separator."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def one(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of them, drawn from the episode's generator."""
    return items[int(rng.integers(len(items)))]


def amount_pattern(value: float) -> str:
    """A regular expression for an amount with two decimals, separators allowed."""
    whole, decimals = f"{abs(value):,.2f}".split(".")
    sign = "-" if value < 0 else ""
    return sign + whole.replace(",", ",?") + r"\." + decimals
