"""Sampling in several processes: each draws a shard, and their records come out in order.

What a single process would write is written, to the byte. No more than a few pieces of each
shard wait in memory: a process that is ahead waits until its pipe is read.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from ise_env.errors import ConfigError
from ise_env.intents.sampler import sample

_PIECE = 32
"""Records sent at once."""

WORTH_A_PROCESS = 500
"""Intents for which starting a process pays."""


def sensible_jobs(n: int) -> int:
    """How many processes to sample `n` intents in: as many as pay, one a core at most."""
    return max(1, min(len(os.sched_getaffinity(0)), n // WORTH_A_PROCESS))


def sample_records(
    n: int, seed: int, *, jobs: int = 1, shard: tuple[int, int] = (0, 1), **options: Any
) -> Generator[str, None, None]:
    """Yield the JSON records of `sample`, one for each intent.

    Args:
        n: How many, over all shards.
        seed: Same seed, same records, whatever `jobs` is.
        jobs: How many processes draw; 1 draws in this one.
        shard: As for `sample`; the processes share it out.
        options: Further arguments of `sample`; what cannot be pickled only with one job.

    Raises:
        ConfigError: As `sample` raises it, or a process that ended before its time.
    """
    if jobs < 1:
        raise ConfigError(f"jobs: must be 1 or more, got {jobs}")
    # Made in any case: arguments that make no sense are refused before a process is started.
    intents = sample(n, seed, shard=shard, **options)
    if jobs == 1:
        return (intent.model_dump_json() for intent in intents)
    return _merged(n, seed, jobs, shard, options)


def _merged(
    n: int, seed: int, jobs: int, shard: tuple[int, int], options: dict[str, Any]
) -> Generator[str, None, None]:
    """Deal out what the processes send: one record of each in turn."""
    part, parts = shard
    # A fresh interpreter each: this one may have threads, which a fork would not survive.
    context = get_context("spawn")
    processes, pipes = [], []
    try:
        for job in range(jobs):
            ours, theirs = context.Pipe(duplex=False)
            own = (part + parts * job, parts * jobs)
            process = context.Process(
                target=_work, args=(theirs, n, seed, own, options), daemon=True
            )
            with _deaf_to_interrupts():
                process.start()
            theirs.close()
            processes.append(process)
            pipes.append(_received(ours))
        while True:
            for pipe in pipes:
                record = next(pipe, None)
                if record is None:
                    return
                yield record
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started in here never hears of a Ctrl-C, which the whole group is sent.

    The process that merges hears of it, after the block at the latest, and ends the others.
    """
    # Started with the first process otherwise, and that lets interrupts through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received(pipe: Connection) -> Iterator[str]:
    while True:
        try:
            piece = pipe.recv()
        except EOFError:
            raise ConfigError(
                "sampling: one of the processes ended before its time, out of memory perhaps; "
                "use fewer --jobs"
            ) from None
        if isinstance(piece, ConfigError):
            raise piece
        if not piece:
            return
        yield from piece


def _work(
    pipe: Connection, n: int, seed: int, shard: tuple[int, int], options: dict[str, Any]
) -> None:
    """Send one shard in pieces, then an empty piece; or what went wrong."""
    # Nobody reads any more: whoever wanted the records is gone.
    with suppress(BrokenPipeError):
        try:
            records = (i.model_dump_json() for i in sample(n, seed, shard=shard, **options))
            while piece := list(islice(records, _PIECE)):
                pipe.send(piece)
            pipe.send([])
        except ConfigError as error:
            pipe.send(error)
