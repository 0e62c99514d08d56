"""The runs that are exported, and what their records refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.rollout.export.selection import Selection
from ise_env.traces.layout import Layout
from ise_env.traces.lock import writer_of
from ise_env.traces.reader import read_run, read_tools
from ise_env.traces.record import Trajectory


@dataclass
class Source:
    """Run directories, read as often as a format needs, in constant memory.

    Args:
        runs: Run directories.
        selection: Which of their episodes are taken.
        partial: Take what is there of a run that is still being written.

    Raises:
        ConfigError: One is no run, or is being written to.
    """

    runs: list[Path]
    selection: Selection = field(default_factory=Selection)
    partial: bool = False
    _tools: dict[str, list[dict[str, Any]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be exported before anything is written."""
        for run in self.runs:
            layout = Layout(run)
            layout.read_manifest()
            if not self.partial and (writer := writer_of(layout.lock)):
                raise ConfigError(
                    f"{run}: is still being written ({writer}); wait for its end, or take what "
                    "is there with --partial"
                )

    def episodes(self) -> Iterator[Trajectory]:
        """Yield the selected episodes; counts afresh what is left out."""
        self.selection.left_out.clear()
        self.selection.held_out = 0
        return self.selection.of(record for run in self.runs for record in read_run(run))

    def tools(self, trajectory: Trajectory) -> list[dict[str, Any]]:
        """The schemas of the tools that an episode's agent was offered.

        Raises:
            ConfigError: No run has them.
        """
        return self._table(trajectory.provenance.tools_sha256)

    def skills(self, trajectory: Trajectory) -> list[dict[str, Any]]:
        """The skills of an imported record; none for our own."""
        sha256 = (trajectory.foreign or {}).get("skills_sha256")
        return self._table(str(sha256)) if sha256 else []

    def _table(self, sha256: str) -> list[dict[str, Any]]:
        if sha256 not in self._tools:
            holder = next(
                (r for r in self.runs if (Layout(r).tools / f"{sha256}.json").is_file()), None
            )
            self._tools[sha256] = read_tools(holder or self.runs[0], sha256)
        return self._tools[sha256]
