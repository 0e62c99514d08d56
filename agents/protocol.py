"""What an agent is: an observation in, an assistant message out.

Agents see observations only. `AgentContext` carries the intent for the privileged scripted
policies (oracle and its kin), which say so in their provenance; no other agent may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ise_env.intents.model import Intent
from ise_env.traces.record import AgentProvenance

__all__ = ["Agent", "AgentContext", "AgentProvenance"]


@dataclass(frozen=True)
class AgentContext:
    """What an agent is told before an episode."""

    intent: Intent
    seed: int
    """All of a scripted agent's randomness comes from this."""
    subagent: str | None = None
    """Session key, where the agent is to play a sub-agent: its user is another agent, and its
    history holds one task."""


class Agent(Protocol):
    """A policy; one instance plays one episode at a time."""

    provenance: AgentProvenance

    def reset(self, context: AgentContext) -> None:
        """Get ready for a new episode."""
        ...

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Answer `{"messages": [...], "tools": [...]}` with an assistant message.

        The message may carry a key `x` (usage, timing, log-probabilities); it is moved to the
        trace and never enters the history.

        Raises:
            ModelEndpointError: The model behind the agent failed.
        """
        ...

    def close(self) -> None:
        """Release connections; idempotent."""
        ...
