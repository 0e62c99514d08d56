"""sessions_history: what was said in one of the agent's sessions."""

from __future__ import annotations

from pydantic import Field

from ise_env.tools.agent_sessions import AgentSessions
from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.tools.session_history import shown_messages

DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000


class SessionsHistoryParams(Params):
    """Parameters of `sessions_history`."""

    sessionKey: str = Field(min_length=1, description="Key of the session, from sessions_list.")
    limit: int | None = Field(None, ge=1, description="Most messages, the last ones (default 50).")
    includeTools: bool | None = Field(None, description="Show tool calls and results, too.")


@tool(
    "sessions_history",
    "Read what was said in one of your sessions: an earlier conversation, or a sub-agent's.",
)
def sessions_history(p: SessionsHistoryParams, context: ToolContext) -> ToolResult:
    """Show a session's last messages; see `SessionsHistoryParams`.

    Raises:
        ToolFailure: There is no such session.
    """
    session = AgentSessions.of(context).get(p.sessionKey)
    limit = min(p.limit or DEFAULT_LIMIT, MAX_LIMIT)
    shown = shown_messages(session.messages, limit, tools=bool(p.includeTools))
    value = {
        "sessionKey": session.key,
        "messages": shown.messages,
        "truncated": shown.left_out,
        "contentTruncated": shown.cut,
    }
    partly = shown.cut or (shown.left_out and p.limit is None)
    return ToolResult(as_json(value), Outcome(status="truncated" if partly else "ok"))
