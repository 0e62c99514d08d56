"""A line of a crontab: when it fires, and what it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.services.crontab import parse_schedule, read_crontab


class CronLine(Kind):
    """Exactly one line fires at these times and runs a command like this."""

    kind: Literal["cron_line"] = "cron_line"
    path: str
    schedule: str = Field(description="Five fields; compared by what they mean.")
    command: TextMatch

    @field_validator("schedule")
    @classmethod
    def _readable(cls, value: str) -> str:
        if parse_schedule(value) is None:
            raise ValueError(f"not a cron schedule: “{value}”")
        return value

    def judge(self, evidence: Evidence) -> str:
        """Find the lines whose command fits, then compare when they fire."""
        wanted = parse_schedule(self.schedule)
        fitting = []
        for schedule, command in read_crontab(evidence.text(self.path)):
            try:
                self.command.demand(command, self.path)
            except Unmet:
                continue
            fitting.append((schedule, command))
        if len(fitting) != 1:
            found = "no line runs" if not fitting else f"{len(fitting)} lines run"
            raise Unmet(f"{self.path}: {found} a command with {self.command.wanted()}")
        schedule, command = fitting[0]
        if parse_schedule(schedule) != wanted:
            raise Unmet(f"{self.path}: fires at “{schedule}”, not “{self.schedule}”")
        return f"{self.path}: {schedule} {excerpt(command)}"
