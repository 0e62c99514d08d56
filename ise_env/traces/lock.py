"""One collector at a time in a run directory.

A POSIX record lock: the kernel drops it when the process dies, however it dies, and children
do not inherit it, so that a helper that outlives a killed collector does not keep the run
locked. Such locks do not exclude threads of one process, hence the set beside it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.traces.layout import StoreError

_held: set[Path] = set()
_guard = threading.Lock()


class RunLock:
    """Exclusive right to write a run.

    Args:
        path: The lock file; its content says who holds it.

    Raises:
        ConfigError: Another collector holds it.
        StoreError: The lock file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._fd = -1
        with _guard:
            if self._path in _held:
                raise ConfigError(f"{path.parent}: this process is already collecting into it")
            self._fd = self._acquire(path)
            _held.add(self._path)

    @staticmethod
    def _acquire(path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(fd, 200).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise ConfigError(
                f"{path.parent}: another collector is writing here ({holder}); "
                "wait for it, stop it, or choose another --out"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        return fd

    def release(self) -> None:
        """Let the next collector in; idempotent."""
        with _guard:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
                _held.discard(self._path)


def writer_of(path: Path) -> str | None:
    """Who is writing a run at this moment, as its lock file says; None for nobody.

    Args:
        path: The lock file.
    """
    with _guard:
        if path.resolve() in _held:
            return f"pid {os.getpid()}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(fd, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(fd)
    return None
