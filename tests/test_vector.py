"""The thread vector env, and Gymnasium's own over the same environment."""

import json
import math

import gymnasium as gym
import numpy as np
import pytest

import ise_env
from ise_env.errors import ConfigError, WorkspaceError

pytestmark = pytest.mark.usefixtures("local_backend")
TEXT = "List what is in the workspace and tell me about it."


def says(command: str) -> dict:
    function = {"name": "exec", "arguments": json.dumps({"command": command})}
    call = {"id": "c", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


@pytest.fixture
def envs():
    envs = gym.make_vec("ise_env:ISE/Intent-v0", num_envs=3, intent=TEXT)
    yield envs
    envs.close()


def test_make_vec_gives_threads_with_batched_spaces(envs):
    assert isinstance(envs.unwrapped, ise_env.ThreadVectorEnv)
    assert envs.metadata["autoreset_mode"] == gym.vector.AutoresetMode.DISABLED
    observations, infos = envs.reset(seed=4)
    assert observations in envs.observation_space
    assert list(infos["turn"]) == [1, 1, 1]
    actions = tuple(says(f"echo {i}") for i in range(3))
    observations, rewards, terminated, truncated, _ = envs.step(actions)
    assert [h[-1]["content"].strip() for h in observations["messages"]] == ["0", "1", "2"]
    assert rewards.tolist() == [0.0, 0.0, 0.0]
    assert not terminated.any()
    assert not truncated.any()


def test_steps_overlap(envs):
    """Each waits for a file that the next one makes: in sequence they would never end."""
    envs.reset(seed=1)
    envs.step(tuple(says("mkfifo gate") for _ in range(3)))
    workspaces = [env.unwrapped._live.workspace for env in envs.unwrapped.envs]

    def waiting(i: int) -> dict:
        return says("timeout 20 cat gate")

    import threading

    opener = threading.Thread(
        target=lambda: [w.run("timeout 20 sh -c 'echo open > gate'") for w in reversed(workspaces)]
    )
    opener.start()
    observations, *_ = envs.step(tuple(waiting(i) for i in range(3)))
    opener.join()
    assert [h[-1]["content"].strip() for h in observations["messages"]] == ["open"] * 3


def test_reset_mask_resets_only_those(envs):
    envs.reset(seed=1)
    envs.step(tuple(says("touch mine") for _ in range(3)))
    mask = np.array([False, True, False])
    observations, _ = envs.reset(options={"reset_mask": mask})
    assert [len(h) for h in observations["messages"]] == [4, 2, 4]
    observations, *_ = envs.step(tuple(says("ls") for _ in range(3)))
    seen = [h[-1]["content"] for h in observations["messages"]]
    assert seen == ["mine\n", "(no output)", "mine\n"] or seen == ["mine", "(no output)", "mine"]


def test_env_options_give_each_its_own_intent(envs):
    own = [{"intent": f"Count the files in folder {name}."} for name in "abc"]
    observations, infos = envs.reset(seed=1, options={"env_options": own})
    assert len(set(infos["intent_id"])) == 3
    for env, name in zip(envs.unwrapped.envs, "abc", strict=True):
        assert env.unwrapped.intent.utterance == f"Count the files in folder {name}."
    assert len({h[1]["content"] for h in observations["messages"]}) == 3


def test_one_env_s_failure_loses_nobody_else_s_result(envs):
    envs.reset(seed=1)

    def broken(*args, **kwargs):
        raise WorkspaceError("the machinery failed", retryable=True)

    envs.unwrapped.envs[1].unwrapped.step = broken
    observations, rewards, _, truncated, infos = envs.step(tuple(says("echo hi") for _ in range(3)))
    assert truncated.tolist() == [False, True, False]
    assert math.isnan(rewards[1])
    assert "the machinery failed" in infos["error"][1]
    assert observations["messages"][0][-1]["content"].strip() == "hi"
    assert observations["messages"][2][-1]["content"].strip() == "hi"


def test_max_episode_steps_and_finished_envs_wait():
    envs = gym.make_vec("ise_env:ISE/Intent-v0", num_envs=2, intent=TEXT, max_episode_steps=1)
    envs.reset(seed=1)
    *_, truncated, infos = envs.step(("Hm.", "Hm."))
    assert truncated.tolist() == [True, True]
    assert list(infos["termination"]) == ["time_limit", "time_limit"]
    observations, rewards, _, truncated, _ = envs.step((None, None))
    assert truncated.tolist() == [True, True]
    assert rewards.tolist() == [0.0, 0.0]
    assert all(len(h) == 4 for h in observations["messages"])
    envs.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reset_mask": np.array([True])}, "reset_mask"),
        ({"reset_mask": np.array([False] * 3)}, "reset_mask"),
        ({"env_options": [{}]}, "env_options"),
    ],
)
def test_wrong_options_are_named(envs, options, words):
    with pytest.raises(ConfigError, match=words):
        envs.reset(options=options)


def test_wrong_numbers_are_named(envs):
    with pytest.raises(ConfigError, match="seeds"):
        envs.reset(seed=[1, 2])
    envs.reset(seed=[1, 2, 3])
    with pytest.raises(ConfigError, match="actions"):
        envs.step(("one",))
    with pytest.raises(ConfigError, match="intents"):
        ise_env.ThreadVectorEnv(2, intents=[TEXT])


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasium_s_vector_envs_work_too(mode):
    kwargs = {"shared_memory": False} if mode == "async" else {}
    envs = gym.make_vec(
        "ise_env:ISE/Intent-v0",
        num_envs=2,
        intent=TEXT,
        vectorization_mode=mode,
        vector_kwargs=kwargs,
    )
    observations, _ = envs.reset(seed=1)
    assert [len(h) for h in observations["messages"]] == [2, 2]
    observations, *_ = envs.step((says("echo a"), says("echo b")))
    assert [h[-1]["content"].strip() for h in observations["messages"]] == ["a", "b"]
    envs.close()


def test_shared_memory_fails_loudly():
    with pytest.raises(ValueError, match=r"(?i)shared"):
        gym.make_vec("ise_env:ISE/Intent-v0", num_envs=2, intent=TEXT, vectorization_mode="async")
