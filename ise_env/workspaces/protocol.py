"""What a workspace is, whatever isolates it.

A backend makes workspaces; a workspace is one episode's private machine. Everything here is
synchronous, bytes end to end, and thread-safe per workspace. This module knows nothing of
agents, tools, users or rewards, and imports no backend.

Paths are POSIX strings as seen inside the workspace: relative ones resolve against `WORKDIR`.
File operations run inside the workspace (or in a helper that sees only its tree), so a link
that points outside leads nowhere, and raise the ordinary `OSError` subclasses
(`FileNotFoundError`, `IsADirectoryError`, `PermissionError`, ...).
Failures of the machinery itself raise `WorkspaceError`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ise_env.errors import AgentError

WORKDIR = "/workspace"
"""Where commands start and relative paths resolve; the tree that `diff` and checks look at."""

HOME = "/home/agent"
"""`$HOME` inside; private to the episode, counted against the disk limit, not in `diff`."""

USER = "agent"
"""Login name inside (uid and gid 1000)."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of one workspace.

    A limit that the backend cannot enforce is an error at `create` unless the caller named it
    in `allow_degraded`.
    """

    memory_bytes: int = 768 * 2**20
    """All processes together, the tmpfs pages behind `disk_bytes` included."""
    disk_bytes: int = 256 * 2**20
    """Everything written below `WORKDIR` and `HOME`."""
    inodes: int = 65_536
    pids: int = 256
    cpus: float = 1.0
    """CPU seconds a second."""
    open_files: int = 1_024
    """Per process."""
    output_bytes: int = 400_000
    """Kept of one command's output: the head and the tail; the rest is drained and counted."""
    tmp_bytes: int = 64 * 2**20
    """Size of /tmp (and, each, of /run and /dev/shm)."""


Enforcement = Literal["enforced", "degraded", "unavailable"]


@dataclass(frozen=True)
class Requirement:
    """One line of `probe()`: something the backend needs or a limit that it promises."""

    name: str
    """`memory`, `pids`, `cpu`, `disk`, `network`, `seccomp`, `uid`, `overlay`, ..."""
    status: Enforcement
    how: str
    """The mechanism when it holds, the reason when it does not."""
    mend: str = ""
    """What a person can do about it; empty when it holds."""


@dataclass(frozen=True)
class Probe:
    """What a backend really enforces on this machine."""

    backend: str
    requirements: tuple[Requirement, ...]

    @property
    def usable(self) -> bool:
        """Whether a workspace can be created at all."""
        return all(r.status != "unavailable" for r in self.requirements)

    def __getitem__(self, name: str) -> Requirement:
        """Return the requirement of that name; KeyError when nothing was found out about it."""
        for requirement in self.requirements:
            if requirement.name == name:
                return requirement
        raise KeyError(name)


@dataclass(frozen=True)
class SeedFile:
    """A file that a workspace starts with."""

    path: str
    content: bytes
    mode: int = 0o644
    mtime: int = 1_767_225_600
    """Seconds since the epoch; pinned (2026-01-01) so that the same seed gives the same tree."""


@dataclass(frozen=True)
class Completed:
    """A command that has ended."""

    output: bytes
    """stdout and stderr merged in order of arrival, head and tail when it was too long."""
    omitted: int
    """Bytes left out between head and tail; 0 when `output` is whole."""
    total: int
    """Bytes that the command wrote."""
    exit_code: int | None
    """None when a signal ended it."""
    signal: int | None
    """The signal that ended it, if one did."""
    timed_out: bool
    duration_s: float
    stderr: bytes = b""
    """Only filled by `FrozenWorkspace.run`, which keeps the streams apart."""
    gap: int = 0
    """Where in `output` the omitted bytes are missing: the length of the head."""


@dataclass(frozen=True)
class Running:
    """A command that outlived its `yield_after_s` and went on as a background session."""

    session: int
    """Number of the session in this workspace, from 1."""
    pid: int
    """As seen inside."""
    output: bytes
    """What it wrote so far (tail, bounded)."""
    omitted: int = 0


@dataclass(frozen=True)
class SessionView:
    """State of a background session at one moment."""

    session: int
    pid: int
    running: bool
    output: bytes
    """New output since the last `poll` (bounded ring: the newest part)."""
    omitted: int
    """Bytes of new output that the ring lost before this poll."""
    exit_code: int | None
    signal: int | None
    timed_out: bool
    duration_s: float
    stdin_open: bool


