"""The one thread in which the servers of all episodes of this process run."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LOCK = threading.Lock()
_LOOPS: dict[int, Loop] = {}


class Loop:
    """An event loop in a thread of its own, for the life of the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="services", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], within_s: float = 30.0) -> T:
        """Do something in the loop and return what came of it.

        Raises:
            TimeoutError: It took too long, and was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s)
        except TimeoutError:
            future.cancel()
            raise


def shared() -> Loop:
    """The loop of this process; a forked child gets one of its own."""
    with _LOCK:
        pid = os.getpid()
        if pid not in _LOOPS:
            _LOOPS.clear()
            _LOOPS[pid] = Loop()
        return _LOOPS[pid]


def _renew_lock() -> None:
    global _LOCK
    _LOCK = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
