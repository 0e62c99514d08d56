"""Kits through the real environment: a user asks, the oracle works, the verifier looks."""

from __future__ import annotations

import numpy as np
import pytest

from ise_env.agents import make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.env import IntentEnv
from ise_env.intents.model import Intent, Task
from ise_env.tasks import registry
from ise_env.tasks.admission import NOBODY


def single(name: str, seed: int) -> Intent:
    """An intent of one kit."""
    kit = registry.get(name)
    params = kit.draw(np.random.default_rng(seed), NOBODY, "complex")
    task = Task(
        id="t1",
        domain=name.split("/")[0],
        title=kit.title,
        kit=name,
        version=kit.version,
        params=params.model_dump(mode="json"),
    )
    return Intent(
        id=f"single-{seed}",
        utterance="; ".join(goal.request for goal in kit.subgoals(params)),
        persona=NOBODY,
        domains=(task.domain,),
        tasks=(task,),
        complexity="complex",
    )


def play(intent: Intent, agent: str) -> tuple[float, dict[str, object]]:
    """One episode; returns its reward and the last info."""
    policy = make_agent(agent)()
    policy.reset(AgentContext(intent=intent, seed=1))
    env = IntentEnv(intent=intent)
    try:
        observation, info = env.reset(seed=1)
        for _ in range(200):
            observation, reward, terminated, truncated, info = env.step(policy.act(observation))
            if terminated or truncated:
                return float(reward), info
    finally:
        env.close()
    raise AssertionError("the episode does not end")


@pytest.mark.usefixtures("local_backend")
def test_one_kit_with_an_obstacle() -> None:
    intent = single("system-infrastructure/repair-config", 2)
    assert play(intent, "oracle")[0] == 1.0
    assert play(intent, "nop")[0] == 0.0


@pytest.mark.usefixtures("local_backend")
def test_what_a_kit_starts_is_alive_for_the_agent_and_for_the_verifier() -> None:
    intent = single("system-infrastructure/free-deleted-log", 0)
    assert play(intent, "oracle")[0] == 1.0
    assert play(intent, "nop")[0] == 0.0


@pytest.mark.full
@pytest.mark.usefixtures("local_backend")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", registry.names())
def test_every_kit(name: str, seed: int) -> None:
    intent = single(name, seed)
    reward, info = play(intent, "oracle")
    assert reward == 1.0, info
    assert play(intent, "nop")[0] == 0.0
