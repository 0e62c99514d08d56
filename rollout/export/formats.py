"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.rollout.export import atif, hf, jsonl, llamafactory, preference, rl
from ise_env.rollout.export.files import Report
from ise_env.rollout.export.shape import Shape
from ise_env.rollout.export.source import Source

OPTIONS = ("arguments", "reasoning", "parallel", "users", "empty", "system")
"""What can be said about how messages are put."""


@dataclass(frozen=True)
class Format:
    """One layout.

    Attributes:
        what: Who reads it, and whether it is a file or a folder.
        write: Writes it.
        shape: How messages are put unless the caller says otherwise.
        options: What the caller may say of that; the layout decides the rest.
        every_sample: Whether episodes that say the same are all taken: an average over samples
            is wrong without them.
        success: Whether successes or failures alone can be asked for.
    """

    what: str
    write: Callable[[Source, Path, Shape], Report]
    shape: Shape = field(default_factory=Shape)
    options: tuple[str, ...] = OPTIONS
    every_sample: bool = False
    success: bool = True

    def shaped(self, **choices: Any) -> Shape:
        """The format's shape with the caller's choices.

        Raises:
            ConfigError: The layout leaves one of them no choice.
        """
        for option in choices:
            if option not in self.options:
                rest = ", ".join(f"--{name}" for name in self.options)
                raise ConfigError(
                    f"--{option} says nothing to this format, whose layout decides it"
                    + (f"; it takes {rest} only" if rest else "; leave it out")
                )
        return replace(self.shape, **choices)


def _lines(rows: jsonl.Rows) -> Callable[[Source, Path, Shape], Report]:
    return partial(jsonl.write, rows)


FORMATS: dict[str, Format] = {
    "openai": Format("messages and tools, JSON lines: TRL and most trainers", _lines(jsonl.openai)),
    "hf": Format(
        "Parquet and a dataset card, a folder: the Hub", hf.write, Shape(arguments="object")
    ),
    "isetrace": Format("the published layout, JSON lines", _lines(jsonl.isetrace), options=()),
    "llamafactory": Format(
        "sharegpt and dataset_info.json, a folder", llamafactory.write, options=("reasoning",)
    ),
    "atif": Format("Harbor's interchange format, a folder of JSON files", atif.write, options=()),
    "rl": Format(
        "token ids, masks and log-probabilities, JSON lines",
        _lines(rl.rows),
        options=(),
        every_sample=True,
    ),
    "preference": Format(
        "pairs of success and failure, JSON lines: TRL's DPO",
        _lines(preference.rows),
        Shape(arguments="object"),
        success=False,
    ),
}


def format_of(name: str) -> Format:
    """Return a format.

    Raises:
        ConfigError: There is none of that name.
    """
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise ConfigError(f"unknown format {name!r}; known: {known}") from None
