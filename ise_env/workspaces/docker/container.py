"""One container as the host sees it: how it is confined, the ways into it, how it ends.

Everything that a container needs to end by itself is arranged before it starts: its standard
input is attached once and ends with this process, its program ends with that, the engine
removes it then, and with it its volumes, which have no names.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.docker import labels
from ise_env.workspaces.docker.engine import Engine
from ise_env.workspaces.docker.images import Ready, attach
from ise_env.workspaces.docker.streams import Attached, Landing
from ise_env.workspaces.inside import wire
from ise_env.workspaces.inside.link import STDIO

LINK = "/opt/ise/link"
HELLO_S = 30.0

_PROGRAMS = {"workspace": "boot", "keeper": "keep"}
_NUMBERS = itertools.count(1)
_Mount = dict[str, Any]


@dataclass
class Container:
    """A running container that this process lives on the other side of."""

    engine: Engine
    id: str
    attached: Attached
    control: socket.socket
    rights: socket.socket | None
    """Over which descriptors come; None where they cannot travel."""
    first: int = -1
    """Descriptor of the first process inside, where it is a process of this machine's."""
    _ended: bool = field(default=False, repr=False)

    def introduce(self, hello: Mapping[str, Any]) -> None:
        """Say hello to the process inside.

        Raises:
            WorkspaceError: Nobody answers; with what was complained about.
        """
        self.control.settimeout(HELLO_S)
        reader = wire.FrameReader(1 << 16)
        try:
            with contextlib.suppress(ConnectionError):
                self.control.sendall(wire.encode({"op": "hello", "id": 1, **hello}))
                while data := self.control.recv(1 << 16):
                    for value in reader.feed(data):
                        assert isinstance(value, dict)
                        if "ok" in value:
                            return
                        raise WorkspaceError(f"the container did not start: {value}")
        except (OSError, wire.WireError) as error:
            raise WorkspaceError(f"the container did not start: {error}", retryable=True) from error
        complaint = self.attached.complaint() or "it ended without a word"
        raise WorkspaceError(f"the container did not start: {complaint}")

    def kill(self, within_s: float = 5.0) -> bool:
        """End every process inside; return whether they are gone.

        The engine is not asked unless the process inside does not end by itself, so that this
        works and is quick while the engine hangs or starts anew.
        """
        if self._ended:
            return True
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
        self.attached.end_input()
        if self.first >= 0:
            with contextlib.suppress(OSError):  # not permitted: it ends with its link
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
        self._ended = self.gone(min(within_s, 2.0)) or self._kill_by_engine(within_s)
        return self._ended

    def gone(self, within_s: float) -> bool:
        """Wait for the end of every process inside; return whether it has come."""
        if self.first < 0:
            return self.attached.wait(within_s)
        poller = select.poll()
        poller.register(self.first, select.POLLIN)
        return bool(poller.poll(within_s * 1000))

    def _kill_by_engine(self, within_s: float) -> bool:
        with contextlib.suppress(WorkspaceError):
            self.engine.call("ending a container", "kill", self.id)
        return self.gone(within_s)

    def running(self) -> list[tuple[str, str, str]]:
        """Ask the engine for what runs inside, oldest first: number, parent, command line.

        For engines whose processes are not this machine's; the first process is left out.
        """
        options = "-o pid,ppid,stat,etimes,args"
        top = self.engine.call("asking what runs", "top", self.id, options)
        rows = [row for row in top["Processes"] if not row[2].startswith("Z")]
        inside = {row[0] for row in rows}
        found = sorted((row for row in rows if row[1] in inside), key=lambda row: -int(row[3]))
        return [(row[0], row[1], row[4]) for row in found]

    def receive(self, count: int) -> list[int]:
        """Take descriptors that the process inside has sent."""
        assert self.rights is not None
        self.rights.settimeout(HELLO_S)
        _, received, _, _ = socket.recv_fds(self.rights, 1, count)
        return received

    def close(self) -> None:
        """Let go of everything."""
        self.control.close()
        self.attached.close()
        if self.rights is not None:
            self.rights.close()
        self._close_first()

    def forget_in_child(self) -> None:
        """After a fork: drop our copies, and do nothing to the container."""
        self.attached.forget_in_child()
        if self.rights is not None:
            with contextlib.suppress(OSError):
                os.close(self.rights.detach())
        self._close_first()

    def _close_first(self) -> None:
        if self.first >= 0:
            os.close(self.first)
            self.first = -1


