"""Writing a run: one directory, one writer, nothing finished is ever lost.

An episode is finished once `append` returned: its record is on the disk as one line of a
shard. An episode that failed for no fault of the agent's goes to `failures.jsonl` with its
error, once an attempt; it never enters a shard, so that a later attempt that succeeds does not
make a second record.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.traces import seal
from ise_env.traces.appendlog import AppendLog
from ise_env.traces.layout import (
    Counts,
    Layout,
    Manifest,
    StoreError,
    fsync_directory,
    write_atomically,
)
from ise_env.traces.lock import RunLock
from ise_env.traces.record import ErrorRecord, Trajectory
from ise_env.traces.redact import Redactor
from ise_env.traces.serialise import canonical, to_line

_SKELETON = frozenset(
    {"lock", "shards", "tools", "prompts", "failures.jsonl", "journal.jsonl"}
    | {"intents.jsonl", ".intents.jsonl.tmp"}
)
"""What a run consists of before it has a manifest."""

SHARD_BYTES = 256 * 2**20
"""A shard larger than this is sealed and followed by the next one."""


class FailedAttempt(BaseModel):
    """One line of `failures.jsonl`."""

    model_config = ConfigDict(extra="forbid")

    episode_id: str
    intent_sha256: str | None = None
    """`Intent.sha256()`; None in files written before there was this field."""
    attempt: int
    """From 1."""
    error: ErrorRecord
    record: Trajectory | None = None
    """What was recorded until then, marked invalid; None when there was no episode yet."""


def now() -> str:
    """The time, UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class RunStore:
    """Append side of one run directory; thread-safe.

    Args:
        root: The run directory.
        manifest: What `run.json` says.
        lock: Held until `close`.
        writer: Prefix of this writer's shards.
        redactor: Applied to every record before it is written.
        shard_bytes: Size after which a new shard is begun.
    """

    def __init__(
        self,
        root: Path,
        manifest: Manifest,
        lock: RunLock,
        *,
        writer: str = "w0",
        redactor: Redactor | None = None,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self.layout = Layout(root)
        self.manifest = manifest
        self._lock = lock
        self._writer = writer
        self._redactor = redactor if redactor is not None else Redactor.of_this_host()
        self._shard_bytes = shard_bytes
        self._guard = threading.Lock()
        self._shard: AppendLog | None = None
        self._failures = AppendLog(self.layout.failures)
        self._journal = AppendLog(self.layout.journal)

    @classmethod
    def create(
        cls, root: Path, manifest: Manifest, intents: Iterable[Intent] = (), **options: Any
    ) -> RunStore:
        """Begin a run in a directory that is new or empty.

        `run.json` comes last: without it there is no run yet, and a directory that a crash
        left before that can be used again.

        Args:
            root: The directory.
            manifest: What `run.json` will say.
            intents: Written to `intents.jsonl` as they come.
            options: As of the constructor.

        Raises:
            ConfigError: The directory holds a run, or something else, or is in use.
            StoreError: It cannot be written.
        """
        layout = Layout(root)
        check_is_free(root)
        try:
            for directory in (root, layout.shards, layout.tools, layout.prompts):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {root}: {error.strerror}") from error
        lock = RunLock(layout.lock)
        try:
            check_is_free(root)
            write_intents(layout, intents)
            store = cls(root, manifest, lock, **options)
            store.save_manifest()
        except BaseException:
            lock.release()
            raise
        store.note("created", run_id=manifest.run_id)
        return store

    @classmethod
    def reopen(cls, root: Path, **options: Any) -> RunStore:
        """Continue a run.

        Raises:
            ConfigError: There is no run, or another collector is writing to it.
            StoreError: It cannot be written.
        """
        layout = Layout(root)
        manifest = layout.read_manifest()
        lock = RunLock(layout.lock)
        try:
            store = cls(root, manifest, lock, **options)
            cut = store._cut_torn_shards()
        except BaseException:
            lock.release()
            raise
        store.note("reopened", bytes_cut=cut)
        return store

    def _cut_torn_shards(self) -> int:
        cut = 0
        for number in self.layout.shard_numbers(self._writer):
            path = self.layout.shard(self._writer, number)
            if path.is_file():
                log = AppendLog(path)
                cut += log.cut
                log.close()
        return cut

    def append(self, trajectory: Trajectory) -> Trajectory:
        """Store one finished episode; on the disk once this returns.

        Returns:
            What was stored: the record after redaction.

        Raises:
            StoreError: It could not be written; the shard is as it was before.
        """
        trajectory = self._redactor.redact(trajectory)
        line = to_line(trajectory)
        with self._guard:
            self._current_shard().append(line)
        return trajectory

    def _current_shard(self) -> AppendLog:
        if self._shard is not None and self._shard.size >= self._shard_bytes:
            full = self._shard
            self._shard = None
            full.close()
            # No room for both: it stays plain, which loses nothing. The end seals it.
            with contextlib.suppress(OSError):
                seal.seal(full.path)
        if self._shard is None:
            self._shard = AppendLog(self._next_shard_path())
        return self._shard

    def _next_shard_path(self) -> Path:
        numbers = self.layout.shard_numbers(self._writer)
        if not numbers:
            return self.layout.shard(self._writer, 0)
        last = self.layout.shard(self._writer, numbers[-1])
        if last.is_file() and last.stat().st_size < self._shard_bytes:
            return last
        return self.layout.shard(self._writer, numbers[-1] + 1)

    def fail(self, failure: FailedAttempt) -> None:
        """Store one failed attempt.

        Raises:
            StoreError: It could not be written.
        """
        if failure.record is not None:
            failure = failure.model_copy(update={"record": self._redactor.redact(failure.record)})
        line = to_line(failure)
        with self._guard:
            self._failures.append(line)

    def put_tools(self, sha256: str, tools: Sequence[dict[str, Any]]) -> None:
        """Store tool schemas under their hash, once."""
        path = self.layout.tools / f"{sha256}.json"
        with self._guard:
            if not path.exists():
                self._write(path, json.dumps(tools, indent=1, ensure_ascii=False).encode())

    def put_prompt(self, text: str) -> str:
        """Store a system prompt under the hash of its text, once; returns the hash."""
        data = text.encode("utf-8", "replace")
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.layout.prompts / f"{sha256}.txt"
        with self._guard:
            if not path.exists():
                self._write(path, data)
        return sha256

    def save_manifest(self, counts: Counts | None = None, status: str | None = None) -> None:
        """Rewrite `run.json`, with new counts or a new status where given."""
        update: dict[str, Any] = {}
        if counts is not None:
            update["counts"] = counts
        if status is not None:
            update["status"] = status
        with self._guard:
            self.manifest = self.manifest.model_copy(update=update)
            text = self.manifest.model_dump_json(indent=2) + "\n"
            self._write(self.layout.manifest, text.encode())

    def note(self, event: str, **facts: Any) -> None:
        """Add an entry to the journal."""
        with self._guard:
            self._journal.append(canonical({"at": now(), "event": event, **facts}))

    def seal_all(self) -> int:
        """Seal every plain shard of the run; returns how many were (0 without zstd)."""
        with self._guard:
            if self._shard is not None:
                self._shard.close()
                self._shard = None
            sealed = 0
            for path in self.layout.shard_paths():
                if path.suffix != ".zst":
                    try:
                        sealed += seal.seal(path) != path
                    except OSError as error:
                        raise StoreError(f"cannot seal {path}: {error.strerror}") from error
            return sealed

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the files and let the next collector in; idempotent."""
        with self._guard:
            for log in (self._shard, self._failures, self._journal):
                if log is not None:
                    log.close()
            self._shard = None
        self._lock.release()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def check_is_free(root: Path) -> None:
    """Make sure that a run can begin in a directory.

    Raises:
        ConfigError: It holds a run already, or something that is not ours.
    """
    layout = Layout(root)
    if layout.is_run:
        manifest = layout.read_manifest()
        counts = manifest.counts
        raise ConfigError(
            f"{root}: already holds run {manifest.run_id} ({counts.finished} of "
            f"{counts.planned} episodes); continue it with --resume, or choose another --out"
        )
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: exists and is not a directory; choose another --out")
    foreign = root.exists() and any(entry.name not in _SKELETON for entry in root.iterdir())
    if foreign or layout.shard_paths():
        raise ConfigError(f"{root}: exists, is not empty and holds no run; choose another --out")


def write_intents(layout: Layout, intents: Iterable[Intent]) -> None:
    """Replace `intents.jsonl`, by rename.

    Raises:
        StoreError: It cannot be written.
    """
    temporary = layout.intents.with_name(".intents.jsonl.tmp")
    try:
        with temporary.open("wb") as file:
            for intent in intents:
                file.write(to_line(intent) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(layout.intents)
        fsync_directory(layout.root)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {layout.intents}: {error.strerror}") from error
