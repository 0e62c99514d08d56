from __future__ import annotations

import pytest

from ise_env.errors import ConfigError
from ise_env.traces.merge import merge
from ise_env.traces.reader import read_run
from ise_env.traces.store import RunStore


@pytest.fixture
def part(tmp_path, manifest, make_trajectory):
    def make(name: str, numbers: range, **identity: str) -> object:
        changed = manifest.model_copy(
            update={"identity": identity, "configuration": {"episodes": 6}}
        )
        records = [make_trajectory(n) for n in numbers]
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
