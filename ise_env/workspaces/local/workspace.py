"""A local workspace: the live one, and the tree that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from ise_env.workspaces.census import Birth, births, census
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.lifecycle import EndingWorkspace, LeftTree, absolute
from ise_env.workspaces.local.cgroups import Group
from ise_env.workspaces.local.sandbox import Sandbox
from ise_env.workspaces.protocol import (
    WORKDIR,
    FileChange,
    FileStat,
    FrozenWorkspace,
    ProcessView,
)
from ise_env.workspaces.tree import Entry, Tree

Checker = Callable[[Sandbox], "LocalWorkspace"]
"""Starts a fresh workspace over the tree that a sandbox has left."""


class Reach(Protocol):
    """Opens sockets in the workspace's network; see `SpawnerClient.reach`."""

    def __call__(self, *, listen: Sequence[int] = (), connect: int = 0) -> list[int]:
        """Return descriptors of what was opened."""
        ...


class LocalWorkspace(EndingWorkspace):
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
        super().__init__(sandbox, channel, image, degraded)
        self._sandbox = sandbox
        self._checker = checker
        self._reach = reach
        self._group = group
        self._tree = Tree(sandbox.tree)
        self._before: dict[str, Entry] = {}
        self._known: frozenset[Birth] = frozenset()

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

    def _open_tree(self) -> Tree:
        self._demand_open()
        return self._tree

    def _lend(self, listen: Sequence[int], connect: int) -> list[int]:
        return self._reach(listen=listen, connect=connect)

    def _census(self) -> tuple[ProcessView, ...]:
        return census(self._sandbox.first, self._known, self._group.processes())

    def _left(self, running: tuple[ProcessView, ...]) -> FrozenWorkspace:
        checker = partial(self._checker, self._sandbox)
        return LocalFrozen(self._tree, self._before, checker, running)

    def _release(self) -> None:
        self._group.remove()


class LocalFrozen(LeftTree):
    """The tree that an episode left; see `FrozenWorkspace`."""

    def __init__(
        self,
        tree: Tree,
        before: Mapping[str, Entry],
        checker: Callable[[], LocalWorkspace],
        running: tuple[ProcessView, ...],
    ) -> None:
        super().__init__(checker, running)
        self._tree = tree
        self._before = before

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        return self._tree.stat(absolute(path))

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content, following links inside the tree."""
        return self._tree.read(absolute(path), max_bytes)

    def walk(self, path: str = ".") -> dict[str, FileStat]:
        """Map every path below `path` to its description."""
        return {name: entry.stat for name, entry in self._tree.walk(absolute(path)).items()}

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint, with hashes, sorted by path."""
        return self._tree.changes(WORKDIR, self._before, hashes=True)
