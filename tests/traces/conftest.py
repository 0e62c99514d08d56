from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ise_env.agents.protocol import AgentProvenance
from ise_env.intents.model import Intent
from ise_env.traces.layout import Manifest
from ise_env.traces.record import Provenance, Termination, Trajectory


def trajectory(n: int = 0, **changes: Any) -> Trajectory:
    intent = Intent(id=f"i{n}", utterance=f"count to {n}", source="text")
    record = Trajectory(
        episode_id=f"{n:016x}",
        run_id="run",
        intent=intent,
        intent_sha256=intent.sha256(),
        trial=0,
        seed=n,
        messages=[
            {"role": "system", "content": "You work."},
            {"role": "user", "content": f"count to {n}", "x": {"turn": 1}},
            {"role": "assistant", "content": " ".join(map(str, range(n))), "x": {"turn": 1}},
        ],
        steps=1,
        reward=None,
        success=None,
        termination=Termination(reason="user_satisfied", by="user", truncated=False),
        valid=True,
        workspace=None,
        provenance=Provenance(
            agent=AgentProvenance(name="counter", scripted=True),
            user=None,
            realiser=None,
            versions={},
            system_prompt_sha256="0",
            tools_sha256="0",
        ),
        wall_s=0.0,
    )
    return record.model_copy(update=changes)


@pytest.fixture
def make_trajectory() -> Callable[..., Trajectory]:
    return trajectory


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(run_id="run", created="2026-01-01", configuration={}, identity={})