@dataclass(frozen=True)
class FileStat:
    """What `stat` tells of a path (links are not followed)."""

    kind: Literal["file", "directory", "link", "other"]
    size: int
    mode: int
    """Permission bits only."""
    mtime: float
    target: str | None = None
    """Where a link points, as written."""


@dataclass(frozen=True)
class FileChange:
    """One path that differs from the checkpoint."""

    path: str
    """Relative to `WORKDIR`."""
    change: Literal["added", "modified", "deleted"]
    kind: Literal["file", "directory", "link", "other"]
    size: int
    """Bytes now; the former size when deleted."""
    sha256: str | None
    """Of the content now, for regular files; None when deleted or not asked for."""


@dataclass(frozen=True)
class ProcessView:
    """A process that was alive when the workspace was frozen."""

    argv: tuple[str, ...]
    """Its command line, as the kernel has it."""
    since_start: bool
    """Whether it was already running at the checkpoint."""
    parent: tuple[str, ...] = ()
    """The command line of what it is a child of; empty where that is the workspace itself."""


Template = Iterable[SeedFile] | bytes | str
"""A tree to start from: files, a tar from `Workspace.archive`, or a stored one's name."""


class WorkspaceGone(AgentError):
    """The workspace's processes ended while the episode was going on.

    What the agent brings about (killing everything, exhausting memory) is valid data; the tree
    is still there for `freeze`.
    """


