"""Paths as agents write them, and file errors as the reference tool set words them."""

from __future__ import annotations

import errno
import os
import posixpath
from typing import Annotated

from pydantic import AfterValidator, Field

from ise_env.tools.base import ToolFailure
from ise_env.workspaces.protocol import HOME, WORKDIR

_IRREGULAR = frozenset({errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP})
"""What workspaces raise for FIFOs, devices and sockets."""

_WORDS = {
    errno.ENOENT: ("no such file or directory", "not_found"),
    errno.EISDIR: ("illegal operation on a directory", "is_directory"),
    errno.ENOTDIR: ("not a directory", "not_a_directory"),
    errno.EACCES: ("permission denied", "permission"),
    errno.EPERM: ("operation not permitted", "permission"),
    errno.EROFS: ("read-only file system", "permission"),
    errno.ENOSPC: ("no space left on device", "no_space"),
    errno.EDQUOT: ("disk quota exceeded", "no_space"),
    errno.ELOOP: ("too many symbolic links encountered", "bad_path"),
    errno.ENAMETOOLONG: ("name too long", "bad_path"),
    errno.EFBIG: ("file too large", "too_large"),
}
"""libuv's wording (what Node prints, and so what upstream's tools say), and our class."""


def without_nul(text: str) -> str:
    """Reject what no path, command or variable can hold."""
    if "\0" in text:
        raise ValueError("text without NUL characters")
    return text


PathText = Annotated[str, AfterValidator(without_nul), Field(min_length=1)]
"""A path parameter."""


def absolute(path: str) -> str:
    """Return the path as the workspace knows it; `~` is the agent's home.

    `..` is taken out of the text, as upstream does (Node's `path.resolve`): it undoes the name
    before it, also where that is a link.
    """
    if path == "~" or path.startswith("~/"):
        path = HOME + path[1:]
    return posixpath.normpath(posixpath.join(WORKDIR, path))


def file_failure(error: OSError, operation: str, path: str) -> ToolFailure:
    """Turn a failed file operation into the agent's error.

    Args:
        error: What the workspace raised.
        operation: Node's name of the system call (`access`, `open`, `read`).
        path: As `absolute` returned it.
    """
    number = error.errno or errno.EIO
    if number in _IRREGULAR:
        return ToolFailure(f"'{path}' is not a regular file", error="not_a_file")
    name = errno.errorcode.get(number, "EIO")
    words, kind = _WORDS.get(number, (os.strerror(number).lower(), "io_error"))
    return ToolFailure(f"{name}: {words}, {operation} '{path}'", error=kind)
