"""sessions_send: say something in another session, and perhaps wait for the answer."""

from __future__ import annotations

import time

from pydantic import Field

from ise_env.tools.agent_sessions import NEEDS, AgentSessions, nobody_to_play
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool

DEFAULT_WAIT_S = 30.0


class SessionsSendParams(Params):
    """Parameters of `sessions_send`."""

    message: str = Field(min_length=1, description="What to say.")
    sessionKey: str | None = Field(None, description="Key of the session, from sessions_list.")
    label: str | None = Field(None, max_length=64, description="Or its label.")
    timeoutSeconds: float | None = Field(
        None,
        ge=0,
        description="Seconds to wait for the answer (default 30); 0 leaves it to come later.",
    )


@tool(
    "sessions_send",
    "Send a message into another of your sessions: to a sub-agent that is at work, or to go on "
    "with an earlier conversation. Waits for the answer; with timeoutSeconds 0 the answer comes "
    "later as a message.",
    needs=NEEDS,
    missing=nobody_to_play,
)
def sessions_send(p: SessionsSendParams, context: ToolContext) -> ToolResult:
    """Send a message; see `SessionsSendParams`.

    Raises:
        ToolFailure: No such session, no way to address one, or nobody can answer in it.
    """
    store = AgentSessions.of(context)
    if (p.sessionKey is None) == (p.label is None):
        raise ToolFailure("Give either sessionKey or label.", error="bad_arguments")
    session = store.get(p.sessionKey) if p.sessionKey else store.by_label(p.label or "")
    child = store.send(session, p.message)
    value = {"runId": child.run_id, "status": "accepted", "sessionKey": session.key}
    wait = DEFAULT_WAIT_S if p.timeoutSeconds is None else p.timeoutSeconds
    if wait == 0:
        child.announces = True
        value["delivery"] = "its answer comes to you as a message"
        return ToolResult(as_json(value), Outcome(status="ok"))
    deadline = time.monotonic() + wait
    while (
        child.status == "running" and time.monotonic() < deadline and not store.crew.workspace_gone
    ):
        store.crew.advance()
    if child.status == "running":
        child.announces = True
        value |= {"status": "timeout", "error": "no answer yet; it comes to you as a message"}
        return ToolResult(as_json(value), Outcome(status="timeout", error="no_answer"))
    store.crew.tell(child)
    if child.status != "done":
        raise ToolFailure(f"{session.key} gave no answer: {child.result}", error="no_answer")
    value |= {"status": "ok", "reply": child.result}
    return ToolResult(as_json(value), Outcome(status="ok"))
