r"""A small grammar for short texts: seeded choice, nested alternatives, slots, tags.

A grammar is a TOML file of rules, each a list of alternatives. Inside an alternative:

=================  =====================================================================
`<rule>`           one alternative of that rule
`[a|b|]`           one of these; may be empty and may nest
`$slot`            the value of a slot
`@tag,other@ ...`  at the start: only for speakers with one of these tags
=================  =====================================================================
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib.resources.abc import Traversable

from ise_env.errors import ConfigError

_TAGGED = re.compile(r"@([a-z, -]+)@\s*(.*)", re.DOTALL)
_REFERENCE = re.compile(r"<([a-z_]+)>")
_SLOT = re.compile(r"\$([a-z_]+)")
_INNERMOST = re.compile(r"\[([^\[\]]*)\]")


class Grammar:
    """Rules and their expansion.

    Args:
        rules: Alternatives of each rule, as written in the file.
        where: The file, for error messages.

    Raises:
        ConfigError: A rule is empty, or refers to one that does not exist.
    """

    def __init__(self, rules: Mapping[str, Sequence[str]], where: str) -> None:
        self._rules = {
            name: [_alternative(text) for text in alternatives]
            for name, alternatives in rules.items()
        }
        for name, alternatives in self._rules.items():
            if not alternatives:
                raise ConfigError(f"{where}: rule {name}: has no alternative")
            for _, text in alternatives:
                for other in _REFERENCE.findall(text):
                    if other not in self._rules:
                        raise ConfigError(f"{where}: rule {name}: refers to unknown rule <{other}>")

    @classmethod
    def load(cls, file: Traversable) -> Grammar:
        """Read a TOML file of rules."""
        return cls(tomllib.loads(file.read_text(encoding="utf-8")), str(file))

    def has(self, rule: str) -> bool:
        """Whether there is such a rule."""
        return rule in self._rules

    def expand(
        self, rule: str, rng: random.Random, slots: Mapping[str, str], tags: frozenset[str]
    ) -> str:
        """Expand a rule into text.

        Args:
            rule: Where to start.
            rng: Makes every choice.
            slots: Values of `$slot`; an alternative with an unknown slot is not chosen.
            tags: Of the speaker.

        Raises:
            ConfigError: No alternative of a rule suits these tags and slots.
        """
        # Slots last and once: their values may hold what looks like markup.
        text = self._derive(rule, rng, slots.keys(), tags)
        return _SLOT.sub(lambda match: slots[match[1]], text)

    def _derive(
        self, rule: str, rng: random.Random, slots: Collection[str], tags: frozenset[str]
    ) -> str:
        fitting = [
            text
            for wanted, text in self._rules[rule]
            if (not wanted or wanted & tags) and all(s in slots for s in _SLOT.findall(text))
        ]
        if not fitting:
            raise ConfigError(f"grammar: rule {rule}: nothing suits {sorted(tags)}")
        text = choose(rng, rng.choice(fitting))
        return _REFERENCE.sub(lambda match: self._derive(match[1], rng, slots, tags), text)


def choose(rng: random.Random, text: str) -> str:
    """Resolve the bracketed choices of a text, innermost first."""
    while found := _INNERMOST.search(text):
        text = text[: found.start()] + rng.choice(found[1].split("|")) + text[found.end() :]
    return text


def _alternative(text: str) -> tuple[frozenset[str], str]:
    tagged = _TAGGED.fullmatch(text)
    if tagged is None:
        return frozenset(), text
    return frozenset(tag.strip() for tag in tagged[1].split(",")), tagged[2]
