"""One sandbox as the host sees it: the descriptors that keep it, and how it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.inside import wire

MAX_RECEIVED = 32
"""Descriptors in one answer."""

_START_S = 30.0
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from workspaces.local.spawner import main; main()"
)


@dataclass
class Sandbox:
    """The processes and the tree of one workspace, held by descriptors.

    When the last of them is closed, and the process inside has gone, nothing is left.
    """

    control: socket.socket
    errors: int
    """What bubblewrap and the process inside complain about."""
    tree: int
    """Directory that holds `workspace` and `home/agent`."""
    mounts: int
    """The mount namespace."""
    monitor: int
    """Descriptor of bubblewrap, the parent of the first process."""
    first: int = -1
    """Descriptor of the first process inside."""
    _ended: bool = field(default=False, repr=False)

    def introduce(self, hello: dict[str, Any], within_s: float) -> dict[str, Any]:
        """Say hello, and learn from the kernel which process answers.

        Raises:
            WorkspaceError: Nobody answers; with what was complained about.
        """
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.control.settimeout(within_s)
        reader, pid = wire.FrameReader(1 << 16), 0
        try:
            # An end of the other side may show as a reset; its complaint says more.
            with contextlib.suppress(ConnectionError):
                self.control.sendall(wire.encode({"op": "hello", "id": 1, **hello}))
                while True:
                    data, ancillary, _, _ = self.control.recvmsg(1 << 16, socket.CMSG_SPACE(12))
                    for level, kind, payload in ancillary:
                        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                            pid = int.from_bytes(payload[:4], sys.byteorder)
                    if not data:
                        break
                    for value in reader.feed(data):
                        self.first = os.pidfd_open(pid)
                        assert isinstance(value, dict)
                        return dict(value["ok"])
        except (OSError, wire.WireError, LookupError) as error:
            raise WorkspaceError(f"the workspace did not start: {error}", retryable=True) from error
        wait_readable(self.monitor, 1.0)
        complaint = self.complaint() or "it ended without a word"
        raise WorkspaceError(f"the workspace did not start: {complaint}")

    def kill(self, within_s: float = 5.0) -> bool:
        """Kill every process inside; return whether they are gone."""
        if self._ended:
            return True
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
        # One that has not said hello has started nothing, and ends with its socket.
        if self.first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
        self._ended = wait_readable(self.monitor, within_s)
        return self._ended

    def complaint(self) -> str:
        """Return what was written to standard error."""
        os.set_blocking(self.errors, False)
        try:
            text = os.read(self.errors, 1 << 16).decode("utf-8", "replace")
        except BlockingIOError:
            return ""
        return " ".join(text.split())

    def close(self) -> None:
        """Let go of everything; the tree is gone with that."""
        self.control.close()
        self.forget_in_child()

    def forget_in_child(self) -> None:
        """Close the descriptors beside the socket."""
        for fd in (self.errors, self.tree, self.mounts, self.monitor, self.first):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self.errors = self.tree = self.mounts = self.monitor = self.first = -1


def wait_readable(fd: int, within_s: float) -> bool:
    """Wait for a descriptor (a process's: for its end)."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(within_s * 1000))


class SpawnerClient:
    """Starts the spawner and asks it for sandboxes; safe to use from several threads.

    Args:
        config: What the spawner is configured with; see `spawner.Spawner`.
        prefix: Command that starts it, if it is not started directly.
        environment: What that command needs.
    """

    def __init__(
        self,
        config: dict[str, Any],
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        folder = Path(__file__).parent.parent.parent
        command = [*prefix, sys.executable, "-I", "-S", "-c", _PROGRAM, str(folder)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._socket = ours
        ours.settimeout(_START_S)
        ours.sendall(wire.encode({"op": "configure", **config}))
        answer = _receive(ours, _START_S)[0]
        if "error" in answer:
            self.close()
            raise OSError(answer["errno"], answer["error"])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def start(self, request: dict[str, Any], fds: list[int]) -> Sandbox:
        """Start a sandbox; the process inside has not been spoken to yet.

        Args:
            request: See `spawner._child`.
            fds: Descriptors that go with it: control groups, then a mount namespace.

        Raises:
            WorkspaceError: It could not be started.
        """
        control, control_inside = socket.socketpair()
        status, status_inside = socket.socketpair()
        errors, errors_inside = os.pipe2(os.O_CLOEXEC)
        sent = [control_inside.fileno(), status_inside.fileno(), errors_inside, *fds]
        frame = wire.encode({**request, "fds": len(sent)})
        try:
            with self._lock:
                socket.send_fds(self._socket, [frame], sent)
        except OSError as error:
            control.close()
            os.close(errors)
            status.close()
            raise WorkspaceError(
                f"the workspace spawner has gone: {error}", retryable=True
            ) from error
        finally:
            control_inside.close()
            status_inside.close()
            os.close(errors_inside)
        with status:
            try:
                answer, received = _receive(status, _START_S)
            except (OSError, EOFError) as error:
                control.close()
                os.close(errors)
                raise WorkspaceError(f"the workspace did not start: {error}") from error
        if "error" in answer:
            control.close()
            os.close(errors)
            raise WorkspaceError(f"the workspace could not be set up: {answer['error']}")
        tree, mounts, monitor = received
        return Sandbox(control, errors, tree, mounts, monitor)

    def reach(self, first: int, *, listen: Sequence[int] = (), connect: int = 0) -> list[int]:
        """Open sockets in a sandbox's network; see `sockets.reach`.

        Args:
            first: Descriptor of the first process inside.
            listen: Ports to listen at.
            connect: Port to connect to, or 0.

        Raises:
            OSError: A port is taken, or nobody answers there, or the sandbox has ended.
            WorkspaceError: The spawner has gone.
        """
        ours, theirs = socket.socketpair()
        request = {"op": "reach", "listen": list(listen), "connect": connect, "fds": 2}
        with ours:
            try:
                with self._lock:
                    sent = [theirs.fileno(), first]
                    socket.send_fds(self._socket, [wire.encode(request)], sent)
            except OSError as error:
                raise WorkspaceError(
                    f"the workspace spawner has gone: {error}", retryable=True
                ) from error
            finally:
                theirs.close()
            try:
                answer, received = _receive(ours, _START_S)
            except EOFError as error:
                raise WorkspaceError(f"no socket of the workspace: {error}") from error
        if "error" in answer:
            raise OSError(answer["errno"], answer["error"])
        return received

    def close(self) -> None:
        """End the process; the sandboxes it has started live on."""
        self._socket.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget_in_child(self) -> None:
        """Drop our copy of the socket after a fork: it keeps the parent's spawner alive."""
        os.close(self._socket.detach())


def _receive(source: socket.socket, within_s: float) -> tuple[dict[str, Any], list[int]]:
    """Receive one frame, and the descriptors that came with it."""
    reader, fds = wire.FrameReader(1 << 20), []
    deadline = time.monotonic() + within_s
    while True:
        source.settimeout(max(0.001, deadline - time.monotonic()))
        data, received, _, _ = socket.recv_fds(source, 1 << 16, MAX_RECEIVED)
        fds += received
        if not data:
            raise EOFError("the other side has ended")
        for value in reader.feed(data):
            assert isinstance(value, dict)
            return value, fds
