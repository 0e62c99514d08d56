"""agents_list: whom sessions_spawn can hand a task to."""

from __future__ import annotations

from ise_env.tools.agent_sessions import NEEDS, nobody_to_play
from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.tools.sessions_spawn import AGENT_ID


class AgentsListParams(Params):
    """`agents_list` takes none."""


@tool(
    "agents_list",
    "List the ids of agents that sessions_spawn can begin.",
    needs=NEEDS,
    missing=nobody_to_play,
)
def agents_list(p: AgentsListParams, context: ToolContext) -> ToolResult:
    """List agents: there is one, the agent itself."""
    value = {
        "requester": AGENT_ID,
        "allowAny": False,
        "agents": [{"id": AGENT_ID, "configured": True}],
    }
    return ToolResult(as_json(value), Outcome(status="ok"))
