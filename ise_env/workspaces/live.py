"""The operations of a workspace that go through the process inside, for every backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.protocol import Completed, FileStat, Running, SeedFile, SessionView

QUICK_S = 30.0
"""Host-side deadline of everything but commands."""

_BATCH_BYTES = 16 * 2**20
_MOST_READ = 32 * 2**20
"""A file of which more is wanted belongs into `archive`."""


class LiveWorkspace:
    """Commands, sessions and files over a channel; a backend adds the tree and the end."""

    _channel: Channel

    def populate(self, files: Iterable[SeedFile]) -> None:
        """Write files in one round trip (several when they are large), parents made."""
        batch: list[list[object]] = []
        size = 0
        for file in files:
            if batch and size + len(file.content) > _BATCH_BYTES:
                self._channel.call("populate", files=batch, within_s=QUICK_S)
                batch, size = [], 0
            batch.append([file.path, file.content, file.mode, file.mtime])
            size += len(file.content)
        if batch:
            self._channel.call("populate", files=batch, within_s=QUICK_S)

    def run(
        self,
        command: str | Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout_s: float | None = 1800.0,
        yield_after_s: float | None = None,
        pty: bool = False,
    ) -> Completed | Running:
        """Run a command; see the protocol."""
        return self._run(command, cwd, env, stdin, timeout_s, yield_after_s, pty, apart=False)

    def _run(
        self,
        command: str | Sequence[str],
        cwd: str,
        env: Mapping[str, str] | None,
        stdin: bytes | None,
        timeout_s: float | None,
        yield_after_s: float | None,
        pty: bool,
        *,
        apart: bool,
    ) -> Completed | Running:
        argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
        if not argv:
            raise ValueError("an empty argument vector is no command")
        reply = self._channel.call(
            "run",
            argv=argv,
            cwd=cwd,
            env=dict(env or {}),
            stdin=stdin,
            timeout_s=None if timeout_s is None else float(timeout_s),
            yield_after_s=None if yield_after_s is None else float(yield_after_s),
            pty=pty,
            apart=apart,
            within_s=_patience(timeout_s, yield_after_s),
        )
        with _shape():
            if "running" in reply:
                return Running(**reply["running"])
            return Completed(**reply["completed"])

    def poll(self, session: int, wait_s: float = 0.0) -> SessionView:
        """State and new output of a session."""
        within = wait_s + QUICK_S
        reply = self._channel.call("poll", session=session, wait_s=float(wait_s), within_s=within)
        with _shape():
            return SessionView(**reply)

    def sessions(self) -> list[SessionView]:
        """Every session that was not forgotten, oldest first."""
        views = self._quick("sessions")
        with _shape():
            return [SessionView(**view) for view in views]

    def write_stdin(self, session: int, data: bytes, *, eof: bool = False) -> None:
        """Feed a session."""
        self._quick("stdin", session=session, data=data, eof=eof)

    def signal(self, session: int, signal: int = 15) -> None:
        """Signal everything that belongs to a session."""
        self._quick("signal", session=session, signal=int(signal))

    def forget(self, session: int) -> None:
        """Kill what is left of a session and drop its record."""
        self._quick("forget", session=session)

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content."""
        content = self._quick("read", path=path, max_bytes=min(max_bytes, _MOST_READ))
        with _shape():
            return bytes(memoryview(content))

    def write(self, path: str, content: bytes, *, mode: int | None = None) -> None:
        """Write a file by rename, parents made."""
        self._quick("write", path=path, content=content, mode=mode)

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        found = self._quick("stat", path=path)
        with _shape():
            return FileStat(*found)

    def listdir(self, path: str = ".") -> dict[str, FileStat]:
        """Map the names in a directory, sorted, to their descriptions."""
        found = self._quick("listdir", path=path)
        with _shape():
            return {name: FileStat(*fields) for name, fields in found.items()}

    def _quick(self, op: str, **fields: Any) -> Any:
        return self._channel.call(op, within_s=QUICK_S, **fields)


@contextmanager
def _shape() -> Iterator[None]:
    """Take a result apart that comes from where hostile code runs."""
    try:
        yield
    except (TypeError, KeyError, AttributeError) as error:
        raise WorkspaceError(f"the process inside answered something else: {error}") from error


def _patience(timeout_s: float | None, yield_after_s: float | None) -> float | None:
    """How long the host waits for a command that the process inside should have ended."""
    known = [moment for moment in (timeout_s, yield_after_s) if moment is not None]
    return min(known) + QUICK_S if known else None
