"""Is a run directory what it claims to be? Reads everything, changes nothing.

Looked for: lines that are not records, torn tails, two records of one episode, episodes whose
intent is not the one whose hash they name, invalid records among the finished ones, tool
tables that are missing or do not match their hash, leftovers of a crash, counts that are off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ise_env.intents.model import Intent
from ise_env.traces.appendlog import torn_bytes
from ise_env.traces.layout import Counts, Damaged, Layout, Manifest
from ise_env.traces.reader import read_failed_attempts, read_lines
from ise_env.traces.record import Trajectory
from ise_env.traces.serialise import parse, parse_trajectory

Severity = Literal["damage", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    severity: Severity
    """`damage`: data is lost or wrong. `note`: harmless, or put right by the next resume."""
    where: str
    what: str


@dataclass
class Checkup:
    """What was found in a run."""

    findings: list[Finding] = field(default_factory=list)
    records: int = 0
    bytes: int = 0
    counts: Counts = field(default_factory=Counts)
    finished: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return all(f.severity != "damage" for f in self.findings)

    def add(self, severity: Severity, where: object, what: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(severity, str(where), what))


def check_run(root: Path) -> Checkup:
    """Read a run and say what is wrong with it.

    Raises:
        ConfigError: There is no run, or something in it cannot be read here although it may be
            sound (a newer schema, no zstd, no permission).
    """
    layout = Layout(root)
    manifest = layout.read_manifest()
    checkup = Checkup()
    for path in layout.shard_paths():
        _check_shard(path, manifest, checkup)
    _check_failures(layout, checkup)
    _check_intents(layout, checkup)
    _check_tools(layout, checkup)
    _check_leftovers(layout, checkup)
    _check_counts(manifest, checkup)
    return checkup


def _check_shard(path: Path, manifest: Manifest, checkup: Checkup) -> None:
    checkup.bytes += path.stat().st_size
    if path.suffix == ".jsonl" and (torn := torn_bytes(path)):
        checkup.add("note", path, f"{torn} bytes of a torn last line; the next --resume cuts them")
    try:
        for line in read_lines(path):
            try:
                record = parse_trajectory(line.data, line.where)
            except Damaged as error:
                checkup.add("damage", line.where, str(error).removeprefix(f"{line.where}: "))
                continue
            _check_record(record, line.where, manifest, checkup)
    except Damaged as error:
        checkup.add("damage", path, str(error).removeprefix(f"{path}: "))


def _check_record(record: Trajectory, where: str, manifest: Manifest, checkup: Checkup) -> None:
    checkup.records += 1
    checkup.tools.add(record.provenance.tools_sha256)
    if record.episode_id in checkup.finished:
        checkup.add("damage", where, f"a second record of episode {record.episode_id}")
        return
    checkup.finished.add(record.episode_id)
    if not record.valid:
        checkup.add("damage", where, "an invalid episode among the finished ones")
    if record.run_id != manifest.run_id and not manifest.merged_from:
        checkup.add("damage", where, f"belongs to run {record.run_id}, not {manifest.run_id}")
    if record.intent_sha256 != record.intent.sha256():
        checkup.add("damage", where, "the intent is not the one whose hash is recorded")
    checkup.counts.finished += 1
    checkup.counts.judged += record.success is not None
    checkup.counts.succeeded += record.success is True
    checkup.counts.redactions += record.redactions


def _check_failures(layout: Layout, checkup: Checkup) -> None:
    try:
        checkup.counts.failed_attempts = sum(1 for _ in read_failed_attempts(layout.root))
    except Damaged as error:
        checkup.add("damage", layout.failures, str(error).removeprefix(f"{layout.failures}:"))


def _check_intents(layout: Layout, checkup: Checkup) -> None:
    if not layout.intents.is_file():
        checkup.add("damage", layout.intents, "the intents of the run are missing")
        return
    try:
        for line in read_lines(layout.intents):
            parse(Intent, line.data, line.where)
    except Damaged as error:
        checkup.add("damage", layout.intents, str(error).removeprefix(f"{layout.intents}:"))


def _check_tools(layout: Layout, checkup: Checkup) -> None:
    for sha256 in sorted(checkup.tools):
        path = layout.tools / f"{sha256}.json"
        if not path.is_file():
            checkup.add("damage", path, "tool schemas that records refer to are missing")
            continue
        try:
            text = json.dumps(json.loads(path.read_bytes()), sort_keys=True)
        except ValueError as error:
            checkup.add("damage", path, f"not JSON: {error}")
            continue
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            checkup.add("damage", path, "does not match the hash that is its name")


def _check_leftovers(layout: Layout, checkup: Checkup) -> None:
    for path in leftovers(layout):
        checkup.add("note", path, "left by a crash; can be removed")
    for path in layout.shards.glob("*.jsonl"):
        if path.with_name(path.name + ".zst").is_file():
            checkup.add("note", path, "is sealed already; the plain copy can be removed")


def leftovers(layout: Layout) -> Iterator[Path]:
    """Yield the temporary files that a crash left."""
    for directory in (layout.root, layout.shards, layout.tools, layout.prompts):
        if directory.is_dir():
            yield from sorted(directory.glob(".*.tmp"))


def _check_counts(manifest: Manifest, checkup: Checkup) -> None:
    for name in ("finished", "judged", "succeeded"):
        said, found = getattr(manifest.counts, name), getattr(checkup.counts, name)
        if said != found:
            checkup.add(
                "note",
                "run.json",
                f"counts {said} {name}, there are {found}; the next --resume corrects it",
            )
