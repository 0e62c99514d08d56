"""Limits that all callers of one address share: concurrency, requests and tokens a minute.

Rates are token buckets that hold one second's worth of requests, or ten seconds' worth of
tokens. What a request will cost is not known before it is answered, so the mean of the earlier
ones is set aside and the difference settled afterwards; the bucket may go into debt. A pause
that a server asks for (`Retry-After`) holds back every caller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class LimitTimeout(Exception):
    """The limits would hold the request back beyond its deadline, or nobody waits for it."""


class Bucket:
    """A token bucket that may go into debt. Not thread-safe: `Limiter` holds the lock.

    Args:
        per_minute: Refill rate.
        burst_s: Seconds of refill that it holds at most.
        now: Reading of the clock, in seconds.
    """

    def __init__(self, per_minute: float, burst_s: float, now: float) -> None:
        self._rate = per_minute / 60.0
        self._capacity = max(1.0, self._rate * burst_s)
        self._level = self._capacity
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken; more than it can hold needs only a full one."""
        self._refill(now)
        missing = min(amount, self._capacity) - self._level
        # A hair of rounding must not cost another turn of the waiting loop.
        return max(0.0, missing / self._rate) if missing > 1e-9 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, or give back when negative."""
        self._refill(now)
        self._level = min(self._capacity, self._level - amount)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now


@dataclass
class Slot:
    """One request's place; set `tokens` to what it really used, when known."""

    waited_s: float
    tokens: int | None = None


class Limiter:
    """Thread-safe gate in front of one address.

    Args:
        concurrency: Requests in flight at once.
        requests_per_minute: Rate of requests.
        tokens_per_minute: Rate of tokens, prompt and completion together.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._free = float("inf") if concurrency is None else concurrency
        now = clock()
        self._requests = Bucket(requests_per_minute, 1.0, now) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, 10.0, now) if tokens_per_minute else None
        self._mean_tokens: float | None = None
        self._paused_until = now

    def pause(self, seconds: float) -> None:
        """Hold back every caller for that long from now."""
        with self._changed:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def nudge(self) -> None:
        """Make every waiting caller look again whether it still wants to wait."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def slot(
        self, estimate: float, deadline: float, abandoned: Callable[[], bool] = lambda: False
    ) -> Iterator[Slot]:
        """Wait for a place, hold it for the block, settle the tokens afterwards.

        Args:
            estimate: Tokens that the request may cost; replaced by the mean once one is known.
            deadline: Reading of the clock after which waiting is pointless.
            abandoned: Whether the caller has given up; looked at after each `nudge`.

        Raises:
            LimitTimeout: No place before the deadline, or abandoned.
        """
        with self._changed:
            began = self._clock()
            reserved = self._mean_tokens if self._mean_tokens is not None else estimate
            while (delay := self._delay(reserved)) > 0:
                left = deadline - self._clock()
                # inf: until somebody else is done, which says so; else until a bucket fills.
                hopeless = left <= 0 or (delay > left and delay != float("inf"))
                if hopeless or abandoned():
                    self._changed.notify()  # the place that woke this caller goes to another
                    raise LimitTimeout
                self._changed.wait(min(delay, left))
            now = self._clock()
            self._free -= 1
            if self._requests:
                self._requests.take(1, now)
            if self._tokens:
                self._tokens.take(reserved, now)
        slot = Slot(now - began)
        try:
            yield slot
        finally:
            self._settle(reserved, slot.tokens)

    def _delay(self, tokens: float) -> float:
        if self._free < 1:
            return float("inf")
        now = self._clock()
        delays = [self._paused_until - now]
        if self._requests:
            delays.append(self._requests.wait(1, now))
        if self._tokens:
            delays.append(self._tokens.wait(tokens, now))
        return max(delays)

    def _settle(self, reserved: float, used: int | None) -> None:
        with self._changed:
            self._free += 1
            if used is not None:
                mean = self._mean_tokens
                self._mean_tokens = float(used) if mean is None else 0.9 * mean + 0.1 * used
                if self._tokens:
                    self._tokens.take(used - reserved, self._clock())
            self._changed.notify()
