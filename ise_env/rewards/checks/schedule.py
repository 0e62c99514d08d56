"""Jobs of the scheduler: registered, and what became of them when the clock moved on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.services.crontab import parse_schedule


class ScheduleRegistered(Kind):
    """Exactly one job fires at these times and runs a command like this."""

    kind: Literal["schedule_registered"] = "schedule_registered"
    schedule: str = Field(description="Five fields; compared by what they mean.")
    command: TextMatch

    @field_validator("schedule")
    @classmethod
    def _readable(cls, value: str) -> str:
        if parse_schedule(value) is None:
            raise ValueError(f"not a cron schedule: “{value}”")
        return value

    def judge(self, evidence: Evidence) -> str:
        """Find the jobs whose command fits, then compare when they fire."""
        fitting = [j for j in evidence.services.jobs if _fits(self.command, j.command)]
        if len(fitting) != 1:
            found = "no job runs" if not fitting else f"{len(fitting)} jobs run"
            raise Unmet(f"scheduler: {found} a command with {self.command.wanted()}")
        if parse_schedule(fitting[0].schedule) != parse_schedule(self.schedule):
            raise Unmet(f"scheduler: fires at “{fitting[0].schedule}”, not “{self.schedule}”")
        return f"scheduler: {fitting[0].schedule} {excerpt(fitting[0].command)}"


class ScheduleFired(Kind):
    """A job ran when its time came, and ended well, so many times."""

    kind: Literal["schedule_fired"] = "schedule_fired"
    command: TextMatch
    times: int = Field(default=1, ge=1, description="At least.")
    exactly: bool = False

    def judge(self, evidence: Evidence) -> str:
        """Count the runs that ended well."""
        runs = [f for f in evidence.services.firings if _fits(self.command, f.job.command)]
        good = [f for f in runs if f.exit_code == 0]
        if len(good) < self.times or (self.exactly and len(runs) != self.times):
            bad = [f for f in runs if f.exit_code != 0]
            why = f"; exit code {bad[0].exit_code}: {excerpt(bad[0].output, 120)}" if bad else ""
            raise Unmet(f"scheduler: {len(runs)} runs, {len(good)} went well{why}")
        return f"scheduler: {len(good)} runs went well, the first at {good[0].at:%Y-%m-%d %H:%M}"


def _fits(wanted: TextMatch, command: str) -> bool:
    try:
        wanted.demand(command, "command")
    except Unmet:
        return False
    return True
