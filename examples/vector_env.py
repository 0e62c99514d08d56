"""Several environments stepped at the same time, each in a thread of its own.

python examples/vector_env.py
"""

import gymnasium as gym

from ise_env import AgentContext, make_agent, sample

intents = list(sample(3, seed=3))
envs = gym.make_vec("ise_env:ISE/Intent-v0", num_envs=len(intents), intents=intents)
agents = [make_agent("faulty")() for _ in intents]

observations, infos = envs.reset(seed=3)
for number, (agent, intent) in enumerate(zip(agents, intents, strict=True)):
    agent.reset(AgentContext(intent, seed=3 + number))

over, rewards = [False] * len(intents), [0.0] * len(intents)
while not all(over):
    actions = [
        None
        if over[i]
        else agent.act({"messages": observations["messages"][i], "tools": observations["tools"][i]})
        for i, agent in enumerate(agents)
    ]
    observations, gained, terminated, truncated, infos = envs.step(actions)
    for i in range(len(intents)):
        rewards[i] += gained[i]
        over[i] = over[i] or bool(terminated[i] or truncated[i])

print("rewards:", [round(float(reward), 2) for reward in rewards])
envs.close()
