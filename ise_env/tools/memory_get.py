"""memory_get: read lines of a memory file."""

from __future__ import annotations

import errno
import posixpath

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.memory_files import MAX_FILE_BYTES, is_memory_path
from ise_env.tools.output import as_json
from ise_env.tools.paths import PathText, absolute
from ise_env.tools.registry import tool
from ise_env.workspaces.protocol import WORKDIR


class MemoryGetParams(Params):
    """Parameters of `memory_get`."""

    path: PathText = Field(description="MEMORY.md or a file memory/....md.")
    from_: int | None = Field(None, alias="from", ge=1, description="First line, from 1.")
    lines: int | None = Field(None, ge=1, description="Most lines.")


@tool(
    "memory_get",
    "Read a memory file, MEMORY.md or memory/....md, or some lines of it: what memory_search "
    "pointed at. A file that does not exist yet reads as empty.",
)
def memory_get(p: MemoryGetParams, context: ToolContext) -> ToolResult:
    """Read a memory file; see `MemoryGetParams`.

    Raises:
        ToolFailure: The path is no memory file, or it is a link, a directory or too large.
    """
    path = posixpath.relpath(absolute(p.path), WORKDIR)
    if not is_memory_path(path):
        raise ToolFailure(
            f"{p.path} is no memory file: memory is MEMORY.md and memory/*.md. "
            "Use read for other files.",
            error="bad_path",
        )
    try:
        if context.workspace.stat(path).kind != "file":
            raise ToolFailure(f"{path} is not a regular file", error="not_a_file")
        content = context.workspace.read(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        return ToolResult(as_json({"text": "", "path": path}), Outcome(status="ok"))
    except OSError as error:
        value = {"path": path, "text": "", "disabled": True, "error": _reason(error)}
        return ToolResult(as_json(value), Outcome(status="tool_error", error="unreadable"))
    lines = content.decode("utf-8", "replace").split("\n")
    first = (p.from_ or 1) - 1
    wanted = lines[first:] if p.lines is None else lines[first : first + p.lines]
    return ToolResult(as_json({"text": "\n".join(wanted), "path": path}), Outcome(status="ok"))


def _reason(error: OSError) -> str:
    if error.errno == errno.EFBIG:
        return f"larger than {MAX_FILE_BYTES // 1024} KB: use exec with sed -n or grep"
    return (error.strerror or "cannot be read").lower()
