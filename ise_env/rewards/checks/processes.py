"""Processes that were running when the episode ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt, listed


class Processes(Kind):
    """So many processes with a command line like this were alive at the end."""

    kind: Literal["processes"] = "processes"
    command: TextMatch = Field(description="Compared with the arguments, joined by blanks.")
    count: int = Field(default=1, ge=0, description="0: such a process has to be gone.")
    since_start: bool = Field(
        default=False, description="Only processes that the workspace started with count."
    )

    parent: TextMatch | None = Field(
        default=None, description="Only children of a process with a command line like this count."
    )

    def judge(self, evidence: Evidence) -> str:
        """Go through what ran just before everything was ended."""
        counted = [
            process
            for process in evidence.frozen.processes()
            if (process.since_start or not self.since_start)
            and (self.parent is None or _fits(self.parent, process.parent))
        ]
        fitting = [process for process in counted if _fits(self.command, process.argv)]
        below = f" below {self.parent.wanted()}" if self.parent is not None else ""
        wanted = f"processes with {self.command.wanted()}{below}"
        if len(fitting) != self.count:
            running = listed((excerpt(" ".join(p.argv), 60) for p in counted), most=8)
            raise Unmet(
                f"{len(fitting)} {wanted} were running, not {self.count}; there were: {running}"
            )
        return f"{self.count} {wanted}"


def _fits(wanted: TextMatch, argv: Sequence[str]) -> bool:
    try:
        wanted.demand(" ".join(argv), "")
    except Unmet:
        return False
    return True
