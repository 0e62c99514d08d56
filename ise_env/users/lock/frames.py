"""The frames that detectors look for, read from `frames.toml`."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from ise_env.users.lock.scene import Violation


@dataclass(frozen=True)
class Frame:
    """One rule's frames, as a single pattern."""

    violation: Violation
    pattern: re.Pattern[str]


@functools.cache
def frames() -> Mapping[str, Frame]:
    """Every rule that is decided by frames alone, by name."""
    data = tomllib.loads(resources.files(__package__).joinpath("frames.toml").read_text("utf-8"))
    words = {name: f"(?:{'|'.join(items)})" for name, items in data["words"].items()}
    return {
        rule: Frame(
            Violation(rule, table["why"], rule not in data["uncertain"]["rules"]),
            _compile(table["frames"], words),
        )
        for rule, table in data.items()
        if isinstance(table, dict) and "frames" in table
    }


def _compile(patterns: list[str], words: Mapping[str, str]) -> re.Pattern[str]:
    joined = "|".join(patterns)
    for name, alternatives in words.items():
        joined = joined.replace(f"<{name}>", alternatives)
    return re.compile(joined, re.I | re.M)
