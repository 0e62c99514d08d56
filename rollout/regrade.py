"""Judging stored episodes anew, with the checks that are installed now and without a model.

Checks look at more than a trajectory tells: files, processes, what mail servers and web sites
were asked for. So the stored actions are executed again in a fresh workspace with its services
live, the user's turns as they are stored, and what is left is verified. A verdict counts only
where everything else came out as stored; otherwise it would be about another episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from ise_env.rewards.spec import CheckVerdict
from ise_env.rollout.reexec import config_of, in_threads, reexecute_with_stored_user
from ise_env.traces.reader import read_run
from ise_env.traces.record import Trajectory


class Grade(BaseModel):
    """One episode, judged when it was recorded and now."""

    episode_id: str
    intent_id: str
    trial: int
    stored_reward: float | None
    stored_success: bool | None
    judged: bool
    """Whether there is a verdict of now; if not, the fields below are empty."""
    why: str = ""
    """What kept it from being judged."""
    reward: float | None = None
    success: bool | None = None
    checks: list[CheckVerdict] = []

    @property
    def changed(self) -> bool:
        """Whether the verdict is another one now."""
        return self.judged and (self.reward, self.success) != (
            self.stored_reward,
            self.stored_success,
        )


def regrade_run(run: Path, *, n: int | None = None, concurrency: int = 2) -> Iterator[Grade]:
    """Judge the episodes of a run anew, in the order in which they are done.

    Kits of other versions than those that drew the intents are accepted: to see what their
    checks say is what this is for.

    Args:
        run: Run directory, or a file of records (played with the default configuration).
        n: Only so many, from the first on.
        concurrency: Episodes at the same time.

    Raises:
        ConfigError: The run cannot be read.
    """
    config = config_of(run).model_copy(update={"allow_kit_drift": True})

    def grade(record: Trajectory) -> Grade:
        report = reexecute_with_stored_user(record, config)
        found = Grade(
            episode_id=record.episode_id,
            intent_id=record.intent.id,
            trial=record.trial,
            stored_reward=record.reward,
            stored_success=record.success,
            judged=report.reproduced,
        )
        if report.skipped:
            found.why = report.skipped
        elif not report.reproduced:
            other = [d.where for d in report.differences if not d.is_verdict]
            found.why = f"{len(other)} things came out otherwise, first: {other[0]}"
        else:
            found.reward, found.success = report.reward, report.success
            found.checks = report.checks
        return found

    yield from in_threads(grade, islice(read_run(run), n), concurrency)
