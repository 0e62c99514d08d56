"""subagents: list, kill or steer the sub-agents of this session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from ise_env.tools.agent_sessions import NEEDS, AgentSessions, nobody_to_play
from ise_env.tools.announcement import name_of
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.crew import Crew
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.tools.subagent import Subagent


class SubagentsParams(Params):
    """Parameters of `subagents`."""

    action: Literal["list", "kill", "steer"] | None = Field(
        None, description="What to do (default list)."
    )
    target: str | None = Field(
        None, description="Which: number in the list, label, key, run id, last; kill takes all."
    )
    message: str | None = Field(None, description="For steer: what it is to do otherwise.")


@tool(
    "subagents",
    "Look after sub-agents that you began: list them, kill one, or steer one with a message that "
    "changes its task. Not for waiting: results come to you as messages.",
    needs=NEEDS,
    missing=nobody_to_play,
)
def subagents(p: SubagentsParams, context: ToolContext) -> ToolResult:
    """Look after sub-agents; see `SubagentsParams`.

    Raises:
        ToolFailure: No such sub-agent, none named, or it has ended.
    """
    crew = AgentSessions.of(context).crew
    action = p.action or "list"
    if action == "list":
        value = _list(crew.members)
    elif not p.target:
        raise ToolFailure(f"target is required for {action}", error="bad_arguments")
    elif action == "kill":
        value = _kill(crew, p.target)
    else:
        value = _steer(crew, p.target, p.message)
    return ToolResult(as_json({"status": "ok", "action": action, **value}), Outcome(status="ok"))


def _list(children: Sequence[Subagent]) -> dict[str, Any]:
    rows = [_row(number, child) for number, child in enumerate(children, 1)]
    active = [row for row in rows if row["status"] == "running"]
    recent = [row for row in rows if row["status"] != "running"]
    lines = ["active sub-agents:", *(_line(row) for row in active), *(["(none)"] * (not active))]
    lines += [
        "",
        "ended sub-agents:",
        *(_line(row) for row in recent),
        *(["(none)"] * (not recent)),
    ]
    return {"total": len(rows), "active": active, "recent": recent, "text": "\n".join(lines)}


def _row(number: int, child: Subagent) -> dict[str, Any]:
    return {
        "index": number,
        "runId": child.run_id,
        "sessionKey": child.brief.session_key,
        "label": name_of(child),
        "status": child.status,
        "messages": child.steps,
        "toolCalls": len(child.calls),
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['index']}. {row['label']}: {row['status']}, {row['messages']} messages, "
        f"{row['toolCalls']} tool calls"
    )


def _kill(crew: Crew, target: str) -> dict[str, Any]:
    if target == "all":
        killed = crew.running
        text = f"killed {len(killed)} sub-agents." if killed else "no running sub-agents to kill."
    else:
        child = crew.find(target)
        killed = [child] if child.status == "running" else []
        ended = f"{name_of(child)} has already ended ({child.status})."
        text = f"killed {name_of(child)}." if killed else ended
    for child in killed:
        child.end("killed", "killed by its parent")
        crew.tell(child)
    return {"target": target, "killed": len(killed), "text": text}


def _steer(crew: Crew, target: str, message: str | None) -> dict[str, Any]:
    if not message or not message.strip():
        raise ToolFailure("message is required for steer", error="bad_arguments")
    child = crew.find(target)
    if child.status != "running":
        raise ToolFailure(
            f"{name_of(child)} has already ended ({child.status}): use sessions_send to go on in "
            "its session",
            error="ended",
        )
    crew.hear(child, message)
    return {
        "target": target,
        "runId": child.run_id,
        "sessionKey": child.brief.session_key,
        "label": name_of(child),
        "text": f"steered {name_of(child)}.",
    }
