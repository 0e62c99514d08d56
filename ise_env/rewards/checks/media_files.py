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


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file; zeros where it is too short to say."""
    return struct.unpack_from(">II", data, 16) if len(data) >= 24 else (0, 0)


def png_pixels(data: bytes, path: str) -> npt.NDArray[np.uint8] | None:
    """The pixels of a PNG file of 8 bit RGB, rows by columns by 3.

    Returns:
        None for other kinds of PNG file, such as grey, indexed or interlaced ones.

    Raises:
        Unmet: It is no PNG file, or its pixels are not whole.
    """
    if png_chunks(data, path)[0] != "IHDR" or len(data) < 45:
        raise Unmet(f"{path}: does not begin with the size of the picture")
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if (depth, colour, interlaced) != (8, 2, 0):
        return None
    packed, place = b"", 8
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        packed += data[place + 8 : place + 8 + size] if name == b"IDAT" else b""
        place += 12 + size
    wanted = height * (1 + 3 * width)
    try:
        rows = zlib.decompressobj().decompress(packed, wanted)
    except zlib.error as error:
        raise Unmet(f"{path}: its pixels cannot be unpacked: {error}") from error
    if len(rows) != wanted:
        raise Unmet(f"{path}: no whole picture")
    return _unfiltered(rows, width, height, path)


def _unfiltered(rows: bytes, width: int, height: int, path: str) -> npt.NDArray[np.uint8]:
    """Undo the filters of the rows (PNG, section 9)."""
    stride = 3 * width
    above, whole = bytes(stride), bytearray()
    for start in range(0, height * (stride + 1), stride + 1):
        filtering, line = rows[start], bytearray(rows[start + 1 : start + 1 + stride])
        if filtering > 4:
            raise Unmet(f"{path}: a row has the filter {filtering}, which does not exist")
        for n in range(stride) if filtering else ():
            left, corner = (line[n - 3], above[n - 3]) if n >= 3 else (0, 0)
            guess = (left, above[n], (left + above[n]) // 2, _paeth(left, above[n], corner))
            line[n] = (line[n] + guess[filtering - 1]) & 255
        whole += line
        above = bytes(line)
    return np.frombuffer(bytes(whole), np.uint8).reshape(height, width, 3)


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))
