"""Realisers: a sampled tuple becomes one request in the persona's own words.

Whatever the words, every sub-goal and every fact must be in them: an intent whose text leaves
a fact out asks for something else than its checks look for. `missing_facts` is that test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ise_env.intents.model import Complexity, Persona, Realiser
from ise_env.tasks.kit import SubGoal


@dataclass(frozen=True)
class Draft:
    """What is to be put into words.

    Attributes:
        persona: Who speaks.
        family: The persona's line of work as the pools name it; empty where it is not known.
        complexity: Longer texts for harder tiers.
        tasks: Kit name and sub-goals of each task, in the order in which they are asked for.
        seed: Same draft and seed, same words.
    """

    persona: Persona
    family: str
    complexity: Complexity
    tasks: tuple[tuple[str, tuple[SubGoal, ...]], ...]
    seed: int

    @property
    def subgoals(self) -> tuple[SubGoal, ...]:
        """All sub-goals in order."""
        return tuple(goal for _, goals in self.tasks for goal in goals)


class Wording(Protocol):
    """Puts drafts into words, one at a time."""

    record: Realiser
    """What intents say about where their words come from."""

    def realise(self, draft: Draft) -> str:
        """Return the utterance; every fact of every sub-goal occurs in it."""
        ...


def occurs(fact: str, text: str) -> bool:
    """Whether a fact stands in a text as a unit: `7` does not occur in `2017`."""
    place = text.find(fact)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(fact) :][:1]
        if not before.isalnum() and not after.isalnum():
            return True
        place = text.find(fact, place + 1)
    return False


def missing_facts(text: str, subgoals: Iterable[SubGoal]) -> list[str]:
    """Values of the facts that a text leaves out, in order; empty when it is faithful."""
    facts = dict.fromkeys(fact.value for goal in subgoals for fact in goal.facts)
    return [fact for fact in facts if not occurs(fact, text)]
