"""A workspace's tree seen from outside, through a directory descriptor.

What an agent leaves is hostile: links to anywhere, directories three thousand deep, devices,
names that are not text. So every path is walked component by component from a descriptor of
the tree's root, no link is ever followed by the kernel, and nothing is opened that is not a
regular file or a directory.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from ise_env.workspaces.protocol import USER, FileChange, FileStat

Kind = Literal["file", "directory", "link", "other"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KEPT_DEPTH = 64
_MAX_LINKS = 40
_HASHED_BYTES = 64 * 1024
_HASHED_TOTAL = 2**20
_HASHED_CHANGES = 512 * 2**20
_MOST_ARCHIVED = 2 * 2**30


@dataclass(frozen=True)
class Entry:
    """A path of a tree at one moment."""

    stat: FileStat
    identity: tuple[int, ...]
    """Changes whenever content or permissions do: inode, size, times in ns, type and mode."""
    sha256: str | None = None
    """Of the content, where it was cheap to have."""


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _entry(found: os.stat_result, target: str | None) -> Entry:
    kind = _kind(found.st_mode)
    described = FileStat(
        kind=kind,
        size=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        mtime=found.st_mtime,
        target=target,
    )
    if kind == "directory":  # its times say what its entries say
        return Entry(described, (found.st_mode,))
    identity = (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return Entry(described, identity)


def _split(path: str) -> list[str]:
    if "\0" in path:
        raise OSError(errno.EINVAL, "a path holds a zero byte", path)
    return [part for part in path.split("/") if part not in ("", ".")]


@contextmanager
def _directory(root: int, parts: list[str]) -> Iterator[int]:
    """Open a directory below `root` without following a link."""
    fd = os.open(".", _DIRECTORY, dir_fd=root)
    try:
        for part in parts:
            following = os.open(part, _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = following
        yield fd
    finally:
        os.close(fd)


class _Cursor:
    """Stands in one directory of a tree at a time."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._fd = os.open(".", _DIRECTORY, dir_fd=root)

    def enter(self, name: str) -> None:
        """Go into a directory below."""
        following = os.open(name, _DIRECTORY, dir_fd=self._fd)
        os.close(self._fd)
        self._fd = following

    def go(self, parts: list[str]) -> None:
        """Go to a directory by its path from the root."""
        with _directory(self._root, parts) as fd:
            os.close(self._fd)
            self._fd = os.dup(fd)

    def link(self, name: str) -> str | None:
        """Return where a link points; None for what is no link."""
        found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        return os.readlink(name, dir_fd=self._fd) if stat.S_ISLNK(found.st_mode) else None

    def __enter__(self) -> _Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class _Descent:
    """Opens directories in the order of a depth-first walk, each from the nearest open one.

    Paths may be longer than the kernel takes, and a tree deeper than there are descriptors:
    the upper levels stay open, and the directory that was entered last.
    """

    def __init__(self, top: int) -> None:
        self._kept = [os.dup(top)]
        self._last: tuple[list[str], int] = ([], self._kept[0])

    def enter(self, parts: list[str]) -> int:
        """Open a directory; the descriptor is valid until the next call."""
        while len(self._kept) > max(len(parts), 1):
            os.close(self._kept.pop())
        last, last_fd = self._last
        if last_fd >= 0 and parts[:-1] == last and len(parts) > len(self._kept):
            fd = self._open(last_fd, parts[-1:])
        else:
            depth = len(self._kept) - 1
            fd = self._open(self._kept[depth], parts[depth:])
        self._forget_last()
        self._last = (parts, fd)
        if len(self._kept) == len(parts) <= _KEPT_DEPTH:
            self._kept.append(os.dup(fd))
        return fd

    @staticmethod
    def _open(base: int, parts: list[str]) -> int:
        fd = os.open(".", _DIRECTORY, dir_fd=base)
        for part in parts:
            try:
                following = os.open(part, _DIRECTORY, dir_fd=fd)
            finally:
                os.close(fd)
            fd = following
        return fd

    def _forget_last(self) -> None:
        if self._last[1] >= 0 and self._last[1] not in self._kept:
            os.close(self._last[1])

    def __enter__(self) -> _Descent:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_last()
        for fd in self._kept:
            os.close(fd)


