"""A second opinion that is learnt: whether somebody in this situation would write like that.

Linear classifiers over hashed features (`features`), the heads, each of which knows a way to fall
out of the part (`voice` several of them), and one more that weighs their scores together with the
uncertain rules. Trained by `scripts/train_role_lock.py` on the committed collections, judged by
writers left out; the weights are `classifier.npz`. Only for English: other languages are left to
the rules.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ise_env.users.lock.features import masked, setting, wording
from ise_env.users.lock.scene import Scene

FILE = "classifier.npz"
HEADS = ("voice", "drift", "leak", "invent", "leave")
"""Positive for: drift, leak and goodbye taken together; the assistant's part; knowledge of a test;
details that come from nowhere; a goodbye."""
_LEAVING = ("close", "give_up")
_EVEN = 40
"""Fewer features than these count as if they were so many: short messages say less."""
_MARKS = 0.25
"""Weight of one feature of the setting beside one of the wording of a message of even length."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """The weights, one for every bin of a feature hash."""

    heads: Mapping[str, Weights]
    """By the names of `HEADS`."""
    signs: tuple[str, ...]
    """What `weigh` has weights for, in order; see `signs`."""
    weigh: Weights
    threshold: float

    def scores(self, message: str, scene: Scene) -> dict[str, float]:
        """What each head makes of a message."""
        text = masked(message, scene)
        words, marks = wording(text), setting(text, scene)
        scale = scale_of(len(words))
        return {
            name: float(scale * head[words].sum())
            + (float(_MARKS * head[marks].sum()) if name != "leave" else 0.0)
            for name, head in self.heads.items()
        }

    def margin(self, message: str, scene: Scene, rules: Collection[str]) -> float:
        """By how much a message is beyond the threshold; positive where it is to be rejected.

        Args:
            message: What is to be said.
            scene: Where.
            rules: Uncertain rules that it breaks.
        """
        values = signs(self.scores(message, scene), scene.act, rules)
        total = sum(values.get(n, 0.0) * w for n, w in zip(self.signs, self.weigh, strict=True))
        return float(total) - self.threshold


def signs(scores: Mapping[str, float], act: str, rules: Collection[str]) -> dict[str, float]:
    """What is weighed together, by name.

    `most` is the head that is surest, so that the others, who know of other things, do not talk
    it down. To take leave speaks against a message (`leave`, `leaves`) unless it is its act; then
    not to do so does (`stays`).
    """
    leaving = act in _LEAVING
    others = {name: score for name, score in scores.items() if name != "leave"}
    leave = scores["leave"]
    kinds = [score for name, score in scores.items() if name not in ("voice", "leave")]
    return {
        "1": 1.0,
        **others,
        "most": max(kinds if leaving else [*kinds, leave]),
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
            heads={name: data[name] * float(data[f"{name}_step"]) for name in HEADS},
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
