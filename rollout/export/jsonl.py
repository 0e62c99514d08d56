"""Layouts that are one JSON object a line: `openai`, `isetrace`, `rl`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ise_env.rollout.export.files import Report, new_file, write_row
from ise_env.rollout.export.shape import Shape
from ise_env.rollout.export.source import Source
from ise_env.traces.isetrace import to_isetrace

Rows = Callable[[Source, Shape, Report], Iterator[dict[str, Any]]]


def write(rows: Rows, source: Source, out: Path, shape: Shape) -> Report:
    """Write the rows of a layout.

    Raises:
        ConfigError: Nothing is left to write, or `out` cannot be written.
    """
    report = Report()
    with new_file(out) as file:
        for row in rows(source, shape, report):
            write_row(file, row)
            report.written += 1
        report.conclude(source.selection)
    return report


def openai(source: Source, shape: Shape, report: Report) -> Iterator[dict[str, Any]]:
    """`{"messages", "tools"}`: what TRL, Unsloth, NeMo-RL, prime-rl and Axolotl read."""
    for episode in source.episodes():
        yield {"messages": shape.chat(episode.messages), "tools": source.tools(episode)}


def isetrace(source: Source, shape: Shape, report: Report) -> Iterator[dict[str, Any]]:
    """The layout in which ISETrace is published; an imported record comes back as it was."""
    for episode in source.episodes():
        yield to_isetrace(episode, source.tools(episode), source.skills(episode))
