"""A second opinion that is learnt: whether somebody in this situation would write like that.

Two linear classifiers over hashed features (`features`), one for whose voice it is and one for
taking leave, and a third that weighs their scores together with the uncertain rules. Trained by
`scripts/train_role_lock.py` on the committed collections, judged by writers left out; the weights
are `classifier.npz`. Only for English: other languages are left to the rules.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ise_env.users.lock.features import masked, setting, wording
from ise_env.users.lock.scene import Scene

FILE = "classifier.npz"
_LEAVING = ("close", "give_up")
_EVEN = 40
"""Fewer features than these count as if they were so many: short messages say less."""
_MARKS = 0.25
"""Weight of one feature of the setting beside one of the wording of a message of even length."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """The weights, one for every bin of a feature hash."""

    voice: Weights
    """Positive speaks for the assistant's part, or for somebody who knows of a test."""
    leave: Weights
    """Positive speaks for a goodbye."""
    signs: tuple[str, ...]
    """What `weigh` has weights for, in order; see `signs`."""
    weigh: Weights
    threshold: float

    def scores(self, message: str, scene: Scene) -> tuple[float, float]:
        """How foreign the voice is, and how much the message takes leave."""
        text = masked(message, scene)
        words, marks = wording(text), setting(text, scene)
        scale = scale_of(len(words))
        voice = scale * self.voice[words].sum() + _MARKS * self.voice[marks].sum()
        return float(voice), float(scale * self.leave[words].sum())

    def margin(self, message: str, scene: Scene, rules: Collection[str]) -> float:
        """By how much a message is beyond the threshold; positive where it is to be rejected.

        Args:
            message: What is to be said.
            scene: Where.
            rules: Uncertain rules that it breaks.
        """
        values = signs(*self.scores(message, scene), scene.act, rules)
        total = sum(values.get(n, 0.0) * w for n, w in zip(self.signs, self.weigh, strict=True))
        return float(total) - self.threshold


def signs(voice: float, leave: float, act: str, rules: Collection[str]) -> dict[str, float]:
    """What is weighed together, by name."""
    leaving = act in _LEAVING
    return {
        "1": 1.0,
        "voice": voice,
        f"act {act}": 1.0,
        "leave": 0.0 if leaving else leave,
        "leaves": 0.0 if leaving else max(leave, 0.0),
        "stays": -leave if leaving else 0.0,
        "rules": float(min(len(rules), 3)),
        **dict.fromkeys(rules, 1.0),
    }


def scale_of(features: int) -> float:
    """Weight of one feature of the wording of a message that has so many."""
    return float(1.0 / np.sqrt(max(features, _EVEN)))


@functools.cache
def learnt() -> Classifier:
    """The one that comes with the package."""
    with np.load(io.BytesIO(_bytes()), allow_pickle=False) as data:
        return Classifier(
            voice=data["voice"] * float(data["voice_step"]),
            leave=data["leave"] * float(data["leave_step"]),
            signs=tuple(str(name) for name in data["signs"]),
            weigh=data["weigh"],
            threshold=float(data["threshold"]),
        )


@functools.cache
def classifier_sha256() -> str:
    """Hash of the weights: which classifier a record was made with."""
    return hashlib.sha256(_bytes()).hexdigest()


def _bytes() -> bytes:
    return resources.files(__package__).joinpath(FILE).read_bytes()
