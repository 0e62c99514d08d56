"""A local workspace: the live one, and the tree that it leaves."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.live import LiveWorkspace
from ise_env.workspaces.local.census import Birth, births, census
from ise_env.workspaces.local.cgroups import Group
from ise_env.workspaces.local.sandbox import Sandbox
from ise_env.workspaces.protocol import (
    WORKDIR,
    Completed,
    FileChange,
    FileStat,
    FrozenWorkspace,
    ProcessView,
    SeedFile,
    WorkspaceGone,
)
from ise_env.workspaces.tree import Entry, Tree

Checker = Callable[[Sandbox], "LocalWorkspace"]
"""Starts a fresh workspace over the tree that a sandbox has left."""


class Reach(Protocol):
    """Opens sockets in the workspace's network; see `SpawnerClient.reach`."""

    def __call__(self, *, listen: Sequence[int] = (), connect: int = 0) -> list[int]:
        """Return descriptors of what was opened."""
        ...


class LocalWorkspace(LiveWorkspace):
    """One episode's private machine, isolated by bubblewrap.

    Args:
        sandbox: What keeps it.
        channel: To the process inside.
        checker: For `FrozenWorkspace.run`.
        reach: For `listen` and `connect`.
        group: Its control groups; removed when everything is gone.
        image: Digest of root and template.
        degraded: Limits that are not enforced.
    """

    backend = "local"

    def __init__(
        self,
        sandbox: Sandbox,
        channel: Channel,
        checker: Checker,
        reach: Reach,
        group: Group,
        image: str,
        degraded: tuple[str, ...],
    ) -> None:
        self.image = image
        self.degraded = degraded
        self._sandbox = sandbox
        self._channel = channel
        self._checker = checker
        self._reach = reach
        self._group = group
        self._tree = Tree(sandbox.tree)
        self._before: dict[str, Entry] = {}
        self._known: frozenset[Birth] = frozenset()
        self._ending = threading.RLock()
        self._frozen: LocalFrozen | None = None
        self._closed = False

    def checkpoint(self) -> None:
        """Remember the tree and the processes as they are now."""
        self._before = self._open_tree().remember(WORKDIR)
        self._known = frozenset(births(self._sandbox.first))

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint (no hashes), sorted by path."""
        return self._open_tree().changes(WORKDIR, self._before, hashes=False)

    def archive(self) -> bytes:
        """The tree below `WORKDIR` as an uncompressed tar."""
        return self._open_tree().archive(WORKDIR)

    def listen(self, ports: Sequence[int]) -> dict[int, socket.socket]:
        """Open listening sockets inside."""
        return dict(zip(ports, self._opened(listen=ports), strict=True))

    def connect(self, port: int) -> socket.socket:
        """Connect to a port inside."""
        return self._opened(connect=port)[0]

    def _opened(self, *, listen: Sequence[int] = (), connect: int = 0) -> list[socket.socket]:
        with self._ending:  # the descriptor that names the sandbox must not be reused meanwhile
            if self._closed or self._frozen is not None or self._channel.closed:
                raise WorkspaceGone("the workspace's processes have ended")
            opened = [
                socket.socket(fileno=fd) for fd in self._reach(listen=listen, connect=connect)
            ]
        for item in opened:
            item.set_inheritable(False)
        return opened

    def _open_tree(self) -> Tree:
        if self._closed:
            raise WorkspaceGone("the workspace is closed")
        return self._tree

    def freeze(self) -> FrozenWorkspace:
        """Kill every process inside and return the tree as it is left."""
        with self._ending:
            if self._closed:
                raise WorkspaceGone("the workspace is closed")
            if self._frozen is None:
                running = census(self._sandbox.first, self._known)
                self._kill()
                self._frozen = LocalFrozen(
                    self._sandbox, self._tree, self._before, self._checker, running
                )
            return self._frozen

    def _kill(self) -> None:
        gone = self._sandbox.kill()
        self._channel.close("the workspace's processes have been ended")
        if not gone:
            raise WorkspaceError("the workspace's processes could not be killed")

    def close(self) -> None:
        """Kill and release everything; idempotent."""
        with self._ending:
            if self._closed:
                return
            self._closed = True
            try:
                self._kill()
            finally:
                self._sandbox.close()
                self._group.remove()

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors, and do nothing to the workspace."""
        self._closed = True
        self._channel.forget_in_child()
        self._sandbox.forget_in_child()

    def __enter__(self) -> LocalWorkspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


class LocalFrozen:
    """The tree that an episode left; see `FrozenWorkspace`."""

    def __init__(
        self,
        sandbox: Sandbox,
        tree: Tree,
        before: Mapping[str, Entry],
        checker: Checker,
        running: tuple[ProcessView, ...],
    ) -> None:
        self._sandbox = sandbox
        self._tree = tree
        self._before = before
        self._checker = checker
        self._running = running

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        return self._tree.stat(_absolute(path))

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content, following links inside the tree."""
        return self._tree.read(_absolute(path), max_bytes)

    def walk(self, path: str = ".") -> dict[str, FileStat]:
        """Map every path below `path` to its description."""
        return {name: entry.stat for name, entry in self._tree.walk(_absolute(path)).items()}

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        files: Iterable[SeedFile] = (),
        timeout_s: float = 60.0,
    ) -> Completed:
        """Run a command in a fresh sandbox over the tree; what it writes is discarded."""
        with self._checker(self._sandbox) as checker:
            checker.populate(files)
            result = checker._run(argv, cwd, env, stdin, timeout_s, None, False, apart=True)
        assert isinstance(result, Completed)
        return result

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint, with hashes, sorted by path."""
        return self._tree.changes(WORKDIR, self._before, hashes=True)

    def processes(self) -> tuple[ProcessView, ...]:
        """What was running just before everything was killed."""
        return self._running

    def close(self) -> None:
        """Nothing: the tree belongs to the workspace, whose `close` releases it."""


def _absolute(path: str) -> str:
    return path if path.startswith("/") else os.path.join(WORKDIR, path)
