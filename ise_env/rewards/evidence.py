"""What a check may look at: the tree that an episode left, and the agent's words.

Whatever the agent left in a file's place is the agent's: a directory, a FIFO, 200 MB, bytes
that are no text. It makes the check that looks at it fail (`Unmet`), never the verifier.
Only the machinery's own failures become `VerifierError`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ise_env.errors import VerifierError, blame
from ise_env.services.records import ServiceRecords
from ise_env.traces.record import SubagentRecord
from ise_env.workspaces.protocol import Completed, FileChange, FileStat, FrozenWorkspace, SeedFile

MAX_FILE_BYTES = 8 * 2**20
"""No check reads a larger file: what a task asks for is far below that."""

_AGENT_MADE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.EFBIG,
        errno.EINVAL,
        errno.ENXIO,
        errno.EXDEV,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.EOPNOTSUPP,
        errno.EILSEQ,
    }
)


@dataclass(frozen=True)
class Question:
    """What a check wants to know of a git repository: a bash script and its `$1`..."""

    repo: str
    script: str
    arguments: tuple[str, ...]
    remote: bool = False
    """Whether `repo` is the name of a repository on the git host, not a path."""


Answer = tuple[int, str]
"""Exit code and standard output of a question."""


class Unmet(Exception):
    """What was left does not meet the check; the message is the evidence."""


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict rests on.

    Attributes:
        frozen: The tree, its processes gone.
        agent_texts: The agent's messages to the user, in order; no tool calls, no results.
        said_of: The same messages by the sub-goal of the user turn that they answer; None where
            the sub-goals of turns are not known (a single instruction).
        rechecked_of: Answers to turns that ask to look at the result again, by sub-goal; they
            are not in `said_of`. They may make good what was not said or said wrong, and take
            nothing back: who looks again counts other things.
        changes: `frozen.diff()`, where the caller has it already.
        answers: What several checks had asked in one go; see `checks.repository`.
        services: What was done to the mail server, the web sites and their like.
        probed: What live checks saw before the freeze, by check id: whether it was as it
            should be, and what it was.
        subagents: The record of those that the agent handed something to.
    """

    frozen: FrozenWorkspace
    agent_texts: Sequence[str] = ()
    said_of: Mapping[str, Sequence[str]] | None = None
    rechecked_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: tuple[FileChange, ...] | None = None
    answers: dict[Question, Answer] = field(default_factory=dict)
    services: ServiceRecords = field(default_factory=ServiceRecords)
    probed: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    subagents: Sequence[SubagentRecord] = ()

    def texts_about(self, subgoal: str | None) -> Sequence[str]:
        """The agent's messages in answer to turns about a sub-goal, in order."""
        if subgoal is None or self.said_of is None:
            return self.agent_texts
        return self.said_of.get(subgoal, ())

    @cached_property
    def changed(self) -> tuple[FileChange, ...]:
        """What differs from the checkpoint."""
        if self.changes is not None:
            return self.changes
        with blame(VerifierError, "comparing the tree with the checkpoint"):
            return tuple(self.frozen.diff())

    def stat(self, path: str) -> FileStat:
        """Describe a path; `Unmet` where there is none."""
        try:
            return self.frozen.stat(path)
        except OSError as error:
            raise _unmet(path, error) from error

    def read(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return a regular file's content; `Unmet` for everything else."""
        try:
            return self.frozen.read(path, max_bytes)
        except OSError as error:
            raise _unmet(path, error) from error

    def text(self, path: str) -> str:
        """Return a UTF-8 file as text with normalised line ends; `Unmet` for everything else."""
        try:
            return normalised(self.read(path).decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise Unmet(f"{path}: not UTF-8 at byte {error.start}") from error

    def walk(self, path: str) -> dict[str, FileStat]:
        """Map every path below a folder to its description; `Unmet` where there is none."""
        try:
            return self.frozen.walk(path)
        except OSError as error:
            raise _unmet(path, error) from error

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        files: Sequence[SeedFile] = (),
        stdin: bytes = b"",
        timeout_s: float = 60.0,
    ) -> Completed:
        """Run a command in a clean sandbox over the tree; `Unmet` where `cwd` is no folder."""
        if cwd != "." and self.stat(cwd).kind != "directory":
            raise Unmet(f"{cwd}: not a folder")
        try:
            return self.frozen.run(
                argv, cwd=cwd, env=env, files=files, stdin=stdin, timeout_s=timeout_s
            )
        except OSError as error:
            raise _unmet(cwd, error) from error


def normalised(text: str) -> str:
    """Text with line feeds only, no blanks at line ends, one newline at the end."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def excerpt(text: str, limit: int = 200) -> str:
    """The beginning of a text on one line, for evidence."""
    flat = text[: limit * 4].encode("utf-8", "replace").decode()
    flat = flat.replace("\n", "\\n")
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def listed(names: Iterable[object], most: int = 5) -> str:
    """Names for a person: `a, b and 3 more`; `nothing` where there are none."""
    found = [str(name) for name in names]
    if len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return ", ".join(found) or "nothing"


def _unmet(path: str, error: OSError) -> Exception:
    if error.errno is None or error.errno in _AGENT_MADE:
        return Unmet(f"{path}: {error.strerror or error}")
    return VerifierError(f"{path}: {error}", retryable=True)
