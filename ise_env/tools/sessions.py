"""Background sessions as the agent knows them: a name, a command, and all output so far.

The workspace hands out new output once; the agent may poll for what is new and page through
what there was. So what is polled is kept here, bounded, for as long as the episode lives.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources

import numpy as np

from ise_env.tools.base import ToolContext
from ise_env.tools.output import MAX_OUTPUT_BYTES, as_text
from ise_env.workspaces.protocol import Running, SessionView

_STATE = "sessions"
_ATTEMPTS = 12
"""Draws of a fresh name before a number is appended."""


@dataclass
class Session:
    """One command that went to the background."""

    name: str
    number: int
    """The workspace's own number of it."""
    command: str
    pid: int
    running: bool = True
    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    stopped_by_agent: bool = False
    duration_s: float = 0.0
    stdin_open: bool = True
    _log: bytearray = field(default_factory=bytearray, repr=False)
    _log_lost: int = 0
    _unread: bytearray = field(default_factory=bytearray, repr=False)
    _unread_lost: int = 0

    def update(self, view: SessionView) -> None:
        """Take over the state, and the new output, of the session."""
        self.running, self.stdin_open = view.running, view.stdin_open
        self.exit_code, self.signal = view.exit_code, view.signal
        self.timed_out, self.duration_s = view.timed_out, view.duration_s
        self.take(view.output, view.omitted)

    def take(self, output: bytes, omitted: int) -> None:
        """Add new output, before which `omitted` bytes were lost."""
        self._log_lost += omitted + _keep_tail(self._log, output)
        self._unread_lost += omitted + _keep_tail(self._unread, output)

    def take_unread(self) -> tuple[str, int]:
        """Return output that no poll has shown, and how many bytes of it were lost."""
        text, lost = self._unread.decode("utf-8", "replace"), self._unread_lost
        self._unread.clear()
        self._unread_lost = 0
        return text, lost

    def log(self) -> tuple[str, int]:
        """Return all output that is still kept, and how many bytes before it were lost."""
        return as_text(bytes(self._log))[0], self._log_lost


class Sessions:
    """The background sessions of one episode, oldest first."""

    def __init__(self) -> None:
        self._by_name: dict[str, Session] = {}

    @staticmethod
    def of(context: ToolContext) -> Sessions:
        """Return the episode's own."""
        found = context.state.setdefault(_STATE, Sessions())
        assert isinstance(found, Sessions)
        return found

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> Session | None:
        """Return the session of that name, if there is one."""
        return self._by_name.get(name)

    def add(self, started: Running, command: str, rng: np.random.Generator) -> Session:
        """Name and keep a new session; what it printed before the yield is its first output."""
        session = Session(self._fresh_name(rng), started.session, command, started.pid)
        session.take(started.output, started.omitted)
        self._by_name[session.name] = session
        return session

    def drop(self, name: str) -> None:
        """Forget a session."""
        del self._by_name[name]

    def _fresh_name(self, rng: np.random.Generator) -> str:
        adjectives, nouns = _words()
        for _ in range(_ATTEMPTS):
            name = f"{rng.choice(adjectives)}-{rng.choice(nouns)}"
            if name not in self._by_name:
                return name
        number = 2
        while f"{name}-{number}" in self._by_name:
            number += 1
        return f"{name}-{number}"


def _keep_tail(kept: bytearray, new: bytes) -> int:
    """Append to a bounded buffer; returns how many bytes fell off its front."""
    kept += new
    lost = max(0, len(kept) - MAX_OUTPUT_BYTES)
    del kept[:lost]
    return lost


@functools.cache
def _words() -> tuple[list[str], list[str]]:
    text = resources.files("ise_env.tools").joinpath("session_names.json").read_text("utf-8")
    words = json.loads(text)
    return words["adjectives"], words["nouns"]
