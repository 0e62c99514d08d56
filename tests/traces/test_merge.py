from __future__ import annotations

import pytest

from ise_env.errors import ConfigError
from ise_env.traces.layout import Counts
from ise_env.traces.merge import merge
from ise_env.traces.reader import read_run
from ise_env.traces.record import ErrorRecord
from ise_env.traces.store import FailedAttempt, RunStore


@pytest.fixture
def part(tmp_path, manifest, make_trajectory):
    def make(name: str, numbers: range, **identity: str) -> object:
        records = [make_trajectory(n) for n in numbers]
        changed = manifest.model_copy(
            update={"identity": identity, "configuration": {"episodes": len(records)}}
        )
        with RunStore.create(tmp_path / name, changed, (r.intent for r in records)) as store:
            for record in records:
                store.append(record)
        return tmp_path / name

    return make


def test_runs_are_joined_without_duplicates(tmp_path, part):
    out = tmp_path / "all"
    manifest = merge([part("a", range(4)), part("b", range(2, 6))], out)
    assert sorted(r.seed for r in read_run(out)) == list(range(6))
    assert (manifest.status, manifest.counts.finished, manifest.counts.planned) == (
        "complete",
        6,
        6,
    )
    assert len((out / "intents.jsonl").read_text().splitlines()) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "all", "b"]


def test_runs_of_different_configurations_are_refused(tmp_path, part):
    a, b = part("a", range(2), agent="oracle"), part("b", range(2), agent="nop")
    with pytest.raises(ConfigError, match=r"differs from .*a in agent"):
        merge([a, b], tmp_path / "all")
    with pytest.raises(ConfigError, match="at least two"):
        merge([a], tmp_path / "all")
    with pytest.raises(ConfigError, match="already holds run"):
        merge([a, a], b)
    assert not (tmp_path / "all").exists()


def test_runs_of_different_intents_make_a_run_of_all(tmp_path, part):
    manifest = merge([part("a", range(6)), part("b", range(6, 12))], tmp_path / "all")
    assert (manifest.counts.finished, manifest.counts.planned) == (12, 12)


def test_what_one_run_gave_up_and_another_finished_is_not_invalid(tmp_path, part, make_trajectory):
    a, b = part("a", range(3)), part("b", range(6))
    with RunStore.reopen(a) as store:
        for n in (3, 4):
            error = ErrorRecord(kind="X", blame="harness", message="x", retryable=False)
            store.fail(FailedAttempt(episode_id=f"{n:016x}", attempt=1, error=error))
        store.save_manifest(Counts(planned=6, finished=3, invalid=2), "stopped")
    counts = merge([a, b], tmp_path / "all").counts
    assert (counts.finished, counts.planned, counts.invalid) == (6, 6, 0)
    assert counts.failed_attempts == 2
