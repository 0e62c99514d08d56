from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ise_env.intents.sampler import sample
from ise_env.rollout.cli import main
from ise_env.rollout.collector import Pace
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect


@pytest.fixture
def intents(tmp_path):
    path = tmp_path / "intents.txt"
    path.write_text("Count the files.\nSay what time it is.\nWrite a haiku.\nList the users.\n")
    return path


@pytest.fixture
def rollout(tmp_path, intents, monkeypatch, local_backend):
    """Collect with one of the agents of policies.py, in direct-query mode."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(agent=None, **options):
        pace = {"concurrency": 2, "retry_pause_s": 0.01, **options.pop("pace", {})}
        config = {"user": None, **options.pop("config", {})}
        if agent is not None:
            config["agent"] = f"policies:{agent}"
        request = {"out": tmp_path / "run", "intents": intents, "config": config, **options}
        return collect(Request(**request, pace=Pace(**pace)), NoDisplay())

    return run


@pytest.fixture
def ise(monkeypatch, capsys):
    """Run a command in this process: status, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ise", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture(scope="session")
def runs(tmp_path_factory, local_backend):
    """Two runs over the same intents: the oracle's and the faulty agent's."""
    root = tmp_path_factory.mktemp("runs")
    intents = root / "intents.jsonl"
    # A seed with which the faulty agent fails some, for what is shown and exported of failures.
    intents.write_text("".join(f"{i.model_dump_json()}\n" for i in sample(6, 3)))
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
