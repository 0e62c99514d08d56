"""What earlier sessions of a run left: the basis of resuming."""

from __future__ import annotations

from dataclasses import dataclass, field

from ise_env.rollout.costs import cost_of, sum_of
from ise_env.traces.layout import Counts
from ise_env.traces.reader import read_failed_attempts, read_run
from ise_env.traces.record import Trajectory
from ise_env.traces.store import RunStore


@dataclass
class Past:
    """What earlier sessions left: read once from the run's files."""

    finished: set[str] = field(default_factory=set)
    attempts: dict[str, int] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    counts: Counts = field(default_factory=Counts)
    cost_usd: float | None = None
    """Of every attempt, failed ones included."""

    @classmethod
    def of(cls, store: RunStore, max_attempts: int, *, retry_invalid: bool = False) -> Past:
        """Read a run.

        Args:
            store: The run.
            max_attempts: Failed attempts after which an episode is given up.
            retry_invalid: Forget failed attempts, so that what was given up is tried again.

        Raises:
            ConfigError: A record is damaged.
        """
        past = cls()
        for record in read_run(store.layout.root):
            past.finished.add(record.episode_id)
            past.counts = add_to_counts(past.counts, record)
            past.cost_usd = sum_of(past.cost_usd, cost_of(record))
        for failure in read_failed_attempts(store.layout.root):
            past.counts.failed_attempts += 1
            if failure.record is not None:
                past.cost_usd = sum_of(past.cost_usd, cost_of(failure.record))
            if retry_invalid or failure.episode_id in past.finished:
                continue
            past.attempts[failure.episode_id] = failure.attempt
            if not failure.error.retryable or failure.attempt >= max_attempts:
                past.given_up.add(failure.episode_id)
        return past


def add_to_counts(counts: Counts, record: Trajectory) -> Counts:
    """Count one valid episode."""
    return counts.model_copy(
        update={
            "finished": counts.finished + 1,
            "judged": counts.judged + (record.success is not None),
            "succeeded": counts.succeeded + (record.success is True),
            "redactions": counts.redactions + record.redactions,
        }
    )
