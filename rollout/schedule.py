"""Who plays what next: fresh jobs, and failed ones again after a pause."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from ise_env.rollout.plan import Job


class Schedule:
    """Hands out jobs to threads.

    Args:
        jobs: Fresh jobs, drawn one at a time.
    """

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._fresh = jobs
        self._exhausted = False
        self._again: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._stopped = False
        self._changed = threading.Condition()

    def next(self) -> Job | None:
        """Wait for a job; None once there is none left and none can come back.

        Whoever got a job ends it with `done` or `retry`.
        """
        with self._changed:
            while not self._stopped:
                pause = self._seconds_until_due()
                job = heapq.heappop(self._again)[2] if pause == 0 else self._draw()
                if job is not None:
                    self._in_flight += 1
                    return job
                if pause is None and not self._in_flight:
                    break
                self._changed.wait(pause)
            return None

    def _seconds_until_due(self) -> float | None:
        return max(0.0, self._again[0][0] - time.monotonic()) if self._again else None

    def _draw(self) -> Job | None:
        if self._exhausted:
            return None
        job = next(self._fresh, None)
        self._exhausted = job is None
        return job

    def done(self) -> None:
        """One job is over, for good or ill."""
        with self._changed:
            self._in_flight -= 1
            if not self._in_flight:  # else whoever waits would wake only to wait again
                self._changed.notify_all()

    def retry(self, job: Job, after_s: float) -> None:
        """One job failed and is to be tried again after a pause."""
        again = replace(job, attempt=job.attempt + 1)
        with self._changed:
            heapq.heappush(self._again, (time.monotonic() + after_s, next(self._order), again))
            self._in_flight -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Failed jobs that are to be tried again."""
        with self._changed:
            return len(self._again)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped
