"""The one retry layer: which failures are tried again, when, and until when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import tenacity

from ise_env.errors import ModelEndpointError
from ise_env.llm.failures import AttemptFailed
from ise_env.llm.transport import Transport

log = logging.getLogger("ise_env.llm")

T = TypeVar("T")

UNREACHED_ATTEMPTS = 3
"""For an address that has never answered: it is more likely wrong than down."""

# Ten attempts wait 90 s in all: an endpoint that is gone for a minute costs no episode.
_backoff = tenacity.wait_exponential(multiplier=0.5, max=20.0) + tenacity.wait_random(0, 1)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a call.

    Attributes:
        value: What the successful attempt returned.
        failures: Labels of the attempts before it.
        seconds: From the first attempt's start to the last one's end.
    """

    value: T
    failures: tuple[str, ...]
    seconds: float


def retrying(transport: Transport, attempt: Callable[[float], T]) -> Outcome[T]:
    """Make attempts until one succeeds, or until it is no use.

    Args:
        transport: Says when to stop, and is paused when the server asks for it.
        attempt: One attempt, given the reading of the monotonic clock at which to give up.

    Raises:
        ModelEndpointError: Of the last attempt.
    """
    endpoint = transport.endpoint
    began = time.monotonic()
    deadline = began + endpoint.deadline_s
    failed: list[str] = []

    def once() -> T:
        try:
            return attempt(deadline)
        except AttemptFailed as failure:
            failed.append(failure.label)
            raise

    def stop(state: tenacity.RetryCallState) -> bool:
        limit = endpoint.attempts
        if not transport.reached:
            limit = min(limit, UNREACHED_ATTEMPTS)
        late = time.monotonic() + state.upcoming_sleep >= deadline
        return transport.closing.is_set() or late or state.attempt_number >= limit

    def before_sleep(state: tenacity.RetryCallState) -> None:
        failure = _failure_of(state)
        if failure.after_s is not None:
            transport.limiter.pause(failure.after_s)
        log.info("%s; trying again in %.1f s", failure.error, state.upcoming_sleep)

    loop = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_worth_repeating),
        stop=stop,
        wait=_wait,
        sleep=tenacity.sleep_using_event(transport.closing),
        before_sleep=before_sleep,
        reraise=True,
    )
    try:
        value = loop(once)
    except AttemptFailed as failure:
        raise _final(failure, failed) from failure.__cause__
    return Outcome(value, tuple(failed), time.monotonic() - began)


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, AttemptFailed) and error.error.retryable


def _wait(state: tenacity.RetryCallState) -> float:
    after = _failure_of(state).after_s
    delay = float(_backoff(state))
    # Never earlier than asked; a little later, so that not everybody comes back at once.
    return delay if after is None else after + min(1.0, delay)


def _failure_of(state: tenacity.RetryCallState) -> AttemptFailed:
    error: Any = state.outcome.exception() if state.outcome else None
    assert isinstance(error, AttemptFailed)
    return error


def _final(failure: AttemptFailed, failed: Sequence[str]) -> ModelEndpointError:
    error = failure.error
    if len(failed) > 1:
        others = sorted({label for label in failed if label != failure.label})
        before = f", some ended in {', '.join(others)}" if others else ""
        tail = f" (after {len(failed)} attempts{before})"
        error = type(error)(f"{error}{tail}", status=error.status, retryable=error.retryable)
    return error
