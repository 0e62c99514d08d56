from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.traces import seal
from ise_env.traces.appendlog import AppendLog, cut_torn_tail
from ise_env.traces.layout import Layout, StoreError, read_journal
from ise_env.traces.reader import read_failed_attempts, read_invalid, read_run
from ise_env.traces.record import ErrorRecord
from ise_env.traces.store import FailedAttempt, RunStore


def test_what_is_appended_is_read_back(tmp_path, manifest, make_trajectory):
    records = [make_trajectory(n) for n in range(5)]
    with RunStore.create(tmp_path / "run", manifest) as store:
        for record in records:
            store.append(record)
    assert list(read_run(tmp_path / "run")) == records
    assert list(read_run(str(tmp_path / "run" / "shards" / "w0-00000.jsonl"))) == records


def test_a_run_goes_on_in_the_same_shard_after_a_torn_line(tmp_path, manifest, make_trajectory):
    root = tmp_path / "run"
    with RunStore.create(root, manifest) as store:
        store.append(make_trajectory(1))
    shard = root / "shards" / "w0-00000.jsonl"
    with shard.open("ab") as file:
        file.write(b'{"schema_version":1,"episode_id":"torn')
    assert [r.seed for r in read_run(root)] == [1], "a reader of a live run skips the torn line"
    with RunStore.reopen(root) as store:
        store.append(make_trajectory(2))
    assert [r.seed for r in read_run(root)] == [1, 2]
    events = [entry["event"] for entry in read_journal(Layout(root))]
    assert events == ["created", "reopened"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.binary(max_size=40), max_size=6), cut=st.integers(0, 300))
def test_a_log_cut_anywhere_keeps_exactly_its_whole_lines(tmp_path, lines, cut):
    lines = [line.replace(b"\n", b"") for line in lines]
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    log = AppendLog(path)
    for line in lines:
        log.append(line)
    log.close()
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    cut_torn_tail(path)
    kept = path.read_bytes()
    assert data.startswith(kept)
    assert kept == b"" or kept.endswith(b"\n")
    assert b"\n" not in data[len(kept) : min(cut, len(data))]


def test_a_tail_of_zeros_is_cut(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + bytes(200_000))
    assert cut_torn_tail(path) == 200_000
    assert path.read_bytes() == b"one\n"


def test_a_full_disk_loses_nothing_finished(tmp_path, manifest, make_trajectory):
    root = tmp_path / "run"
    with RunStore.create(root, manifest) as store:
        for n in range(3):
            store.append(make_trajectory(n))
        size = (root / "shards" / "w0-00000.jsonl").stat().st_size
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
        try:
            with pytest.raises(StoreError, match="File too large; what was finished"):
                store.append(make_trajectory(3))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        assert [r.seed for r in read_run(root)] == [0, 1, 2]
        store.append(make_trajectory(4))
    assert [r.seed for r in read_run(root)] == [0, 1, 2, 4]


def test_an_occupied_directory_is_refused_in_one_line(tmp_path, manifest):
    root = tmp_path / "run"
    RunStore.create(root, manifest).close()
    with pytest.raises(ConfigError, match=r"already holds run run .*--resume") as caught:
        RunStore.create(root, manifest)
    assert "\n" not in str(caught.value)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("It was a dark night")
    with pytest.raises(ConfigError, match="holds no run"):
        RunStore.create(other, manifest)
    assert [p.name for p in other.iterdir()] == ["chapter1.tex"]
    with pytest.raises(ConfigError, match="not a run"):
        RunStore.reopen(other)


def test_what_a_crash_before_the_manifest_leaves_can_be_used(tmp_path, manifest):
    root = tmp_path / "run"
    RunStore.create(root, manifest).close()
    Layout(root).manifest.unlink()
    RunStore.create(root, manifest).close()


def test_two_collectors_are_kept_apart(tmp_path, manifest):
    root = tmp_path / "run"
    with RunStore.create(root, manifest):
        with pytest.raises(ConfigError, match="already collecting"):
            RunStore.reopen(root)
        other = subprocess.run(
            [sys.executable, "-c", REOPEN, str(root)], capture_output=True, text=True
        )
        assert "another collector is writing here (pid " in other.stderr
    other = subprocess.run([sys.executable, "-c", REOPEN, str(root)], capture_output=True)
    assert other.returncode == 0


REOPEN = """
import sys, pathlib
from ise_env.traces.store import RunStore
RunStore.reopen(pathlib.Path(sys.argv[1])).close()
"""

