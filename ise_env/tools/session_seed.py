"""An earlier session of the agent that a task's world begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SessionKind = Literal["main", "group", "cron", "hook", "node", "other"]


@dataclass(frozen=True)
class SessionSeed:
    """A conversation that the agent can look up with `sessions_list` and `sessions_history`.

    Example:
        >>> seed = SessionSeed("ticket-81", ({"role": "user", "content": "Use port 8443."},))
        >>> seed.key
        'agent:main:ticket-81'
    """

    name: str
    """Unique in an intent: lower case, digits, `-`, `:`. Put the kit's folder in it."""
    messages: tuple[Mapping[str, Any], ...]
    """User, assistant and tool messages in the OpenAI wire shape, oldest first."""
    label: str = ""
    """What people call it; the other way to address it in `sessions_send`."""
    kind: SessionKind = "other"
    age_minutes: int = 1_440
    """How long before the episode it was last used."""

    @property
    def key(self) -> str:
        """The session key."""
        return f"agent:main:{self.name}"
