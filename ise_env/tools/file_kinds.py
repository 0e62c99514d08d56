"""Telling text from the rest by the first bytes, and naming the rest."""

from __future__ import annotations

_LOOK_AT = 8_192
"""A NUL among the first so many bytes means binary: git's rule."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "an image (image/png)"),
    (b"\xff\xd8\xff", "an image (image/jpeg)"),
    (b"GIF8", "an image (image/gif)"),
    (b"BM", "an image (image/bmp)"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive, or a document that is one (docx, xlsx, jar)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x7fELF", "an ELF program or library"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"OggS", "Ogg audio or video"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"\xff\xfe", "text in UTF-16 (little-endian)"),
    (b"\xfe\xff", "text in UTF-16 (big-endian)"),
)
_TEXT_SO_FAR = frozenset({b"BM", b"BZh", b"ID3", b"GIF8", b"%PDF-", b"OggS", b"fLaC"})
"""Magic that plain text may begin with: needs a NUL or broken UTF-8 to count."""


def describe_binary(content: bytes) -> str:
    """Return what kind of binary data this is, or nothing if it is text."""
    start = content[:_LOOK_AT]
    looks_binary = b"\0" in start or not _is_utf8(start)
    for magic, name in _MAGIC:
        if start.startswith(magic) and (looks_binary or magic not in _TEXT_SO_FAR):
            return name
    if start[:4] == b"RIFF" and b"\0" in start:
        kinds = {b"WAVE": "WAV audio", b"WEBP": "an image (image/webp)", b"AVI ": "AVI video"}
        return kinds.get(start[8:12], "RIFF data")
    if start[257:262] == b"ustar":
        return "a tar archive"
    return "binary data" if b"\0" in start else ""


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4  # a character that the cut went through
    return True
