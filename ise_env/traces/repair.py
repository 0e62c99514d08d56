"""Making a damaged run readable again without throwing anything away.

Torn tails are cut, leftovers of a crash removed. What is no record is moved to `rejected/`,
and its episode is collected again by the next `--resume`. What cannot be read for another
reason (a newer schema, no zstd here, no permission) is no damage: then nothing is moved.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ise_env.traces.appendlog import cut_torn_tail
from ise_env.traces.fsck import leftovers
from ise_env.traces.layout import Damaged, Layout, StoreError, fsync_directory
from ise_env.traces.lock import RunLock
from ise_env.traces.reader import Line, read_lines
from ise_env.traces.serialise import parse, parse_trajectory
from ise_env.traces.store import FailedAttempt


def repair(root: Path) -> list[str]:
    """Repair a run.

    Returns:
        A line for each thing done.

    Raises:
        ConfigError: There is no run, a collector is writing to it, or something in it cannot
            be read here although it may be sound.
        StoreError: It cannot be written.
    """
    layout = Layout(root)
    layout.read_manifest()
    lock = RunLock(layout.lock)
    try:
        return list(_repair(layout))
    except OSError as error:
        raise StoreError(f"cannot repair {root}: {error.strerror or error}") from error
    finally:
        lock.release()


def _repair(layout: Layout) -> Iterator[str]:
    for path in leftovers(layout):
        path.unlink()
        yield f"removed {path}, left by a crash"
    for path in sorted(layout.shards.glob("*.jsonl")):
        if path.with_name(path.name + ".zst").is_file():
            path.unlink()
            yield f"removed {path}, which is sealed already"
        elif cut := cut_torn_tail(path):
            yield f"cut {cut} bytes of a torn line from {path}"
    rejected = layout.root / "rejected"
    seen: set[str] = set()
    for path in layout.shard_paths():
        if message := _split(path, rejected, lambda line: _is_new_record(line, seen)):
            yield message
    if layout.failures.is_file() and (message := _split(layout.failures, rejected, _is_failure)):
        yield message


def _split(path: Path, rejected: Path, keep: Callable[[Line], bool]) -> str:
    """Keep the good records of a file in place and move the rest; says what was moved."""
    plain = path.with_name(path.name.removesuffix(".zst"))
    kept, bad = (
        plain.with_name(f".{plain.name}.kept.tmp"),
        plain.with_name(f".{plain.name}.bad.tmp"),
    )
    try:
        return _split_into(path, plain, kept, bad, rejected, keep)
    finally:
        kept.unlink(missing_ok=True)
        bad.unlink(missing_ok=True)


def _split_into(
    path: Path, plain: Path, kept: Path, bad: Path, rejected: Path, keep: Callable[[Line], bool]
) -> str:
    good_lines = bad_lines = 0
    damage = False
    with kept.open("wb") as good_file, bad.open("wb") as bad_file:
        try:
            for line in read_lines(path):
                good = keep(line)
                (good_file if good else bad_file).write(line.data + b"\n")
                good_lines += good
                bad_lines += not good
        except Damaged:
            damage = True
        for file in (good_file, bad_file):
            file.flush()
            os.fsync(file.fileno())
    if not bad_lines and not damage:
        return ""
    rejected.mkdir(exist_ok=True)
    if bad_lines:
        bad.replace(_free(rejected / plain.name))
    kept.replace(plain)
    if path != plain:
        # Sealed: what could be read stands in the plain shard now; the sealed one is kept.
        path.replace(_free(rejected / path.name))
    fsync_directory(plain.parent)
    what = f"what follows line {good_lines + bad_lines}" if damage else f"{bad_lines} lines"
    return f"{path}: kept {good_lines} records, moved {what} to {rejected}"


def _free(path: Path) -> Path:
    """A name that no earlier repair has used."""
    others = (path.with_name(f"{path.name}.{n}") for n in itertools.count(2))
    return next(name for name in itertools.chain([path], others) if not name.exists())


def _is_new_record(line: Line, seen: set[str]) -> bool:
    try:
        record = parse_trajectory(line.data, line.where)
    except Damaged:
        return False
    if record.episode_id in seen or not record.valid:
        return False
    seen.add(record.episode_id)
    return True


def _is_failure(line: Line) -> bool:
    try:
        parse(FailedAttempt, line.data, line.where)
    except Damaged:
        return False
    return True
