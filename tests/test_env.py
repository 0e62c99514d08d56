"""The environment on the live local workspace: spaces, turn rule, budgets, errors."""

import json
import warnings

import gymnasium as gym
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

import ise_env
from ise_env.agents.protocol import AgentProvenance
from ise_env.env import IntentEnv
from ise_env.errors import ConfigError

pytestmark = pytest.mark.usefixtures("local_backend")
TEXT = "Write a haiku about rivers into poem.txt, then tell me how many lines it has."
NOBODY = AgentProvenance(name="test", scripted=True)


def call(tool: str, call_id: str = "call_1", **arguments) -> dict:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def says(*calls: dict, content: str = "") -> dict:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


@pytest.fixture
def env(kind):
    env = IntentEnv(TEXT, workspace=kind)
    yield env
    env.close()


def test_gymnasium_s_checker_passes_on_the_live_workspace(kind):
    env = gym.make("ise_env:ISE/Intent-v0", intent=TEXT, workspace=kind).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Without a render mode of "human" among those declared: it prints by design.
        check_env(env, skip_render_check=False)


def test_reset_opens_with_a_system_message_and_the_user(env):
    observation, info = env.reset(seed=7)
    assert [m["role"] for m in observation["messages"]] == ["system", "user"]
    offered = {t["function"]["name"] for t in observation["tools"]}
    assert {"exec", "process", "read", "write", "edit", "memory_search"} <= offered
    assert not offered & {"apply_patch", "sessions_spawn"}
    assert observation in env.observation_space
    assert info == {
        "intent_id": env.intent.id,
        "turn": 1,
        "step": 0,
        "new_messages": 2,
        "termination": None,
        "judged": False,
    }


def test_tool_calls_run_in_order_and_the_user_stays_silent(env):
    env.reset(seed=7)
    observation, reward, terminated, truncated, info = env.step(
        says(
            call("write", "a", path="poem.txt", content="one\ntwo\n"),
            call("exec", "b", command="wc -l < poem.txt; exit 3"),
            call("read", "c", path="poem.txt"),
        )
    )
    *_, assistant, first, second, third = observation["messages"]
    assert assistant["role"] == "assistant"
    assert [m["role"] for m in (first, second, third)] == ["tool"] * 3
    assert [m["tool_call_id"] for m in (first, second, third)] == ["a", "b", "c"]
    assert first["content"] == "Successfully wrote 8 bytes to poem.txt"
    assert second["content"] == "2\n\n(Command exited with code 3)"
    assert third["content"].startswith("one\ntwo")
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["turn"] == 1
    assert info["new_messages"] == 4
    outcomes = [note["outcome"].status for note in env.episode.notes[-3:]]
    assert outcomes == ["ok", "nonzero_exit", "ok"]


def test_without_tool_calls_the_user_answers(env):
    env.reset(seed=7)
    observation, *_, info = env.step("Which file should I write it to?")
    assert [m["role"] for m in observation["messages"][-2:]] == ["assistant", "user"]
    assert info["turn"] == 2


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([call("teleport")], ["teleport"]),
        ([{**call("read"), "function": {"name": "read", "arguments": "{not json"}}], ["JSON"]),
        ([{**call("read"), "function": {"name": "read", "arguments": "[1]"}}], ["object"]),
        ([call("read", path=5)], ["path"]),
        ([call("read")], ["path"]),
    ],
)
def test_malformed_calls_become_tool_messages(env, calls, words):
    env.reset(seed=1)
    observation, _, terminated, truncated, _ = env.step(says(*calls))
    answer = observation["messages"][-1]
    assert answer["role"] == "tool"
    assert answer["tool_call_id"] == "call_1"
    assert json.loads(answer["content"])["status"] == "error"
    assert all(word in answer["content"] for word in words)
    assert not (terminated or truncated)


def test_a_hundred_parallel_calls_are_answered_once_each(env):
    env.reset(seed=1)
    calls = [call("exec", f"call_{i}", command=f"echo {i}") for i in range(100)]
    observation, *_ = env.step(says(*calls))
    answers = observation["messages"][-100:]
    assert [m["tool_call_id"] for m in answers] == [c["id"] for c in calls]
    assert [m["content"].strip() for m in answers] == [str(i) for i in range(100)]


def test_duplicate_ids_are_answered_once_each(env):
    env.reset(seed=1)
    observation, *_ = env.step(says(call("exec", "x", command="echo 1"), call("read", "x")))
    answers = [m for m in observation["messages"] if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in answers].count("x") == 1


def test_same_seed_same_episode():
    def play(seed):
        env = IntentEnv(TEXT)
        env.reset(seed=seed)
        env.step(says(call("exec", command="sleep 30", background=True)))
        history, *_ = env.step("I looked around; poem.txt is ready.")
        env.close()
        return [m["content"] for m in history["messages"] if m["role"] != "tool"]

    assert play(5) == play(5)
    assert play(5) != play(6)


