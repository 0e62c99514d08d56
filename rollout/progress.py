"""What a run looks like while it goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class Snapshot:
    """State of a run at one moment."""

    planned: int
    finished: int
    """Valid episodes, earlier sessions included."""
    succeeded: int
    judged: int
    invalid: int
    """Given up after all their attempts."""
    in_flight: int
    waiting_for_retry: int
    session_done: int
    """Episodes that this session brought to an end."""
    elapsed_s: float
    cost_usd: float | None
    stopping: bool

    @property
    def per_second(self) -> float:
        """Episodes a second in this session."""
        return self.session_done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this rate; None when it cannot be told yet."""
        left = self.planned - self.finished - self.invalid
        return left / self.per_second if self.session_done else None

    def describe(self) -> str:
        """One line."""
        parts = [f"{self.finished + self.invalid}/{self.planned} episodes"]
        if self.judged:
            parts.append(f"{100 * self.succeeded / self.judged:.0f} % success")
        parts.append(f"{self.invalid} invalid")
        if self.waiting_for_retry:
            parts.append(f"{self.waiting_for_retry} to retry")
        parts.append(f"{self.per_second:.2f}/s")
        if self.cost_usd is not None:
            parts.append(f"${self.cost_usd:.2f}")
        if self.stopping:
            parts.append(f"stopping, {self.in_flight} still playing")
        elif self.left_s:
            parts.append(f"{clock(self.left_s)} left")
        return ", ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display(Protocol):
    """Shows a run while it goes on."""

    def start(self) -> None:
        """Begin."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Show the present state; called several times a second."""
        ...

    def message(self, text: str) -> None:
        """Tell something once."""
        ...

    def stop(self, snapshot: Snapshot) -> None:
        """Show the last state and leave the terminal as it was."""
        ...


class LineDisplay:
    """Plain lines on standard error, for logs."""

    def __init__(self, every_s: float = LINE_EVERY_S) -> None:
        self._every_s = every_s
        self._next = 0.0
        self._last = ""

    def start(self) -> None:
        """Begin."""
        self._next = time.monotonic() + min(2.0, self._every_s)

    def update(self, snapshot: Snapshot) -> None:
        """Print a line now and then."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            self._print(snapshot.describe())

    def message(self, text: str) -> None:
        """Print one line."""
        self._print(text)

    def stop(self, snapshot: Snapshot) -> None:
        """Print the last state."""
        self._print(snapshot.describe())

    def _print(self, text: str) -> None:
        if text != self._last:
            print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)  # noqa: T201
        self._last = text


class LiveDisplay:
    """A bar that stays in place, on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def start(self) -> None:
        """Begin."""
        self._live.start()

    def update(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self._live.update(self._bar(snapshot))

    def message(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(Text(text, style="yellow"))

    def stop(self, snapshot: Snapshot) -> None:
        """Draw the last state and let go of the terminal."""
        self._live.update(self._bar(snapshot), refresh=True)
        self._live.stop()

    def _bar(self, snapshot: Snapshot) -> RenderableType:
        """A bar as wide as the words leave room for, on one line."""
        words = Text(snapshot.describe(), no_wrap=True, overflow="ellipsis")
        width = min(28, self._console.width - len(words) - 2)
        if width < 6:
            return words
        row = Table.grid(padding=(0, 1))
        done = snapshot.finished + snapshot.invalid
        row.add_row(ProgressBar(max(1, snapshot.planned), done, width=width), words)
        return row


class NoDisplay:
    """Shows nothing."""

    def start(self) -> None:
        """Do nothing."""

    def update(self, snapshot: Snapshot) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""

    def stop(self, snapshot: Snapshot) -> None:
        """Do nothing."""


def display_for(console: Console, *, quiet: bool = False) -> Display:
    """Choose the display that suits where standard error goes."""
    if quiet:
        return NoDisplay()
    return LiveDisplay(console) if console.is_terminal else LineDisplay()
