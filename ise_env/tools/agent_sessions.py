"""The agent's sessions: this one, earlier ones that the world begins with, and sub-agents'.

Sub-agents have no session tools: they cannot begin sub-agents of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ise_env.errors import ConfigError
from ise_env.spaces import Message
from ise_env.tools.base import Tool, ToolContext, ToolFailure
from ise_env.tools.crew import Crew
from ise_env.tools.session_seed import SessionKind, SessionSeed
from ise_env.tools.subagent import Brief, Subagent, SubagentLimits, SubagentPolicy

MAIN_KEY = "agent:main:main"
START_MS = 1_767_258_000_000
"""2026-01-01 09:00 UTC, when every episode begins: what ages are counted from."""
SESSION_TOOLS = frozenset(
    {
        *("sessions_list", "sessions_history", "sessions_send", "sessions_spawn"),
        *("session_status", "subagents", "agents_list"),
    }
)
"""Not offered to sub-agents."""
NEEDS = "a policy for sub-agents (a rollout gives the agent itself)"
_STATE = "agent_sessions"


@dataclass
class AgentSession:
    """One conversation that the agent can look at."""

    key: str
    session_id: str
    kind: SessionKind
    label: str
    messages: list[Message]
    updated_ms: int
    child: Subagent | None = None
    """Who is, or was, at work in it during this episode."""


@dataclass
class AgentSessions:
    """The sessions of one episode, the main one first.

    Attributes:
        crew: The sub-agents.
        tools: What sub-agents are offered.
        policy: Plays them; None where nobody can.
        usage: Gives the usage of the episode so far; None where no model ran.
    """

    context: ToolContext
    sessions: dict[str, AgentSession]
    crew: Crew
    tools: Mapping[str, Tool[Any]] = field(default_factory=dict)
    policy: SubagentPolicy | None = None
    usage: Callable[[], dict[str, Any] | None] = lambda: None

    @classmethod
    def install(
        cls,
        context: ToolContext,
        seeds: Iterable[SessionSeed] = (),
        *,
        tools: Mapping[str, Tool[Any]] | None = None,
        policy: SubagentPolicy | None = None,
        limits: SubagentLimits | None = None,
        history: list[Message] | None = None,
        usage: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> AgentSessions:
        """Give an episode its sessions.

        Args:
            context: The parent's.
            seeds: Earlier sessions.
            tools: What the parent is offered; sub-agents get those that are not about sessions.
            policy: Plays sub-agents.
            limits: What they may use up.
            history: The parent's messages, which grow while the episode goes on.
            usage: Gives the parent's usage so far.

        Raises:
            ConfigError: Two seeds of one name.
        """
        main = AgentSession(
            MAIN_KEY, _uuid(context.rng), "main", "", [] if history is None else history, START_MS
        )
        sessions = {MAIN_KEY: main}
        for seed in seeds:
            if seed.key in sessions:
                raise ConfigError(f"two earlier sessions are called {seed.name!r}")
            earlier = [dict(message) for message in seed.messages]
            updated = START_MS - seed.age_minutes * 60_000
            sessions[seed.key] = AgentSession(
                seed.key, _uuid(context.rng), seed.kind, seed.label, earlier, updated
            )
        crew = Crew(limits or SubagentLimits())
        made = cls(context, sessions, crew, policy=policy, usage=usage)
        made.offer(tools or {})
        context.state[_STATE] = made
        return made

    @staticmethod
    def of(context: ToolContext) -> AgentSessions:
        """Return the episode's own."""
        found = context.state.get(_STATE) or AgentSessions.install(context)
        assert isinstance(found, AgentSessions)
        return found

    def offer(self, tools: Mapping[str, Tool[Any]]) -> None:
        """Let sub-agents use what the parent may use, but for the session tools."""
        self.tools = {name: tool for name, tool in tools.items() if name not in SESSION_TOOLS}

    def get(self, key: str) -> AgentSession:
        """Return a session by its key (`main` is this one).

        Raises:
            ToolFailure: There is none.
        """
        found = self.sessions.get(MAIN_KEY if key == "main" else key)
        if found is None:
            raise ToolFailure(f"Session not found: {key}", error="not_found")
        return found

    def by_label(self, label: str) -> AgentSession:
        """Return the session of that label.

        Raises:
            ToolFailure: There is none, or more than one.
        """
        found = [s for s in self.sessions.values() if s.label.lower() == label.lower()]
        if len(found) != 1:
            what = "No session found" if not found else f"{len(found)} sessions found"
            raise ToolFailure(f"{what} with label: {label}", error="not_found")
        return found[0]

    def listed(self) -> list[AgentSession]:
        """Sessions that are shown: not those of sub-agents that were to leave nothing behind."""
        return [
            session
            for session in self.sessions.values()
            if not (session.child and session.child.forgotten_after)
            or not self.crew.was_told(session.child)
        ]

    def spawn(self, task: str, label: str, seconds: float | None) -> Subagent:
        """Begin a sub-agent in a session of its own.

        Raises:
            ToolFailure: Nobody can play it, or there are too many.
        """
        session_id = _uuid(self.context.rng)
        key = f"agent:main:subagent:{session_id}"
        session = AgentSession(key, session_id, "other", label, [], START_MS)
        child = self._begin(session, task, "sessions_spawn", seconds)
        self.sessions[key] = session
        return child

    def send(self, session: AgentSession, message: str) -> Subagent:
        """Give a message to whoever works in a session, or let somebody go on in it.

        Raises:
            ToolFailure: It is this session, nobody can play it, or there are too many.
        """
        if session.key == MAIN_KEY:
            raise ToolFailure("that is this very session", error="bad_arguments")
        if session.child is None:
            return self._begin(session, message, "sessions_send", None)
        self.crew.hear(session.child, message)
        return session.child

    def _begin(
        self,
        session: AgentSession,
        task: str,
        begun_by: Literal["sessions_spawn", "sessions_send"],
        seconds: float | None,
    ) -> Subagent:
        if self.policy is None:
            raise ToolFailure(
                "no sub-agents here: nobody was named to play them in this episode",
                error="unavailable",
            )
        self.crew.make_room(new=True)
        rng = self.context.rng
        brief = Brief(session.key, task, session.label, int(rng.integers(2**31)))
        limits = self.crew.limits
        if seconds:
            limits = replace(limits, seconds=min(seconds, limits.seconds))
        child = Subagent(
            brief=brief,
            run_id=_uuid(rng),
            begun_by=begun_by,
            begun_in_step=self.context.state.get("dispatch", 0),
            messages=session.messages,
            context=replace(self.context, rng=np.random.default_rng(brief.seed), state={}),
            tools=self.tools,
            limits=limits,
            act=self.policy(brief),
        )
        session.child = child
        self.crew.add(child)
        return child


def nobody_to_play(context: ToolContext) -> str:
    """Say that an episode lacks a policy for sub-agents, if it does."""
    return "" if AgentSessions.of(context).policy is not None else "nobody plays sub-agents"


def _uuid(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))
