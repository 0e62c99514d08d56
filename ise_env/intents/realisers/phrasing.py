"""Saying a kit's request in other words without changing what is asked for.

`phrasing/everywhere.toml` lists stretches of requests and other ways to put them that hold for
any kit; `phrasing/<domain>.toml` those of that domain's kits, a table for each kit. A stretch may
be the whole request; shorter ones are then looked for in what it was put into. Facts are masked
as `{id}` before anything is looked for, so they come out as they went in. A `*` stands for a word
that differs from case to case; several keep their order.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

from ise_env.errors import ConfigError
from ise_env.intents.realisers.grammar import choose
from ise_env.tasks.kit import SubGoal

EVERYWHERE = "everywhere"
"""The table of what holds for any kit."""

_MASK = re.compile(r"\{([a-z_0-9]+)\}")

_SPARE_COMMA = re.compile(r",(?=[,;.:?!)]|$)")
"""What an insertion (`the copies, all three,`) leaves where the sentence has a mark of its own."""


def phrased(kit: str, goal: SubGoal, rng: random.Random) -> str:
    """Return the request of a sub-goal, some of its stretches in other words.

    Args:
        kit: Name of the kit that it belongs to.
        goal: Its own ids, without the task's in front, or the episode's.
        rng: Chooses; the kit's own words are always among the choices.
    """
    facts = {fact.id.rpartition(".")[2]: fact.value for fact in goal.facts}
    text = masked(goal.request, facts)
    # What holds for any kit is also tried on the words that the kit's own table put there.
    for table in (kit, EVERYWHERE):
        stretches = _stretches(table)
        if stretches is not None:
            text = stretches.put(text, rng)
    text = _SPARE_COMMA.sub("", text)
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
    """All data files: table, stretch, other ways to put it."""
    folder = resources.files("ise_env.intents.realisers").joinpath("phrasing")
    tables: dict[str, dict[str, list[str]]] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        domain = file.name.removesuffix(".toml")
        for table, stretches in tomllib.loads(file.read_text("utf-8")).items():
            if domain not in (table, table.partition("/")[0]):
                raise ConfigError(f"{file}: [{table}] belongs into another domain's file")
            tables[table] = stretches
    return tables


class _Stretches:
    """One table, ready to be looked for in a text; long stretches first."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        ordered = sorted(table.items(), key=lambda item: -len(item[0]))
        self._known = [(re.compile(_pattern(stretch)), others) for stretch, others in ordered]
        self._starting: dict[str, list[int]] = {}
        for number, (stretch, _) in enumerate(ordered):
            self._starting.setdefault(_TOKEN.findall(stretch)[0], []).append(number)

    def put(self, text: str, rng: random.Random, start: int = 0) -> str:
        """Put each stretch of a text in its own or other words, then the shorter ones in those.

        Args:
            text: What to look in.
            rng: Chooses.
            start: Number of stretches, from the longest on, that have had their turn.
        """
        pieces, end = [], 0
        for token in _TOKEN.finditer(text):
            place = token.start()
            for number in self._starting.get(token[0], ()) if place >= end else ():
                match = self._known[number][0].match(text, place) if number >= start else None
                if match:
                    pieces += [text[end:place], self._other(match, number, rng)]
                    end = match.end()
                    break
        return "".join([*pieces, text[end:]])

    def _other(self, match: re.Match[str], number: int, rng: random.Random) -> str:
        chosen = choose(rng, rng.choice((match[0], *self._known[number][1])))
        for wild in match.groups() if chosen != match[0] else ():
            chosen = chosen.replace("*", wild, 1)
        return self.put(chosen, rng, number + 1)


_TOKEN = re.compile(r"\w+|[^\w\s]")
"""Stretches are looked for under the token that they begin with."""


def _pattern(stretch: str) -> str:
    """A stretch as a pattern; `*` is a word that differs from case to case."""
    parts = (r"(\S+)" if part == "*" else re.escape(part) for part in re.split(r"(\*)", stretch))
    return rf"(?<!\w){''.join(parts)}(?!\w)"


@lru_cache(maxsize=1024)
def _stretches(table: str) -> _Stretches | None:
    return _Stretches(phrasing()[table]) if phrasing().get(table) else None
