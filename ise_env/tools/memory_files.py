"""The agent's memory as it lies in the workspace: MEMORY.md and memory/**/*.md.

Read afresh at every call, through the workspace, and bounded in every direction: the agent
writes these files and may plant what it likes. Links and whatever is no regular file are not
memory; what is left out for its size is named.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from ise_env.workspaces.protocol import FileStat, Workspace

ROOT_FILES = ("MEMORY.md", "memory.md")
FOLDER = "memory"
MAX_FILES = 300
MAX_FILE_BYTES = 256 * 1024
MAX_TOTAL_BYTES = 2 * 2**20
_MAX_DEPTH = 4
_MAX_FOLDERS = 60
_NAMED = 5
"""Files left out that are named one by one."""


@dataclass
class MemoryFiles:
    """What was read.

    Attributes:
        texts: Path to text, MEMORY.md first, then by name.
        left_out: One reason for each file that could not be read.
    """

    texts: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    beyond: int = 0
    """Files past the limits on all of memory."""

    def warning(self) -> str:
        """Say what was left out; empty if nothing was."""
        reasons = self.left_out[:_NAMED]
        if len(self.left_out) > _NAMED:
            reasons.append(f"{len(self.left_out) - _NAMED} more such files")
        if self.beyond:
            reasons.append(f"{self.beyond} files past the limits ({MAX_FILES} files, 2 MB)")
        return f"Not searched: {'; '.join(reasons)}" if reasons else ""


def is_memory_path(path: str) -> bool:
    """Whether a path (normalised, relative to the workspace) may name a memory file."""
    return path in ROOT_FILES or (path.startswith(f"{FOLDER}/") and path.endswith(".md"))


def read_memory(workspace: Workspace) -> MemoryFiles:
    """Read all memory files, as far as the limits go.

    Raises:
        WorkspaceGone: The workspace's processes have ended.
    """
    found, total = MemoryFiles(), 0
    for path, size in _paths(workspace):
        if size > MAX_FILE_BYTES:
            found.left_out.append(f"{path} (larger than 256 KB)")
            continue
        if len(found.texts) >= MAX_FILES or total + size > MAX_TOTAL_BYTES:
            found.beyond += 1
            continue
        try:
            content = workspace.read(path, MAX_FILE_BYTES)
        except OSError as error:
            big = error.errno == errno.EFBIG
            reason = "larger than 256 KB" if big else (error.strerror or "unreadable").lower()
            found.left_out.append(f"{path} ({reason})")
            continue
        total += len(content)
        found.texts[path] = content.decode("utf-8", "replace")
    return found


def _paths(workspace: Workspace) -> Iterator[tuple[str, int]]:
    for name in ROOT_FILES:
        try:
            stat = workspace.stat(name)
        except OSError:
            continue
        if stat.kind == "file":
            yield name, stat.size
    folders = [FOLDER]
    for visited, folder in enumerate(folders):
        if visited >= _MAX_FOLDERS:
            return
        for name, stat in _entries(workspace, folder):
            path = posixpath.join(folder, name)
            if stat.kind == "directory" and path.count("/") < _MAX_DEPTH:
                folders.append(path)
            elif stat.kind == "file" and name.endswith(".md"):
                yield path, stat.size


def _entries(workspace: Workspace, folder: str) -> list[tuple[str, FileStat]]:
    try:
        if workspace.stat(folder).kind != "directory":
            return []
        return list(workspace.listdir(folder).items())
    except OSError:
        return []
