"""Files as such: there, gone, unchanged, a certain content, a certain set of names."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, listed


class Exists(Kind):
    """A path is there, and is what it should be (a link is neither file nor folder)."""

    kind: Literal["exists"] = "exists"
    path: str
    type: Literal["file", "directory"] = "file"
    min_bytes: int = 0
    executable: bool | None = None

    def judge(self, evidence: Evidence) -> str:
        """Compare the description of the path with the fields."""
        stat = evidence.stat(self.path)
        if stat.kind != self.type:
            raise Unmet(f"{self.path}: a {stat.kind}, not a {self.type}")
        if stat.size < self.min_bytes:
            raise Unmet(f"{self.path}: {stat.size} bytes")
        if self.executable is not None and bool(stat.mode & 0o100) != self.executable:
            raise Unmet(f"{self.path}: mode {stat.mode:o}, {'not ' * self.executable}executable")
        return f"{self.path}: {stat.kind}, {stat.size} bytes, mode {stat.mode:o}"


class Absent(Kind):
    """A path, and others with it, is not there, not even as a broken link."""

    kind: Literal["absent"] = "absent"
    path: str
    others: tuple[str, ...] = ()

    def judge(self, evidence: Evidence) -> str:
        """Look for each path."""
        for path in (self.path, *self.others):
            try:
                stat = evidence.stat(path)
            except Unmet:
                continue
            raise Unmet(f"{path}: still there ({stat.kind})")
        return f"{self.path}{' and others' if self.others else ''}: not there"


class Text(Kind):
    """A file's text meets conditions."""

    kind: Literal["text"] = "text"
    path: str
    text: TextMatch

    def judge(self, evidence: Evidence) -> str:
        """Read the file as UTF-8 and compare."""
        return self.text.demand(evidence.text(self.path), self.path)


class Hash(Kind):
    """A file has exactly these bytes."""

    kind: Literal["hash"] = "hash"
    path: str
    sha256: str

    def judge(self, evidence: Evidence) -> str:
        """Hash the file."""
        found = hashlib.sha256(evidence.read(self.path)).hexdigest()
        if found != self.sha256:
            raise Unmet(f"{self.path}: other content (sha256 {found[:12]}…)")
        return f"{self.path}: sha256 {found[:12]}…"


class Unchanged(Kind):
    """Files are still as they were seeded; usually a guard or a forbidden event."""

    kind: Literal["unchanged"] = "unchanged"
    sha256: dict[str, str] = Field(description="Path to hash of the seeded content.")

    def judge(self, evidence: Evidence) -> str:
        """Hash every file."""
        for path, wanted in self.sha256.items():
            if hashlib.sha256(evidence.read(path)).hexdigest() != wanted:
                raise Unmet(f"{path}: changed")
        return f"as they were given: {listed(self.sha256, most=3)}"


class Tree(Kind):
    """The files below a folder are exactly these (folders themselves do not count)."""

    kind: Literal["tree"] = "tree"
    path: str
    names: tuple[str, ...] = Field(description="Relative to `path`.")
    ignore: tuple[str, ...] = Field(default=(), description="fnmatch patterns left out.")

    def judge(self, evidence: Evidence) -> str:
        """Walk the folder."""
        found = {
            name
            for name, stat in evidence.walk(self.path).items()
            if stat.kind != "directory" and not any(fnmatch(name, p) for p in self.ignore)
        }
        wanted = set(self.names)
        if found != wanted:
            missing, extra = sorted(wanted - found), sorted(found - wanted)
            raise Unmet(f"{self.path}: missing {listed(missing)}; unexpected {listed(extra)}")
        return f"{self.path}: the {len(found)} expected files"


class TouchedOnly(Kind):
    """Nothing below a folder was changed but what was allowed: a forbidden event."""

    kind: Literal["touched_only"] = "touched_only"
    path: str
    allow: tuple[str, ...] = Field(default=(), description="fnmatch patterns, from WORKDIR.")
    changes: tuple[Literal["added", "modified", "deleted"], ...] = ("modified", "deleted")

    def judge(self, evidence: Evidence) -> str:
        """Go through the changes since the checkpoint."""
        for change in evidence.changed:
            if change.change not in self.changes or change.kind == "directory":
                continue
            inside = change.path == self.path or change.path.startswith(self.path + "/")
            if inside and not any(fnmatch(change.path, pattern) for pattern in self.allow):
                raise Unmet(f"{change.path}: {change.change}, which nobody asked for")
        return f"{self.path}: nothing else {' or '.join(self.changes)}"
