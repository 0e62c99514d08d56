"""Train and held-out intents: split by kit and by composition, not only by seed.

An intent is held out when it uses a held-out kit (`splits.toml`), or when its composition, the
set of its kits, is: one in ten is, by hash. So three questions have an answer of their own:
how an agent does on kits it was trained on, on known kits in unknown company
(`held-out-composition`), and on kits it has never seen (`held-out-kit`).
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Literal, get_args

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent

Split = Literal["train", "held-out-composition", "held-out-kit"]
SPLITS: tuple[Split, ...] = get_args(Split)

CANARY = "ise-env held-out intents, not for training: 7c0f3a52-5b0e-4d0b-9b6e-2f1c8d9e6a41"
"""Stands in every held-out record: a corpus that contains it was trained on the test."""

_SHARE_OF_COMPOSITIONS = 0.1


@lru_cache(maxsize=1)
def held_out_kits() -> frozenset[str]:
    """Names of the kits that no training intent may use."""
    file = resources.files("ise_env.intents").joinpath("splits.toml")
    return frozenset(tomllib.loads(file.read_text("utf-8"))["held_out"])


def as_split(name: str) -> Split:
    """The split of that name.

    Raises:
        ConfigError: There is none.
    """
    for split in SPLITS:
        if split == name:
            return split
    raise ConfigError(f"split {name!r}: expected one of {', '.join(SPLITS)}")


def split_of(intent: Intent) -> Split:
    """Which split an intent belongs to; one without kits belongs to `train`."""
    return split_of_kits(frozenset(task.kit for task in intent.tasks if task.kit))


def split_of_kits(kits: frozenset[str]) -> Split:
    """Which split a composition belongs to. One kit alone is no composition."""
    if kits & held_out_kits():
        return "held-out-kit"
    if len(kits) < 2:
        return "train"
    digest = hashlib.sha256("\n".join(sorted(kits)).encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return "held-out-composition" if share < _SHARE_OF_COMPOSITIONS else "train"
