"""The scripted policies play real episodes, and play them again the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ise_env.agents import AgentContext, make_agent
from ise_env.agents.faulty import Faulty
from ise_env.agents.replay import _recorded
from ise_env.agents.serve import ScriptedServer
from ise_env.env import IntentEnv
from ise_env.errors import AgentError, ConfigError
from ise_env.intents.model import Intent
from ise_env.intents.sampler import sample
from ise_env.traces.normaliser import comparable

pytestmark = pytest.mark.usefixtures("local_backend")


@pytest.fixture(scope="module")
def intents() -> list[Intent]:
    smallest = sorted(sample(12, 11), key=lambda intent: len(intent.tasks))
    return smallest[:3]


def play(name: str, intent: Intent, seed: int, **settings: Any) -> tuple[IntentEnv, dict[str, Any]]:
    """Play an episode; returns the closed env and its last info, reward included."""
    env = IntentEnv(intent, **settings)
    agent = make_agent(name)()
    agent.reset(AgentContext(intent, seed))
    observation, info = env.reset(seed=seed)
    done = False
    while not done:
        observation, reward, terminated, truncated, info = env.step(agent.act(observation))
        done = terminated or truncated
    env.close()
    return env, {**info, "reward": reward}


def said(env: IntentEnv, role: str = "assistant") -> list[dict[str, Any]]:
    return [message for message in env.episode.messages if message["role"] == role]


def dialogue(env: IntentEnv) -> Any:
    """All messages, without what the clock changes (the commits that an agent makes)."""
    return comparable(env.trajectory(agent=make_agent("nop")().provenance))["messages"]


def slips_of(env: IntentEnv, name: str) -> list[str]:
    record = env.trajectory(agent=make_agent(name)().provenance)
    notes = [message.get("x", {}) for message in record.messages]
    return [note["slip"] for note in notes if "slip" in note]


def test_the_oracle_satisfies_user_and_checks(intents: list[Intent]) -> None:
    for seed, intent in enumerate(intents):
        _, info = play("oracle", intent, seed)
        assert info["termination"] == "user_satisfied"
        assert (info["reward"], info["success"]) == (1.0, True)


def test_the_oracle_needs_no_user(intents: list[Intent]) -> None:
    for intent in intents:
        _, info = play("oracle", intent, 3, user=None)
        assert (info["termination"], info["reward"]) == ("agent_ended", 1.0)


def test_one_subgoal_at_a_time(intents: list[Intent]) -> None:
    """Nothing is done before the user asks for it: the files of a later step are not there yet."""
    env, _ = play("oracle", intents[0], 1)
    turns = [m for m in env.episode.messages if m["role"] in ("user", "assistant")]
    answers = [m for m in turns if m["role"] == "assistant" and not m.get("tool_calls")]
    assert len(answers) >= len(intents[0].tasks)


def test_doing_nothing_scores_exactly_nothing(intents: list[Intent]) -> None:
    for name in ("nop", "random"):
        _, info = play(name, intents[0], 2)
        assert (info["reward"], info["success"]) == (0.0, False)


def test_same_seed_same_messages_another_seed_others(intents: list[Intent]) -> None:
    first, _ = play("faulty", intents[1], 4)
    again, _ = play("faulty", intents[1], 4)
    other, _ = play("faulty", intents[1], 5)
    assert dialogue(first) == dialogue(again)
    assert dialogue(first) != dialogue(other)
    ids = [call["id"] for m in said(first) for call in m.get("tool_calls", ())]
    assert len(ids) == len(set(ids))


def test_noticed_slips_are_made_good(intents: list[Intent]) -> None:
    """Many slips, none unnoticed: the work is done all the same."""
    name = "faulty:rate=0.4,unnoticed=0"
    for seed, intent in enumerate(intents):
        env, info = play(name, intent, seed)
        assert slips_of(env, name)
        assert (info["reward"], info["success"]) == (1.0, True)


def test_an_unnoticed_slip_fails_unless_somebody_doubts(intents: list[Intent]) -> None:
    name = "faulty:rate=0,unnoticed=1"
    for seed in range(3):
        env, info = play(name, intents[seed], seed, user=None)
        assert set(slips_of(env, name)) <= {"wrong_solution", "claimed_not_done"}
        assert slips_of(env, name)
        assert info["success"] is False


def test_what_the_user_doubts_is_done_properly(intents: list[Intent]) -> None:
    """A claim of work that was not done is noticed at the latest when the user looks."""
    name = "faulty:rate=0,unnoticed=1"
    assert any(play(name, intents[seed % 3], seed)[1]["success"] for seed in range(9))


def test_who_goes_wrong_unnoticed_does_not_ask_first(intents: list[Intent]) -> None:
    name = "faulty:rate=0,unnoticed=1"
    for seed, intent in enumerate(intents):
        agent = make_agent(name)()
        assert isinstance(agent, Faulty)
        agent.reset(AgentContext(intent, seed))
        (astray,) = [goal for goal in agent.goals if "slip" in goal.notes]
        assert not any(agent._wants_to_ask(astray) for _ in range(50))


def test_without_kits_nothing_is_pretended() -> None:
    env, info = play("oracle", Intent(id="i", utterance="Rename the files."), 1)
    assert all("tool_calls" not in message for message in said(env))
    assert "no solution" in said(env)[0]["content"]
    assert info["judged"] is False


def test_a_shrinking_history_is_refused(intents: list[Intent]) -> None:
    agent = make_agent("nop")()
    agent.reset(AgentContext(intents[0], 1))
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": "a"}]
    agent.act({"messages": messages, "tools": []})
    with pytest.raises(AgentError, match="whole history"):
        agent.act({"messages": messages[1:], "tools": []})


@pytest.mark.parametrize(("policy", "option"), [("oracle", "#stream=true"), ("faulty", "")])
def test_over_a_socket_it_is_the_same_episode(
    intents: list[Intent], policy: str, option: str
) -> None:
    with ScriptedServer(intents=intents) as server:
        here, info = play(policy, intents[2], 6)
        there, info_there = play(f"openai:{policy}@{server.base_url}{option}", intents[2], 6)
    assert dialogue(here) == dialogue(there)
    assert info == info_there


def test_a_replay_repeats_every_word(intents: list[Intent], tmp_path: Path) -> None:
    played, info = play("faulty", intents[0], 8)
    record = played.trajectory(agent=make_agent("faulty")().provenance)
    path = tmp_path / "episodes.jsonl"
    path.write_text(json.dumps(record.model_dump(mode="json")) + "\n")
    _recorded.cache_clear()
    again, info_again = play(f"replay:{path}", intents[0], 8)
    assert said(again) == said(played)
    assert info_again["reward"] == info["reward"]
    with pytest.raises(ConfigError, match="holds no episode of intent"):
        play(f"replay:{path}", intents[1], 8)
