"""Linux calls that Python 3.11 has no function for, through libc.

Source of the numbers: `linux/sched.h`, `linux/mount.h`, `linux/prctl.h`.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 2
MS_NODEV = 4
MS_BIND = 4096
MS_REC = 16384
MS_SLAVE = 1 << 19

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    encoded = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    result = _LIBC.mount(*encoded, flags, os.fsencode(options) or None)
    _check(result, f"mounting {kind or source} on {target}")


def bind(source: str, target: str) -> None:
    """Show a file or a whole tree, with what is mounted in it, at a second place."""
    mount(source, target, flags=MS_BIND | MS_REC)


def unmount(target: str) -> None:
    """Detach a mount."""
    _check(_LIBC.umount2(os.fsencode(target), 2), f"unmounting {target}")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; only in a process with one thread."""
    _check(_LIBC.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter a namespace; only in a process with one thread."""
    _check(_LIBC.setns(fd, kind), "setns")
