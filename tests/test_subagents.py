"""Sub-agents in the environment: who speaks when, what is recorded, what replays."""

import json

import pytest

from ise_env.agents.protocol import AgentProvenance
from ise_env.env import IntentEnv
from ise_env.errors import ModelEndpointError
from ise_env.rollout.config import RolloutConfig
from ise_env.rollout.reexec import reexecute
from ise_env.tools.announcement import OPENING
from ise_env.traces.record import Trajectory

pytestmark = pytest.mark.usefixtures("local_backend")
TEXT = "Count the lines of every file here and tell me the sum."
NOBODY = AgentProvenance(name="test", scripted=True)


def says(*calls, content=""):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def call(tool, call_id="c1", **arguments):
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def writer(brief):
    """Writes what it was told into child.txt, and says so."""

    def act(observation):
        messages = observation["messages"]
        assert messages[1] == {"role": "user", "content": brief.task}
        if messages[-1]["role"] == "user":
            usage = {"prompt_tokens": 50, "completion_tokens": 5}
            return {
                **says(call("write", "w1", path="child.txt", content=brief.task)),
                "x": {"usage": usage},
            }
        return "It is in child.txt."

    return act


@pytest.fixture
def make():
    made = []

    def env(**more):
        made.append(IntentEnv(TEXT, **{"subagent_policy": writer, **more}))
        return made[-1]

    yield env
    for each in made:
        each.close()


def test_session_tools_are_offered_where_somebody_plays(make):
    def offered(env):
        observation, _ = env.reset(seed=3)
        return {tool["function"]["name"] for tool in observation["tools"]}

    assert {"sessions_spawn", "subagents", "sessions_send"} <= offered(make())
    without = offered(make(subagent_policy=None))
    assert "sessions_spawn" not in without
    assert "sessions_list" in without


def test_the_result_comes_before_the_user_speaks(make):
    env = make()
    env.reset(seed=3)
    env.step(says(call("sessions_spawn", task="alpha", label="helper")))
    observation, _, _, _, info = env.step("I have asked a helper.")
    announced = observation["messages"][-1]
    assert announced["role"] == "user"
    assert announced["content"].startswith(OPENING)
    assert "It is in child.txt." in announced["content"]
    assert info["turn"] == 1
    observation, _, _, _, info = env.step("It has written the file.")
    assert not observation["messages"][-1]["content"].startswith(OPENING)
    assert info["turn"] == 2


def test_without_a_user_the_announcement_comes_first_too(make):
    env = make(user=None)
    env.reset(seed=3)
    env.step(says(call("sessions_spawn", task="alpha")))
    _, _, terminated, _, _ = env.step("Waiting.")
    assert not terminated
    _, _, terminated, _, info = env.step("Done.")
    assert terminated
    assert info["termination"] == "agent_ended"


def test_parent_and_child_take_turns(make):
    env = make(user=None)
    env.reset(seed=3)
    both = says(
        call("sessions_spawn", "a", task="alpha"), call("exec", "b", command="ls child.txt")
    )
    observation, *_ = env.step(both)
    assert "No such file" in observation["messages"][-1]["content"]
    observation, *_ = env.step(says(call("read", "c", path="child.txt")))
    assert observation["messages"][-1]["content"] == "alpha"


def test_the_record_links_the_transcript(make):
    env = make(user=None)
    env.reset(seed=3)
    env.step(says(call("sessions_spawn", task="alpha", label="helper")))
    env.step("Waiting.")
    env.step("Done.")
    record = env.trajectory(agent=NOBODY)
    (child,) = record.subagents
    assert child.session_key in record.messages[3]["content"]
    assert child.status == "done"
    assert [m["role"] for m in child.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert child.usage == {"prompt_tokens": 50, "completion_tokens": 5}
    assert record.usage == child.usage
    assert len([m for m in record.messages if m["role"] == "tool"]) == 1
    assert Trajectory.model_validate_json(record.model_dump_json()) == record


def test_a_child_left_at_work_is_recorded_as_running(make):
    env = make(user=None)
    env.reset(seed=3)
    env.step(says(call("sessions_spawn", task="alpha")))
    env.truncate("time_limit")
    assert [c.status for c in env.trajectory(agent=NOBODY).subagents] == ["running"]


def test_its_tokens_count_against_the_budget(make):
    env = make(user=None, token_budget=4)
    env.reset(seed=3)
    *_, truncated, info = env.step(says(call("sessions_spawn", task="alpha")))
    assert truncated
    assert info["termination"] == "token_budget"


def test_a_failing_endpoint_makes_the_episode_invalid(make):
    def broken(brief):
        def act(observation):
            raise ModelEndpointError("503", retryable=True)

        return act

    env = make(subagent_policy=broken)
    env.reset(seed=3)
    with pytest.raises(ModelEndpointError):
        env.step(says(call("sessions_spawn", task="alpha")))
    assert env.over


def test_the_same_seed_gives_the_same_keys_and_replays(make):
    def play():
        env = make(user=None)
        env.reset(seed=3)
        env.step(says(call("sessions_spawn", task="alpha")))
        env.step("Waiting.")
        env.step("Done.")
        return env.trajectory(agent=NOBODY)

    first, second = play(), play()
    assert first.subagents[0].session_key == second.subagents[0].session_key
    report = reexecute(first, RolloutConfig(agent="nop", user=None))
    assert report.same, report.differences
    assert report.results == 2


def test_what_a_child_did_otherwise_is_a_difference(make):
    env = make(user=None)
    env.reset(seed=3)
    env.step(says(call("sessions_spawn", task="alpha")))
    env.step("Waiting.")
    env.step("Done.")
    record = env.trajectory(agent=NOBODY)
    record.subagents[0].messages[3]["content"] = "Successfully wrote 77 bytes to child.txt"
    report = reexecute(record, RolloutConfig(agent="nop", user=None))
    assert any("sub-agent" in difference.where for difference in report.differences)