@dataclass(frozen=True)
class Starter:
    """Starts containers of one image.

    Args:
        engine: Where.
        ready: The image.
        state: State directory, for the folders of links.
        shared: Whether folders of this machine can be shown to containers.
        runtime: Name of the engine's runtime; empty for its default.
    """

    engine: Engine
    ready: Ready
    state: Path
    shared: bool
    runtime: str = ""

    def sees_folders(self) -> bool:
        """Try whether the engine sees a folder of ours; it does not when we are in a container."""
        landing = Landing(self.state, f"probe-{next(_NUMBERS)}")
        try:
            link = {"Type": "bind", "Source": str(landing.folder), "Target": LINK}
            made = self._create("workspace", [link], "1000:1000", "", True, {})
            self.engine.call("removing a container", "remove_container", made, force=True, v=True)
        except WorkspaceError as error:
            if "source path does not exist" in str(error):
                return False
            raise
        finally:
            landing.close()
        return True

    def start(
        self,
        kind: str,
        *,
        mounts: Sequence[_Mount],
        user: str,
        episode: str = "",
        **options: Any,
    ) -> Container:
        """Start a container; the process inside has not been spoken to yet.

        Args:
            kind: `workspace` or `keeper`, which decides what runs in it.
            mounts: As the engine's API takes them.
            user: Its user and group.
            episode: Goes into a label.
            **options: Of the SDK's `create_host_config`.

        Raises:
            WorkspaceError: The engine refuses or fails, or the program does not start.
        """
        number = next(_NUMBERS)
        landing = Landing(self.state, str(number)) if self.shared else None
        with contextlib.ExitStack() as undo:
            if landing is not None:
                undo.callback(landing.close)
                source = str(landing.folder)
                link = {"Type": "bind", "Source": source, "Target": LINK, "ReadOnly": True}
                mounts = [*mounts, link]
            with self.engine.room():
                made = self._create(kind, mounts, user, episode, landing is not None, options)
                with _removing(self.engine, made):
                    attached = undo.enter_context(_closing(attach(self.engine, made)))
                    self.engine.call("starting a container", "start", made)
            return self._linked(made, attached, landing)

    def _create(
        self,
        kind: str,
        mounts: Sequence[_Mount],
        user: str,
        episode: str,
        linked: bool,
        options: Mapping[str, Any],
    ) -> str:
        host = self.engine.api.create_host_config(
            auto_remove=True,
            cap_drop=["ALL"],
            init=False,
            ipc_mode="private",
            log_config={"Type": "none"},
            network_mode="none",
            read_only=True,
            **({"runtime": self.runtime} if self.runtime else {}),
            **options,
        )
        host["Mounts"] = list(mounts)
        link = f"{LINK}/{Landing.FILE}" if linked else STDIO
        made = self.engine.call(
            "creating a container",
            "create_container",
            self.ready.tag,
            self.ready.command(_PROGRAMS[kind], link),
            entrypoint=[],
            healthcheck={"test": ["NONE"]},
            host_config=host,
            hostname="workspace",
            labels=labels.of(kind, episode),
            stdin_open=True,
            user=user,
            working_dir="/",
        )
        return str(made["Id"])

    def _linked(self, made: str, attached: Attached, landing: Landing | None) -> Container:
        if landing is None:
            return Container(self.engine, made, attached, attached.carry(), None)
        control, rights = landing.await_two(attached, HELLO_S)
        try:
            first = _first(control)
        except OSError as error:
            control.close()
            rights.close()
            complaint = attached.complaint() or error.strerror
            raise WorkspaceError(
                f"the container ended at its start: {complaint}", retryable=True
            ) from error
        return Container(self.engine, made, attached, control, rights, first)


def _first(control: socket.socket) -> int:
    """Return a descriptor of the process at the other end of a socket.

    -1 where it has no number here: on another machine, or in a namespace outside ours.
    """
    pid = struct.unpack("3i", control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return os.pidfd_open(pid) if pid > 0 else -1


@contextlib.contextmanager
def _closing(attached: Attached) -> Iterator[Attached]:
    """Close a stream of a container that has not started."""
    try:
        yield attached
    except BaseException:
        attached.close()
        raise


@contextlib.contextmanager
def _removing(engine: Engine, container: str) -> Iterator[None]:
    """Remove a container that was created and cannot be started."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(WorkspaceError):
            engine.call("removing a container", "remove_container", container, force=True, v=True)
        raise
