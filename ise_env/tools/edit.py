"""edit: replace one passage of a file."""

from __future__ import annotations

import errno
from bisect import bisect_left

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.paths import PathText, absolute, file_failure
from ise_env.tools.registry import tool


class EditParams(Params):
    """Parameters of `edit`."""

    path: PathText = Field(description="File to change, relative to the workspace or absolute.")
    oldText: str = Field(
        description="The passage to replace, exactly as it stands in the file, whitespace "
        "included; it must occur once."
    )
    newText: str = Field(description="What to put in its place.")


@tool(
    "edit",
    "Replace one passage of a file. oldText must match exactly and occur exactly once.",
)
def edit(p: EditParams, context: ToolContext) -> ToolResult:
    """Change a file; see `EditParams`.

    Line ends do not matter for finding the passage; the new text gets those of the file, and
    nothing outside the passage changes, a byte-order mark and undecodable bytes included.

    Raises:
        ToolFailure: No such file, passage not found, found more than once, nothing changed.
    """
    path = absolute(p.path)
    try:
        content = context.workspace.read(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise ToolFailure(f"File not found: {p.path}", error="not_found") from error
        raise file_failure(error, "access", path) from error
    changed = replace_once(content.decode("utf-8", "surrogateescape"), p)
    try:
        context.workspace.write(path, changed.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise file_failure(error, "open", path) from error
    return ToolResult(f"Successfully replaced text in {p.path}.", Outcome(status="ok"))


def replace_once(content: str, p: EditParams) -> str:
    """Return the content with the one passage replaced.

    Raises:
        ToolFailure: `no_match`, `not_unique` or `no_change`.
    """
    old, new = _to_lf(p.oldText), _to_lf(p.newText)
    if not old:
        raise ToolFailure(f"oldText must not be empty in {p.path}.", error="bad_arguments")
    plain = _to_lf(content)
    count = plain.count(old)
    if count == 0:
        raise ToolFailure(
            f"Could not find the exact text in {p.path}. The old text must match exactly "
            "including all whitespace and newlines.",
            error="no_match",
        )
    if count > 1:
        raise ToolFailure(
            f"Found {count} occurrences of the text in {p.path}. The text must be unique. "
            "Please provide more context to make it unique.",
            error="not_unique",
        )
    if old == new:
        raise ToolFailure(
            f"No changes made to {p.path}. The replacement produced identical content.",
            error="no_change",
        )
    return _splice(content, plain.index(old), len(old), new)


def _splice(content: str, start: int, length: int, new: str) -> str:
    """Replace a span that is counted in the content with its CRs left out."""
    removed: list[int] = []
    position = content.find("\r\n")
    while position != -1:
        removed.append(position - len(removed))
        position = content.find("\r\n", position + 2)
    begin = start + bisect_left(removed, start)
    end = start + length + bisect_left(removed, start + length)
    if removed and _first_line_end(content) == "\r\n":
        new = new.replace("\n", "\r\n")
    return content[:begin] + new + content[end:]


def _first_line_end(content: str) -> str:
    at = content.find("\n")
    return "\r\n" if at > 0 and content[at - 1] == "\r" else "\n"


def _to_lf(text: str) -> str:
    return text.replace("\r\n", "\n")
