"""Processes that were running when the episode ended."""

from __future__ import annotations

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

    def judge(self, evidence: Evidence) -> str:
        """Go through what ran just before everything was ended."""
        everybody = [
            " ".join(process.argv)
            for process in evidence.frozen.processes()
            if process.since_start or not self.since_start
        ]
        fitting = [command for command in everybody if self._fits(command)]
        if len(fitting) != self.count:
            running = listed((excerpt(command, 60) for command in everybody), most=8)
            raise Unmet(
                f"{len(fitting)} processes with {self.command.wanted()} were running, not "
                f"{self.count}; there were: {running}"
            )
        return f"{self.count} processes with {self.command.wanted()}"

    def _fits(self, command: str) -> bool:
        try:
            self.command.demand(command, "")
        except Unmet:
            return False
        return True
