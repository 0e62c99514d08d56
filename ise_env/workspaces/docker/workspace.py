"""A workspace in a container: the live one, and the tree that it leaves with its keeper."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.docker.container import Container
from ise_env.workspaces.docker.places import Place
from ise_env.workspaces.live import QUICK_S, LiveWorkspace
from ise_env.workspaces.local.census import Birth, births, census
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

Checker = Callable[[Place], "DockerWorkspace"]
"""Starts a fresh workspace over the tree that another has left."""


class DockerWorkspace(LiveWorkspace):
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
        self.image = image
        self.degraded = degraded
        self._container = container
        self._channel = channel
        self._place = place
        self._leave = leave
        self._checker = checker
        self._known: frozenset[Birth | str] = frozenset()
        self._ending = threading.RLock()
        self._frozen: DockerFrozen | None = None
        self._closed = False

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

    def listen(self, ports: Sequence[int]) -> dict[int, socket.socket]:
        """Open listening sockets inside."""
        return dict(zip(ports, self._lent(listen=ports), strict=True))

    def connect(self, port: int) -> socket.socket:
        """Connect to a port inside."""
        return self._lent(connect=port)[0]

    def _lent(self, *, listen: Sequence[int] = (), connect: int = 0) -> list[socket.socket]:
        with self._ending:  # one at a time: descriptors come in the order they were asked for
            if self._closed or self._frozen is not None:
                raise WorkspaceGone("the workspace's processes have ended")
            if self._container.rights is None:
                raise WorkspaceError(
                    "descriptors of sockets cannot travel from this Docker engine: episodes with "
                    "services need an engine on this machine, with a folder that both see "
                    "(ISE_STATE_DIR)"
                )
            count = self._channel.call(
                "lend", listen=list(listen), connect=connect, within_s=QUICK_S
            )
            received = self._container.receive(count)
        opened = [socket.socket(fileno=fd) for fd in received]
        for item in opened:
            item.set_inheritable(False)
            item.settimeout(None)
        return opened

    def _open_place(self) -> Place:
        if self._closed:
            raise WorkspaceGone("the workspace is closed")
        return self._place

    def freeze(self) -> FrozenWorkspace:
        """Kill every process inside and return the tree as it is left."""
        with self._ending:
            if self._closed:
                raise WorkspaceGone("the workspace is closed")
            if self._frozen is None:
                running = self._census()
                self._kill()
                self._frozen = DockerFrozen(self._place, self._checker, running)
            return self._frozen

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

    def _kill(self) -> None:
        gone = self._container.kill()
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
                self._container.close()
                self._leave(self._place)

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors, and do nothing to the workspace."""
        self._closed = True
        self._channel.forget_in_child()
        self._container.forget_in_child()

    def __enter__(self) -> DockerWorkspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


class DockerFrozen:
    """The tree that an episode left; see `FrozenWorkspace`."""

    def __init__(self, place: Place, checker: Checker, running: tuple[ProcessView, ...]) -> None:
        self._place = place
        self._checker = checker
        self._running = running

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        return FileStat(**self._place.call("stat", path=_absolute(path)))

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content, following links inside the tree."""
        return bytes(self._place.call("read", path=_absolute(path), most=max_bytes))

    def walk(self, path: str = ".") -> dict[str, FileStat]:
        """Map every path below `path` to its description."""
        found = self._place.call("walk", path=_absolute(path))
        return {name: FileStat(**fields) for name, fields in found.items()}

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
        """Run a command in a fresh container over the tree; what it writes is discarded."""
        with self._checker(self._place) as checker:
            checker.populate(files)
            result = checker._run(argv, cwd, env, stdin, timeout_s, None, False, apart=True)
        assert isinstance(result, Completed)
        return result

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint, with hashes, sorted by path."""
        return _changes(self._place, hashes=True)

    def processes(self) -> tuple[ProcessView, ...]:
        """What was running just before everything was killed."""
        return self._running

    def close(self) -> None:
        """Nothing: the tree belongs to the workspace, whose `close` releases it."""


def _changes(place: Place, *, hashes: bool) -> list[FileChange]:
    return [FileChange(**fields) for fields in place.call("changes", hashes=hashes)]


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"{WORKDIR}/{path}"
