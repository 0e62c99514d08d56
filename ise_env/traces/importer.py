"""Importing published trajectories into a run directory, with recomputed outcome labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ise_env.intents.model import Intent
from ise_env.tools.base import FAILED
from ise_env.traces.isetrace import Imported, Relabelled, differences, read_isetrace, sha256_of
from ise_env.traces.layout import Counts, Manifest
from ise_env.traces.store import FailedAttempt, RunStore, check_is_free, now


@dataclass
class ImportReport:
    """What came in, and what the published flags got wrong."""

    records: int = 0
    duplicates: int = 0
    invalid: int = 0
    results: int = 0
    published_failed: int = 0
    failed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    relabelled: list[Relabelled] = field(default_factory=list)

    def add(self, imported: Imported, keep: int) -> None:
        """Count one record; keep at most so many differences."""
        self.records += 1
        self.invalid += not imported.trajectory.valid
        for message in imported.trajectory.messages:
            if message["role"] == "tool":
                status = message["x"]["outcome"]["status"]
                self.results += 1
                self.outcomes[status] += 1
                self.failed += status in FAILED
                self.published_failed += message["x"]["published"].get("success") is False
        for difference in differences(imported.trajectory):
            if len(self.relabelled) < keep:
                self.relabelled.append(difference)


def import_isetrace(paths: Sequence[Path], out: Path, *, keep: int = 1_000) -> ImportReport:
    """Import published trajectories into a new run directory.

    Args:
        paths: Files in the published layout.
        out: The run directory.
        keep: How many differences between published and recomputed labels to report.

    Raises:
        ConfigError: A file cannot be read, or `out` is taken.
        StoreError: The run cannot be written.
    """
    check_is_free(out)
    for path in paths:
        for _ in read_isetrace(path):
            pass  # a bad line is found before anything is written
    manifest = Manifest(
        run_id="isetrace",
        created=now(),
        configuration={"imported": [str(path) for path in paths], "layout": "isetrace"},
        identity={"imported": "isetrace"},
    )
    report = ImportReport()
    with RunStore.create(out, manifest, _intents(paths)) as store:
        seen: set[str] = set()
        for path in paths:
            for imported in read_isetrace(path):
                if imported.trajectory.episode_id in seen:
                    report.duplicates += 1
                    continue
                seen.add(imported.trajectory.episode_id)
                report.add(imported, keep)
                _keep(store, imported)
        counts = Counts(
            planned=report.records,
            finished=report.records - report.invalid,
            invalid=report.invalid,
        )
        store.save_manifest(counts, "complete")
        store.seal_all()
    return report


def _intents(paths: Sequence[Path]) -> Iterator[Intent]:
    seen: set[str] = set()
    for path in paths:
        for imported in read_isetrace(path):
            if imported.trajectory.intent_sha256 not in seen:
                seen.add(imported.trajectory.intent_sha256)
                yield imported.trajectory.intent


def _keep(store: RunStore, imported: Imported) -> None:
    trajectory = imported.trajectory
    store.put_tools(trajectory.provenance.tools_sha256, imported.tools)
    store.put_tools(sha256_of(imported.skills), imported.skills)
    if trajectory.error is None:
        store.append(trajectory)
    else:
        store.fail(
            FailedAttempt(
                episode_id=trajectory.episode_id,
                attempt=1,
                error=trajectory.error,
                record=trajectory,
            )
        )
