"""sessions_list: the agent's own sessions, this one, earlier ones and sub-agents'."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ise_env.tools.agent_sessions import START_MS, AgentSession, AgentSessions
from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.tools.session_history import shown_messages
from ise_env.tools.session_seed import SessionKind

DEFAULT_LIMIT = 50
_MAX_MESSAGES = 20


class SessionsListParams(Params):
    """Parameters of `sessions_list`."""

    kinds: list[SessionKind] | None = Field(None, description="Only sessions of these kinds.")
    limit: int | None = Field(None, ge=1, description="Most sessions (default 50).")
    activeMinutes: float | None = Field(
        None, ge=1, description="Only sessions used within so many minutes."
    )
    messageLimit: int | None = Field(
        None, ge=0, description="Show so many of each session's last messages (default 0, most 20)."
    )


@tool(
    "sessions_list",
    "List your sessions: this one, earlier conversations, sub-agents. Gives the key with which "
    "sessions_history and sessions_send address them.",
)
def sessions_list(p: SessionsListParams, context: ToolContext) -> ToolResult:
    """List sessions, the latest first; see `SessionsListParams`."""
    store = AgentSessions.of(context)
    found = store.listed()
    if p.kinds is not None:
        found = [session for session in found if session.kind in p.kinds]
    if p.activeMinutes is not None:
        since = START_MS - p.activeMinutes * 60_000
        found = [session for session in found if session.updated_ms >= since]
    found.sort(key=lambda session: -session.updated_ms)
    shown = found[: p.limit or DEFAULT_LIMIT]
    rows = [_row(session, min(p.messageLimit or 0, _MAX_MESSAGES)) for session in shown]
    value = {"count": len(rows), "sessions": rows}
    return ToolResult(
        as_json(value), Outcome(status="ok" if len(shown) == len(found) else "truncated")
    )


def _row(session: AgentSession, messages: int) -> dict[str, Any]:
    row: dict[str, Any] = {"key": session.key, "kind": session.kind}
    if session.label:
        row["label"] = session.label
    row |= {"updatedAt": session.updated_ms, "sessionId": session.session_id}
    if session.child is not None:
        row["status"] = session.child.status
    if messages:
        row["messages"] = shown_messages(session.messages, messages, tools=False).messages
    return row