class FrozenWorkspace(Protocol):
    """The tree that an episode left, seen from outside after its processes are gone.

    Paths are as inside (`WORKDIR`-relative or absolute below it); no operation follows a link
    out of the tree. Nothing done here changes what a later call sees.
    """

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        ...

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content, following links inside the tree.

        Raises:
            OSError: No such file, not a regular file, larger than `max_bytes` (EFBIG), ...
        """
        ...

    def walk(self, path: str = ".") -> dict[str, FileStat]:
        """Map every path below `path` (relative to it, sorted) to its description."""
        ...

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
        """Run a command in a fresh sandbox with a clean environment over the tree.

        What the command writes is discarded, so running it twice gives the same answer.
        `files` are laid over the tree first (the verifier's hidden files). `HOME` is empty:
        start-up files that the agent left there are not seen.
        """
        ...

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint, with hashes, sorted by path."""
        ...

    def processes(self) -> tuple[ProcessView, ...]:
        """What was running just before everything was killed, oldest first; told from outside."""
        ...

    def close(self) -> None:
        """Release the tree; idempotent."""
        ...


@runtime_checkable
class Workspace(Protocol):
    """One episode's private machine."""

    backend: str
    degraded: tuple[str, ...]
    """Limits that are not enforced and were allowed not to be."""
    image: str
    """Digest of the root and template, for the trajectory."""

    def populate(self, files: Iterable[SeedFile]) -> None:
        """Write files in one round trip, parents made, owner `USER`; before the checkpoint."""
        ...

    def checkpoint(self) -> None:
        """Remember the tree as it is now: what `diff` compares with."""
        ...

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
        """Run a command; a string runs under `bash -c`.

        Args:
            command: Shell text, or an argument vector.
            cwd: Starting directory.
            env: Added to the workspace's own minimal environment.
            stdin: Given to the command, then closed. None means /dev/null; or, for a command
                that starts in the background (`yield_after_s=0`) or has a terminal, an input
                that stays open and that `write_stdin` feeds.
            timeout_s: Everything the command started is killed after that; None never.
            yield_after_s: When it is still running then, it becomes a background session and
                `Running` is returned; 0 at once; None waits for the end.
            pty: Give it a terminal.

        A program that does not exist or may not be executed ends like in a shell: exit code
        127 or 126 and a line of output.

        Raises:
            OSError: `cwd` cannot be entered.
            WorkspaceGone: The workspace's processes have ended.
            WorkspaceError: The machinery failed.
        """
        ...

    def poll(self, session: int, wait_s: float = 0.0) -> SessionView:
        """State and new output of a session, waiting up to `wait_s` for output or its end.

        Raises:
            KeyError: There is no such session.
        """
        ...

    def sessions(self) -> list[SessionView]:
        """Every session that was not forgotten, oldest first, without consuming output."""
        ...

    def write_stdin(self, session: int, data: bytes, *, eof: bool = False) -> None:
        """Feed a session; raises BrokenPipeError once its stdin is closed."""
        ...

    def signal(self, session: int, signal: int = 15) -> None:
        """Signal everything that belongs to a session."""
        ...

    def forget(self, session: int) -> None:
        """Kill what is left of a session and drop its record."""
        ...

    def read(self, path: str, max_bytes: int = 16 * 2**20) -> bytes:
        """Return a regular file's content; OSError otherwise (EFBIG above `max_bytes`)."""
        ...

    def write(self, path: str, content: bytes, *, mode: int | None = None) -> None:
        """Write a file by rename, parents made; keeps an existing file's mode."""
        ...

    def stat(self, path: str) -> FileStat:
        """Describe a path without following a final link."""
        ...

    def listdir(self, path: str = ".") -> dict[str, FileStat]:
        """Map the names in a directory, sorted, to their descriptions."""
        ...

    def listen(self, ports: Sequence[int]) -> dict[int, socket.socket]:
        """Open listening TCP sockets on the workspace's own 127.0.0.1, for the host to serve.

        What serves them runs outside; only who is inside can reach them. To be called before
        anything of the agent's runs, which could take a port first. The sockets are the
        caller's to close; they work as long as the workspace lives, and know nothing of it.

        Ports below 1024 work, too. A backend gets there by opening the sockets in the
        workspace's network namespace and handing them out as descriptors (SCM_RIGHTS): from a
        helper that enters the namespace, or from the process inside over a unix socket in a
        bind-mounted folder. Where descriptors cannot travel (a remote engine), a socket pair
        whose far end is forwarded is no substitute, because `accept` would not work:
        raise WorkspaceError and say so.

        Raises:
            OSError: A port is taken.
            WorkspaceGone: The workspace's processes have ended.
            WorkspaceError: The machinery failed, or cannot do it.
        """
        ...

    def connect(self, port: int) -> socket.socket:
        """Connect to a TCP port on the workspace's own 127.0.0.1, from outside.

        For looking at servers that the agent has started; the same means as `listen`.

        Raises:
            OSError: Nobody answers there.
            WorkspaceGone: The workspace's processes have ended.
            WorkspaceError: The machinery failed, or cannot do it.
        """
        ...

    def diff(self) -> list[FileChange]:
        """Changes since the checkpoint (no hashes), sorted by path; looks at metadata only."""
        ...

    def archive(self) -> bytes:
        """The tree below `WORKDIR` as an uncompressed tar with pinned owners."""
        ...

    def freeze(self) -> FrozenWorkspace:
        """Kill every process inside and return the tree as it is left; idempotent.

        Works on a workspace whose processes are already gone.
        """
        ...

    def close(self) -> None:
        """Kill and release everything; idempotent."""
        ...


class Backend(Protocol):
    """Makes workspaces of one kind."""

    name: str

    def probe(self) -> Probe:
        """Find out what is really enforced here; starts nothing that outlives the call."""
        ...

    def prepare(self, template: Template) -> str:
        """Store a template once; its name can be given to `create` again and again."""
        ...

    def create(
        self,
        *,
        limits: Limits | None = None,
        template: Template = (),
        allow_degraded: Sequence[str] = (),
        owner: str = "",
        names: Sequence[str] = (),
    ) -> Workspace:
        """Start one workspace.

        Args:
            limits: Resource limits; defaults apply when None.
            template: Files of a shared snapshot, what `archive` returned, or the name that
                `prepare` gave: stored once by content, never written to.
            allow_degraded: Names of limits that may go unenforced.
            owner: Label that `reap` and `ise clean` show.
            names: Host names that resolve to 127.0.0.1 inside (`/etc/hosts`).

        Raises:
            WorkspaceError: Named requirement missing, with what to do about it.
        """
        ...

    def reap(self, *, dry_run: bool = False) -> list[str]:
        """Remove what dead owners left behind; returns a line for each thing."""
        ...


@dataclass(frozen=True)
class BackendSpec:
    """How a workspace is named in configurations: `local`, `docker:IMAGE`, ..."""

    name: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