def test_an_observation_is_nobody_else_s(env):
    observation, _ = env.reset(seed=1)
    observation["messages"][1]["content"] = "forged"
    observation["messages"].append({"role": "user", "content": "forged"})
    observation["tools"].clear()
    observation, *_ = env.step("Hello?")
    assert "forged" not in json.dumps(observation)
    assert observation["tools"]
    record = env.trajectory(agent=NOBODY)
    assert "forged" not in record.model_dump_json()


def test_nothing_nested_is_shared_either(env):
    observation, _ = env.reset(seed=1)
    observation["tools"][0]["function"]["name"] = "forged"
    observation, *_ = env.step(says(call("exec", command="true")))
    observation["messages"][2]["tool_calls"][0]["function"]["arguments"] = "forged"
    observation, *_ = env.step(says({"id": ["odd"], "function": {"name": {"nested": ["list"]}}}))
    observation["messages"][4]["tool_calls"][0]["function"]["name"]["nested"].append("forged")
    observation, *_ = env.step("Hello?")
    assert "forged" not in json.dumps(observation)
    observation, _ = env.reset(seed=1)
    assert "forged" not in json.dumps(observation)


@pytest.mark.parametrize("x", ["oops", 5, ["a"], {"message": 1}, {"turn": 99, "step": 99}])
def test_what_comes_in_x_breaks_nothing_and_says_nothing_of_ours(env, x):
    env.reset(seed=1)
    env.step({"role": "assistant", "content": "hi", "x": x})
    note = env.episode.notes[2]
    assert (note["turn"], note["step"]) == (1, 1)


@pytest.mark.parametrize("tokens", [-5, float("nan"), "many", True])
def test_usage_that_is_no_amount_is_not_counted(env, tokens):
    env.reset(seed=1)
    env.step({"content": "hi", "x": {"usage": {"completion_tokens": tokens}}})
    assert env.episode.tokens == 0


def test_an_unseeded_episode_says_so(env):
    env.reset()
    assert env.trajectory(agent=NOBODY).seed is None
    env.reset(seed=0)
    assert env.trajectory(agent=NOBODY).seed == 0


def test_the_time_for_tools_is_watched_within_a_message():
    env = IntentEnv(TEXT, tool_time_s=0.2)
    env.reset(seed=1)
    calls = [call("exec", f"c{i}", command="sleep 0.3; echo ran") for i in range(4)]
    observation, _, _, truncated, info = env.step(says(*calls))
    answers = [m["content"].strip() for m in observation["messages"] if m["role"] == "tool"]
    assert answers[0] == "ran"
    assert all("time for tools" in answer for answer in answers[1:])
    assert truncated
    assert info["termination"] == "tool_time_budget"
    env.close()


def test_messages_keep_raw_arguments(env):
    env.reset(seed=1)
    raw = '{ "path" : "a.txt",  "content":"x" }'
    message = says({"id": "k", "type": "function", "function": {"name": "write", "arguments": raw}})
    observation, *_ = env.step(message)
    assistant = observation["messages"][-2]
    assert assistant["tool_calls"][0]["function"]["arguments"] == raw


def test_stepping_an_unborn_or_finished_episode_is_refused():
    env = IntentEnv(TEXT, user=None)
    with pytest.raises(ConfigError, match="reset"):
        env.step("Hello?")
    env.reset(seed=1)
    env.step("Here you are.")
    with pytest.raises(ResetNeeded):
        env.step("One more thing.")


def test_what_is_no_action_is_refused_and_changes_nothing(env):
    env.reset(seed=1)
    with pytest.raises(InvalidAction):
        env.step(5)
    observation, *_ = env.step("Still here.")
    assert len(observation["messages"]) == 4


def test_direct_query_mode_ends_with_the_first_answer():
    env = IntentEnv(TEXT, user=None)
    observation, _ = env.reset(seed=1)
    assert observation["messages"][-1] == {"role": "user", "content": TEXT}
    observation, reward, terminated, truncated, info = env.step("Here you are.")
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["termination"] == "agent_ended"
    assert info["judged"] is False
    record = env.trajectory(agent=NOBODY)
    assert record.reward is None
    assert record.provenance.user is None


def test_budgets_truncate():
    env = IntentEnv(TEXT, max_turns=2, max_tool_calls=3)
    env.reset(seed=1)
    env.step("Hm.")
    *_, terminated, truncated, info = env.step("Hm again.")
    assert (terminated, truncated, info["termination"]) == (False, True, "turn_budget")

    env.reset(seed=1)
    calls = [call("exec", f"c{i}", command="true") for i in range(5)]
    observation, _, terminated, truncated, info = env.step(says(*calls))
    assert (terminated, truncated, info["termination"]) == (False, True, "tool_call_budget")
    answered = [m["tool_call_id"] for m in observation["messages"] if m["role"] == "tool"]
    assert answered == [c["id"] for c in calls]
    env.close()


