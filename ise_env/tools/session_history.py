"""How a session's messages are shown to the agent: who said what, bounded, without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ise_env.action import text_of
from ise_env.spaces import Message
from ise_env.traces.redact import Redactor

MAX_TEXT = 4_000
"""Characters of one message."""
MAX_CHARS = 80_000
"""Of all messages together."""
OMITTED = "[sessions_history omitted: message too large]"


@dataclass(frozen=True)
class Shown:
    """Messages as the agent sees them.

    Attributes:
        messages: The oldest first.
        left_out: Whether there are more than these.
        cut: Whether a message is shown in part, or not at all, for its size.
    """

    messages: list[dict[str, Any]]
    left_out: bool
    cut: bool


def shown_messages(messages: Sequence[Message], limit: int, *, tools: bool) -> Shown:
    """Show the last messages of a session.

    Args:
        messages: The whole history; the system message is never shown.
        limit: Most messages.
        tools: Whether tool calls and their results are shown, too.
    """
    secrets = Redactor()
    plain = [each for message in messages if (each := _plain(message, tools)) is not None]
    last = plain[-limit:]
    cut, total, shown = False, 0, list[dict[str, Any]]()
    for message in reversed(last):
        text = secrets.redact_text(message["content"])
        if len(text) > MAX_TEXT:
            text, cut = f"{text[:MAX_TEXT]}\n...(truncated)...", True
        total += len(text)
        if total > MAX_CHARS:
            text, cut = OMITTED, True
        shown.append({**message, "content": text})
    return Shown(shown[::-1], len(plain) > len(last), cut)


def _plain(message: Message, tools: bool) -> dict[str, Any] | None:
    role = message["role"]
    text = text_of(message)
    if role == "user":
        return {"role": role, "content": text}
    if role == "tool" and tools:
        return {"role": role, "toolCallId": message.get("tool_call_id"), "content": text}
    if role != "assistant":
        return None
    calls = [_call(call) for call in message.get("tool_calls") or ()] if tools else []
    if calls:
        return {"role": role, "content": text, "toolCalls": calls}
    return {"role": role, "content": text} if text else None


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    function = function if isinstance(function, dict) else {}
    arguments = str(function.get("arguments") or "")
    return {
        "id": call.get("id") if isinstance(call, dict) else None,
        "name": function.get("name"),
        "arguments": arguments if len(arguments) <= MAX_TEXT else OMITTED,
    }
