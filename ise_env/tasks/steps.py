"""Short names for the calls that a kit's solution makes."""

from __future__ import annotations

import re
from typing import Any

from ise_env.tasks.kit import ToolCall


def sh(command: str, **arguments: Any) -> ToolCall:
    """Run a shell command with the tool exec."""
    return ToolCall("exec", {"command": command, **arguments})


def python(program: str, *arguments: str, workdir: str) -> ToolCall:
    """Run a Python program from standard input in a folder."""
    command = " ".join(("python3", "-", *arguments))
    return sh(f"{command} <<'EOF'\n{program}EOF", workdir=workdir)


def read(path: str, **arguments: Any) -> ToolCall:
    """Read a file."""
    return ToolCall("read", {"path": path, **arguments})


def write(path: str, content: str) -> ToolCall:
    """Write a whole file."""
    return ToolCall("write", {"path": path, "content": content})


def edit(path: str, old: str, new: str) -> ToolCall:
    """Replace one exact, unique passage."""
    return ToolCall("edit", {"path": path, "oldText": old, "newText": new})


class NotFound(LookupError):
    """A reply did not hold what a solution needs to go on; the message is for the user.

    Args:
        text: The reply.
    """

    def __init__(self, text: str) -> None:
        seen = last_line(text)[:120].replace("`", "'")
        super().__init__(f"I got stuck there: what I needed was not in the output, only `{seen}`.")


def found(pattern: str, text: str, otherwise: str | None = None) -> str:
    """The first group of a pattern in a reply: closing words quote what was seen.

    Raises:
        NotFound: Nothing matches, and there is no `otherwise`.
    """
    match = re.search(pattern, text, re.MULTILINE)
    if match is None and otherwise is None:
        raise NotFound(text)
    return match.group(1) if match else str(otherwise)


def plural(count: int | str, noun: str, many: str = "") -> str:
    """A number with its noun: `1 line`, `2 lines`, `3 copies`."""
    number = str(count).strip()
    return f"{number} {noun if number == '1' else many or noun + 's'}"


def last_line(text: str) -> str:
    """The last line of what a command printed, the tool's own note left out."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith("(Command ")]
    return (own or lines or ["nothing"])[-1].rstrip(".")