def test_token_budget_counts_reported_usage():
    env = IntentEnv(TEXT, token_budget=100)
    env.reset(seed=1)
    *_, truncated, _ = env.step({"content": "a", "x": {"usage": {"completion_tokens": 60}}})
    assert not truncated
    *_, truncated, info = env.step({"content": "b", "x": {"usage": {"completion_tokens": 60}}})
    assert truncated
    assert info["termination"] == "token_budget"
    assert env.trajectory(agent=NOBODY).usage == {"completion_tokens": 120}
    env.close()


def test_an_agent_that_ends_its_own_workspace_ends_its_episode():
    env = IntentEnv(TEXT)
    env.reset(seed=1)
    env.step(says(call("write", path="kept.txt", content="here")))
    bomb = "kill -9 -1; kill -9 1; echo survived"
    observation, _, terminated, _, info = env.step(
        says(call("exec", "boom", command=bomb), call("exec", "after", command="echo after"))
    )
    answered = [m["tool_call_id"] for m in observation["messages"] if m["role"] == "tool"]
    assert answered[-2:] == ["boom", "after"]
    if terminated:
        assert info["termination"] == "workspace_gone"
    else:  # PID 1 is out of the agent's reach: the workspace lives on
        observation, *_ = env.step(says(call("read", "again", path="kept.txt")))
        assert "here" in observation["messages"][-1]["content"]
    env.close()


def test_truncating_from_outside_scores_and_records():
    env = IntentEnv(TEXT)
    env.reset(seed=1)
    env.step(says(call("write", path="poem.txt", content="x")))
    assert env.truncate("time_limit") == 0.0
    record = env.trajectory(agent=NOBODY)
    assert record.termination.reason == "time_limit"
    assert record.termination.truncated
    assert [c.path for c in record.workspace.diff] == ["poem.txt"]


def test_wrappers_work():
    env = RecordEpisodeStatistics(TimeLimit(gym.make("ise_env:ISE/Intent-v0", intent=TEXT), 2))
    env.reset(seed=1)
    *_, truncated, _ = env.step("One.")
    assert not truncated
    *_, truncated, info = env.step("Two.")
    assert truncated
    assert info["episode"]["l"] == 2
    env.close()


def test_delta_observation_shows_what_is_new():
    env = ise_env.DeltaObservation(gym.make("ise_env:ISE/Intent-v0", intent=TEXT))
    observation, _ = env.reset(seed=1)
    assert [m["role"] for m in observation["messages"]] == ["system", "user"]
    observation, *_ = env.step(says(call("exec", command="echo hi")))
    assert [m["role"] for m in observation["messages"]] == ["assistant", "tool"]
    observation, *_ = env.step("Hello.")
    assert [m["role"] for m in observation["messages"]] == ["assistant", "user"]
    env.close()


@pytest.mark.parametrize("form", ["text", "dict", "intent"])
def test_spec_round_trips_through_json(form):
    intent = ise_env.as_intent(TEXT)
    given = {"text": TEXT, "dict": intent.model_dump(mode="json"), "intent": intent}[form]
    env = gym.make("ise_env:ISE/Intent-v0", intent=given, max_turns=9)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    again = gym.make(spec)
    assert again.unwrapped.intent == env.unwrapped.intent
    assert again.unwrapped.max_turns == 9


def test_register_intents_gives_each_its_own_id():
    intents = [ise_env.as_intent(f"List the files, please ({i}).") for i in range(3)]
    ids = ise_env.register_intents(intents)
    env = gym.make(ids[1])
    assert env.unwrapped.intent == intents[1]
    for env_id in ids:
        gym.registry.pop(env_id)


def test_render_modes(capsys):
    env = IntentEnv(TEXT, render_mode="ansi")
    env.reset(seed=1)
    env.step(says(call("exec", command="echo hi \x1b[31mred")))
    text = env.render()
    assert "exec" in text
    assert "\x1b" not in text
    env.close()
    env = IntentEnv(TEXT, render_mode="human")
    env.reset(seed=1)
    assert "user" in capsys.readouterr().out
    env.close()
    with pytest.raises(ConfigError, match="rgb_array"):
        IntentEnv(TEXT, render_mode="rgb_array")


def test_configuration_errors_are_one_line():
    with pytest.raises(ConfigError, match="teleport"):
        IntentEnv(TEXT, tools=["teleport"])
    with pytest.raises(ConfigError, match="intent"):
        IntentEnv().reset()
    with pytest.raises(ConfigError):
        IntentEnv(TEXT, user="nobody-of-that-name").reset()
    with pytest.raises(ConfigError):
        IntentEnv(TEXT, workspace="nowhere").reset()


def test_close_is_idempotent_and_reset_starts_afresh(env):
    env.close()
    env.reset(seed=1)
    env.step(says(call("write", path="left.txt", content="x")))
    env.reset(seed=1)
    observation, *_ = env.step(says(call("exec", command="ls")))
    assert observation["messages"][-1]["content"] == "(no output)"
    env.close()
    env.close()
