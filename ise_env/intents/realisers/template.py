"""The embedded realiser: a grammar, no model, and records that say so."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources

from ise_env.errors import ConfigError
from ise_env.intents.model import Persona, Realiser
from ise_env.intents.pools import Style
from ise_env.intents.realisers import Draft, missing_facts
from ise_env.intents.realisers.grammar import Grammar
from ise_env.tasks.kit import SubGoal

VERSION = "1"
"""Raised whenever the same draft would be put into other words."""

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BARE_TITLES = ("head ", "director", "chief ", "vice ", "deputy head", "acting head")


class TemplateRealiser:
    """Writes a request in the register and layout of the persona's style.

    Args:
        styles: The pool's styles by name.
    """

    record = Realiser(name="template", version=VERSION, scripted=True)

    def __init__(self, styles: Mapping[str, Style]) -> None:
        self._styles = styles
        self._grammar = _english()

    def realise(self, draft: Draft) -> str:
        """Return the utterance.

        Raises:
            ConfigError: A kit's request does not hold one of its own facts.
        """
        text = _Speech(self._grammar, self._styles[draft.persona.communication_style], draft).text()
        if missing := missing_facts(text, draft.subgoals):
            kits = ", ".join(kit for kit, _ in draft.tasks)
            raise ConfigError(f"kits {kits}: requests leave out their own facts {missing}")
        return text


class _Speech:
    """One utterance in the making."""

    def __init__(self, grammar: Grammar, style: Style, draft: Draft) -> None:
        self._grammar = grammar
        self._style = style
        self._draft = draft
        self._rng = random.Random(f"template {VERSION} {draft.seed}")
        self._tags = frozenset((style.register_, *style.traits))
        self._slots = _slots(draft.persona, len(draft.subgoals))

    def text(self) -> str:
        """Opening, steps, closing."""
        opening = " ".join(part for part in self._opening() if part)
        closing = self._say("closing") if self._chance(0.2, 0.4, 0.6) else ""
        if self._style.layout == "list":
            parts = [opening, *self._numbered(), closing]
            return "\n".join(part for part in parts if part)
        return " ".join(part for part in (opening, *self._prose(), closing) if part)

    def _opening(self) -> Iterator[str]:
        if self._chance(0.1, 0.3, 0.5):
            yield self._say("greeting")
        if self._chance(0.3, 0.6, 0.8):
            yield self._say("self")
        if self._draft.complexity != "simple" and self._chance(0.1, 0.4, 0.7):
            yield self._say("motive")
        if self._style.layout == "list" or self._chance(0.2, 0.3, 0.4):
            yield self._say("lead")

    def _prose(self) -> Iterator[str]:
        for position, goal in self._positions():
            yield self._say(position, clause=self._clause(goal))

    def _numbered(self) -> Iterator[str]:
        for number, (_, goal) in enumerate(self._positions(), 1):
            yield f"{number}. {_sentence(self._clause(goal))}"

    def _positions(self) -> Iterator[tuple[str, SubGoal]]:
        """Say of each sub-goal how it follows on what came before."""
        count = len(self._draft.subgoals)
        number = 0
        for _, goals in self._draft.tasks:
            for own, goal in enumerate(goals):
                number += 1
                if number == 1:
                    yield "first", goal
                elif number == count and own == 0:
                    yield "last", goal
                else:
                    yield "same" if own else "next", goal

    def _clause(self, goal: SubGoal) -> str:
        return goal.request

    def _chance(self, short: float, medium: float, long: float) -> bool:
        limit = {"short": short, "medium": medium, "long": long}[self._style.length]
        return self._rng.random() < limit

    def _say(self, rule: str, **slots: str) -> str:
        return _sentence(
            self._grammar.expand(rule, self._rng, {**self._slots, **slots}, self._tags)
        )


@lru_cache(maxsize=1)
def _english() -> Grammar:
    return Grammar.load(resources.files("ise_env.intents.realisers").joinpath("english.toml"))


def _slots(persona: Persona, count: int) -> dict[str, str]:
    return {
        "name": persona.name.split()[0],
        "role": with_article(persona.role),
        "place": persona.work_context,
        "industry": persona.industry,
        "count": _NUMBERS[count] if count < len(_NUMBERS) else str(count),
    }


def with_article(role: str) -> str:
    """`an HR manager`, `a nurse`, but `head of sales`."""
    if role.lower().startswith(_BARE_TITLES):
        return role
    spelled_vowel = re.match(r"[AEFHILMNORSX](?![a-z])", role)
    sounds_vowel = re.match(r"(?i)[aeio]|u(?!ni|se|ti)", role)
    return f"{'an' if spelled_vowel or sounds_vowel else 'a'} {role}"


def _sentence(text: str) -> str:
    """Capital first letter, one mark at the end."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", ":", ",")) else text + "."
