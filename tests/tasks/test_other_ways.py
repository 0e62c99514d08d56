"""Work that is done otherwise than the oracle does it, and is right all the same."""

from __future__ import annotations

import numpy as np
import pytest

from ise_env.rewards.checks import TextMatch
from ise_env.rewards.evidence import Unmet
from ise_env.tasks import registry
from ise_env.tasks.admission import NOBODY
from ise_env.tasks.kit import Solution
from ise_env.tasks.stage import Stage
from ise_env.tasks.steps import sh
from ise_env.workspaces.protocol import Backend


def test_an_app_may_be_started_too_early_and_asked_for_more(local_backend: Backend) -> None:
    kit = registry.get("system-infrastructure/free-port")
    params = kit.draw(np.random.default_rng(0), NOBODY, "simple")

    def too_early() -> Solution:
        (refused,) = yield sh(f"./start.sh {params.app}", workdir=params.folder)
        assert refused.failed
        return "It does not start."

    def asked_again() -> Solution:
        (answer,) = yield sh(f"curl -s http://127.0.0.1:{params.port}/version")
        return answer.text

    with Stage(kit, params, local_backend) as stage:
        stage.play(too_early())
        for goal in kit.subgoals(params):
            stage.play(kit.solve(params, goal.id), about=[goal.id])
        stage.play(asked_again())
        verdict, _ = stage.verdicts()
    assert verdict.success, [c.evidence for c in verdict.checks if c.verdict == "failed"]


def test_being_killed_again_does_not_hide_what_was_run_twice() -> None:
    kit = registry.get("automation-flow/resume-batch")
    params = kit.draw(np.random.default_rng(0), NOBODY, "simple")
    match = next(check for check in kit.checks(params) if check.id == "nothing run twice").text
    assert isinstance(match, TextMatch)
    log = next(f.content for f in kit.seed(params).files if f.path.endswith("/batch.log")).decode()
    again = next(line for line in log.splitlines(True) if line.endswith(": ok\n"))
    match.demand(log + "Killed\n", "log")
    with pytest.raises(Unmet):
        match.demand(log + again + "Killed\n", "log")
