"""Media files as bytes: which format, what is in a WAV file, which chunks a PNG file has.

Formats after: Multimedia Programming Interface and Data Specifications 1.0 (RIFF WAVE);
Portable Network Graphics (W3C), section 5.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ise_env.rewards.evidence import Unmet

SOUND_RATE = 8_000
"""What compressed sound is decoded at."""

BARE_PNG = frozenset(
    "IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB sBIT bKGD pHYs iCCP cICP hIST".split()
)
"""Chunks that say how to show a picture, not who took it where."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"P6", "ppm"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"OggS", "ogg"),
    (b"\x1a\x45\xdf\xa3", "webm"),
)
_PCM, _EXTENSIBLE = 1, 0xFFFE


@dataclass(frozen=True)
class Pcm:
    """Sound as samples."""

    samples: npt.NDArray[np.float64]
    """Frames by channels, from -1 to 1."""
    rate: int
    """Of `samples`, in Hz."""
    bits: int
    raw: bytes
    sample_rate: int
    """Of the file."""
    channels: int
    """Of the file."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    @cached_property
    def mono(self) -> npt.NDArray[np.float64]:
        """All channels as one."""
        mean: npt.NDArray[np.float64] = self.samples.mean(axis=1)
        return mean


def format_of(data: bytes) -> str:
    """The format that the first bytes say; empty if it is none that is known here."""
    if data[:4] == b"RIFF":
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return "mp4"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), "")


def read_wav(data: bytes, path: str, streamed: bool = False) -> Pcm:
    """The samples of a WAV file of 8, 16, 24 or 32 bit integers.

    Args:
        data: The file.
        path: For messages.
        streamed: The sizes in the header were unknown when it was written.

    Raises:
        Unmet: It is none, or its header does not fit its contents.
    """
    if format_of(data) != "wav":
        raise Unmet(f"{path}: no WAV file")
    if not streamed and struct.unpack_from("<I", data, 4)[0] not in (len(data) - 8, len(data) - 9):
        raise Unmet(f"{path}: the header's size does not fit the file's {len(data)} bytes")
    form: tuple[int, ...] | None = None
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        body = data[place + 8 : place + 8 + size]
        if len(body) < size and not streamed:
            raise Unmet(f"{path}: the chunk {name!r} is cut off")
        if name == b"fmt " and len(body) >= 16:
            form = struct.unpack_from("<HHIIHH", body)
        if name == b"data":
            return _samples(form, body, path)
        place += 8 + size + size % 2
    raise Unmet(f"{path}: no samples in it")


def _samples(form: tuple[int, ...] | None, body: bytes, path: str) -> Pcm:
    if form is None or form[0] not in (_PCM, _EXTENSIBLE) or form[5] not in (8, 16, 24, 32):
        raise Unmet(f"{path}: not linear PCM of 8 to 32 bits")
    _, channels, rate, _, block, bits = form
    if not channels or not rate or block != channels * bits // 8 or len(body) % block:
        raise Unmet(f"{path}: the header contradicts itself or the samples")
    width = bits // 8
    if width == 1:
        values = np.frombuffer(body, np.uint8).astype(np.float64) - 128
    elif width == 3:
        triples = np.frombuffer(body, np.uint8).reshape(-1, 3)
        padded = np.zeros((len(triples), 4), np.uint8)
        padded[:, 1:] = triples
        values = padded.view("<i4").reshape(-1).astype(np.float64) / 256
    else:
        values = np.frombuffer(body, f"<i{width}").astype(np.float64)
    samples = (values / 2 ** (bits - 1)).reshape(-1, channels)
    return Pcm(samples, rate, bits, body, sample_rate=rate, channels=channels)


def png_chunks(data: bytes, path: str) -> list[str]:
    """Names of the chunks of a PNG file, in order.

    Raises:
        Unmet: It is no PNG file, or a chunk is broken.
    """
    if format_of(data) != "png":
        raise Unmet(f"{path}: no PNG file")
    names: list[str] = []
    place = 8
    while place + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 4 : place + 8 + size]
        checksum = data[place + 8 + size : place + 12 + size]
        if zlib.crc32(body).to_bytes(4, "big") != checksum:
            raise Unmet(f"{path}: the chunk {name!r} is broken")
        names.append(name.decode("latin-1"))
        place += 12 + size
    if names[-1:] != ["IEND"] or place != len(data):
        raise Unmet(f"{path}: does not end where it should")
    return names
