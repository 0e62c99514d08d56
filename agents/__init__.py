"""Policies: an observation in, an assistant message out.

Scripted ones (oracle, faulty, nop, random, replay) need no model and say so in their
provenance. Agents know observations and actions, nothing of environments or rollouts.
"""

from ise_env.agents.factory import SCRIPTED, AgentFactory, make_agent
from ise_env.agents.protocol import Agent, AgentContext, AgentProvenance

__all__ = ["SCRIPTED", "Agent", "AgentContext", "AgentFactory", "AgentProvenance", "make_agent"]
