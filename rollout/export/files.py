"""Outputs that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ise_env.errors import ConfigError
from ise_env.rollout.export.selection import Selection


@dataclass
class Report:
    """What an export came to.

    Attributes:
        written: Rows, or files of one episode each.
        unit: What one of them is.
        left_out: Episodes left out, by reason.
        notes: Departures that the layout forces, counted: `text beside a tool call dropped`; and
            how many episodes are of intents that are held out, unless a split was asked for.
    """

    written: int = 0
    unit: str = "episode"
    left_out: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def conclude(self, selection: Selection) -> None:
        """Take over what was left out.

        Raises:
            ConfigError: Nothing was written.
        """
        self.left_out = Counter(selection.left_out)
        if selection.split is None and selection.held_out:
            self.notes["of held-out intents: --split train leaves them out"] = selection.held_out
        if not self.written:
            why = ", ".join(f"{n} {reason}" for reason, n in self.left_out.most_common())
            raise ConfigError(f"nothing to export: {why or 'the run holds no finished episodes'}")


@contextmanager
def new_directory(out: Path) -> Iterator[Path]:
    """Give a working directory that becomes `out` once everything in it is written.

    Raises:
        ConfigError: `out` exists, or cannot be made.
    """
    work = _work_beside(out)
    try:
        work.mkdir(parents=True)
        yield work
        work.rename(out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def new_file(out: Path) -> Iterator[IO[str]]:
    """Give a text file that becomes `out` once it is whole.

    Raises:
        ConfigError: `out` exists, or cannot be written.
    """
    work = _work_beside(out)
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        with work.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        work.rename(out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        work.unlink(missing_ok=True)


def _work_beside(out: Path) -> Path:
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out}: is there already; choose another --out, or remove it first")
    # Of this process: what another one writes, or left when it was killed, is not in the way.
    return out.with_name(f".{out.name}.{os.getpid()}.tmp")


def write_row(file: IO[str], row: Any) -> None:
    """Write one line of JSON, as UTF-8 that every strict reader takes."""
    file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))
    file.write("\n")
