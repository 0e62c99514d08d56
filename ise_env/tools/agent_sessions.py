"""The agent's sessions: this one, earlier ones that the world begins with, and sub-agents.

The store is the tools' side of it. The other side is whoever plays the episode: after every
message of the parent's it calls `advance`, which lets each running sub-agent play one message;
when the parent ends its turn it calls `wait`, which lets them play until one ends, and gives the
text that announces it. So parent and sub-agents work side by side without threads, and the same
seed gives the same order.

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
from ise_env.tools.announcement import announcement, name_of
from ise_env.tools.base import Tool, ToolContext, ToolFailure
from ise_env.tools.session_seed import SessionKind, SessionSeed
from ise_env.tools.subagent import Brief, Subagent, SubagentLimits, SubagentPolicy
from ise_env.traces.record import SubagentRecord

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
    listed: bool = True


@dataclass
class AgentSessions:
    """The sessions of one episode, the main one first.

    Attributes:
        policy: Plays sub-agents; None where nobody can.
        limits: What sub-agents may use up.
        usage: Gives the usage of the episode so far; None where no model ran.
        workspace_gone: Whether a sub-agent ended the workspace's processes.
    """

    context: ToolContext
    sessions: dict[str, AgentSession]
    tools: Mapping[str, Tool[Any]] = field(default_factory=dict)
    policy: SubagentPolicy | None = None
    limits: SubagentLimits = field(default_factory=SubagentLimits)
    usage: Callable[[], dict[str, Any] | None] = lambda: None
    workspace_gone: bool = False
    _children: list[Subagent] = field(default_factory=list)
    _announced: set[str] = field(default_factory=set)
    _billed: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)

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
        made = cls(context, sessions, {}, policy, limits or SubagentLimits(), usage)
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

    # -- for the tools -----------------------------------------------------------------------

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

    @property
    def children(self) -> list[Subagent]:
        """Every sub-agent so far, the oldest first."""
        return list(self._children)

    @property
    def running(self) -> list[Subagent]:
        """Those at work."""
        return [child for child in self._children if child.status == "running"]

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
        if session.child.status != "running":
            self._make_room()
            self._announced.discard(session.child.run_id)
        session.child.hear(message)
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
        self._make_room()
        if len(self._children) >= self.limits.in_all:
            raise ToolFailure(
                f"no further sub-agents: {self.limits.in_all} is the most in one episode",
                error="limit",
            )
        rng = self.context.rng
        brief = Brief(session.key, task, session.label, int(rng.integers(2**31)))
        limits = self.limits
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
        self._children.append(child)
        return child

    def _make_room(self) -> None:
        if len(self.running) >= self.limits.at_once:
            raise ToolFailure(
                f"{self.limits.at_once} sub-agents are at work, which is the most at once: wait "
                "for one to end, or kill one",
                error="limit",
            )

    def find_child(self, target: str) -> Subagent:
        """Return a sub-agent by number in the list, label, key, run id, or `last`.

        Raises:
            ToolFailure: There is none.
        """
        wanted = target.strip()
        if wanted == "last" and self._children:
            return self._children[-1]
        if wanted.isdecimal() and 0 < int(wanted) <= len(self._children):
            return self._children[int(wanted) - 1]
        for child in reversed(self._children):
            if wanted in (child.brief.session_key, child.run_id, name_of(child)):
                return child
        raise ToolFailure(f"Unknown subagent target: {target}", error="not_found")

    # -- for whoever plays the episode -------------------------------------------------------

    def advance(self) -> None:
        """Let each running sub-agent play one message.

        Raises:
            IseError: Infrastructure failed.
        """
        for child in self.running:
            if child.status == "running" and not self.workspace_gone:
                self.workspace_gone = child.play()

    def wait(self) -> str:
        """Let sub-agents work until one ends; announce all that have.

        Returns:
            The message for the parent; empty when there is nobody to wait for.

        Raises:
            IseError: Infrastructure failed.
        """
        while not self._to_announce() and self.running and not self.workspace_gone:
            self.advance()
        ended = self._to_announce()
        if not ended:
            return ""
        for child in ended:
            self.was_told(child)
        return announcement(ended)

    def _to_announce(self) -> list[Subagent]:
        return [
            child
            for child in self._children
            if child.announces and child.status != "running" and child.run_id not in self._announced
        ]

    def was_told(self, child: Subagent) -> None:
        """The parent knows how it ended; there is nothing more to announce."""
        self._announced.add(child.run_id)
        if child.forgotten_after:
            self.sessions[child.brief.session_key].listed = False

    @property
    def tool_seconds(self) -> float:
        """Time that sub-agents spent inside tools."""
        return sum(call.outcome.duration_s for child in self._children for call in child.calls)

    def take_usage(self) -> list[dict[str, Any]]:
        """What sub-agents' models used since the last call."""
        new = []
        for child in self._children:
            steps, before = self._billed.get(child.run_id, (0, {}))
            if child.steps > steps and child.usage is not None:
                new.append({k: v - before.get(k, 0) for k, v in child.usage.items()})
            self._billed[child.run_id] = child.steps, dict(child.usage or {})
        return new

    def records(self) -> list[SubagentRecord]:
        """What the trace keeps of the sub-agents."""
        return [child.record() for child in self._children]


def nobody_to_play(context: ToolContext) -> str:
    """Say that an episode lacks a policy for sub-agents, if it does."""
    return "" if AgentSessions.of(context).policy is not None else "nobody plays sub-agents"


def _uuid(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))
