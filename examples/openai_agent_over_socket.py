"""Any OpenAI-compatible endpoint as the agent; here it is served by a scripted policy.

    python examples/openai_agent_over_socket.py
    python examples/openai_agent_over_socket.py qwen3@http://127.0.0.1:8000/v1#temperature=0.7

Without an argument no model is needed: the oracle answers behind a local server, through the
same SDK, socket and protocol that a live model would use.
"""

import sys

from ise_env.agents import AgentContext, make_agent
from ise_env.agents.serve import ScriptedServer
from ise_env.env import IntentEnv
from ise_env.intents.sampler import sample

intent = next(sample(1, seed=7))

with ScriptedServer(intents=[intent]) as server:
    endpoint = sys.argv[1] if len(sys.argv) > 1 else f"oracle@{server.base_url}"
    agent = make_agent(f"openai:{endpoint}")()
    env = IntentEnv(intent)
    observation, info = env.reset(seed=7)
    agent.reset(AgentContext(intent, seed=7))
    done = False
    while not done:
        message = agent.act(observation)
        for call in message.get("tool_calls", ()):
            print(f"> {call['function']['name']} {call['function']['arguments'][:80]}")
        if message["content"]:
            print(f"agent: {message['content']}")
        observation, reward, terminated, truncated, info = env.step(message)
        done = terminated or truncated
    env.close()

print(f"{info['step']} steps, {info['termination']}, reward {reward}")
