"""The host's end of the socket to the process inside: requests, replies, deadlines.

Several threads may wait for replies at once. There is no reader thread: whoever waits and
finds nobody reading reads for all, and hands over when its own reply has come. A reply is
awaited as long as it may take, but the other side must show that it lives: after a silence it
is asked, and a process that does not answer is given up.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from ise_env.errors import WorkspaceError
from ise_env.workspaces.inside import wire
from ise_env.workspaces.protocol import WorkspaceGone

SILENCE_S = 15.0
"""Without any frame for so long, the other side is asked whether it lives, and given up after
as long again."""

MAX_REPLY = 40 * 2**20


class Channel:
    """A stream of request and reply frames.

    Args:
        control: Connected stream socket; the channel owns it.
        on_stuck: Called when the other side no longer answers, before the error is raised.
    """

    def __init__(self, control: socket.socket, on_stuck: Callable[[], None]) -> None:
        self._socket = control
        self._on_stuck = on_stuck
        self._reader = wire.FrameReader(MAX_REPLY)
        self._sending = threading.Lock()
        self._state = threading.Condition()
        self._replies: dict[int, dict[str, Any]] = {}
        self._expected: set[int] = set()
        self._reading = False
        self._last_id = 0
        self._closed = ""
        control.setblocking(False)

    def call(self, op: str, *, within_s: float | None = None, **fields: Any) -> Any:
        """Send a request and return its result.

        Args:
            op: Name of the operation.
            within_s: Give up after that long; None waits while the other side lives.
            **fields: What the operation takes.

        Raises:
            OSError: The operation failed inside.
            KeyError: It named something that does not exist.
            WorkspaceGone: The other side has ended.
            WorkspaceError: It does not answer, or not in this protocol.
        """
        with self._state:
            if self._closed:
                raise WorkspaceGone(self._closed)
            self._last_id += 1
            number = self._last_id
            self._expected.add(number)
        deadline = None if within_s is None else time.monotonic() + within_s
        try:
            self._send(wire.encode({"op": op, "id": number, **fields}))
            reply = self._await(number, deadline)
        except wire.WireError as error:
            raise WorkspaceError(f"workspace request {op}: {error}") from error
        finally:
            with self._state:
                self._expected.discard(number)
                self._replies.pop(number, None)
        return self._result(reply)

    def _result(self, reply: dict[str, Any]) -> Any:
        if "ok" in reply:
            return reply["ok"]
        if isinstance(reply.get("missing"), str):
            raise KeyError(reply["missing"])
        number, message, path = (reply.get(key) for key in ("errno", "message", "path"))
        if isinstance(number, int) and isinstance(message, str) and isinstance(path, str):
            raise OSError(number, message, path or None)
        self._give_up("breaks the protocol: a reply without a result")

    def _send(self, frame: bytes) -> None:
        left = memoryview(frame)
        give_up = time.monotonic() + 2 * SILENCE_S
        with self._sending:
            while left:
                try:
                    left = left[self._socket.send(left, socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    # Replies are read meanwhile: the other side may be waiting for that.
                    _wait(self._socket, 0.2, select.POLLIN | select.POLLOUT)
                    self._read_if_nobody_does()
                    if time.monotonic() > give_up:
                        self._give_up("takes no requests")
                except OSError as error:
                    raise self._gone(error) from None

    def _await(self, number: int, deadline: float | None) -> dict[str, Any]:
        heard = time.monotonic()
        asked = False
        while True:
            with self._state:
                if number in self._replies:
                    return self._replies.pop(number)
                if self._closed:
                    raise WorkspaceGone(self._closed)
                reads = not self._reading
                if reads:
                    self._reading = True
                elif deadline is None or time.monotonic() < deadline:
                    self._state.wait(0.5)
                    heard = time.monotonic()
                    continue
            if deadline is not None and time.monotonic() >= deadline:
                self._stop_reading(reads)
                self._give_up("does not answer in time")
            try:
                now = time.monotonic()
                silence = heard + SILENCE_S
                until = silence if deadline is None else min(silence, deadline)
                if self._read(max(0.0, until - now)):
                    heard, asked = time.monotonic(), False
                elif time.monotonic() >= silence:
                    if asked:
                        self._give_up("does not answer")
                    self._ask()
                    heard, asked = time.monotonic(), True
            finally:
                self._stop_reading(reads)

    def _stop_reading(self, reads: bool) -> None:
        if reads:
            with self._state:
                self._reading = False
                self._state.notify_all()

    def _ask(self) -> None:
        frame = wire.encode({"op": "ping", "id": 0})
        try:
            with self._sending:
                self._socket.send(frame, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._gone(error) from None

    def _read_if_nobody_does(self) -> None:
        with self._state:
            if self._reading:
                return
            self._reading = True
        try:
            self._read(0.0)
        finally:
            self._stop_reading(True)

    def _read(self, timeout_s: float) -> bool:
        """Read once; return whether anything came."""
        if not _wait(self._socket, timeout_s, select.POLLIN):
            return False
        try:
            data = self._socket.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._gone(error) from None
        if not data:
            raise self._gone(None)
        try:
            values = self._reader.feed(data)
        except wire.WireError as error:
            self._give_up(f"breaks the protocol: {error}")
        with self._state:
            for value in values:
                self._accept(value)
            self._state.notify_all()
        return True

    def _accept(self, value: object) -> None:
        if not isinstance(value, dict) or not isinstance(value.get("id"), int):
            return  # not a reply to anything; what matters is that nobody trusts it
        if value["id"] in self._expected:
            self._replies[value["id"]] = value

    def _gone(self, error: OSError | None) -> WorkspaceGone:
        text = "the workspace's processes have ended"
        with self._state:
            self._closed = self._closed or text
            self._state.notify_all()
            return WorkspaceGone(self._closed)

    def _give_up(self, what: str) -> NoReturn:
        with self._state:
            self._closed = self._closed or f"the process inside the workspace {what}"
            self._state.notify_all()
        self._on_stuck()
        raise WorkspaceError(f"the process inside the workspace {what}; it was killed")

    @property
    def closed(self) -> bool:
        """Whether the other side is known to be gone."""
        return bool(self._closed)

    def close(self, why: str = "the workspace is closed") -> None:
        """Close the socket; the process inside ends when it notices."""
        with self._state:
            self._closed = self._closed or why
            self._state.notify_all()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # Closing it under another thread's poll would free the number for reuse; the shutdown
        # has woken that thread.
        with self._state:
            self._state.wait_for(lambda: not self._reading, timeout=1.0)
        self._socket.close()

    def forget_in_child(self) -> None:
        """Close our copy after a fork, without ending the parent's conversation."""
        try:
            os.close(self._socket.detach())
        except OSError:
            return


def _wait(control: socket.socket, timeout_s: float, events: int) -> bool:
    if control.fileno() < 0:
        return False
    poller = select.poll()
    poller.register(control, events)
    return bool(poller.poll(timeout_s * 1000))
