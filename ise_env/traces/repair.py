"""Making a damaged run readable again without throwing anything away.

Torn tails are cut, leftovers of a crash removed. What is no record is moved to `rejected/`,
and its episode is collected again by the next `--resume`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.traces.appendlog import cut_torn_tail
from ise_env.traces.fsck import leftovers
from ise_env.traces.layout import Layout, fsync_directory
from ise_env.traces.lock import RunLock
from ise_env.traces.reader import read_lines
from ise_env.traces.serialise import parse_trajectory


def repair(root: Path) -> list[str]:
    """Repair a run.

    Returns:
        A line for each thing done.

    Raises:
        ConfigError: There is no run, or a collector is writing to it.
    """
    layout = Layout(root)
    layout.read_manifest()
    lock = RunLock(layout.lock)
    try:
        return list(_repair(layout))
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
    seen: set[str] = set()
    for path in layout.shard_paths():
        if message := _split(path, layout.root / "rejected", seen):
            yield message


def _split(path: Path, rejected: Path, seen: set[str]) -> str:
    """Keep the good records of a shard in place and move the rest; says what was moved."""
    plain = path.with_name(path.name.removesuffix(".zst"))
    kept, bad = (
        plain.with_name(f".{plain.name}.kept.tmp"),
        plain.with_name(f".{plain.name}.bad.tmp"),
    )
    good_lines = bad_lines = 0
    damage = ""
    with kept.open("wb") as good_file, bad.open("wb") as bad_file:
        try:
            for line in read_lines(path):
                if _is_new_record(line.data, line.where, seen):
                    good_file.write(line.data + b"\n")
                    good_lines += 1
                else:
                    bad_file.write(line.data + b"\n")
                    bad_lines += 1
        except ConfigError as error:
            damage = str(error)
        for file in (good_file, bad_file):
            file.flush()
            os.fsync(file.fileno())
    if not bad_lines and not damage:
        kept.unlink()
        bad.unlink()
        return ""
    rejected.mkdir(exist_ok=True)
    if bad_lines:
        bad.replace(rejected / plain.name)
    else:
        bad.unlink()
    kept.replace(plain)
    if path != plain:
        # Sealed: what could be read stands in the plain shard now; the sealed one is kept.
        path.replace(rejected / path.name)
    fsync_directory(plain.parent)
    what = f"{bad_lines} lines" if not damage else f"what follows line {good_lines + bad_lines}"
    return f"{path}: kept {good_lines} records, moved {what} to {rejected}"


def _is_new_record(data: bytes, where: str, seen: set[str]) -> bool:
    try:
        record = parse_trajectory(data, where)
    except ConfigError:
        return False
    if record.episode_id in seen or not record.valid:
        return False
    seen.add(record.episode_id)
    return True
