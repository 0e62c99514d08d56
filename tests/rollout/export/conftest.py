from __future__ import annotations

import json

import pytest

from ise_env.intents.sampler import sample
from ise_env.rollout.collector import Pace
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect


@pytest.fixture(scope="session")
def runs(tmp_path_factory, local_backend):
    """Two runs over the same intents: the oracle's and the faulty agent's."""
    root = tmp_path_factory.mktemp("runs")
    intents = root / "intents.jsonl"
    intents.write_text("".join(f"{i.model_dump_json()}\n" for i in sample(6, 11)))
    for agent in ("oracle", "faulty"):
        request = Request(
            out=root / agent,
            intents=intents,
            config={"agent": agent},
            pace=Pace(concurrency=2),
            seal=False,
        )
        assert collect(request, NoDisplay()).complete
    return root


@pytest.fixture
def rewritten(runs, tmp_path):
    """A copy of the faulty run with its records passed through a function."""

    def rewrite(change, name="rewritten"):
        run = tmp_path / name
        (run / "shards").mkdir(parents=True)
        for path in ("run.json", "intents.jsonl"):
            (run / path).write_bytes((runs / "faulty" / path).read_bytes())
        (run / "tools").symlink_to(runs / "faulty" / "tools")
        (shard,) = (runs / "faulty" / "shards").iterdir()
        records = [json.loads(line) for line in shard.read_text().splitlines()]
        lines = [json.dumps(changed) for r in records if (changed := change(r)) is not None]
        (run / "shards" / "w0-00000.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return run

    return rewrite
