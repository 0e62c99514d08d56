"""Persona-style templates: turning a decision of the rule user into words.

The wordings are data (`data/voices/*.toml`): one file a voice, `common.toml` for all. A
`Phrasebook` belongs to one episode and never says the same thing twice in it.
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from ise_env.errors import UserSimulatorError
from ise_env.intents.model import Persona
from ise_env.tasks.kit import SubGoal
from ise_env.users.split import verbs

Wordings = Mapping[str, tuple[str, ...]]
"""`act.case` to templates."""


@dataclass(frozen=True)
class Voice:
    """How a kind of person writes."""

    name: str
    language: str
    words: tuple[int, int]
    """Fewest and most words that a turn of theirs usually has, requests left out."""
    styles: tuple[str, ...]
    """Words of a communication style that call for this voice."""
    wordings: Wordings


@functools.cache
def voices() -> Mapping[str, Voice]:
    """Every voice by name."""
    folder = resources.files("ise_env.users").joinpath("data/voices")
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            name = entry.name.removesuffix(".toml")
            found[name] = _voice(name, tomllib.loads(entry.read_text("utf-8")))
    return found


def _voice(name: str, data: Mapping[str, Any]) -> Voice:
    tables = {k: v for k, v in data.items() if isinstance(v, dict)}
    words: Any = data.get("words", (1, 80))
    return Voice(
        name=name,
        language=str(data["language"]),
        words=(words[0], words[1]),
        styles=tuple(data.get("styles", ())),
        wordings={f"{t}.{k}": tuple(v) for t, table in tables.items() for k, v in table.items()},
    )


def voice_for(persona: Persona | None, language: str, rng: np.random.Generator) -> Voice:
    """Choose the voice that a persona's communication style calls for, or draw one."""
    everyone = [v for v in voices().values() if v.language == language and v.name != "common"]
    everyone = everyone or [v for v in voices().values() if v.language == "en" and v.styles]
    drawn = everyone[int(rng.integers(len(everyone)))]
    style = persona.communication_style.lower() if persona else ""
    scores = {v.name: sum(word in style for word in v.styles) for v in everyone}
    best = max(scores.values())
    if best == 0:
        return drawn
    return next(v for v in everyone if scores[v.name] == best)


class Phrasebook:
    """The wordings of one episode.

    Args:
        voice: Whose words are tried first; `common` follows for the same language.
        rng: Chooses among what is not used up.
    """

    def __init__(self, voice: Voice, rng: np.random.Generator) -> None:
        self.voice = voice
        self._rng = rng
        self._used: dict[str, int] = {}
        self._said: set[str] = set()
        self.last = ""
        """The key that was asked for last."""
        common = voices()["common"]
        shared = common.wordings if voice.language == common.language else {}
        self._books: tuple[Wordings, ...] = (voice.wordings, shared)

    def has(self, key: str, **slots: str) -> bool:
        """Whether there is any wording at all for `key` with these slots."""
        return any(_fits(t, slots) for book in self._books for t in book.get(key, ()))

    def fresh(self, key: str, **slots: str) -> bool:
        """Whether there is a wording for `key` that was not used in this episode."""
        templates = [t for book in self._books for t in book.get(key, ()) if _fits(t, slots)]
        return any(t not in self._used for t in templates)

    def say(self, key: str, **slots: str) -> str:
        """Render a wording of `act.case`, the least used first.

        Args:
            key: `ask.next`, `challenge.missing`, ...
            slots: What may be filled in; a template that needs another slot is passed over.

        Raises:
            UserSimulatorError: No template fits.
        """
        usable = [t for book in self._books for t in book.get(key, ()) if _fits(t, slots)]
        if not usable:
            raise UserSimulatorError(f"voice {self.voice.name} has no wording {key} for this")
        self.last = key
        least = min(self._used.get(t, 0) for t in usable)
        own = set(self.voice.wordings.get(key, ()))
        fresh = [t for t in usable if self._used.get(t, 0) == least]
        preferred = [t for t in fresh if t in own] or fresh
        template = preferred[int(self._rng.integers(len(preferred)))]
        self._used[template] = least + 1
        if _PLURAL.search(_NOUN.split(slots.get("label", ""), maxsplit=1)[0]):
            template = _agreeing(template)
        text = template.format_map(slots)
        if text in self._said and key != "again.prefix" and self.has("again.prefix", **slots):
            text = f"{self.say('again.prefix', **slots)}{text}"
            self.last = key
        self._said.add(text)
        return text


