"""Sub-agents in one's own loop: the env asks a policy of yours to play them.

The policy is a function from an observation to an assistant message, the same shape as the
parent's; here both are a few lines of code instead of a model.

python examples/subagents.py
"""

import json

from ise_env import IntentEnv
from ise_env.agents import AgentProvenance


def call(name: str, **arguments: object) -> dict:
    function = {"name": name, "arguments": json.dumps(arguments)}
    calls = [{"id": f"call-{name}", "type": "function", "function": function}]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def play_subagent(brief):
    """Called at every sessions_spawn; `brief.task` is also the first message of its history."""

    def act(observation):
        if observation["messages"][-1]["role"] == "user":
            return call("exec", command="ls /etc | wc -l")
        printed = observation["messages"][-1]["content"].strip()
        return f"There are {printed} entries in /etc."

    return act


env = IntentEnv("How many entries has /etc?", user=None, subagent_policy=play_subagent)
env.reset(seed=1)
env.step(call("sessions_spawn", task="Count the entries of /etc.", label="counter"))

# The end of the parent's turn: the sub-agent's result comes before anybody else speaks.
observation, *_ = env.step("I have asked a helper.")
print(observation["messages"][-1]["content"])
env.step("The helper has counted them.")

record = env.trajectory(agent=AgentProvenance(name="example", scripted=True))
for child in record.subagents:
    print(child.label, child.status, [message["role"] for message in child.messages])
env.close()
