"""Limits hold whatever the callers do; rates are checked on a clock that the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.llm.limits import Bucket, Limiter, LimitTimeout


class Clock:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(LimitTimeout):
        yield


def enter(limiter: Limiter, deadline: float, tokens: int | None = None) -> None:
    with limiter.slot(100.0, deadline) as slot:
        slot.tokens = tokens


@given(
    rate=st.floats(1, 10_000),
    burst=st.floats(0.5, 30),
    steps=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 300)), max_size=40),
)
def test_a_bucket_never_gives_more_than_its_rate(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    bucket = Bucket(rate, burst, 0.0)
    now = taken = 0.0
    largest = 0.0
    for pause, amount in steps:
        now += pause
        now += bucket.wait(amount, now)
        bucket.take(amount, now)
        taken += amount
        largest = max(largest, amount)
    # What may be ahead of the rate: one full bucket, and one request larger than a bucket.
    allowed = now * rate / 60 + max(1.0, rate / 60 * burst) + largest
    assert taken <= allowed * (1 + 1e-6) + 1e-6


def test_requests_a_minute(clock: Clock) -> None:
    limiter = Limiter(requests_per_minute=60, clock=clock)
    enter(limiter, deadline=0.5)
    with refused():
        enter(limiter, deadline=0.5)
    clock.now = 1.0
    enter(limiter, deadline=1.5)


def test_tokens_a_minute_are_settled_by_what_was_really_used(clock: Clock) -> None:
    limiter = Limiter(tokens_per_minute=600, clock=clock)  # 10 a second, a bucket of 100
    enter(limiter, deadline=0.5, tokens=150)
    with refused():
        enter(limiter, deadline=10.0)  # 50 in debt, and the mean of 150 fills the bucket
    clock.now = 15.0
    enter(limiter, deadline=15.5, tokens=10)


def test_a_pause_holds_everybody_back(clock: Clock) -> None:
    limiter = Limiter(clock=clock)
    enter(limiter, deadline=0.1)
    limiter.pause(5.0)
    with refused():
        enter(limiter, deadline=4.0)
    clock.now = 5.0
    enter(limiter, deadline=5.1)


def test_concurrency_is_never_exceeded() -> None:
    limiter = Limiter(concurrency=3)
    lock, inside, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with limiter.slot(1.0, time.monotonic() + 30):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(400)))
    assert (inside, most <= 3) == (0, True)


def test_a_place_is_given_back_when_the_request_fails() -> None:
    limiter = Limiter(concurrency=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), limiter.slot(1.0, time.monotonic() + 1):
            raise RuntimeError


def test_one_caller_giving_up_does_not_strand_the_others() -> None:
    limiter = Limiter(concurrency=1)
    release, given_up = threading.Event(), threading.Event()

    def hold() -> None:
        with limiter.slot(1.0, time.monotonic() + 30):
            release.wait(30)

    def give_up() -> None:
        with refused():
            enter(limiter, time.monotonic() + 0.05)
        given_up.set()

    with ThreadPoolExecutor(3) as pool:
        holder = pool.submit(hold)
        quitter = pool.submit(give_up)
        patient = pool.submit(enter, limiter, time.monotonic() + 30)
        assert given_up.wait(10)
        release.set()
        for future in (holder, quitter, patient):
            future.result(timeout=10)


def test_the_limits_of_an_address_hold_across_a_real_socket(server: Any, wire: Any) -> None:
    lock, inside, most = threading.Lock(), 0, 0

    def behave(seen: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.01)
        with lock:
            inside -= 1
        return wire.chat()

    server.behave = behave
    client = server.client(concurrency=2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.complete([{"role": "user", "content": "x"}]), range(24)))
    assert most == 2


@pytest.fixture
def clock() -> Clock:
    return Clock()
