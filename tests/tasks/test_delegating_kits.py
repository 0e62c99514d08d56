"""Kits that hand work out: played through a rollout's own player, and executed again."""

import numpy as np
import pytest

from ise_env.agents import make_agent
from ise_env.agents.serve import ScriptedServer
from ise_env.intents.model import Intent, Task
from ise_env.rollout.config import RolloutConfig
from ise_env.rollout.plan import Job
from ise_env.rollout.play import Gates, Player
from ise_env.rollout.reexec import reexecute
from ise_env.tasks import registry
from ise_env.tasks.admission import NOBODY

pytestmark = pytest.mark.usefixtures("local_backend")


def play(name, agent, seed):
    kit = registry.get(name)
    params = kit.draw(np.random.default_rng(seed), NOBODY, "simple")
    task = Task(
        id="t1",
        domain=name.split("/")[0],
        title=kit.title,
        kit=name,
        version=kit.version,
        params=params.model_dump(mode="json"),
    )
    intent = Intent(
        id=f"single-{seed}",
        utterance="; ".join(goal.request for goal in kit.subgoals(params)),
        persona=NOBODY,
        domains=(task.domain,),
        tasks=(task,),
        complexity="complex",
    )
    config = RolloutConfig(agent=agent)
    job = Job(intent, intent.sha256(), 0, seed, "episode")
    record = Player(job, config, make_agent(agent), Gates(), "run").play()
    return record, config


@pytest.mark.parametrize(
    ("name", "subagents"),
    [
        ("agent-memory/delegate-branch-totals", 2),
        ("agent-memory/delegate-follow-up", 1),
        ("agent-memory/sessions-pick-up", 0),
        ("agent-memory/sessions-fill-memory", 0),
    ],
)
def test_the_oracle_and_its_sub_agents_solve_it_twice(name, subagents):
    record, config = play(name, "oracle", 3)
    assert (record.success, record.reward) == (True, 1.0)
    assert [child.status for child in record.subagents] == ["done"] * subagents
    report = reexecute(record, config)
    assert report.same, report.differences


def test_sub_agents_of_the_faulty_agent_slip_too():
    record, _ = play("agent-memory/delegate-follow-up", "faulty:rate=0.9,unnoticed=0", 1)
    (child,) = record.subagents
    assert record.success
    assert child.recoveries
    failed = [m for m in child.messages if m["x"].get("outcome", {}).get("recovered_by")]
    assert failed


def test_sub_agents_over_a_model_endpoint():
    record, _ = play("agent-memory/delegate-follow-up", "oracle", 4)
    with ScriptedServer(intents=[record.intent]) as server:
        agent = f"openai:oracle@{server.base_url}"
        config = RolloutConfig(agent=agent)
        job = Job(record.intent, record.intent.sha256(), 0, 4, "episode")
        served = Player(job, config, make_agent(agent), Gates(), "run").play()
    assert served.success
    assert [child.status for child in served.subagents] == ["done"]
