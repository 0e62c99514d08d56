"""The whole loop in fifteen lines: an intent, its environment, an agent, a reward.

python examples/loop.py
"""

import gymnasium as gym

from ise_env import AgentContext, make_agent, sample

intent = next(sample(1, seed=7))
env = gym.make("ise_env:ISE/Intent-v0", intent=intent)
agent = make_agent("oracle")()

observation, info = env.reset(seed=7)
agent.reset(AgentContext(intent, seed=7))
done = False
while not done:
    message = agent.act(observation)
    observation, reward, terminated, truncated, info = env.step(message)
    done = terminated or truncated

print(env.unwrapped.episode.messages[1]["content"])
print(f"{info['step']} steps, {info['turn']} user turns, {info['termination']}, reward {reward}")
env.close()
