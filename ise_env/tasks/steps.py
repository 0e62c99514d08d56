"""Short names for the calls that a kit's solution makes."""

from __future__ import annotations

import re
from typing import Any

from ise_env.tasks.kit import Solution, ToolCall


def sh(command: str, **arguments: Any) -> ToolCall:
    """Run a shell command with the tool exec."""
    return ToolCall("exec", {"command": command, **arguments})


def read(path: str, **arguments: Any) -> ToolCall:
    """Read a file."""
    return ToolCall("read", {"path": path, **arguments})


def write(path: str, content: str) -> ToolCall:
    """Write a whole file."""
    return ToolCall("write", {"path": path, "content": content})


def edit(path: str, old: str, new: str) -> ToolCall:
    """Replace one exact, unique passage."""
    return ToolCall("edit", {"path": path, "oldText": old, "newText": new})


def found(pattern: str, text: str, otherwise: str = "?") -> str:
    """The first group of a pattern in a reply: closing words quote what was seen."""
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1) if match else otherwise


def in_turn(*parts: Solution) -> Solution:
    """Several solutions one after the other, as one."""
    words = []
    for part in parts:
        words.append((yield from part))
    return " ".join(words)
