"""Kits' solutions as assistant messages: what plays a sub-agent when a kit is admitted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ise_env.errors import AgentError
from ise_env.tasks.kit import Solution, ToolCall, ToolReply, Wait
from ise_env.tools.subagent import Act, Brief, SubagentPolicy

Delegate = Callable[[str], Solution | None]
"""From the text of a task to the steps that do it."""


def delegate_policy(delegate: Delegate) -> SubagentPolicy:
    """Play sub-agents with the steps that a kit has for what it hands out."""

    def begin(brief: Brief) -> Act:
        return _Worker(brief.session_key, delegate).act

    return begin


class _Worker:
    """One sub-agent: every message of its parent begins a solution."""

    def __init__(self, key: str, delegate: Delegate) -> None:
        self._key = key
        self._delegate = delegate
        self._solution: Solution | None = None
        self._calls = 0

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Answer with the next step, or with the closing words."""
        messages = observation["messages"]
        last = messages[-1]
        try:
            if last["role"] == "user" or self._solution is None:
                task = str(last["content"])
                self._solution = self._delegate(task)
                if self._solution is None:
                    raise AgentError(f"nobody knows how to do this as a sub-agent: {task[:200]}")
                step = next(self._solution)
            else:
                step = self._solution.send(_replies(messages))
        except StopIteration as end:
            return {"role": "assistant", "content": str(end.value)}
        if isinstance(step, Wait):
            raise AgentError("a sub-agent has nobody to wait for")
        calls = [step] if isinstance(step, ToolCall) else step
        self._calls += 1
        return message_of(calls, f"{self._key}/{self._calls}")


def message_of(calls: Sequence[ToolCall], name: str) -> dict[str, Any]:
    """An assistant message that makes calls, with ids of its own."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": f"{name}/{number}",
                "type": "function",
                "function": {"name": call.tool, "arguments": json.dumps(dict(call.arguments))},
            }
            for number, call in enumerate(calls)
        ],
    }


def _replies(messages: Sequence[dict[str, Any]]) -> list[ToolReply]:
    """What came back for the calls of the last assistant message."""
    replies: list[ToolReply] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        replies.append(ToolReply(str(message["content"])))
    return replies[::-1]
