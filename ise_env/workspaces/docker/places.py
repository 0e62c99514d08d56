"""Places for trees: the host's side of keepers.

A place is a size-capped tmpfs volume of a keeper. It is used for one workspace at a time,
each time in a fresh directory, and is free again when that has been removed.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.docker import labels
from ise_env.workspaces.docker.container import Container, Starter
from ise_env.workspaces.docker.keeper import PART, PLACES, TEMPLATES
from ise_env.workspaces.docker.profile import profile
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.protocol import Limits, WorkspaceGone

OWN_ETC = ("hosts", "resolv.conf")
"""Files of `/etc` that each workspace has for itself; an engine would show the host's."""

PER_KEEPER = 8
IDLE_KEEPERS = 2
"""Keepers without a workspace that are held for the next ones."""

_PATIENCE_S = 120.0
"""For one operation on a tree; a full one takes seconds, many of them on a busy machine."""
_QUEUE_S = PER_KEEPER * _PATIENCE_S
"""For one and those of the other places of a keeper before it; that the keeper lives is asked."""

_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"]
_Size = tuple[int, int]


class Keeper:
    """A running keeper and its places.

    Args:
        container: Of which nothing else is asked.
        size: Bytes and inodes of each place.
    """

    def __init__(self, container: Container, size: _Size) -> None:
        self.size = size
        self._container = container
        self._uploading = threading.Lock()
        self._templates: dict[str, str] = {}
        container.introduce({})
        self._channel = Channel(container.control, lambda: _kill(container))
        mounts = container.engine.call("looking at the keeper", "inspect_container", container.id)
        self._sources = {m["Destination"]: m["Source"] for m in mounts["Mounts"]}
        self.free = list(range(PER_KEEPER))

    def source(self, number: int) -> str:
        """Return the engine's path of a place."""
        return str(self._sources[f"{PLACES}/{number}"])

    def call(self, op: str, **fields: Any) -> Any:
        """Ask the keeper; see `keeper.Keeper` for the operations.

        Raises:
            OSError: The operation failed.
            WorkspaceError: The keeper is gone, which is nobody's fault inside.
        """
        try:
            first = self._channel.call(op, within_s=_QUEUE_S, **fields)
            data = first["data"]
            while len(data) < first["size"]:
                data += self._channel.call(
                    "part", within_s=_QUEUE_S, answer=first["answer"], at=len(data)
                )
        except WorkspaceGone as error:
            raise WorkspaceError(
                "the container that keeps the trees of workspaces has ended: was the engine "
                "restarted?",
                retryable=True,
            ) from error
        except WorkspaceError as error:
            raise WorkspaceError(
                f"the container that keeps the trees of workspaces failed ({op}): {error}",
                retryable=True,
            ) from error
        return data if first["kind"] == "bytes" else json.loads(data)

    def template(self, name: str, archive: Callable[[], bytes]) -> str:
        """Bring a template here, unless it is; return its name here."""
        with self._uploading:
            if name not in self._templates:
                self._upload(archive())
                self._templates[name] = self.call("store")
            return self._templates[name]

    def unpack(self, tree: str, archive: bytes) -> None:
        """Fill a fresh tree from an archive."""
        with self._uploading:
            self._upload(archive)
            self.call("unpack", tree=tree)

    def _upload(self, archive: bytes) -> None:
        for at in range(0, max(1, len(archive)), PART):
            self.call("upload", data=archive[at : at + PART], first=at == 0)

    @property
    def alive(self) -> bool:
        """Whether nothing has told of its end."""
        return not self._channel.closed

    def close(self) -> None:
        """End it, and with it every tree."""
        self._channel.close()
        self._container.kill()
        self._container.close()

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors."""
        self._channel.forget_in_child()
        self._container.forget_in_child()


@dataclass(frozen=True)
class Place:
    """One use of a place."""

    keeper: Keeper
    number: int
    use: int

    @property
    def tree(self) -> str:
        """Its name for the keeper."""
        return f"{self.number}/{self.use}"

    def source(self, name: str) -> str:
        """Return the engine's path of something in it."""
        return f"{self.keeper.source(self.number)}/{self.use}/{name}"

    def call(self, op: str, **fields: Any) -> Any:
        """Ask the keeper about this tree."""
        return self.keeper.call(op, tree=self.tree, **fields)

    def set_up(self, op: str, **fields: Any) -> None:
        """Ask the keeper for something without which there is no workspace.

        Raises:
            WorkspaceError: It failed; nothing inside is to blame.
        """
        try:
            self.call(op, **fields)
        except OSError as error:
            mend = ""
            if error.errno == errno.ENOSPC:
                mend = ": disk_bytes or inodes of its limits are too few for what it starts with"
            raise WorkspaceError(
                f"the workspace could not be set up: {os.strerror(error.errno or errno.EIO)}{mend}"
            ) from error


