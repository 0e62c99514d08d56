"""read: show a text file, a page at a time."""

from __future__ import annotations

import errno

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.file_kinds import describe_binary
from ise_env.tools.paths import PathText, absolute, file_failure
from ise_env.tools.registry import tool
from ise_env.workspaces.protocol import Workspace

MAX_LINES = 2_000
MAX_BYTES = 50 * 1024
MAX_FILE_BYTES = 16 * 2**20
"""Larger files are for `exec`."""


class ReadParams(Params):
    """Parameters of `read`."""

    path: PathText = Field(description="File to read, relative to the workspace or absolute.")
    offset: int | None = Field(None, description="First line to show, counted from 1.")
    limit: int | None = Field(None, ge=1, description="Most lines to show.")


@tool(
    "read",
    "Show what a text file holds: at most 2000 lines or 50KB at once. Larger files come with "
    "the offset that continues them; offset and limit choose a part.",
)
def read(p: ReadParams, context: ToolContext) -> ToolResult:
    """Show a page of a file; see `ReadParams`.

    Lines are what newlines end, as `wc` and `sed` count them: the newline at the end of a file
    begins no further one.

    Raises:
        ToolFailure: No such file, not a text file, offset past its end.
    """
    path = absolute(p.path)
    content = _content(context.workspace, path)
    binary = describe_binary(content)
    if binary:
        raise ToolFailure(
            f"'{path}' is not text but {binary}, {len(content):,} bytes; read shows text only. "
            "Use exec with a program for that format.",
            error="binary_file",
        )
    text = content.decode("utf-8", "replace")
    lines = text.removesuffix("\n").split("\n")
    start = max(0, (p.offset or 1) - 1)
    if start >= len(lines):
        raise ToolFailure(
            f"Offset {p.offset} is beyond end of file ({len(lines)} lines total)",
            error="beyond_end",
        )
    return _page(p.path, lines, start, p.limit, "\n" if text.endswith("\n") else "")


def _content(workspace: Workspace, path: str) -> bytes:
    try:
        return workspace.read(path, MAX_FILE_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ToolFailure(
                f"'{path}' is larger than {MAX_FILE_BYTES // 2**20} MB. Use exec with head, "
                "tail, sed -n or grep to see a part of it.",
                error="too_large",
            ) from error
        operation = "read" if error.errno == errno.EISDIR else "access"
        raise file_failure(error, operation, path) from error


def _page(
    shown_path: str, lines: list[str], start: int, limit: int | None, ending: str
) -> ToolResult:
    wanted = lines[start : start + limit] if limit is not None else lines[start:]
    page = _head(wanted)
    first, last, total = start + 1, start + len(page), len(lines)
    if not page:
        size = _size(len(wanted[0].encode()))
        return ToolResult(
            f"[Line {first} is {size}, exceeds {_size(MAX_BYTES)} limit. Use exec: "
            f"sed -n '{first}p' {shown_path} | head -c {MAX_BYTES}]",
            Outcome(status="truncated"),
        )
    text = "\n".join(page)
    if len(page) < len(wanted):
        by_bytes = "" if len(page) == MAX_LINES else f" ({_size(MAX_BYTES)} limit)"
        text += (
            f"\n\n[Showing lines {first}-{last} of {total}{by_bytes}. "
            f"Use offset={last + 1} to continue.]"
        )
    elif last < total:
        rest = f"{total - last} more line{'s' if total - last > 1 else ''}"
        text += f"\n\n[{rest} in file. Use offset={last + 1} to continue.]"
        return ToolResult(text, Outcome(status="ok"))  # the agent got all that it asked for
    else:
        text += ending
    return ToolResult(text, Outcome(status="truncated" if len(page) < len(wanted) else "ok"))


def _head(lines: list[str]) -> list[str]:
    """Return the whole lines that fit both limits, newlines between them counted."""
    size = -1
    for number, line in enumerate(lines[:MAX_LINES]):
        size += len(line.encode()) + 1
        if size > MAX_BYTES:
            return lines[:number]
    return lines[:MAX_LINES]


def _size(count: int) -> str:
    """Write a size as upstream does."""
    if count < 1024:
        return f"{count}B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f}KB"
    return f"{count / (1024 * 1024):.1f}MB"