_COUNTS = re.compile(r"how (many|long)|wie viele|多少", re.I)
"""A question that a count answers; passed over where the slot `counted` says it was told."""
_NOUN = re.compile(r" (?:of|in|for|to|from|into|with|on|at|by|between) ")
_PLURAL = re.compile(r"(?:[^siu]|ie)s$")
_AFTER = re.compile(
    r"(?<!about )(?<!for )(?<!of )(?<!with )(?<!on )(?<!to )"
    r"(\{label(?:_cap)?\}) (is|isn't|has|was|doesn't|stands|works|holds|remains|deviates)\b"
)
_BEFORE = re.compile(r"\b([Ii]s|[Dd]oes|[Hh]as|[Ww]as) (\{label\})")
_MANY = {
    "is": "are", "isn't": "aren't", "has": "have", "was": "were", "doesn't": "don't",
    "stands": "stand", "works": "work", "holds": "hold", "remains": "remain",
    "deviates": "deviate", "does": "do",
}  # fmt: skip
_PRONOUNS = {
    "as it is": "as they are", "as it should be": "as they should be", "give it up": "give them up",
    "until it is": "until they are", "until it's": "until they're", "came of it": "came of them",
    "know it's right": "know they're right", "It is what I asked": "They are what I asked",
}  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _agreeing(template: str) -> str:
    """The template with its verbs fit for a label in the plural."""
    for one, many in _PRONOUNS.items():
        template = template.replace(one, many)
    template = _AFTER.sub(lambda m: f"{m[1]} {_MANY[m[2]]}", template)
    return _BEFORE.sub(
        lambda m: f"{capital(_MANY[m[1].lower()]) if m[1][0].isupper() else _MANY[m[1]]} {m[2]}",
        template,
    )


@functools.lru_cache(maxsize=4096)
def _slots(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


def _fits(template: str, slots: Mapping[str, str]) -> bool:
    if slots.get("counted") and _COUNTS.search(template):
        return False
    return all(slots.get(name) for name in _slots(template))


def capital(text: str) -> str:
    """The text with its first letter raised, unless it begins with the name of a file."""
    if re.match(r"[\w-]+[./]\w", text):
        return text
    return text[:1].upper() + text[1:]


def goal_slots(goal: SubGoal) -> dict[str, str]:
    """Slots about a sub-goal.

    `request` (an imperative may follow), `ask` (in a question) and `short` (more words come
    after it) are filled only where the result reads well; `clause` always is.
    """
    clause = goal.request.rstrip(" .!?。") or goal.request
    slots = {
        "clause": clause,
        "clause_cap": capital(clause),
        "label": goal.label,
        "label_cap": capital(goal.label),
    }
    first = re.match(r"[A-Za-z]+", clause)
    if first and first.group().lower() in verbs():
        plain = not re.search(r"[;:]|\. ", clause)
        slots["request"] = clause if len(clause) < 400 else ""
        slots["ask"] = clause if plain and len(clause) < 170 else ""
        slots["short"] = clause if plain and len(clause) < 90 else ""
    return slots


def introduction(persona: Persona | None) -> dict[str, str]:
    """Slots with which a person says who they are: `role`, `role_cap`, `context_sentence`."""
    if persona is None or not persona.role:
        return {}
    article = "an" if persona.role[0].lower() in "aeiou" else "a"
    slots = {"role": f"{article} {persona.role}", "role_cap": capital(persona.role)}
    context = " ".join(persona.work_context.split()).rstrip(".")
    if context:
        slots["context_sentence"] = _sentence(context)
    return slots


def _sentence(context: str) -> str:
    """`a clinic in Turku`, `Assessing loans for a bank`, `I run a shop` as a full sentence."""
    first, _, rest = context.partition(" ")
    if {"i", "we", "i'm", "we're", "my", "our"} & {word.lower() for word in context.split()}:
        return f"{capital(context)}."
    if first.lower() in ("a", "an", "the"):
        return f"I work for {first.lower()} {rest}."
    if first.lower().endswith("ing") and len(first) > 4:
        return f"I'm {first.lower()} {rest}."
    return f"About my work: {context}."
