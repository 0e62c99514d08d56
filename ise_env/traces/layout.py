"""Where things lie in a run directory, and what its manifest says.

    RUN/
      run.json               manifest: configuration, versions, counts (rewritten by rename)
      intents.jsonl          the intents of the run, one a line, in the order of collection
      shards/<writer>-<n>.jsonl[.zst]   finished episodes, one record a line
      failures.jsonl         attempts that failed, each with its error and what was recorded
      tools/<sha256>.json    tool schemas, once
      prompts/<sha256>.txt   system prompts, once
      journal.jsonl          what happened to the run, and when
      lock                   held by the collector that writes here

The shards are the truth; the manifest's counts are a convenience, brought up to date now and
then and at the end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ise_env.errors import ConfigError, IseError

RUN_SCHEMA_VERSION = 1

_SHARD_NAME = re.compile(r"(?P<writer>[A-Za-z0-9_.]+)-(?P<n>\d{5,})\.jsonl(?P<sealed>\.zst)?")


class StoreError(IseError):
    """A run could not be written: disk full, read-only, taken away. Finished episodes are safe."""

    blame = "storage"


class Damaged(ConfigError):
    """A file holds what is no record, or does not decompress; another program cannot help it."""


class Counts(BaseModel):
    """What a run holds so far."""

    model_config = ConfigDict(extra="forbid")

    planned: int = 0
    finished: int = 0
    """Valid episodes in the shards."""
    succeeded: int = 0
    judged: int = 0
    """Valid episodes whose success was decided."""
    invalid: int = 0
    """Episodes without a valid record after all their attempts."""
    failed_attempts: int = 0
    redactions: int = 0


class Manifest(BaseModel):
    """The contents of `run.json`."""

    model_config = ConfigDict(extra="forbid")

    run_schema_version: Literal[1] = 1
    run_id: str
    created: str
    """UTC, ISO 8601."""
    status: Literal["collecting", "complete", "stopped", "interrupted"] = "collecting"
    configuration: dict[str, JsonValue]
    """Everything asked for, concurrency and endpoints included."""
    identity: dict[str, JsonValue]
    """The part of the configuration that decides what an episode is; hashed into its id."""
    versions: dict[str, str] = Field(default_factory=dict)
    counts: Counts = Field(default_factory=Counts)
    merged_from: list[str] = Field(default_factory=list)
    """Run directories that `ise merge` joined."""


@dataclass(frozen=True)
class Layout:
    """Paths of one run."""

    root: Path

    @property
    def manifest(self) -> Path:
        """`run.json`."""
        return self.root / "run.json"

    @property
    def intents(self) -> Path:
        """`intents.jsonl`."""
        return self.root / "intents.jsonl"

    @property
    def shards(self) -> Path:
        """The directory of shards."""
        return self.root / "shards"

    @property
    def failures(self) -> Path:
        """`failures.jsonl`."""
        return self.root / "failures.jsonl"

    @property
    def journal(self) -> Path:
        """`journal.jsonl`."""
        return self.root / "journal.jsonl"

    @property
    def tools(self) -> Path:
        """The directory of tool schemas."""
        return self.root / "tools"

    @property
    def prompts(self) -> Path:
        """The directory of system prompts."""
        return self.root / "prompts"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.root / "lock"

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here."""
        return self.manifest.is_file()

    def shard(self, writer: str, n: int) -> Path:
        """Path of a writer's n-th shard, unsealed."""
        return self.shards / f"{writer}-{n:05d}.jsonl"

    def shard_paths(self) -> list[Path]:
        """Every shard, sealed or not, in a fixed order, none of them twice.

        A crash between writing a sealed shard and removing the plain one leaves both; they
        hold the same records, and the sealed one, which appeared by rename, is complete.
        """
        if not self.shards.is_dir():
            return []
        names = sorted(p.name for p in self.shards.iterdir() if _SHARD_NAME.fullmatch(p.name))
        sealed = {n.removesuffix(".zst") for n in names if n.endswith(".zst")}
        return [self.shards / n for n in names if n.endswith(".zst") or n not in sealed]

    def shard_numbers(self, writer: str) -> list[int]:
        """Numbers that a writer has used, ascending."""
        found = (_SHARD_NAME.fullmatch(p.name) for p in self.shard_paths())
        return sorted(int(m["n"]) for m in found if m and m["writer"] == writer)

    def read_manifest(self) -> Manifest:
        """Read `run.json`.

        Raises:
            ConfigError: There is none, it is damaged, or it is of a newer version.
        """
        try:
            text = self.manifest.read_text()
        except OSError as error:
            raise ConfigError(
                f"{self.root}: not a run ({self.manifest.name}: {error.strerror}); "
                "give the directory that `ise rollout --out` wrote"
            ) from error
        try:
            version = json.loads(text).get("run_schema_version")
        except (ValueError, AttributeError) as error:
            raise ConfigError(f"{self.manifest}: not JSON: {error}") from error
        if isinstance(version, int) and version > RUN_SCHEMA_VERSION:
            raise ConfigError(
                f"{self.manifest}: written by a newer ise-env (run schema {version}; this one "
                f"reads up to {RUN_SCHEMA_VERSION}); upgrade ise-env"
            )
        try:
            return Manifest.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(f"{self.manifest}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """Say in one line what pydantic found wrong first, and where."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the record"
    more = error.error_count() - 1
    return f"{where}: {problem['msg']}" + (f" (and {more} more)" if more else "")


def fsync_directory(path: Path) -> None:
    """Make a directory's entries durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by rename, durably, so that a reader sees the old or the new content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_journal(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield the journal's entries, oldest first; a torn last line is left out."""
    if not layout.journal.is_file():
        return
    with layout.journal.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
