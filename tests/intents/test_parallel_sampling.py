"""Sampling in several processes: the same bytes, the same refusals, and a clean Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ise_env.errors import ConfigError
from ise_env.intents.parallel import sample_records, sensible_jobs


def test_any_number_of_processes_yields_the_same_records() -> None:
    alone = list(sample_records(70, 3, kits=["file-io/*"]))
    assert alone == list(sample_records(70, 3, jobs=3, kits=["file-io/*"]))
    shard = list(sample_records(70, 3, jobs=2, shard=(1, 2), kits=["file-io/*"]))
    assert shard == alone[1::2]


def test_what_a_process_finds_wrong_is_said_by_the_one_that_merges(tmp_path: Path) -> None:
    (tmp_path / "tiers.jsonl").write_text(
        '{"name": "simple", "weight": 1, "domains": {"1": 1}, "tasks": {"3": 1}, '
        '"further_steps": {"0": 1}}\n'
        '{"name": "medium", "weight": 0}\n{"name": "complex", "weight": 0}\n'
    )
    (tmp_path / "compatibility.jsonl").write_text(
        '{"rule": "exclusive", "tasks": ["file-io/*"], "why": "so that the space ends"}\n'
    )
    options = {"kits": ["file-io/*"], "pools": tmp_path}
    with pytest.raises(ConfigError) as alone:
        list(sample_records(5, 0, **options))
    with pytest.raises(ConfigError) as shared:
        list(sample_records(5, 0, jobs=2, **options))
    assert str(shared.value) == str(alone.value)


def test_few_intents_are_not_worth_a_process() -> None:
    assert sensible_jobs(100) == 1
    assert sensible_jobs(1_000_000) == len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match="jobs: must be 1 or more"):
        sample_records(5, 0, jobs=0)


def test_interrupt_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "ise_env.rollout.cli", "intents", "sample"]
    process = subprocess.Popen(
        [*command, "-n", "50000", "--jobs", "2", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    unfinished = tmp_path / ".out.jsonl.tmp"
    deadline = time.monotonic() + 60
    while not (unfinished.exists() and unfinished.stat().st_size):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    # The library's own watcher of its processes goes a moment after the last of them.
    while _anybody_in(process.pid):
        assert time.monotonic() < deadline + 60
        time.sleep(0.05)


def _anybody_in(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
