"""Pictures made of coloured rectangles, written by hand: the same bytes on every machine."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ise_env.rewards.checks import Patch

Rgb = tuple[int, int, int]
Pixels = npt.NDArray[np.uint8]

COLOURS: dict[str, Rgb] = {
    "brick": (178, 58, 46),
    "moss": (92, 128, 54),
    "navy": (28, 46, 110),
    "sand": (222, 198, 142),
    "plum": (112, 44, 108),
    "teal": (18, 132, 128),
    "amber": (238, 166, 26),
    "slate": (88, 98, 112),
    "rose": (226, 122, 148),
    "sky": (118, 184, 232),
    "olive": (74, 72, 22),
    "cream": (246, 238, 214),
}


def quarters(width: int, height: int, colours: Sequence[Rgb]) -> Pixels:
    """A picture of four rectangles: top left, top right, bottom left, bottom right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    pixels[:middle, :centre], pixels[:middle, centre:] = colours[0], colours[1]
    pixels[middle:, :centre], pixels[middle:, centre:] = colours[2], colours[3]
    return pixels


def quarter_patches(
    width: int, height: int, colours: Sequence[Rgb], x: int = 0, y: int = 0
) -> tuple[Patch, ...]:
    """The middle of each rectangle of such a picture, drawn at a place of another one."""
    w, h = max(width // 4, 1), max(height // 4, 1)
    places = [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)]
    return tuple(
        Patch(x=x + left + width // 8, y=y + top + height // 8, width=w, height=h, rgb=colour)
        for (left, top), colour in zip(places, colours, strict=True)
    )


def ppm(pixels: Pixels) -> bytes:
    """A binary PPM file."""
    height, width, _ = pixels.shape
    return b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes()


def bmp(pixels: Pixels) -> bytes:
    """A BMP file of 24 bits a pixel."""
    height, width, _ = pixels.shape
    padding = bytes(-3 * width % 4)
    rows = b"".join(row[:, ::-1].tobytes() + padding for row in pixels[::-1])
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows


def png(pixels: Pixels, texts: Sequence[tuple[str, str]] = (), exif: bytes = b"") -> bytes:
    """A PNG file, stored and not compressed, with texts and Exif data if wanted."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks += [_chunk(b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in texts]
    chunks += [_chunk(b"eXIf", exif)] if exif else []
    chunks += [_chunk(b"IDAT", zlib.compress(rows, 0)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
