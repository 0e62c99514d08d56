"""What a user simulator is: structured turns out, observables in.

A user never sees the checks, exit codes or any verdict: only what a person at the screen
would. It never shares the agent's model client or context. Only `message` reaches the agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ise_env.workspaces.protocol import FileChange

Act = Literal[
    "request",
    "answer",
    "correct",
    "challenge",
    "confirm",
    "status",
    "change_mind",
    "close",
    "give_up",
]


class UserVerdict(BaseModel):
    """The user's own opinion at the end; recorded, compared with the checks, never rewarded."""

    model_config = ConfigDict(extra="forbid")

    satisfied: bool
    reason: str


class UserTurn(BaseModel):
    """One structured user turn."""

    model_config = ConfigDict(extra="forbid")

    act: Act
    subgoal: str | None = None
    """`<task id>.<sub-goal>` that the turn is about."""
    facts_used: list[str] = Field(default_factory=list)
    new_facts: list[str] = Field(default_factory=list)
    observed: list[str] = Field(default_factory=list)
    """What of the digest the turn points at."""
    rechecks: bool = False
    """Whether it asks the agent to look at the result again: what the answer counts is what the
    agent looked at, not what it had to tell."""
    message: str
    verdict: UserVerdict | None = None
    """Given with `close` and `give_up`, which end the episode."""
    attempts: list[dict[str, Any]] = Field(default_factory=list)
    """Rejected attempts with the rules that rejected them."""

    @property
    def ends(self) -> bool:
        """Whether the user leaves after this turn."""
        return self.act in ("close", "give_up")


@dataclass(frozen=True)
class Digest:
    """What the user can observe since their last turn (about 1,500 tokens at most)."""

    agent_text: str
    changes: tuple[FileChange, ...] = ()
    """Files added, modified, deleted since the user's last turn; at most 20, no caches."""
    more_changes: int = 0
    """How many more there were."""
    heads: tuple[tuple[str, str], ...] = ()
    """(path, first lines) of at most two files that this persona would open."""
    contents: tuple[tuple[str, str], ...] = ()
    """Those of the same files that somebody would read to the end, whole; for no prompt."""
    claims: tuple[str, ...] = ()
    """Claim against reality, computed by code: `report.csv: not there`."""
    mail: tuple[str, ...] = ()
    """Mail that has come for the user since then: `Ada <ada@example.org>: Re: the offer`."""
    tool_calls: int = 0
    """How many tool calls the agent made since then (a person sees that it worked)."""


@dataclass(frozen=True)
class UserProvenance:
    """Who plays the user, for the trace."""

    name: str
    version: str
    scripted: bool
    model: str | None = None
    prompt_sha256: str | None = None
    lock_sha256: str | None = None
    """Of the classifier that judged its turns."""


class User(Protocol):
    """One episode's user."""

    provenance: UserProvenance

    def open(self) -> UserTurn:
        """Say the first words.

        Raises:
            UserSimulatorError: No legal turn could be made.
        """
        ...

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Paths (at most two) whose first lines this user looks at before answering."""
        ...

    def reply(self, digest: Digest) -> UserTurn:
        """Answer the agent's message, given what can be observed.

        Raises:
            UserSimulatorError: No legal turn could be made.
        """
        ...

    def ledger(self) -> dict[str, Any]:
        """Believed state of every sub-goal and revealed facts, JSON-able, for the trace."""
        ...