class Tree:
    """Reads a tree through a descriptor of the directory that stands for `/`.

    Args:
        root: Descriptor; stays the caller's.
    """

    def __init__(self, root: int) -> None:
        self._root = root

    def resolve(self, path: str, *, follow_last: bool) -> list[str]:
        """Return the components of a path after following its links inside the tree.

        Raises:
            FileNotFoundError: A link or a `..` leads to what is not there.
            OSError: More than 40 links (ELOOP).
        """
        left, links = _split(path)[::-1], 0
        done: list[str] = []
        with _Cursor(self._root) as cursor:
            while left:
                part = left.pop()
                if part == "..":
                    done = done[:-1]
                    cursor.go(done)
                    continue
                target = cursor.link(part) if left or follow_last else None
                if target is None:
                    done.append(part)
                    if left:
                        cursor.enter(part)
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    done = []
                    cursor.go(done)
                left += _split(target)[::-1]
        return done

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        parts = self.resolve(path, follow_last=False)
        if not parts:
            return _entry(os.fstat(self._root), None).stat
        with _directory(self._root, parts[:-1]) as fd:
            return _look(fd, parts[-1]).stat

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return the content of a regular file of at most `max_bytes`."""
        parts = self.resolve(path, follow_last=True)
        if not parts:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        with _directory(self._root, parts[:-1]) as folder:
            fd = _open_regular(folder, parts[-1], path)
        with open(fd, "rb", buffering=0) as file:
            size = os.fstat(fd).st_size
            if size > max_bytes:
                raise OSError(errno.EFBIG, f"{size} bytes, {max_bytes} is the most", path)
            return file.read(max_bytes)

    def walk(self, path: str) -> dict[str, Entry]:
        """Map every path below a directory, relative to it and sorted, to its entry."""
        found = dict(self._walk(self.resolve(path, follow_last=True)))
        return dict(sorted(found.items()))

    def _walk(self, start: list[str]) -> Iterator[tuple[str, Entry]]:
        pending: list[list[str]] = [[]]  # directories still to be entered, next one last
        with _directory(self._root, start) as top, _Descent(top) as descent:
            while pending:
                here = pending.pop()
                try:
                    fd = descent.enter(here)
                    names = sorted(os.listdir(fd), reverse=True)
                except OSError:
                    continue  # gone, replaced by something else, or not to be read
                prefix = "/".join([*here, ""])
                for name in names:
                    try:
                        entry = _look(fd, name)
                    except OSError:
                        continue
                    yield prefix + name, entry
                    if entry.stat.kind == "directory":
                        pending.append([*here, name])

    def archive(self, path: str) -> bytes:
        """Return a directory as an uncompressed tar, owners pinned, sorted.

        Raises:
            OSError: EFBIG: the files hold more than any workspace's disk (sparse ones can).
        """
        start = self.resolve(path, follow_last=True)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, entry in sorted(self._walk(start)):
                if buffer.tell() + entry.stat.size > _MOST_ARCHIVED:
                    raise OSError(errno.EFBIG, f"more than {_MOST_ARCHIVED} bytes", name)
                self._pack(tar, start, name, entry.stat)
        return buffer.getvalue()

    def _pack(self, tar: tarfile.TarFile, start: list[str], name: str, found: FileStat) -> None:
        member = tarfile.TarInfo(name)
        member.mode, member.mtime = found.mode, int(found.mtime)
        member.uid = member.gid = 1000
        member.uname = member.gname = USER
        if found.kind == "directory":
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        elif found.kind == "link":
            member.type, member.linkname = tarfile.SYMTYPE, found.target or ""
            tar.addfile(member)
        elif found.kind == "file":
            parts = [*start, *name.split("/")]
            try:
                with _directory(self._root, parts[:-1]) as folder:
                    fd = _open_regular(folder, parts[-1], name)
            except OSError:  # gone meanwhile, replaced, or not to be read
                return
            with open(fd, "rb", buffering=0) as file:
                data = file.read(os.fstat(fd).st_size)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

    def sha256(self, parts: list[str]) -> str | None:
        """Hash a regular file; None when it may not be read or is gone."""
        try:
            with _directory(self._root, parts[:-1]) as folder:
                fd = _open_regular(folder, parts[-1], parts[-1])
        except OSError:
            return None
        with open(fd, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    # --- what changed -------------------------------------------------------------------------

    def remember(self, path: str) -> dict[str, Entry]:
        """Walk, and hash small files, so that `changes` can tell touched from changed."""
        start = self.resolve(path, follow_last=True)
        budget, remembered = _HASHED_TOTAL, {}
        for name, entry in self.walk(path).items():
            size = entry.stat.size
            if entry.stat.kind == "file" and size <= min(_HASHED_BYTES, budget):
                budget -= size
                digest = self.sha256([*start, *name.split("/")])
                entry = Entry(entry.stat, entry.identity, digest)
            remembered[name] = entry
        return remembered

    def changes(self, path: str, before: Mapping[str, Entry], *, hashes: bool) -> list[FileChange]:
        """Compare with what was remembered; sorted by path.

        A sparse file costs its owner nothing and a reader everything: beyond a total, changed
        files are told without their hash.
        """
        start = self.resolve(path, follow_last=True)
        now = self.walk(path)
        budget = _HASHED_CHANGES
        changes = []
        for name in sorted(before.keys() | now.keys()):
            old, new = before.get(name), now.get(name)
            if new is None:
                assert old is not None
                changes.append(FileChange(name, "deleted", old.stat.kind, old.stat.size, None))
                continue
            if old is not None and old.identity == new.identity:
                continue
            digest = None
            parts = [*start, *name.split("/")]
            readable = new.stat.kind == "file" and new.stat.size <= budget
            if readable and (hashes or _may_be_same(old, new)):
                budget -= new.stat.size
                digest = self.sha256(parts)
            if old is not None and _same(old, new, digest):
                continue
            change: Literal["added", "modified"] = "added" if old is None else "modified"
            shown = digest if hashes else None
            changes.append(FileChange(name, change, new.stat.kind, new.stat.size, shown))
        return changes


def _may_be_same(old: Entry | None, new: Entry) -> bool:
    return (
        old is not None
        and old.sha256 is not None
        and (old.stat.kind, old.stat.size, old.stat.mode)
        == (new.stat.kind, new.stat.size, new.stat.mode)
    )


def _same(old: Entry, new: Entry, digest: str | None) -> bool:
    if old.stat.kind == new.stat.kind == "link":
        return old.stat.target == new.stat.target
    return digest is not None and _may_be_same(old, new) and digest == old.sha256


def _look(folder: int, name: str) -> Entry:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(found.st_mode) else None
    return _entry(found, target)


def _open_regular(folder: int, name: str, path: str) -> int:
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        number = errno.EINVAL if error.errno in (errno.ENXIO, errno.ELOOP) else error.errno
        raise OSError(number, "cannot be read as a file", path) from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "not a regular file", path)
