"""Three spellings of reasoning, told apart and lost in none.

Servers put a model's reasoning into `reasoning_content` (DeepSeek, SGLang, llama.cpp, older
vLLM), into `reasoning` (OpenRouter, newer vLLM), or leave it in the content, before `</think>`
(no reasoning parser). The first two stay as they came. The third is split, because the user
must not read it; nothing is trimmed, so `joined` gives the server's own text back.
"""

from __future__ import annotations

from typing import Any, Literal

Spelling = Literal["reasoning_content", "reasoning", "<think>", "</think>"]
"""`</think>`: only the closing tag was sent, the template wrote the opening one."""

_KEYS: tuple[Spelling, ...] = ("reasoning_content", "reasoning")
_OPEN: Spelling = "<think>"
_CLOSE: Spelling = "</think>"


def split(message: dict[str, Any]) -> tuple[dict[str, Any], Spelling | None]:
    """Separate reasoning from what is said.

    Args:
        message: An assistant message as the server sent it; not changed.

    Returns:
        The message, its reasoning under the server's own key, or under `reasoning_content`
        where it stood in the content; and which spelling it was, None without reasoning.
    """
    for key in _KEYS:
        if isinstance(message.get(key), str) and message[key]:
            return message, key
    content = message.get("content")
    if not isinstance(content, str):
        return message, None
    thought, closed, said = content.partition(_CLOSE)
    if not closed:
        # Cut off while thinking: all of it is reasoning.
        if not content.lstrip().startswith(_OPEN):
            return message, None
        thought, said = content, ""
    opened = thought.lstrip().startswith(_OPEN)
    if opened:
        thought = thought.lstrip()[len(_OPEN) :]
    out = {**message, "content": said, "reasoning_content": thought}
    return out, _OPEN if opened else _CLOSE


def joined(message: dict[str, Any], spelling: Spelling) -> dict[str, Any]:
    """Put reasoning back where a server without a reasoning parser expects it."""
    if spelling not in (_OPEN, _CLOSE) or not message.get("reasoning_content"):
        return message
    out = {key: value for key, value in message.items() if key != "reasoning_content"}
    opening = _OPEN if spelling == _OPEN else ""
    out["content"] = f"{opening}{message['reasoning_content']}{_CLOSE}{message.get('content', '')}"
    return out


def text(message: dict[str, Any]) -> str | None:
    """The reasoning of a message that went through `split`, under whichever key."""
    found = message.get("reasoning_content") or message.get("reasoning")
    return found if isinstance(found, str) else None
