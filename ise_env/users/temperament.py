"""What is drawn once about a person: how closely they look, how long they bear with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ise_env.users.phrasing import Voice

Attentiveness = Literal["trusting", "spot-checks", "audits"]
Opening = Literal["straight", "goal", "context"]

_LOOKS: dict[str, tuple[float, float, float]] = {
    "analytical": (0.1, 0.4, 0.5),
    "formal": (0.2, 0.5, 0.3),
    "casual": (0.4, 0.5, 0.1),
}
_CURIOUS: dict[Attentiveness, int] = {"trusting": -1, "spot-checks": 0, "audits": 1}
_CHECKS: dict[Attentiveness, int] = {"trusting": 1, "spot-checks": 1, "audits": 2}
_TURNS_MEAN, _TURNS_SPREAD = 6.0, 0.9


@dataclass(frozen=True)
class Temperament:
    """A person's habits in one episode."""

    attentiveness: Attentiveness
    opening: Opening
    patience: int
    """Disappointments that they put up with before they leave."""
    curiosity: int
    """How many questions about results they would ask in all, if there is something to see."""
    checks: int = 1
    """How many results they ask to have checked at the end."""


def draw(rng: np.random.Generator, voice: Voice, steps: int) -> Temperament:
    """Draw the habits of one person.

    Curiosity goes down with the number of steps: with a long list people check less on the
    way. Scaled so that dialogues come to about eight user turns (ISETrace: 91 % within 6-10).

    Args:
        rng: The user's own stream.
        voice: Habits go with the way someone writes.
        steps: How many sub-goals there are.
    """
    kinds: tuple[Attentiveness, ...] = ("trusting", "spot-checks", "audits")
    looks = _LOOKS.get(voice.name, (0.25, 0.5, 0.25))
    openings: tuple[Opening, ...] = ("straight", "goal", "context")
    attentiveness = kinds[int(rng.choice(3, p=looks))]
    opening = openings[int(rng.choice(3, p=(0.4, 0.3, 0.3)))]
    patience = int(rng.integers(3, 6)) - (voice.name == "terse")
    wished = round(float(rng.normal(_TURNS_MEAN, _TURNS_SPREAD)))
    curiosity = max(0, wished - steps - 2 + _CURIOUS[attentiveness])
    return Temperament(attentiveness, opening, patience, curiosity, _CHECKS[attentiveness])
