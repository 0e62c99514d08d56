"""write: make or replace a file."""

from __future__ import annotations

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.paths import PathText, absolute, file_failure
from ise_env.tools.registry import tool


class WriteParams(Params):
    """Parameters of `write`."""

    path: PathText = Field(description="File to write, relative to the workspace or absolute.")
    content: str = Field(description="The whole new content.")


@tool(
    "write",
    "Write a whole file: makes it, and the folders above it, or replaces what it held.",
)
def write(p: WriteParams, context: ToolContext) -> ToolResult:
    """Write a file; see `WriteParams`.

    Raises:
        ToolFailure: The path is a directory, not writable, or the disk is full.
    """
    path = absolute(p.path)
    try:
        context.workspace.write(path, p.content.encode())
    except OSError as error:
        raise file_failure(error, "open", path) from error
    # Upstream says "bytes" and means JavaScript's string length.
    units = len(p.content.encode("utf-16-le")) // 2
    return ToolResult(f"Successfully wrote {units} bytes to {p.path}", Outcome(status="ok"))
