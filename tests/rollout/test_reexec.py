from __future__ import annotations

import json

import pytest

from ise_env.intents.sampler import sample
from ise_env.rollout.collector import Pace
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.reexec import reexecute_run
from ise_env.rollout.session import Request, collect
from ise_env.traces.reader import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory, local_backend):
    folder = tmp_path_factory.mktemp("reexec")
    intents = folder / "intents.jsonl"
    drawn = sample(2, 11, kits=["source-chain/*", "file-io/*"])
    intents.write_text("".join(intent.model_dump_json() + "\n" for intent in drawn))
    request = Request(
        out=folder / "run",
        intents=intents,
        config={"agent": "faulty"},
        pace=Pace(concurrency=2),
        seal=False,
    )
    collect(request, NoDisplay())
    return folder / "run"


def test_what_was_recorded_comes_out_again(run):
    reports = list(reexecute_run(run))
    assert [(r.skipped, r.differences) for r in reports] == [("", [])] * 2
    assert sum(r.results for r in reports) > 10
    assert all(r.identical > r.results // 2 for r in reports)


def test_a_record_that_was_tampered_with_does_not(run, tmp_path):
    record = json.loads(next(iter(read_run(run))).model_dump_json())
    results = [m for m in record["messages"] if m["role"] == "tool"]
    results[0]["content"] += "\nall good"
    results[1]["x"]["outcome"]["status"] = "timeout"
    record["checks"][0]["verdict"] = "failed"
    file = tmp_path / "tampered.jsonl"
    file.write_text(json.dumps(record) + "\n")
    (report,) = reexecute_run(file)
    found = [d.where.partition(" ")[0] for d in report.differences]
    assert found == ["message", "message", "check"]
    assert "all good" in report.differences[0].stored


def test_what_was_recorded_elsewhere_is_not_played(run, tmp_path):
    record = next(iter(read_run(run))).model_copy(update={"workspace": None})
    file = tmp_path / "foreign.jsonl"
    file.write_text(record.model_dump_json() + "\n")
    (report,) = reexecute_run(file)
    assert "recorded elsewhere" in report.skipped
    assert not report.same
