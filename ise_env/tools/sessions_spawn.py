"""sessions_spawn: hand a task to a sub-agent."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ise_env.tools.agent_sessions import NEEDS, AgentSessions, nobody_to_play
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool

AGENT_ID = "main"

_NOTE = (
    "The sub-agent works beside you; its result comes to you as a message of its own. Go on with "
    "other work, or end your turn to wait for it. Do not poll."
)


class SessionsSpawnParams(Params):
    """Parameters of `sessions_spawn`."""

    task: str = Field(min_length=1, description="What to do, with all that it needs to know.")
    label: str | None = Field(None, max_length=64, description="Short name for it.")
    agentId: str | None = Field(None, description="Who: one of agents_list.")
    model: str | None = Field(None, description="Another model, where one can be chosen.")
    runTimeoutSeconds: float | None = Field(
        None, ge=0, description="Seconds after which it is stopped."
    )
    cleanup: Literal["delete", "keep"] | None = Field(
        None, description="Whether its session stays in sessions_list once it has ended (keep)."
    )


@tool(
    "sessions_spawn",
    "Hand a task to a sub-agent, which works on its own in this workspace and sees nothing of "
    "this conversation: put everything it needs into the task. Answers at once; the result comes "
    "later as a message.",
    needs=NEEDS,
    missing=nobody_to_play,
)
def sessions_spawn(p: SessionsSpawnParams, context: ToolContext) -> ToolResult:
    """Begin a sub-agent; see `SessionsSpawnParams`.

    Raises:
        ToolFailure: An unknown agent, nobody to play it, or too many sub-agents.
    """
    if p.agentId not in (None, "", AGENT_ID):
        raise ToolFailure(
            f"agentId is not allowed for sessions_spawn: {p.agentId} (allowed: {AGENT_ID})",
            error="forbidden",
        )
    store = AgentSessions.of(context)
    child = store.spawn(p.task, (p.label or "").strip(), p.runTimeoutSeconds)
    child.forgotten_after = p.cleanup == "delete"
    value: dict[str, Any] = {
        "status": "accepted",
        "childSessionKey": child.brief.session_key,
        "runId": child.run_id,
        "mode": "run",
        "note": _NOTE,
    }
    if p.model:
        value |= {"modelApplied": False, "warning": "sub-agents use the model that you use"}
    return ToolResult(as_json(value), Outcome(status="ok"))
