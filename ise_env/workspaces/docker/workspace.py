"""A workspace in a container: the live one, and the tree that it leaves with its keeper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ise_env.errors import WorkspaceError
from ise_env.workspaces.census import Birth, births, census
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.docker.container import Container
from ise_env.workspaces.docker.places import Place
from ise_env.workspaces.lifecycle import EndingWorkspace, LeftTree, absolute
from ise_env.workspaces.live import QUICK_S
from ise_env.workspaces.protocol import FileChange, FileStat, FrozenWorkspace, ProcessView

Checker = Callable[[Place], "DockerWorkspace"]
"""Starts a fresh workspace over the tree that another has left."""


class DockerWorkspace(EndingWorkspace):
    """One episode's private machine, isolated by a container engine.

    Args:
        container: It.
        channel: To the process inside.
        place: Where its tree is.
        leave: Gives the place back.
        checker: For `FrozenWorkspace.run`.
        image: Digest of image and template.
        degraded: Limits that are not enforced.
    """

    backend = "docker"

    def __init__(
        self,
        container: Container,
        channel: Channel,
        place: Place,
        leave: Callable[[Place], None],
        checker: Checker,
        image: str,
        degraded: tuple[str, ...],
    ) -> None:
        super().__init__(container, channel, image, degraded)
        self._container = container
        self._place = place
        self._leave = leave
        self._checker = checker
        self._known: frozenset[Birth | str] = frozenset()

    def checkpoint(self) -> None:
        """Remember the tree and the processes as they are now."""
        self._open_place().call("remember")
        first = self._container.first
        alive = births(first) if first >= 0 else (pid for pid, _, _ in self._container.running())
        self._known = frozenset(alive)

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint (no hashes), sorted by path."""
        return _changes(self._open_place(), hashes=False)

    def archive(self) -> bytes:
        """The tree below `WORKDIR` as an uncompressed tar."""
        return bytes(self._open_place().call("archive"))

    def _open_place(self) -> Place:
        self._demand_open()
        return self._place

    def _lend(self, listen: Sequence[int], connect: int) -> list[int]:
        if self._container.rights is None:
            raise WorkspaceError(
                "descriptors of sockets cannot travel from this Docker engine: episodes with "
                "services need an engine on this machine, with a folder that both see "
                "(ISE_STATE_DIR)"
            )
        count = self._channel.call("lend", listen=list(listen), connect=connect, within_s=QUICK_S)
        return self._container.receive(count)

    def _census(self) -> tuple[ProcessView, ...]:
        if self._container.first >= 0:
            return census(self._container.first, self._known)
        try:
            found = self._container.running()
        except WorkspaceError:
            if not self._channel.closed:
                raise
            return ()
        argv = {pid: tuple(line.split()) for pid, _, line in found}
        return tuple(
            ProcessView(argv[pid], pid in self._known, argv.get(parent, ()))
            for pid, parent, _ in found
        )

    def _left(self, running: tuple[ProcessView, ...]) -> FrozenWorkspace:
        return DockerFrozen(self._place, partial(self._checker, self._place), running)

    def _release(self) -> None:
        self._leave(self._place)


class DockerFrozen(LeftTree):
    """The tree that an episode left; see `FrozenWorkspace`."""

    def __init__(
        self,
        place: Place,
        checker: Callable[[], DockerWorkspace],
        running: tuple[ProcessView, ...],
    ) -> None:
        super().__init__(checker, running)
        self._place = place

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        return FileStat(**self._place.call("stat", path=absolute(path)))

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content, following links inside the tree."""
        return bytes(self._place.call("read", path=absolute(path), most=max_bytes))

    def walk(self, path: str = ".") -> dict[str, FileStat]:
        """Map every path below `path` to its description."""
        found = self._place.call("walk", path=absolute(path))
        return {name: FileStat(**fields) for name, fields in found.items()}

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint, with hashes, sorted by path."""
        return _changes(self._place, hashes=True)


def _changes(place: Place, *, hashes: bool) -> list[FileChange]:
    return [FileChange(**fields) for fields in place.call("changes", hashes=hashes)]
