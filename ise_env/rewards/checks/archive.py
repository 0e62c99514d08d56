"""Members of a tar or zip archive, parsed here and never extracted.

Sizes are bounded before anything is unpacked, so a bomb only fails the check.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Literal, Protocol

from pydantic import Field

from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet, listed

MAX_MEMBERS = 5_000
MAX_UNPACKED = 64 * 2**20

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    IndexError,
    OverflowError,
)
"""What the standard library's parsers raise on bytes that are no archive."""


class Archive(Kind):
    """An archive holds exactly these files, some of them with a known content."""

    kind: Literal["archive"] = "archive"
    path: str
    names: tuple[str, ...] = Field(description="Files only, without a leading `./`.")
    sha256: dict[str, str] = Field(default_factory=dict)
    format: Literal["tar", "zip"] | None = None

    def judge(self, evidence: Evidence) -> str:
        """List the members, then hash those whose content matters."""
        found = read_archive(evidence.read(self.path), self.path, self.format)
        wanted = set(self.names)
        if found.keys() != wanted:
            missing, extra = sorted(wanted - found.keys()), sorted(found.keys() - wanted)
            raise Unmet(f"{self.path}: missing {listed(missing)}; unexpected {listed(extra)}")
        for name, digest in self.sha256.items():
            if found[name] != digest:
                raise Unmet(f"{self.path}: {name} has other content")
        return f"{self.path}: the {len(found)} expected files"


def read_archive(data: bytes, path: str, wanted: str | None = None) -> dict[str, str]:
    """Map the files in an archive to the hashes of their contents.

    Raises:
        Unmet: No archive, not of the wanted format, too many members, or too much inside.
    """
    try:
        is_zip = data[:2] == b"PK"
        if wanted and (wanted == "zip") != is_zip:
            raise Unmet(f"{path}: not a {wanted} archive")
        members = _zip_members(data) if is_zip else _tar_members(data)
        found: dict[str, str] = {}
        for name, content in members:
            if len(found) >= MAX_MEMBERS:
                raise Unmet(f"{path}: more than {MAX_MEMBERS} members")
            found[_clean(name)] = hashlib.sha256(content).hexdigest()
        return found
    except BROKEN as error:
        raise Unmet(f"{path}: not a readable archive: {error}") from error


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends with an error instead of filling memory."""

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self._left = MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(chunk)
        if self._left < 0:
            raise ValueError(f"more than {MAX_UNPACKED} bytes inside")
        return chunk


def _zip_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    left = MAX_UNPACKED
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist()[: MAX_MEMBERS + 1]:
            if info.is_dir():
                continue
            with archive.open(info) as member:
                content = member.read(left + 1)
            left -= len(content)
            if left < 0:
                raise ValueError(f"more than {MAX_UNPACKED} bytes inside")
            yield info.filename, content


def _tar_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    stream = _Bounded(_decompressed(data))
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for seen, info in enumerate(archive):
            if seen > MAX_MEMBERS:
                raise ValueError(f"more than {MAX_MEMBERS} members")
            if info.isdir():
                continue
            if info.size > MAX_UNPACKED:
                raise ValueError(f"{info.name} claims {info.size} bytes")
            member = archive.extractfile(info) if info.isreg() else None
            yield info.name, member.read() if member else b""


def _decompressed(data: bytes) -> _Readable:
    raw = io.BytesIO(data)
    if data[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    if data[:3] == b"BZh":
        return bz2.BZ2File(raw)
    if data[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(raw)
    return raw


def _clean(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name
