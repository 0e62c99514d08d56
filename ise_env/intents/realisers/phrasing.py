"""Saying a kit's request in other words without changing what is asked for.

`phrasing.toml` lists stretches of requests and other ways to put them: some that hold for any
kit, some for one kit only. Facts are masked as `{id}` before anything is looked for, so they
come out as they went in. A `*` stands for a
word that differs from case to case; several keep their order.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from ise_env.intents.realisers.grammar import choose
from ise_env.tasks.kit import SubGoal

EVERYWHERE = "everywhere"
"""The table of what holds for any kit."""

_MASK = re.compile(r"\{([a-z_0-9]+)\}")


def phrased(kit: str, goal: SubGoal, rng: random.Random) -> str:
    """Return the request of a sub-goal, some of its stretches in other words.

    Args:
        kit: Name of the kit that it belongs to.
        goal: Its own ids, without the task's in front, or the episode's.
        rng: Chooses; the kit's own words are always among the choices.
    """
    stretches = _stretches(kit)
    facts = {fact.id.rpartition(".")[2]: fact.value for fact in goal.facts}

    def other(match: re.Match[str]) -> str:
        stretch, others = stretches.of(match[0])
        wild = stretch.fullmatch(match[0])
        words = wild.groups() if wild else ()
        chosen = choose(rng, rng.choice((match[0], *others)))
        for word in words:
            chosen = chosen.replace("*", word, 1)
        return chosen

    text = stretches.pattern.sub(other, masked(goal.request, facts))
    return _MASK.sub(lambda match: facts.get(match[1], match[0]), text)


def masked(text: str, facts: Mapping[str, str]) -> str:
    """Put `{id}` where a fact's value stands as a unit, the longest values first."""
    pieces = [text]
    for name, value in sorted(facts.items(), key=lambda item: -len(item[1])):
        pieces = [
            part
            for number, piece in enumerate(pieces)
            # Every second piece is a mask that is already set.
            for part in ([piece] if number % 2 else _split(piece, value, f"{{{name}}}"))
        ]
    return "".join(pieces)


def _split(text: str, value: str, mask: str) -> list[str]:
    """Text, mask, text, mask, ..., text."""
    pieces = []
    start = place = 0
    while (place := text.find(value, place)) >= 0:
        end = place + len(value)
        if text[place - 1 : place].isalnum() or text[end : end + 1].isalnum():
            place += 1
            continue
        pieces += [text[start:place], mask]
        start = place = end
    return [*pieces, text[start:]]


@lru_cache(maxsize=1)
def phrasing() -> dict[str, dict[str, list[str]]]:
    """The whole data file: table, stretch, other ways to put it."""
    file = resources.files("ise_env.intents.realisers").joinpath("phrasing.toml")
    return tomllib.loads(file.read_text("utf-8"))


class _Stretches:
    """What to look for in a kit's requests: the kit's own stretches first, then long ones."""

    def __init__(self, kit: str) -> None:
        own, general = phrasing().get(kit, {}), phrasing()[EVERYWHERE]
        ordered = [
            *sorted(own.items(), key=lambda item: -len(item[0])),
            *sorted(general.items(), key=lambda item: -len(item[0])),
        ]
        self._known = [
            (re.compile(_regex(stretch, f"({_ANY})")), others) for stretch, others in ordered
        ]
        plain = "|".join(rf"(?<!\w){_regex(stretch, _ANY)}(?!\w)" for stretch, _ in ordered)
        self.pattern = re.compile(plain)
        self._found: dict[str, tuple[re.Pattern[str], list[str]]] = {}

    def of(self, text: str) -> tuple[re.Pattern[str], list[str]]:
        """The stretch that some text is an instance of, and the other ways to put it."""
        if text not in self._found:
            known = (item for item in self._known if item[0].fullmatch(text))
            self._found[text] = next(known)
        return self._found[text]


_ANY = r"\S+"


def _regex(stretch: str, word: str) -> str:
    """A stretch as a pattern; `*` is a word that differs from case to case."""
    return "".join(word if part == "*" else re.escape(part) for part in re.split(r"(\*)", stretch))


@lru_cache(maxsize=1024)
def _stretches(kit: str) -> _Stretches:
    return _Stretches(kit)
