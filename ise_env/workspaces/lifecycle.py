"""How a workspace ends, for every backend: frozen once, closed once, sockets lent until then."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, Self

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.live import LiveWorkspace
from ise_env.workspaces.protocol import (
    WORKDIR,
    Completed,
    FrozenWorkspace,
    ProcessView,
    SeedFile,
    WorkspaceGone,
)


class Keeper(Protocol):
    """What holds the processes of a workspace: a sandbox, or a container."""

    def kill(self) -> bool:
        """End every process inside; return whether they are gone."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors, and do nothing else."""
        ...


class EndingWorkspace(LiveWorkspace, ABC):
    """A live workspace and its end; a backend adds the tree and how it is reached.

    Args:
        keeper: What holds its processes.
        channel: To the process inside.
        image: Digest of what it was made from.
        degraded: Limits that are not enforced.
    """

    def __init__(
        self, keeper: Keeper, channel: Channel, image: str, degraded: tuple[str, ...]
    ) -> None:
        self.image = image
        self.degraded = degraded
        self._keeper = keeper
        self._channel = channel
        self._ending = threading.RLock()
        self._frozen: FrozenWorkspace | None = None
        self._closed = False

    @abstractmethod
    def _census(self) -> tuple[ProcessView, ...]:
        """Describe what runs inside; told from outside."""

    @abstractmethod
    def _left(self, running: tuple[ProcessView, ...]) -> FrozenWorkspace:
        """Return the tree as it is, now that every process is gone."""

    @abstractmethod
    def _lend(self, listen: Sequence[int], connect: int) -> list[int]:
        """Return descriptors of sockets opened inside; called by one thread at a time."""

    @abstractmethod
    def _release(self) -> None:
        """Give back what outlives the processes."""

    def listen(self, ports: Sequence[int]) -> dict[int, socket.socket]:
        """Open listening sockets inside."""
        return dict(zip(ports, self._lent(ports, 0), strict=True))

    def connect(self, port: int) -> socket.socket:
        """Connect to a port inside."""
        return self._lent((), port)[0]

    def _lent(self, listen: Sequence[int], connect: int) -> list[socket.socket]:
        with self._ending:  # nor may a descriptor that names the workspace be reused meanwhile
            if self._closed or self._frozen is not None or self._channel.closed:
                raise WorkspaceGone("the workspace's processes have ended")
            opened = [socket.socket(fileno=fd) for fd in self._lend(listen, connect)]
        for item in opened:
            item.set_inheritable(False)
            item.settimeout(None)
        return opened

    def freeze(self) -> FrozenWorkspace:
        """Kill every process inside and return the tree as it is left."""
        with self._ending:
            self._demand_open()
            if self._frozen is None:
                running = self._census()
                self._kill()
                self._frozen = self._left(running)
            return self._frozen

    def close(self) -> None:
        """Kill and release everything; idempotent."""
        with self._ending:
            if self._closed:
                return
            self._closed = True
            try:
                self._kill()
            finally:
                self._keeper.close()
                self._release()

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors, and do nothing to the workspace."""
        self._closed = True
        self._channel.forget_in_child()
        self._keeper.forget_in_child()

    def _demand_open(self) -> None:
        if self._closed:
            raise WorkspaceGone("the workspace is closed")

    def _kill(self) -> None:
        gone = self._keeper.kill()
        self._channel.close("the workspace's processes have been ended")
        if not gone:
            raise WorkspaceError("the workspace's processes could not be killed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


class LeftTree:
    """What every `FrozenWorkspace` has; a backend adds how its tree is looked at.

    Args:
        checker: Starts a fresh workspace over the tree.
        running: What ran just before everything was killed.
    """

    def __init__(
        self, checker: Callable[[], EndingWorkspace], running: tuple[ProcessView, ...]
    ) -> None:
        self._checker = checker
        self._running = running

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
        """Run a command in a fresh workspace over the tree; what it writes is discarded."""
        with self._checker() as checker:
            checker.populate(files)
            result = checker._run(argv, cwd, env, stdin, timeout_s, None, False, apart=True)
        assert isinstance(result, Completed)
        return result

    def processes(self) -> tuple[ProcessView, ...]:
        """What was running just before everything was killed."""
        return self._running

    def close(self) -> None:
        """Nothing: the tree belongs to the workspace, whose `close` releases it."""


def absolute(path: str) -> str:
    """Return a path inside, seen from the working directory."""
    return path if path.startswith("/") else f"{WORKDIR}/{path}"
