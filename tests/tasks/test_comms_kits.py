"""Kits about communication: several of them share one mail server and one chat room."""

from __future__ import annotations

import numpy as np
import pytest

from ise_env.agents import make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.env import IntentEnv
from ise_env.intents.model import Intent, Task
from ise_env.services.plan import outside, plan
from ise_env.tasks import registry
from ise_env.tasks.admission import NOBODY

KITS = [name for name in registry.names() if name.startswith("comms-social/")]


def composed(names: list[str], seed: int) -> Intent:
    tasks = []
    for number, name in enumerate(names, 1):
        kit = registry.get(name)
        params = kit.draw(np.random.default_rng(seed), NOBODY, "medium")
        tasks.append(
            Task(
                id=f"t{number}",
                domain="comms-social",
                title=kit.title,
                kit=name,
                version=kit.version,
                params=params.model_dump(mode="json"),
            )
        )
    return Intent(
        id="composed",
        utterance="look after my mail",
        persona=NOBODY,
        domains=("comms-social",),
        tasks=tuple(tasks),
        complexity="medium",
    )


@pytest.mark.parametrize("name", KITS)
def test_a_kit_keeps_to_its_own_names_and_is_the_same_twice(name):
    kit = registry.get(name)
    params = kit.draw(np.random.default_rng(5), NOBODY, "complex")
    seed = kit.seed(params)
    assert seed.services
    assert [outside(service, params.folder) for service in seed.services if service] == [""] * len(
        seed.services
    )
    assert kit.seed(kit.params.model_validate_json(params.model_dump_json())) == seed
    mails = [m for s in seed.services for m in getattr(s, "messages", ())]
    posts = [m for s in seed.services for c in getattr(s, "channels", ()) for m in c.messages]
    assert len(mails) + len(posts) + len(seed.files) >= 15


@pytest.mark.parametrize("seed", range(5))
def test_all_kits_together_make_one_office(seed):
    services = []
    for name in KITS:
        kit = registry.get(name)
        params = kit.draw(np.random.default_rng(seed), NOBODY, "medium")
        services += [(name, service) for service in kit.seed(params).services]
    made = plan(services)
    assert made.mail is not None
    assert made.chat is not None


@pytest.mark.usefixtures("local_backend")
@pytest.mark.parametrize(("agent", "reward"), [("oracle", 1.0), ("nop", 0.0)])
def test_two_kits_share_a_mail_server(agent, reward):
    intent = composed(["comms-social/remind-missing", "comms-social/pick-date"], 4)
    policy = make_agent(agent)()
    policy.reset(AgentContext(intent=intent, seed=1))
    env = IntentEnv(intent=intent)
    try:
        observation, info = env.reset(seed=1)
        ended = False
        while not ended:
            observation, got, terminated, truncated, info = env.step(policy.act(observation))
            ended = terminated or truncated
    finally:
        env.close()
    assert got == reward, info
