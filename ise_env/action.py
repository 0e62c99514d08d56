"""Turning what `step` is given into one assistant message in the OpenAI wire shape.

Kept verbatim: ids, raw `arguments` strings, `reasoning_content`, unknown keys. Changed: null
content becomes `""` (some chat templates reject null), and the key `x` (usage, timing, ...)
is taken out, because the history is pure wire format.
"""

from __future__ import annotations

import copy
from typing import Any, cast

from gymnasium.error import InvalidAction

from ise_env.spaces import AssistantMessage, Message

_SPACE = AssistantMessage()
_OURS = frozenset({"turn", "step", "outcome", "user", "instruction", "announcement"})
"""What the environment alone says about a message."""


def to_message(action: Any) -> tuple[Message, dict[str, Any]]:
    """Return the assistant message and the annotations that came with it.

    Args:
        action: A string, an assistant message as a dict (`role` may be left out), or the
            openai SDK's message object (anything with `model_dump`).

    Raises:
        InvalidAction: `action` is not an assistant message; the caller's mistake, not the
            agent's: whatever a model can say inside an assistant message is accepted.
    """
    if isinstance(action, str):
        return {"role": "assistant", "content": action}, {}
    if hasattr(action, "model_dump"):
        message = cast(Message, action.model_dump(exclude_none=True))
    elif isinstance(action, dict):
        message = copy.deepcopy(action)
    else:
        raise InvalidAction(
            f"an action is a string, a dict or an SDK message, not {type(action).__name__}"
        )
    annotations = message.pop("x", None)
    if not isinstance(annotations, dict):
        annotations = {}
    annotations = {key: value for key, value in annotations.items() if key not in _OURS}
    message = {"role": "assistant", "content": "", **message}
    if message["content"] is None:
        message["content"] = ""
    if not message.get("tool_calls"):
        message.pop("tool_calls", None)
    if not _SPACE.contains(message):
        raise InvalidAction(
            "an action is an assistant message: role 'assistant', content a string, null or "
            f"parts, tool_calls a list; got role {message['role']!r}, content of type "
            f"{type(message['content']).__name__}, tool_calls of type "
            f"{type(message.get('tool_calls')).__name__}"
        )
    return message, annotations


def text_of(message: Message) -> str:
    """Return what an assistant message says, content parts joined."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text", "") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
