"""The system call filter of a workspace, generated through libseccomp.

Called through `ctypes`: seven functions of a library that apt, systemd and every container
engine depend on, so no package is needed for it. `seccomp.toml` says what is allowed; this
module adds the calls whose arguments decide.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import functools
import os
import tomllib
from pathlib import Path

ALLOW = 0x7FFF0000
ERRNO = 0x00050000

EQUAL, MASKED_EQUAL = 4, 7  # enum scmp_compare
_ACT_BADARCH = 2  # enum scmp_filter_attr
_OPTIMIZE = 8  # a binary tree instead of a list: calls cost the same wherever they stand

_NAMESPACE_FLAGS = 0x7E02_0000
"""Every CLONE_NEW* flag that clone takes."""
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
_TIOCSTI = 0x5412
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class Unavailable(Exception):
    """No filter can be made here; the text says why."""


def refused() -> dict[str, list[str]]:
    """Return the calls that answer EPERM, by reason."""
    return {reason: names.split() for reason, names in _data()["refused"].items()}


def allowed() -> dict[str, list[str]]:
    """Return the calls that are allowed whatever their arguments, by group."""
    return {group: names.split() for group, names in _data()["allowed"].items()}


def conditions() -> dict[str, list[list[tuple[int, int, int, int]]]]:
    """Return the calls that are allowed when their arguments pass: name, alternatives, tests.

    A test is the argument's index, `EQUAL` or `MASKED_EQUAL`, and its operands: the value, or
    the mask and the value.
    """
    # Every request but one, told by any of the 32 bits that the kernel looks at: a comparison
    # for inequality would look at 64 bits, and be passed by a stray high one.
    bits = [1 << position for position in range(32)]
    families = [[(0, EQUAL, family, 0)] for family in (_AF_UNIX, _AF_INET, _AF_INET6)]
    return {
        "clone": [[(0, MASKED_EQUAL, _NAMESPACE_FLAGS, 0)]],
        "personality": [[(0, EQUAL, value, 0)] for value in _PERSONALITIES],
        "socket": [*families, [(0, EQUAL, _AF_NETLINK, 0), (2, EQUAL, 0, 0)]],
        "socketpair": [[(0, EQUAL, _AF_UNIX, 0)]],
        "ioctl": [[(1, MASKED_EQUAL, bit, ~_TIOCSTI & bit)] for bit in bits],
    }


def _data() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("seccomp.toml").open("rb") as file:
        return tomllib.load(file)


def _library() -> ctypes.CDLL:
    for name in ("libseccomp.so.2", ctypes.util.find_library("seccomp")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None:
            library.seccomp_init.restype = ctypes.c_void_p
            library.seccomp_init.argtypes = [ctypes.c_uint32]
            library.seccomp_release.argtypes = [ctypes.c_void_p]
            library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
            library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
            library.seccomp_rule_add_array.argtypes = [
                ctypes.c_void_p,
                ctypes.c_uint32,
                ctypes.c_int,
                ctypes.c_uint,
                ctypes.c_void_p,
            ]
            return library
    raise Unavailable("libseccomp.so.2 is not installed")


class _Filter:
    """A filter being made: what no rule names answers ENOSYS."""

    def __init__(self) -> None:
        self._library = _library()
        self._context = self._library.seccomp_init(ERRNO | errno.ENOSYS)
        if not self._context:
            raise Unavailable("seccomp_init failed")
        self._set(_ACT_BADARCH, ERRNO | errno.ENOSYS)
        self._library.seccomp_attr_set(self._context, _OPTIMIZE, 2)  # since libseccomp 2.5

    def _set(self, attribute: int, value: int) -> None:
        if self._library.seccomp_attr_set(self._context, attribute, value) != 0:
            raise Unavailable(f"libseccomp refuses attribute {attribute}")

    def add(self, name: str, action: int, *comparisons: tuple[int, int, int, int]) -> None:
        """Add a rule; a call that is unknown here is left out."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (_Comparison * len(comparisons))(*(_Comparison(*c) for c in comparisons))
        result = self._library.seccomp_rule_add_array(
            self._context, action, number, len(comparisons), ctypes.byref(array)
        )
        if result != 0:
            raise Unavailable(f"libseccomp refuses a rule for {name}: {os.strerror(-result)}")

    def program(self) -> bytes:
        """Return the program that the kernel takes, and release the filter."""
        fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            if self._library.seccomp_export_bpf(self._context, fd) != 0:
                raise Unavailable("libseccomp cannot export the filter")
            os.lseek(fd, 0, os.SEEK_SET)
            return os.read(fd, 1 << 20)
        finally:
            os.close(fd)
            self._library.seccomp_release(self._context)


@functools.cache
def program() -> bytes:
    """Return the filter as a BPF program, made once per process.

    Raises:
        Unavailable: libseccomp is not there, or refuses.
    """
    made = _Filter()
    for names in allowed().values():
        for name in names:
            made.add(name, ALLOW)
    for names in refused().values():
        for name in names:
            made.add(name, ERRNO | errno.EPERM)
    for name, alternatives in conditions().items():
        for comparisons in alternatives:
            made.add(name, ALLOW, *comparisons)
    return made.program()
