"""session_status: a card with what a session has used, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ise_env.spaces import Message
from ise_env.tools.agent_sessions import MAIN_KEY, AgentSession, AgentSessions
from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.workspaces.protocol import Completed, Workspace


class SessionStatusParams(Params):
    """Parameters of `session_status`."""

    sessionKey: str | None = Field(None, description="Key of a session; this one if left out.")


@tool(
    "session_status",
    "Show a card about a session: date and time, messages and tool calls so far, tokens used and "
    "cost where they are known, sub-agents.",
)
def session_status(p: SessionStatusParams, context: ToolContext) -> ToolResult:
    """Show a session's card; see `SessionStatusParams`.

    What no model reported (tokens where a script acts, costs) is null, and `unknown` in the card.

    Raises:
        ToolFailure: There is no such session.
    """
    store = AgentSessions.of(context)
    session = store.get(p.sessionKey or MAIN_KEY)
    used = _usage(store, session)
    messages, calls = _counts(session.messages)
    time = _now(context.workspace)
    tokens = (
        "unknown"
        if used["inputTokens"] is None
        else f"{used['inputTokens']} in / {used['outputTokens']} out"
    )
    card = [
        f"Session: {session.key}" + (f" ({session.label})" if session.label else ""),
        f"Time: {time}",
        f"So far: {messages} messages, {calls} tool calls",
        f"Tokens: {tokens}",
        "Cost: unknown",
    ]
    if session.key == MAIN_KEY and store.crew.members:
        card.append(
            f"Sub-agents: {len(store.crew.running)} at work, {len(store.crew.members)} in all"
        )
    value = {
        "ok": True,
        "sessionKey": session.key,
        "changedModel": False,
        "usage": {**used, "costUsd": None},
        "statusText": "\n".join(card),
    }
    return ToolResult(as_json(value), Outcome(status="ok"))


def _usage(store: AgentSessions, session: AgentSession) -> dict[str, Any]:
    known: Mapping[str, Any] = {}
    if session.key == MAIN_KEY:
        known = store.usage() or {}
    elif session.child is not None:
        known = session.child.usage or {}
    return {
        "inputTokens": known.get("prompt_tokens"),
        "outputTokens": known.get("completion_tokens"),
    }


def _counts(messages: Sequence[Message]) -> tuple[int, int]:
    spoken = [message for message in messages if message["role"] in ("user", "assistant")]
    return len(spoken), sum(message["role"] == "tool" for message in messages)


def _now(workspace: Workspace) -> str:
    """The workspace's clock, as any program inside reads it."""
    done = workspace.run(["date", "-u", "+%Y-%m-%d %H:%M UTC"], cwd="/", timeout_s=10)
    return done.output.decode("utf-8", "replace").strip() if isinstance(done, Completed) else ""
