"""Connections to a container: its attached streams, and sockets in a folder shared with it.

An attached stream ends when the container does, and its container ends when it does. Where
the folder works, requests take that way, without the engine in between; elsewhere a pair of
threads carries them over the attached stream, which looks like a socket from then on.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.local import owners

_HEADER = struct.Struct(">BxxxI")
_STDERR = 2
_KEPT = 4096
_CHUNK = 1 << 18


class Attached:
    """The attached stream of a container: raw bytes in, frames of two streams out.

    Args:
        stream: What the SDK's `attach_socket` returned.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream  # keeps the HTTP response alive
        self._socket = getattr(stream, "_sock", stream)
        self._socket.settimeout(None)
        self._complaint = bytearray()
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._carried: socket.socket | None = None
        self.ended = threading.Event()

    def carry(self) -> socket.socket:
        """Return a socket whose other end is the container's input and output."""
        ours, theirs = socket.socketpair()
        self._carried = theirs
        for work in (self._outwards, self._inwards):
            threading.Thread(target=work, args=(theirs,), name="docker stream", daemon=True).start()
        return ours

    def _inwards(self, pair: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := pair.recv(_CHUNK):
                self._socket.sendall(data)
        self.end_input()

    def _outwards(self, pair: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(_CHUNK):
                for payload in self._outputs(data):
                    pair.sendall(payload)
        self.ended.set()
        with contextlib.suppress(OSError):
            pair.shutdown(socket.SHUT_RDWR)

    def _outputs(self, data: bytes) -> list[bytes]:
        """Cut frames; keep what came on standard error, return the rest."""
        self._buffer += data
        outputs = []
        while len(self._buffer) >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._buffer)
            if len(self._buffer) < _HEADER.size + size:
                break
            payload = bytes(self._buffer[_HEADER.size : _HEADER.size + size])
            del self._buffer[: _HEADER.size + size]
            if kind == _STDERR:
                self._complaint = (self._complaint + payload)[-_KEPT:]
            else:
                outputs.append(payload)
        return outputs

    def wait(self, within_s: float) -> bool:
        """Wait for the end of the container's output; return whether it has come."""
        if self._carried is not None:
            return self.ended.wait(within_s)
        deadline = time.monotonic() + within_s
        while not self.ended.is_set():
            left = deadline - time.monotonic()
            if left <= 0 and within_s > 0:
                return False
            if not _readable(self._socket, max(0.0, left)):
                return False
            self._read()
        return True

    def _read(self) -> None:
        with self._lock:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError:
                data = b""
            self._outputs(data)
            if not data:
                self.ended.set()

    def complaint(self) -> str:
        """Return what the container wrote to standard error, in one line."""
        self.wait(0.2)
        return " ".join(self._complaint.decode("utf-8", "replace").split())

    def end_input(self) -> None:
        """End the container's standard input, and with it a container that lives by it."""
        for how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with contextlib.suppress(OSError, AttributeError):
                self._socket.shutdown(how)
                return

    def close(self) -> None:
        """Let go of the stream."""
        for item in (self._carried, self._socket, self._stream):
            with contextlib.suppress(OSError, AttributeError):
                if item is self._socket:
                    item.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError, AttributeError):
                if item is not None:
                    item.close()

    def forget_in_child(self) -> None:
        """After a fork: close our copies without ending the parent's conversation."""
        for item in (self._carried, self._socket):
            with contextlib.suppress(OSError, AttributeError):
                if item is not None:
                    os.close(item.detach())


class Landing:
    """A folder with a socket that a container connects to: once, then both are removed.

    Args:
        state: State directory.
        name: Distinguishes it from others of this process.
    """

    FILE = "link"

    def __init__(self, state: Path, name: str) -> None:
        parent = state / "links"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = parent / owners.label(name)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self._listener = socket.socket(socket.AF_UNIX)
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:  # through the descriptor, because a socket's path may have 107 bytes only
            self._listener.bind(f"/proc/self/fd/{fd}/{self.FILE}")
        finally:
            os.close(fd)
        (self.folder / self.FILE).chmod(0o666)
        self._listener.listen(2)

    def await_two(self, attached: Attached, within_s: float) -> tuple[socket.socket, socket.socket]:
        """Accept the two connections of the process inside.

        Raises:
            WorkspaceError: It ended, or they did not come in time.
        """
        accepted: list[socket.socket] = []
        deadline = time.monotonic() + within_s
        while len(accepted) < 2:
            if _readable(self._listener, 0.25):
                accepted.append(self._listener.accept()[0])
            elif attached.wait(0.0) or time.monotonic() > deadline:
                for item in accepted:
                    item.close()
                complaint = attached.complaint() or "no connection came"
                raise WorkspaceError(f"the container did not connect: {complaint}", retryable=True)
        return accepted[0], accepted[1]

    def close(self) -> None:
        """Remove the folder; what is connected stays connected."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def abandoned(state: Path) -> list[Path]:
    """Return folders whose maker is gone."""
    folder = state / "links"
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if owners.is_label(name) and not owners.alive(name)]


def _readable(item: Any, within_s: float) -> bool:
    poller = select.poll()
    poller.register(item.fileno(), select.POLLIN)
    return bool(poller.poll(within_s * 1000))
