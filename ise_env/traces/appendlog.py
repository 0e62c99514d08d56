"""A file of JSON lines that is only ever appended to, durably.

Each line is written whole and fsynced. Whatever kills the process, the file holds a whole
number of lines after the next open: a torn tail is cut there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ise_env.traces.layout import StoreError, fsync_directory

_CHUNK = 1 << 16


def cut_torn_tail(path: Path) -> int:
    """Cut what follows the last newline; returns the number of bytes cut.

    A crash of the machine, unlike one of the process, may leave a tail of zero bytes where the
    data never reached the disk: those are cut too.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        keep = _end_of_last_line(file.fileno(), size)
        if keep < size:
            file.truncate(keep)
            os.fsync(file.fileno())
    return size - keep


def torn_bytes(path: Path) -> int:
    """Number of bytes that `cut_torn_tail` would cut."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        return size - _end_of_last_line(file.fileno(), size)


def _end_of_last_line(fd: int, size: int) -> int:
    """Offset just after the last newline that is not followed by anything but a torn line."""
    position = size
    while position:
        start = max(0, position - _CHUNK)
        chunk = os.pread(fd, position - start, start)
        newline = chunk.rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


class AppendLog:
    """Append side of a file of JSON lines; not thread-safe.

    Args:
        path: Created when missing; an existing file's torn tail is cut.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            existed = path.exists()
            self.cut = cut_torn_tail(path) if existed else 0
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self.size = os.fstat(self._fd).st_size
            if not existed:
                fsync_directory(path.parent)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error

    def append(self, line: bytes) -> None:
        """Write one line (without its newline) and wait until it is on the disk.

        Raises:
            StoreError: It could not be written; the file is as it was before.
        """
        data = memoryview(line + b"\n")
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
            os.fsync(self._fd)
        except OSError as error:
            self._undo()
            raise StoreError(
                f"cannot write {self.path}: {error.strerror}; what was finished before is safe"
            ) from error
        self.size += len(data)

    def _undo(self) -> None:
        # Shrinking a file works on a full disk; if even that fails, the torn tail is cut at
        # the next open.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.size)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
