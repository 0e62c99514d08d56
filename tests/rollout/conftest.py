from __future__ import annotations

import sys
from pathlib import Path

import pytest

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
