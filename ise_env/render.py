"""A conversation as plain text, for `render()`; `ise show` has the richer view."""

from __future__ import annotations

import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return text without terminal control characters (newline and tab stay)."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def render_message(message: dict[str, Any], width: int = 2_000) -> str:
    """Return one message as readable lines.

    Args:
        message: In the OpenAI wire shape.
        width: Longest text shown of one part, in characters.
    """
    from ise_env.action import text_of

    lines = []
    text = text_of(message) if message["role"] != "system" else "(system prompt)"
    if text:
        lines.append(f"{message['role']:>9}  {_cut(text, width)}")
    for call in message.get("tool_calls") or ():
        function = call.get("function", {}) if isinstance(call, dict) else {}
        name, arguments = function.get("name"), str(function.get("arguments"))
        lines.append(f"{'call':>9}  {name} {_cut(arguments, width)}")
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    shown = printable(text if len(text) <= width else f"{text[:width]} ...")
    return shown.replace("\n", "\n" + " " * 11)
