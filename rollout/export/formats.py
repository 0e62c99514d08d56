"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.rollout.export import atif, hf, jsonl, llamafactory, preference, rl
from ise_env.rollout.export.files import Report
from ise_env.rollout.export.shape import Shape
from ise_env.rollout.export.source import Source


@dataclass(frozen=True)
class Format:
    """One layout.

    Attributes:
        what: Who reads it, and whether it is a file or a folder.
        write: Writes it.
        shape: How messages are put unless the caller says otherwise.
    """

    what: str
    write: Callable[[Source, Path, Shape], Report]
    shape: Shape = field(default_factory=Shape)


def _lines(rows: jsonl.Rows) -> Callable[[Source, Path, Shape], Report]:
    return partial(jsonl.write, rows)


FORMATS: dict[str, Format] = {
    "openai": Format("messages and tools, JSON lines: TRL and most trainers", _lines(jsonl.openai)),
    "hf": Format(
        "Parquet and a dataset card, a folder: the Hub", hf.write, Shape(arguments="object")
    ),
    "isetrace": Format("the published layout, JSON lines", _lines(jsonl.isetrace)),
    "llamafactory": Format("sharegpt and dataset_info.json, a folder", llamafactory.write),
    "atif": Format("Harbor's interchange format, a folder of JSON files", atif.write),
    "rl": Format("token ids, masks and log-probabilities, JSON lines", _lines(rl.rows)),
    "preference": Format(
        "pairs of success and failure, JSON lines: TRL's DPO",
        _lines(preference.rows),
        Shape(arguments="object"),
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