@dataclass
class Places:
    """Every place of this process; keepers are started as they are needed.

    Args:
        starter: Starts keepers.
    """

    starter: Starter
    lost: bool = False
    """Whether a keeper has ended by itself, so that the engine may have kept its volumes."""
    _keepers: list[Keeper] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _uses: Any = field(default_factory=lambda: itertools.count(1))
    _leaving: queue.SimpleQueue[Place | None] = field(default_factory=queue.SimpleQueue)
    _cleaner: threading.Thread | None = None

    def take(self, limits: Limits) -> Place:
        """Return a fresh place.

        Raises:
            WorkspaceError: No keeper can be started.
        """
        size = (limits.disk_bytes, limits.inodes)
        while True:
            place = self._found(size)
            if place is None:
                with self._starting:  # whoever waited here looks first at what the other made
                    place = self._found(size) or self._started(size)
            try:
                place.set_up("make", etc={name: roots.ETC[name] for name in OWN_ETC})
            except WorkspaceError:
                if place.keeper.alive:
                    self.leave(place)
                    raise
                self._drop(place.keeper)
                continue
            return place

    def _found(self, size: _Size) -> Place | None:
        with self._lock:
            for keeper in self._keepers:
                if keeper.size == size and keeper.free and keeper.alive:
                    return Place(keeper, keeper.free.pop(), next(self._uses))
        return None

    def _started(self, size: _Size) -> Place:
        options = f"size={size[0]},nr_inodes={size[1]},mode=755,nosuid,nodev"
        driver = {"type": "tmpfs", "device": "tmpfs", "o": options}
        mounts = [_volume(f"{PLACES}/{n}", driver) for n in range(PER_KEEPER)]
        container = self.starter.start(
            "keeper",
            mounts=[*mounts, _volume(TEMPLATES, {})],
            user="0:0",
            cap_add=_CAPABILITIES,
            pids_limit=64,
            security_opt=["no-new-privileges", f"seccomp={profile()}"],
        )
        try:
            keeper = Keeper(container, size)
        except BaseException:
            container.kill()
            container.close()
            raise
        with self._lock:
            self._keepers.append(keeper)
            return Place(keeper, keeper.free.pop(), next(self._uses))

    def leave(self, place: Place) -> None:
        """Give a place back; it is emptied meanwhile."""
        with self._lock:
            if self._cleaner is None:
                self._cleaner = threading.Thread(target=self._clean, name="places", daemon=True)
                self._cleaner.start()
        self._leaving.put(place)

    def _clean(self) -> None:
        while (place := self._leaving.get()) is not None:
            try:
                place.call("wipe")
            except (WorkspaceError, OSError):
                self._drop(place.keeper)
                continue
            with self._lock:
                place.keeper.free.append(place.number)
                idle = [k for k in self._keepers if len(k.free) == PER_KEEPER]
                surplus = idle[: max(0, len(idle) - IDLE_KEEPERS)]
                self._keepers = [k for k in self._keepers if k not in surplus]
            for keeper in surplus:
                keeper.close()

    def _drop(self, keeper: Keeper) -> None:
        with self._lock:
            if keeper not in self._keepers:
                return
            self._keepers.remove(keeper)
            self.lost = True
        keeper.close()

    def close(self) -> None:
        """End every keeper."""
        self._leaving.put(None)
        with self._lock:
            keepers, self._keepers = self._keepers, []
            cleaner, self._cleaner = self._cleaner, None
        if cleaner is not None:
            cleaner.join(_PATIENCE_S)
        for keeper in keepers:
            keeper.close()

    def forget_in_child(self) -> None:
        """After a fork: let go of what is the parent's."""
        for keeper in self._keepers:
            keeper.forget_in_child()


def overlay(target: str, lower: str, upper: str, work: str) -> dict[str, Any]:
    """Return a mount that shows `lower` at `target`, writes going to `upper`."""
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    return _volume(target, {"type": "overlay", "device": "overlay", "o": options})


def bind(target: str, source: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return a mount of something of the engine's machine."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


def _volume(target: str, driver: dict[str, str]) -> dict[str, Any]:
    """Return a mount of a volume without a name, which goes with its container."""
    options: dict[str, Any] = {"NoCopy": True, "Labels": labels.of("volume")}
    if driver:
        options["DriverConfig"] = {"Name": "local", "Options": driver}
    return {"Type": "volume", "Target": target, "VolumeOptions": options}


def _kill(container: Container) -> None:
    container.kill()
