"""The embedded realiser: a grammar, no model, and records that say so."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources

from ise_env.errors import ConfigError
from ise_env.intents.model import Realiser
from ise_env.intents.pools import Style
from ise_env.intents.realisers import Draft, missing_facts
from ise_env.intents.realisers.grammar import Grammar
from ise_env.intents.realisers.phrasing import phrased
from ise_env.tasks.kit import SubGoal

VERSION = "5"
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
        level = draft.persona.experience_level.lower()
        self._tags = frozenset((style.register_, level, *style.traits))
        self._slots = _slots(draft)
        self._used: set[str] = set()
        self._led_in = False
        self._murmured = False

    def text(self) -> str:
        """Opening, steps, closing, in one of several orders."""
        opening, after = self._around()
        if self._style.layout == "list" and self._rng.random() < 0.8:
            parts = ["\n".join([opening, *self._numbered()]), after]
            return "\n".join(part for part in parts if part).strip()
        return " ".join(part for part in (opening, *self._prose(), after) if part)

    def _around(self) -> tuple[str, str]:
        """What is said before and after the steps."""
        greeting = self._maybe("greeting", 0.15, 0.35, 0.5)
        self_ = self._maybe("self", 0.35, 0.6, 0.75)
        motive = self._maybe(self._motive(), 0.3, 0.55, 0.85)
        lead = self._maybe("lead", 0.25, 0.3, 0.35)
        overview = self._maybe("overview", 0.05, 0.15, 0.3) if self._several else ""
        closing = self._maybe("closing", 0.15, 0.4, 0.6)
        if overview:
            lead = ""
        elif self._style.layout == "list" and not lead:
            lead = self._say("lead")
        self._led_in = lead.endswith((":", "?"))
        order = self._rng.random()
        if order < 0.5:
            before = [greeting, self_, motive, overview, lead]
        elif order < 0.75:
            before = [greeting, motive, self_, overview, lead]
        elif order < 0.9:
            closing = " ".join(filter(None, [self._say("aside") if self_ else "", closing]))
            before = [greeting, motive, overview, lead]
        else:
            closing = " ".join(filter(None, [motive, closing]))
            before = [greeting, self_, overview, lead]
        return " ".join(filter(None, before)), closing

    @property
    def _several(self) -> bool:
        return self._draft.complexity != "simple" and "summary" in self._slots

    def _motive(self) -> str:
        own = f"motive_{self._draft.family}"
        known = self._grammar.has(own)
        return own if known and self._rng.random() < 0.6 else "motive_any"

    def _prose(self) -> Iterator[str]:
        for position, goal in self._positions():
            yield self._step(position, goal)
            speaks = self._style.traits and position == "next" and not self._murmured
            if speaks and self._rng.random() < _MURMURS:
                self._murmured = True
                yield self._say("murmur")

    def _numbered(self) -> Iterator[str]:
        mark = self._rng.choice(("{}. ", "{}) ", "- ", "({}) "))
        for number, (_, goal) in enumerate(self._positions(), 1):
            yield mark.format(number) + _sentence(self._clause(goal))

    def _positions(self) -> Iterator[tuple[str, SubGoal]]:
        """Say of each sub-goal how it follows on what came before."""
        count = len(self._draft.subgoals)
        number = 0
        for _, goals in self._draft.tasks:
            for own, goal in enumerate(goals):
                number += 1
                if number == 1:
                    yield "led_in" if self._led_in else "first", goal
                elif number == count and own == 0:
                    yield "last", goal
                else:
                    yield "same" if own else "next", goal

    def _step(self, position: str, goal: SubGoal) -> str:
        """One step; connectives do not repeat while there are others."""
        clause = self._clause(goal)
        frame = ""
        for _ in range(12):
            frame = self._grammar.expand(position, self._rng, {"clause": _CLAUSE}, self._tags)
            asks = frame.endswith("?") and _CLAUSE in frame
            if frame not in self._used and not (asks and _UNASKABLE.search(clause)):
                break
        self._used.add(frame)
        return _sentence(frame.replace(_CLAUSE, clause))

    def _clause(self, goal: SubGoal) -> str:
        kit = next(kit for kit, goals in self._draft.tasks if goal in goals)
        return phrased(kit, goal, self._rng)

    def _maybe(self, rule: str, short: float, medium: float, long: float) -> str:
        limit = {"short": short, "medium": medium, "long": long}[self._style.length]
        tier = {"simple": 0.6, "medium": 0.9, "complex": 1.15}[self._draft.complexity]
        return self._say(rule) if self._rng.random() < limit * tier else ""

    def _say(self, rule: str) -> str:
        return _sentence(self._grammar.expand(rule, self._rng, self._slots, self._tags))


_MURMURS = 0.15

_UNASKABLE = re.compile(r"[;:?]|\. ")
"""What makes a clause too much for one question."""

_CLAUSE = "\N{OBJECT REPLACEMENT CHARACTER}"


@lru_cache(maxsize=1)
def _english() -> Grammar:
    return Grammar.load(resources.files("ise_env.intents.realisers").joinpath("english.toml"))


def _slots(draft: Draft) -> dict[str, str]:
    persona, count = draft.persona, len(draft.subgoals)
    # Two tasks may go by the same name: it is said once.
    labels = list(dict.fromkeys(goals[0].label for _, goals in draft.tasks if goals))
    slots = {
        "name": persona.name.split()[0],
        "role": with_article(persona.role),
        "place": persona.work_context,
        "count": _NUMBERS[count] if count < len(_NUMBERS) else str(count),
    }
    if len(labels) > 1:
        slots["summary"] = f"{', '.join(labels[:-1])} and {labels[-1]}"
    return slots


def with_article(role: str) -> str:
    """`an HR manager`, `a nurse`, but `head of sales`."""
    if role.lower().startswith(_BARE_TITLES):
        return role
    spelled_vowel = re.match(r"[AEFHILMNORSX](?![a-z])", role)
    sounds_vowel = re.match(r"(?i)[aeio]|u(?!ni|se|ti)", role)
    return f"{'an' if spelled_vowel or sounds_vowel else 'a'} {role}"


def _sentence(text: str) -> str:
    """Capital first letter, one mark at the end."""
    text = text.strip() or "-"
    text = text[:1].upper() + text[1:]
    done = text.endswith((".", "?", "!", ":")) or (text[0] == "(" and text[-1] == ")")
    return text if done else text + "."
