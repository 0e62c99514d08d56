"""What kits need inside a workspace: found, left out when sampling, or one line by name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from ise_env.errors import ConfigError
from ise_env.rollout.cli import app
from ise_env.tasks import programs, registry
from ise_env.workspaces.protocol import Backend

SPLIT = "multimedia/split-by-cue"


def test_a_workspace_is_asked_and_not_the_host(local_backend: Backend) -> None:
    with local_backend.create(owner="tests of programs") as workspace:
        assert programs.present(workspace, ["python3", "no-such-program"]) == {"python3"}


def test_a_missing_program_is_one_line_with_its_package(local_backend: Backend) -> None:
    kit = registry.get(SPLIT)

    class Needy(type(kit)):  # type: ignore[misc]
        requires: ClassVar = ("python3", "no-such-program")

    with (
        local_backend.create(owner="tests of programs") as workspace,
        pytest.raises(ConfigError, match=r"split-by-cue needs no-such-program, .* apt-get install"),
    ):
        programs.demand(workspace, [kit, Needy()])


def test_kits_without_their_programs_are_left_out_unless_named() -> None:
    kits = registry.all_kits()
    missing = programs.left_out(kits, ["python3", "espeak-ng"], ["multimedia/*"])
    assert SPLIT in missing["ffmpeg"] and "espeak-ng" not in missing
    with pytest.raises(ConfigError, match=f"{SPLIT} needs ffmpeg, .* apt-get install ffmpeg"):
        programs.left_out(kits, ["python3"], [SPLIT])


@pytest.mark.usefixtures("local_backend")
def test_sampling_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "present", lambda *_: {"python3", "git"})
    path = f"{tmp_path}/a.jsonl"
    run = ["intents", "sample", "-n", "5", "--kits", "multimedia/*", "--out", path]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 0 and "5 intents" in done.output
    assert "left out for want of ffmpeg (install ffmpeg): " in done.output
    with open(path, encoding="utf-8") as file:
        assert SPLIT not in file.read()
