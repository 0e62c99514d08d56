"""Ctrl-C once: finish what is being played; twice, or SIGTERM: stop at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopSignals:
    """Context that remembers signals instead of raising; in the main thread only.

    A handler runs between any two instructions of the main thread, so it may take no lock and
    start no thread: it only sets what the main thread looks at now and then.

    Attributes:
        caught: The last signal, or None.
        at_once: Whether to give up what is going on.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self.caught: int | None = None
        self.at_once = False

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.at_once = self.caught is not None or number == signal.SIGTERM
        self.caught = number

    @property
    def status(self) -> int | None:
        """Exit status that tells which signal it was; None if there was none."""
        return None if self.caught is None else 128 + self.caught