APPEND = """
import sys, pathlib, runpy
from ise_env.traces.store import RunStore
make = runpy.run_path(sys.argv[2])["trajectory"]
with RunStore.reopen(pathlib.Path(sys.argv[1]), shard_bytes=20_000) as store:
    for n in range(int(sys.argv[3]), 10**9):
        store.append(make(n))
        print(n, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_had_finished(tmp_path, manifest):
    root = tmp_path / "run"
    RunStore.create(root, manifest).close()
    begin = 0
    for kills in range(3):
        arguments = [str(root), str(Path(__file__).with_name("conftest.py")), str(begin)]
        child = subprocess.Popen(
            [sys.executable, "-c", APPEND, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        finished = [int(child.stdout.readline()) for _ in range(20 + 17 * kills)]
        os.kill(child.pid, signal.SIGKILL)
        finished += [int(line) for line in child.stdout if line.endswith("\n")]
        child.wait()
        child.stdout.close()
        with RunStore.reopen(root):
            kept = [r.seed for r in read_run(root)]
        assert kept == list(range(len(kept)))
        assert set(finished) <= set(kept)
        begin = len(kept)
    assert len(Layout(root).shard_paths()) > 1


def test_failures_stay_out_of_the_shards(tmp_path, manifest, make_trajectory):
    root = tmp_path / "run"
    error = ErrorRecord(kind="WorkspaceError", blame="workspace", message="gone", retryable=True)
    with RunStore.create(root, manifest) as store:
        for attempt in (1, 2):
            record = make_trajectory(7, valid=False, error=error, steps=attempt)
            store.fail(
                FailedAttempt(
                    episode_id=record.episode_id, attempt=attempt, error=error, record=record
                )
            )
    assert list(read_run(root)) == []
    assert [f.attempt for f in read_failed_attempts(root)] == [1, 2]
    assert [r.steps for r in read_invalid(root, set())] == [2]
    assert list(read_invalid(root, {f"{7:016x}"})) == []


def test_attempts_that_begin_anew_count_as_one_invalid_episode(tmp_path, manifest, make_trajectory):
    root = tmp_path / "run"
    error = ErrorRecord(kind="WorkspaceError", blame="workspace", message="gone", retryable=True)
    with RunStore.create(root, manifest) as store:
        for steps in (1, 2):  # the second session retries what the first gave up
            record = make_trajectory(7, valid=False, error=error, steps=steps)
            store.fail(
                FailedAttempt(episode_id=record.episode_id, attempt=1, error=error, record=record)
            )
    assert [r.steps for r in read_invalid(root, set())] == [2]


def test_tools_and_prompts_are_stored_once(tmp_path, manifest):
    with RunStore.create(tmp_path / "run", manifest) as store:
        store.put_tools("abc", [{"type": "function"}])
        store.put_tools("abc", [{"type": "function"}])
        assert store.put_prompt("Work.") == store.put_prompt("Work.")
    layout = Layout(tmp_path / "run")
    assert json.loads((layout.tools / "abc.json").read_text()) == [{"type": "function"}]
    assert [p.read_text() for p in layout.prompts.iterdir()] == ["Work."]


@pytest.mark.parametrize(
    "text", ["half \ud83d pair", "line\u2028separator", "nul \x00", "\ufeffbom"]
)
def test_strange_text_survives(tmp_path, manifest, make_trajectory, text):
    messages = [{"role": "assistant", "content": text}]
    with RunStore.create(tmp_path / "run", manifest) as store:
        store.append(make_trajectory(1, messages=messages))
        store.append(make_trajectory(2))
    first, _second = read_run(tmp_path / "run")
    assert first.messages[0]["content"] == text.replace("\ud83d", "\ufffd")


def test_sealing_keeps_the_records(tmp_path, manifest, make_trajectory):
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    root = tmp_path / "run"
    with RunStore.create(root, manifest, shard_bytes=8_000) as store:
        for n in range(20):
            store.append(make_trajectory(n))
        store.seal_all()
        store.append(make_trajectory(20))
    names = [p.name for p in Layout(root).shard_paths()]
    assert sum(name.endswith(".zst") for name in names) == len(names) - 1
    assert [r.seed for r in read_run(root)] == list(range(21))


def test_several_frames_are_one_stream(tmp_path, make_trajectory):
    zstd = seal.zstd()
    if zstd is None:
        pytest.skip("no zstd: needs backports.zstd or Python 3.14")
    path = tmp_path / "joined.jsonl.zst"
    frames = [make_trajectory(n).model_dump_json().encode() + b"\n" for n in range(3)]
    path.write_bytes(b"".join(zstd.compress(frame) for frame in frames))
    assert [r.seed for r in read_run(path)] == [0, 1, 2]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match="damaged"):
        list(read_run(path))
