"""Templates: trees that workspaces start from, stored once by content and never written to.

A workspace sees its template as the lower layer of an overlay, so a thousand workspaces share
one copy, and a new one costs a mount.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.workspaces.local import owners
from ise_env.workspaces.protocol import WORKDIR, SeedFile

UNUSED_DAYS = 30
"""After so long without a new workspace, `reap` removes a template."""

_NAME = re.compile(r"[0-9a-f]{32}")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Item:
    """One thing to put into a template."""

    path: str
    """Relative, without `.` and `..`."""
    kind: str
    """`file`, `directory` or `link`."""
    content: bytes
    """Of a file; where a link points."""
    mode: int
    mtime: int


def of_files(files: Iterable[SeedFile]) -> tuple[list[Item], list[SeedFile]]:
    """Split seed files into those below `WORKDIR`, as items, and the rest."""
    items, rest = [], []
    for file in files:
        path = file.path.removeprefix(WORKDIR + "/") if file.path.startswith("/") else file.path
        if path.startswith("/"):
            rest.append(file)
        else:
            items.append(Item(_clean(path), "file", file.content, file.mode, file.mtime))
    return items, rest


def of_archive(archive: bytes) -> list[Item]:
    """Read a tar that `archive()` made.

    Raises:
        ConfigError: It is not one, or holds what a workspace's tree cannot.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            return [_item(tar, member) for member in tar]
    except (tarfile.TarError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ConfigError(f"the template is not a tar archive: {reason}") from error


def _item(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Item:
    path, mode, mtime = _clean(member.name), member.mode & 0o7777, int(member.mtime)
    if member.isdir():
        return Item(path, "directory", b"", mode, mtime)
    if member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        return Item(path, "link", target, 0o777, mtime)
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise ConfigError(f"the template holds {member.name!r}, which is no file, folder or link")
    return Item(path, "file", file.read(), mode, mtime)


def _clean(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in path:
        raise ConfigError(f"a template cannot hold a file called {path!r}")
    return "/".join(parts)


def stored(store: Path, name: str) -> str:
    """Return the name of a template that is in the store; the empty one is that of none.

    Raises:
        ConfigError: None of that name is there; a path is no name.
    """
    if name and not (_NAME.fullmatch(name) and (store / name).is_dir()):
        raise ConfigError(f"no template {name!r} is stored here")
    return name


def digest(items: Iterable[Item]) -> str:
    """Name a template by what is in it."""
    summary = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.path):
        content = hashlib.sha256(item.content).hexdigest()
        summary.update(repr((item.path, item.kind, content, item.mode, item.mtime)).encode())
    return summary.hexdigest()[:32]


def prepare(store: Path, items: list[Item], owner: tuple[int, int] | None) -> str:
    """Put a template into the store, unless it is there; return its name.

    Args:
        store: Directory of all templates.
        items: What is in it; parents are made.
        owner: User and group of everything in it; None for our own.
    """
    name = digest(items)
    place = store / name
    if place.is_dir():
        os.utime(place)
        return name
    work = store / owners.label(f"{name[:8]}-{time.monotonic_ns()}")
    work.mkdir()
    try:
        with _folder(work) as root:
            for item in sorted(items, key=lambda item: item.path):
                _put(root, item, owner)
            _settle(root, items, owner)
        try:
            work.rename(place)
        except OSError:  # another process was faster
            if not place.is_dir():
                raise
    finally:
        owners.discard(work)
    return name


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _parent(root: int, parts: list[str], owner: tuple[int, int] | None) -> Iterator[int]:
    """Open the directory that something belongs into, made where it is missing.

    No link is followed on the way: an archive may hold a link, and then a file below it.
    """
    fd = os.dup(root)
    try:
        for part in parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=fd)
                _own(part, fd, owner)
            following = os.open(part, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = following
        yield fd
    finally:
        os.close(fd)


def _own(name: str, folder: int, owner: tuple[int, int] | None) -> None:
    if owner is not None:
        os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)


def _put(root: int, item: Item, owner: tuple[int, int] | None) -> None:
    *folders, name = item.path.split("/")
    with _parent(root, folders, owner) as folder:
        if item.kind == "link":
            os.symlink(item.content, name, dir_fd=folder)
        elif item.kind == "directory":
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=folder)
        else:
            with open(os.open(name, _NEW, 0o600, dir_fd=folder), "wb") as file:
                file.write(item.content)
                os.fchmod(file.fileno(), item.mode)
        _own(name, folder, owner)
        times = (item.mtime, item.mtime)
        os.utime(name, times, dir_fd=folder, follow_symlinks=False)


def _settle(root: int, items: list[Item], owner: tuple[int, int] | None) -> None:
    """Give directories their modes and times, once nothing is added to them any more."""
    newest: dict[str, int] = {}
    for item in items:
        for parent in _parents(item.path):
            newest[parent] = max(newest.get(parent, 0), item.mtime)
    exact = {item.path: item for item in items if item.kind == "directory"}
    for path in sorted({*newest, *exact}, reverse=True):
        if not path:
            continue
        *folders, name = path.split("/")
        mode = exact[path].mode if path in exact else 0o755
        mtime = exact[path].mtime if path in exact else newest[path]
        with _parent(root, folders, owner) as folder:
            os.chmod(name, mode, dir_fd=folder)
            os.utime(name, (mtime, mtime), dir_fd=folder)
    os.fchmod(root, 0o755)
    if owner is not None:
        os.fchown(root, *owner)


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def abandoned(store: Path) -> list[Path]:
    """Return what was never finished, and what nobody has used for long."""
    if not store.is_dir():
        return []
    old = time.time() - UNUSED_DAYS * 86_400
    return [
        path
        for path in sorted(store.iterdir())
        if (owners.is_label(path.name) and not owners.alive(path.name))
        or (not owners.is_label(path.name) and path.stat().st_mtime < old)
    ]
