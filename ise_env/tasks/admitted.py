"""What admission has found so far, in a file that a later run goes on from.

One JSON object a line, written when a kit is finished. A kit is taken over from the file when it
was admitted under the same conditions and neither it nor what all kits share has changed since
(checks, tools and workspaces are not looked at); one that failed, or was edited, is put through
again, and its last line counts. A line that was cut off by a crash is dropped.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ise_env.errors import ConfigError
from ise_env.tasks import registry
from ise_env.tasks.admission import Row


class Conditions(BaseModel):
    """What a result holds for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: tuple[int, ...]
    workspace: str
    tricks: bool


class Entry(BaseModel):
    """One kit's result: a line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kit: str
    source: str
    """Of `source_hash`."""
    conditions: Conditions
    admitted: bool
    rows: tuple[Row, ...]


class Admitted:
    """The file of one validation, or of several one after another.

    Args:
        path: Created with the first result; its folder must exist.
        conditions: Of this run.

    Raises:
        ConfigError: The file holds something else than results.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path, conditions: Conditions) -> None:
        self._path = path
        self._conditions = conditions
        if not path.parent.is_dir():
            raise ConfigError(f"--resume {path}: there is no folder {path.parent}; make it first")
        self._entries = _read(path)

    def rows(self, kit: str) -> tuple[Row, ...] | None:
        """Rows of a kit that need not be put through again; None if it has to be."""
        entry = self._entries.get(kit)
        if entry is None or not entry.admitted or entry.conditions != self._conditions:
            return None
        return entry.rows if entry.source == source_hash(kit) else None

    def add(self, kit: str, rows: Sequence[Row]) -> None:
        """Write a kit's result to disk."""
        entry = Entry(
            kit=kit,
            source=source_hash(kit),
            conditions=self._conditions,
            admitted=all(row.passed for row in rows),
            rows=tuple(rows),
        )
        self._entries[kit] = entry
        with self._path.open("a", encoding="utf-8") as file:
            file.write(entry.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())


def source_hash(kit: str) -> str:
    """Hash of what a kit is written in: its file, its helpers, what all kits share."""
    source = inspect.getsourcefile(type(registry.get(kit)))
    if source is None:
        return ""
    own, shared = Path(source), Path(__file__).parent
    digest = hashlib.sha256(own.read_bytes())
    for path in sorted({*own.parent.glob("_*.py"), *shared.glob("*.py"), *shared.glob("*.toml")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> dict[str, Entry]:
    """Entries by kit, the last one of each; takes a torn last line out of the file."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole == 0 and data and not data.startswith(b"{"):
        raise ConfigError(f"--resume {path}: not a file of admission results; name another one")
    entries = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise ConfigError(
                f"--resume {path}, line {number}: not an admission result"
                f"{f' ({field})' if field else ''}: {first['msg']}; name another file"
            ) from error
        entries[entry.kit] = entry
    if whole < len(data):
        os.truncate(path, whole)
    return entries
