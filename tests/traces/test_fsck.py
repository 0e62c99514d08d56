from __future__ import annotations

import hashlib
import json
import sys

import pytest

from ise_env.errors import ConfigError
from ise_env.traces import seal
from ise_env.traces.fsck import check_run
from ise_env.traces.layout import Counts
from ise_env.traces.reader import read_run
from ise_env.traces.record import Trajectory
from ise_env.traces.repair import repair
from ise_env.traces.store import RunStore

TOOLS = [{"type": "function", "function": {"name": "exec"}}]
TOOLS_HASH = hashlib.sha256(json.dumps(TOOLS, sort_keys=True).encode()).hexdigest()


@pytest.fixture
def run(tmp_path, manifest, make_trajectory):
    def with_tools(n: int) -> Trajectory:
        record = make_trajectory(n)
        provenance = record.provenance.model_copy(update={"tools_sha256": TOOLS_HASH})
        return record.model_copy(update={"provenance": provenance})

    root = tmp_path / "run"
    with RunStore.create(root, manifest) as store:
        store.put_tools(TOOLS_HASH, TOOLS)
        for n in range(4):
            store.append(with_tools(n))
        store.save_manifest(Counts(planned=4, finished=4), "complete")
    return root


def shard_of(run):
    return run / "shards" / "w0-00000.jsonl"


def found(run):
    return [(f.severity, f.what) for f in check_run(run).findings]


def test_a_sound_run_has_no_findings(run):
    checkup = check_run(run)
    assert (checkup.findings, checkup.records, checkup.sound) == ([], 4, True)


def test_a_damaged_line_is_named_and_moved_away(run):
    lines = shard_of(run).read_bytes().splitlines(keepends=True)
    lines[1] = b'{"schema_version":1,"episode_id":\x00\x00\n'
    shard_of(run).write_bytes(b"".join(lines))
    with pytest.raises(ConfigError, match=r"w0-00000\.jsonl:2"):
        list(read_run(run))
    damage = [f for f in check_run(run).findings if f.severity == "damage"]
    assert [f.where.rsplit("/")[-1] for f in damage] == ["w0-00000.jsonl:2"]
    (message,) = repair(run)
    assert "kept 3 records, moved 1 lines" in message
    assert (run / "rejected" / "w0-00000.jsonl").read_bytes() == lines[1]
    assert [r.seed for r in read_run(run)] == [0, 2, 3]
    assert check_run(run).sound
    assert repair(run) == []


def test_a_torn_tail_and_leftovers_are_put_right(run):
    with shard_of(run).open("ab") as file:
        file.write(b'{"schema_version":1,"epis')
    (run / "shards" / ".w0-00000.jsonl.zst.tmp").write_bytes(b"half")
    assert {severity for severity, _ in found(run)} == {"note"}
    assert len(repair(run)) == 2
    assert found(run) == []


def test_a_second_record_of_an_episode_is_damage(run):
    line = shard_of(run).read_bytes().splitlines(keepends=True)[0]
    with shard_of(run).open("ab") as file:
        file.write(line)
    assert any("second record" in what for _, what in found(run))
    repair(run)
    assert [r.seed for r in read_run(run)] == [0, 1, 2, 3]


def test_changed_or_missing_tools_are_damage(run):
    path = run / "tools" / f"{TOOLS_HASH}.json"
    path.write_text("[]")
    assert found(run) == [("damage", "does not match the hash that is its name")]
    path.unlink()
    assert found(run) == [("damage", "tool schemas that records refer to are missing")]


def test_a_sealed_shard_that_is_cut_keeps_what_can_be_read(tmp_path, run, make_trajectory):
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    with RunStore.reopen(run) as store:
        for n in range(4, 700):
            store.append(make_trajectory(n))
        store.seal_all()
    sealed = shard_of(run).with_name("w0-00000.jsonl.zst")
    sealed.write_bytes(sealed.read_bytes()[: sealed.stat().st_size * 2 // 3])
    assert not check_run(run).sound
    (message,) = repair(run)
    assert "moved what follows line" in message
    kept = [r.seed for r in read_run(run)]
    assert kept == list(range(len(kept)))
    assert len(kept) > 100
    assert (run / "rejected" / sealed.name).is_file()


def test_a_record_of_a_newer_schema_is_no_damage_and_stays(run):
    data = shard_of(run).read_bytes()
    newer = data.replace(b'"schema_version":1', b'"schema_version":999', 1)
    shard_of(run).write_bytes(newer)
    for look in (check_run, repair):
        with pytest.raises(ConfigError, match="newer ise-env"):
            look(run)
    assert shard_of(run).read_bytes() == newer
    assert not (run / "rejected").exists()
    assert not list((run / "shards").glob(".*.tmp"))


def test_a_sealed_shard_stays_where_no_zstd_is_installed(run, monkeypatch):
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    with RunStore.reopen(run) as store:
        assert store.seal_all() == 1
    monkeypatch.setattr(seal, "zstd", lambda: None)
    for look in (check_run, repair):
        with pytest.raises(ConfigError, match="install it"):
            look(run)
    monkeypatch.undo()
    assert check_run(run).records == 4


def test_damaged_failures_are_moved_away_too(run):
    failures = run / "failures.jsonl"
    failures.write_bytes(b'{"broken\n')
    assert not check_run(run).sound
    (message,) = repair(run)
    assert "moved 1 lines" in message
    assert failures.read_bytes() == b""
    assert check_run(run).sound
    failures.write_bytes(b"{}\n")
    repair(run)
    rejected = {path.read_bytes() for path in (run / "rejected").iterdir()}
    assert rejected == {b'{"broken\n', b"{}\n"}, "the first is not written over"


def test_damaged_or_missing_intents_are_damage(run):
    intents = run / "intents.jsonl"
    intents.write_bytes(b'{"id": 1}\n')
    ((severity, what),) = found(run)
    assert severity == "damage"
    assert what.startswith("1: ")
    intents.unlink()
    assert found(run) == [("damage", "the intents of the run are missing")]
