"""Turning text and bytes into seed files, and into the guards that go with them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ise_env.rewards.checks import Unchanged
from ise_env.workspaces.protocol import SeedFile

Content = str | bytes

PINNED = "touch -h -d 2026-01-01T00:00Z"
"""For a setup: gives links, and the folders that they were made in, the time of seed files."""


def files(contents: Mapping[str, Content], mode: int = 0o644) -> tuple[SeedFile, ...]:
    """Seed files from a mapping of path to content."""
    return tuple(SeedFile(path, as_bytes(content), mode) for path, content in contents.items())


def as_bytes(content: Content) -> bytes:
    """UTF-8 bytes of a text; bytes as they are."""
    return content.encode() if isinstance(content, str) else content


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> str:
    """A CSV file with a header line."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def untouched(
    contents: Mapping[str, Content],
    *,
    id: str = "originals",
    failure: str = "an original changed",
    until: str | None = None,
) -> Unchanged:
    """A forbidden event: files that the user gave must stay as they were seeded.

    Args:
        contents: The files, by path.
        id: Of the check.
        failure: What to say when one is not.
        until: A sub-goal that changes them; they have to stay while it is not asked for.
    """
    hashes = {path: sha256(content) for path, content in contents.items()}
    return Unchanged(id=id, sha256=hashes, weight=0, forbidden=True, failure=failure, until=until)


def until_there(path: str, *, filled: bool = False) -> str:
    """A line of a set-up script: wait for a file that a program in the background writes.

    Nothing is started while it waits, so that processes have the same numbers each time.
    """
    test = f"[ {'-s' if filled else '-e'} {path} ]"
    return f"exec 9<> <(:)\nuntil {test}; do read -rt 0.01 -u 9 || true; done\nexec 9<&-"


def sha256(content: Content) -> str:
    """Hash of a content, in hex."""
    return hashlib.sha256(as_bytes(content)).hexdigest()


def stamp(moment: datetime) -> int:
    """A file time in UTC, for `SeedFile.mtime`."""
    return int(moment.replace(tzinfo=UTC).timestamp())
