"""Reading trajectories back, in constant memory.

Takes a run directory, shards, or any files of records, plain or sealed with zstd (several
frames in a file are one stream). The order is that of the shards, not of collection; nothing
is assumed of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ise_env.errors import ConfigError
from ise_env.traces import seal
from ise_env.traces.layout import Damaged, Layout
from ise_env.traces.record import Trajectory
from ise_env.traces.serialise import parse, parse_trajectory
from ise_env.traces.store import FailedAttempt


@dataclass(frozen=True)
class Line:
    """One line of a file of JSON lines."""

    path: Path
    number: int
    """From 1."""
    data: bytes
    """Without the newline."""

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.path}:{self.number}"


def open_lines(path: Path) -> IO[bytes]:
    """Open a file of records, sealed or not, as a stream of bytes.

    Raises:
        ConfigError: It cannot be opened, or is sealed and no zstd is installed.
    """
    try:
        return seal.open_sealed(path) if path.suffix == ".zst" else path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file, blank ones left out.

    A last line without a newline is one that is being written, or was when the process died:
    it is left out too, unless it is complete JSON, or the only line of a file that is no shard
    (hand-made files).

    Raises:
        Damaged: A sealed file does not decompress.
        ConfigError: The file cannot be read.
    """
    shard = path.parent.name == "shards"
    with open_lines(path) as file:
        try:
            for number, data in enumerate(file, 1):
                if not data.strip():
                    continue
                torn = not data.endswith(b"\n") and (shard or number > 1)
                if torn and not _is_json(data):
                    return
                yield Line(path, number, data.rstrip(b"\n"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except (EOFError, seal.DamagedFrame) as error:
            raise Damaged(f"{path}: damaged ({error})") from error


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def paths_of(source: Path | Iterable[Path]) -> list[Path]:
    """The files of records that a run directory, a folder of shards, or a list stands for.

    Raises:
        ConfigError: There is nothing of the kind.
    """
    if not isinstance(source, Path):
        return [path for one in source for path in paths_of(one)]
    if not source.exists():
        raise ConfigError(f"{source}: no such file or run directory")
    if not source.is_dir():
        return [source]
    layout = Layout(source)
    if layout.is_run:
        return layout.shard_paths()
    found = sorted(p for p in source.iterdir() if p.name.endswith((".jsonl", ".jsonl.zst")))
    if not found:
        raise ConfigError(f"{source}: holds neither a run nor files of records (*.jsonl)")
    return found


def read_run(source: Path | str | Iterable[Path]) -> Iterator[Trajectory]:
    """Yield every finished episode.

    Args:
        source: A run directory, one file, or several.

    Raises:
        ConfigError: A file cannot be read or a line is not a record; names file and line.
    """
    with _what_to_do():
        for path in paths_of(Path(source) if isinstance(source, str) else source):
            for line in read_lines(path):
                yield parse_trajectory(line.data, line.where)


def read_failed_attempts(run: Path) -> Iterator[FailedAttempt]:
    """Yield the failed attempts of a run, oldest first."""
    layout = Layout(run)
    if layout.failures.is_file():
        with _what_to_do():
            for line in read_lines(layout.failures):
                yield parse(FailedAttempt, line.data, line.where)


@contextmanager
def _what_to_do() -> Iterator[None]:
    try:
        yield
    except Damaged as error:
        raise Damaged(
            f"{error}; `ise fsck RUN --repair` moves aside what is damaged, and "
            "`ise rollout --resume` collects it again"
        ) from error


def read_last_failures(run: Path, finished: set[str]) -> Iterator[FailedAttempt]:
    """Yield the last attempt at every episode that never became valid.

    Two passes over `failures.jsonl`: ids first, then the records, so that memory does not grow
    with their size. Attempts are told apart by where they stand: their numbers begin anew with
    `--retry-invalid`, and are those of several runs after a merge.

    Args:
        run: The run directory.
        finished: Ids of the episodes in its shards.
    """
    last: dict[str, int] = {}
    for position, failure in enumerate(read_failed_attempts(run)):
        if failure.episode_id not in finished:
            last[failure.episode_id] = position
    if not last:
        return
    for position, failure in enumerate(read_failed_attempts(run)):
        if last.get(failure.episode_id) == position:
            yield failure


def read_invalid(run: Path, finished: set[str]) -> Iterator[Trajectory]:
    """Yield what was recorded of the last attempt at every episode that never became valid.

    Args:
        run: The run directory.
        finished: Ids of the episodes in its shards.
    """
    for failure in read_last_failures(run, finished):
        if failure.record is not None:
            yield failure.record


def read_tools(run: Path, sha256: str) -> list[dict[str, Any]]:
    """The tool schemas of that hash (`Trajectory.provenance.tools_sha256`).

    Raises:
        ConfigError: The run does not have them.
    """
    path = Layout(run).tools / f"{sha256}.json"
    try:
        tools: list[dict[str, Any]] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return tools
