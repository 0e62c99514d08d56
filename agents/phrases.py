"""Words that scripted policies put around what the kits' solutions say."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import numpy as np


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    text = resources.files("ise_env.agents").joinpath("phrases.toml").read_text("utf-8")
    return {key: value for key, value in tomllib.loads(text).items() if isinstance(value, dict)}


def say(rng: np.random.Generator, policy: str, occasion: str, **slots: str) -> str:
    """Pick one of the phrases for an occasion and fill it in."""
    phrases = _table()[policy][occasion]
    if label := slots.get("label"):
        slots["label_cap"] = label[:1].upper() + label[1:]
    return phrases[int(rng.integers(len(phrases)))].format(**slots)
