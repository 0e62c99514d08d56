"""Joining runs: the shards of a job array, or collections of the same configuration.

Records are copied line by line, an episode that is in several runs once. The inputs stay as
they are; the joined run appears by rename, whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.traces import seal
from ise_env.traces.layout import Counts, Layout, Manifest, StoreError
from ise_env.traces.reader import read_failed_attempts, read_lines
from ise_env.traces.serialise import parse, parse_trajectory, to_line
from ise_env.traces.store import SHARD_BYTES, RunStore, check_is_free, now


def merge(sources: Sequence[Path], out: Path, *, sealed: bool = True) -> Manifest:
    """Join runs into a new one.

    Args:
        sources: Run directories of the same identity (agent, user, budgets, ...).
        out: The new run directory.
        sealed: Compress its shards, where zstd is installed.

    Returns:
        The new run's manifest.

    Raises:
        ConfigError: An input is no run, they differ in what an episode is, or `out` is taken.
        StoreError: The new run cannot be written.
    """
    manifests = [Layout(source).read_manifest() for source in sources]
    _check_alike(sources, manifests)
    check_is_free(out)
    building = out.with_name(f".{out.name}.merging")
    shutil.rmtree(building, ignore_errors=True)
    try:
        manifest = _build(sources, manifests, building, sealed)
        if out.is_dir():
            out.rmdir()
        building.rename(out)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return manifest


def _check_alike(sources: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    if len(sources) < 2:
        raise ConfigError("merge: name at least two runs")
    first = manifests[0].identity
    for source, manifest in zip(sources[1:], manifests[1:], strict=True):
        keys = first.keys() | manifest.identity.keys()
        differ = sorted(k for k in keys if first.get(k) != manifest.identity.get(k))
        if differ:
            raise ConfigError(
                f"{source}: differs from {sources[0]} in {', '.join(differ)}; episodes of "
                "different configurations do not belong in one run"
            )


def _build(
    sources: Sequence[Path], manifests: Sequence[Manifest], building: Path, sealed: bool
) -> Manifest:
    planned = _episodes_planned(sources, manifests)
    manifest = Manifest(
        run_id=manifests[0].run_id,
        created=now(),
        configuration={**manifests[0].configuration, "episodes": planned, "shard": [0, 1]},
        identity=manifests[0].identity,
        versions=manifests[0].versions,
        merged_from=[str(source) for source in sources],
    )
    with RunStore.create(building, manifest, _intents(sources)) as store:
        counts, finished = _copy_records(sources, store)
        counts.planned = planned
        failed = _copy_failures(sources, store, counts)
        given_up = sum(source.counts.invalid for source in manifests)
        counts.invalid = min(given_up, len(failed - finished))
        _copy_tables(sources, store)
        complete = counts.finished + counts.invalid >= planned
        store.save_manifest(counts, "complete" if complete else "stopped")
        if sealed and seal.available():
            store.seal_all()
        return store.manifest


def _episodes_planned(sources: Sequence[Path], manifests: Sequence[Manifest]) -> int:
    """Different episodes that the runs consist of: trial by trial, all intents each."""
    planned: set[tuple[int, str]] = set()
    for source, manifest in zip(sources, manifests, strict=True):
        intents = [intent.sha256() for intent in _intents([source])]
        episodes = int(str(manifest.configuration.get("episodes", manifest.counts.planned)))
        for position in range(episodes if intents else 0):
            trial, index = divmod(position, len(intents))
            planned.add((trial, intents[index]))
    return len(planned)


def _intents(sources: Iterable[Path]) -> Iterable[Intent]:
    seen: set[str] = set()
    for source in sources:
        for line in read_lines(Layout(source).intents):
            intent = parse(Intent, line.data, line.where)
            if (sha256 := intent.sha256()) not in seen:
                seen.add(sha256)
                yield intent


def _copy_records(sources: Iterable[Path], store: RunStore) -> tuple[Counts, set[str]]:
    """Returns what was counted, and the episodes' ids."""
    counts, seen, number = Counts(), set[str](), 0
    target = store.layout.shard("m0", number).open("wb")
    try:
        for source in sources:
            for path in Layout(source).shard_paths():
                for line in read_lines(path):
                    record = parse_trajectory(line.data, line.where)
                    if record.episode_id in seen:
                        continue
                    seen.add(record.episode_id)
                    if target.tell() >= SHARD_BYTES:
                        _close(target)
                        number += 1
                        target = store.layout.shard("m0", number).open("wb")
                    target.write(line.data + b"\n")
                    counts.finished += 1
                    counts.judged += record.success is not None
                    counts.succeeded += record.success is True
                    counts.redactions += record.redactions
    finally:
        _close(target)
    return counts, seen


def _close(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _copy_failures(sources: Iterable[Path], store: RunStore, counts: Counts) -> set[str]:
    """Returns the ids of the episodes that an attempt failed at."""
    failed = set[str]()
    with store.layout.failures.open("ab") as target:
        for source in sources:
            for failure in read_failed_attempts(source):
                target.write(to_line(failure) + b"\n")
                counts.failed_attempts += 1
                failed.add(failure.episode_id)
    return failed


def _copy_tables(sources: Iterable[Path], store: RunStore) -> None:
    for source in sources:
        for name in ("tools", "prompts"):
            directory = Layout(source).root / name
            if directory.is_dir():
                shutil.copytree(directory, store.layout.root / name, dirs_exist_ok=True)
