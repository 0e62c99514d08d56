"""apply_patch: change several files at once; optional, not in the default set.

The format is the one that upstream shares with Codex: sections `*** Add File:`, `*** Delete
File:`, `*** Update File:` (with an optional `*** Move to:`) between `*** Begin Patch` and
`*** End Patch`; the hunks of an update begin at `@@`, and `*** End of File` pins one to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.paths import absolute, file_failure, without_nul
from ise_env.tools.registry import tool
from ise_env.workspaces.protocol import WORKDIR, Completed, Workspace

_BEGIN, _END = "*** Begin Patch", "*** End Patch"
_ADD, _DELETE, _UPDATE = "*** Add File: ", "*** Delete File: ", "*** Update File: "
_MOVE, _END_OF_FILE = "*** Move to: ", "*** End of File"


class ApplyPatchParams(Params):
    """Parameters of `apply_patch`."""

    input: str = Field(
        min_length=1, description="The patch, from *** Begin Patch to *** End Patch."
    )


@dataclass
class Hunk:
    """Lines to find and lines to put in their place."""

    anchor: str = ""
    """A line that comes somewhere before; empty for none."""
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    at_end: bool = False


@dataclass
class Section:
    """What happens to one file."""

    kind: str
    """`A`, `M` or `D`."""
    path: str
    move_to: str | None = None
    added: list[str] = field(default_factory=list)
    hunks: list[Hunk] = field(default_factory=list)


@tool(
    "apply_patch",
    "Change several files with one patch: *** Begin Patch, then sections *** Add File: P (lines "
    "with +), *** Delete File: P, *** Update File: P (hunks that begin with @@, lines with "
    "space, - or +; *** Move to: Q renames), then *** End Patch.",
)
def apply_patch(p: ApplyPatchParams, context: ToolContext) -> ToolResult:
    """Apply a patch; nothing is written unless all of it fits.

    Raises:
        ToolFailure: The patch is malformed, a path is outside the workspace, lines not found.
    """
    sections = parse_patch(p.input)
    plan = [(section, _result(section, context.workspace)) for section in sections]
    for section, content in plan:
        _carry_out(section, content, context.workspace)
    lines = [f"{section.kind} {section.move_to or section.path}" for section in sections]
    return ToolResult(
        "Success. Updated the following files:\n" + "\n".join(lines), Outcome(status="ok")
    )


def parse_patch(text: str) -> list[Section]:
    """Read a patch.

    Raises:
        ToolFailure: `bad_patch`, naming the line.
    """
    lines = text.strip().splitlines()
    if len(lines) < 2 or lines[0].strip() != _BEGIN or lines[-1].strip() != _END:
        raise _bad(f"a patch begins with {_BEGIN!r} and ends with {_END!r}")
    sections: list[Section] = []
    for number, line in enumerate(lines[1:-1], start=2):
        if line.startswith((_ADD, _DELETE, _UPDATE)):
            head, _, path = line.partition(": ")
            sections.append(Section({"A": "A", "D": "D", "U": "M"}[head[4]], _inside(path)))
        elif not sections:
            raise _bad(f"line {number}: expected a file section, got {line[:60]!r}")
        else:
            _take_line(sections[-1], line, number)
    if not sections:
        raise _bad("the patch changes no file")
    for section in sections:
        if section.kind == "M" and not section.hunks and section.move_to is None:
            raise _bad(f"{section.path}: an update needs at least one hunk")
    return sections


def _take_line(section: Section, line: str, number: int) -> None:
    if section.kind == "A" and line.startswith("+"):
        section.added.append(line[1:])
    elif section.kind == "M" and line.startswith(_MOVE):
        section.move_to = _inside(line.removeprefix(_MOVE))
    elif section.kind == "M" and line.startswith("@@"):
        section.hunks.append(Hunk(anchor=line[2:].strip()))
    elif section.kind == "M" and line.strip() == _END_OF_FILE and section.hunks:
        section.hunks[-1].at_end = True
    elif section.kind == "M" and (line == "" or line[0] in " +-"):
        if not section.hunks:
            section.hunks.append(Hunk())
        if line[:1] != "+":
            section.hunks[-1].old.append(line[1:])
        if line[:1] != "-":
            section.hunks[-1].new.append(line[1:])
    else:
        raise _bad(f"line {number}: does not belong into this section: {line[:60]!r}")


def _inside(path: str) -> str:
    """Return the path, if it is below the workspace's root."""
    path = path.strip()
    try:
        known = absolute(without_nul(path))
    except ValueError as error:
        raise _bad(f"a path must be {error}") from None
    if not known.startswith(WORKDIR + "/") or ".." in known.split("/"):
        raise _bad(f"{path[:80]}: a patch changes files below {WORKDIR} only")
    return path


def _result(section: Section, workspace: Workspace) -> str | None:
    """Return the new content; None where the file goes away."""
    if section.kind == "A":
        return "".join(f"{line}\n" for line in section.added)
    path = absolute(section.path)
    try:
        content = workspace.read(path).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise file_failure(error, "open", path) from error
    return None if section.kind == "D" else apply_hunks(content, section)


def apply_hunks(content: str, section: Section) -> str:
    """Return the content with every hunk of a section applied, in order.

    Raises:
        ToolFailure: `no_match`.
    """
    lines = content.split("\n")
    position = 0
    for number, hunk in enumerate(section.hunks, start=1):
        found = _place(hunk, lines, position)
        if found is None:
            after = f" after {hunk.anchor[:60]!r}" if hunk.anchor else ""
            raise ToolFailure(
                f"{section.path}: hunk {number} does not fit: could not find its lines{after}",
                error="no_match",
            )
        lines[found : found + len(hunk.old)] = hunk.new
        position = found + len(hunk.new)
    return "\n".join(lines)


def _place(hunk: Hunk, lines: list[str], position: int) -> int | None:
    """Return the line at which a hunk goes in, or None where it does not fit."""
    if hunk.anchor:
        anchor = _find([hunk.anchor], lines, position, stripped=True)
        if anchor is None:
            return None
        position = anchor + 1
    last = len(lines) - (lines[-1] == "")
    if not hunk.old:
        return position if hunk.anchor else last
    if hunk.at_end:
        start = last - len(hunk.old)
        return start if start >= position and lines[start:last] == hunk.old else None
    return _find(hunk.old, lines, position)


def _find(wanted: list[str], lines: list[str], start: int, stripped: bool = False) -> int | None:
    """Return where `wanted` stands at or after `start`."""
    for at in range(start, len(lines) - len(wanted) + 1):
        window = lines[at : at + len(wanted)]
        if window == wanted or (stripped and [line.strip() for line in window] == wanted):
            return at
    return None


def _carry_out(section: Section, content: str | None, workspace: Workspace) -> None:
    path, target = absolute(section.path), absolute(section.move_to or section.path)
    if content is not None:
        try:
            workspace.write(target, content.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise file_failure(error, "open", target) from error
    if content is None or target != path:
        done = workspace.run(["rm", "--", path], timeout_s=30.0)
        if not isinstance(done, Completed) or done.exit_code != 0:
            said = done.output.decode("utf-8", "replace").strip()
            raise ToolFailure(f"{section.path}: could not be removed: {said}", error="io_error")


def _bad(message: str) -> ToolFailure:
    return ToolFailure(message, error="bad_patch")
