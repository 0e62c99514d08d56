"""Frames between the host and the process inside a workspace.

A frame is an unsigned 32-bit big-endian length and that many bytes: one encoded value. The
encoding is a tag byte and a body, for the seven types that are needed; lengths are unsigned
32-bit. It is written out here because the other side may be a minimal Python without `json`,
and because neither side may trust the other: a decoder for hostile input must be small.

====  ======================================  ====  ==========================================
tag   body                                    tag   body
====  ======================================  ====  ==========================================
N     (None)                                  b     length, bytes
T F   (True, False)                           s     length, UTF-8 with surrogate escapes
i     signed 64-bit                           l     count, values
d     IEEE double                             m     count, pairs of an `s` body and a value
====  ======================================  ====  ==========================================

Runs inside and outside: imports nothing that is slow to load.
"""

from _struct import Struct  # `struct` itself is one more import
from _struct import error as StructError  # type: ignore[attr-defined]

MAX_FRAME = 96 * 2**20
"""Bytes; a longer frame is refused before it is read."""
MAX_DEPTH = 8
MAX_ITEMS = 1_000_000
"""Of one list or dict: a frame of a few bytes an item must not become gigabytes of objects."""

_LENGTH = Struct(">I")
_INT = Struct(">cq")
_DOUBLE = Struct(">cd")
_SIZED = Struct(">cI")
_BARE_INT = Struct(">q")
_BARE_DOUBLE = Struct(">d")

Value = object
"""None, bool, int, float, bytes, str, or a list or dict (with text keys) of values."""


class WireError(Exception):
    """The bytes are not a frame of this protocol, or the value does not fit into one."""


def encode(value: Value) -> bytes:
    """Return the whole frame of a value.

    Raises:
        WireError: The value has a type, size or depth that frames do not have.
    """
    parts: list[bytes] = []
    try:
        _put(value, parts, 0)
    except (StructError, UnicodeEncodeError) as error:
        raise WireError(f"value does not fit into a frame: {error}") from None
    body = b"".join(parts)
    if len(body) > MAX_FRAME:
        raise WireError(f"frame of {len(body)} bytes, {MAX_FRAME} is the most")
    return _LENGTH.pack(len(body)) + body


def _put(value: Value, parts: list[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError("value is nested too deeply")
    if value is None:
        parts.append(b"N")
    elif value is True:
        parts.append(b"T")
    elif value is False:
        parts.append(b"F")
    elif isinstance(value, int):
        parts.append(_INT.pack(b"i", value))
    elif isinstance(value, float):
        parts.append(_DOUBLE.pack(b"d", value))
    elif isinstance(value, (bytes, bytearray)):
        parts.append(_SIZED.pack(b"b", len(value)))
        parts.append(bytes(value))
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        parts.append(_SIZED.pack(b"s", len(data)))
        parts.append(data)
    elif isinstance(value, (list, tuple)):
        parts.append(_SIZED.pack(b"l", len(value)))
        for item in value:
            _put(item, parts, depth + 1)
    elif isinstance(value, dict):
        parts.append(_SIZED.pack(b"m", len(value)))
        for key, item in value.items():
            if not isinstance(key, str):
                raise WireError("keys are text")
            data = key.encode("utf-8", "surrogateescape")
            parts.append(_LENGTH.pack(len(data)))
            parts.append(data)
            _put(item, parts, depth + 1)
    else:
        raise WireError(f"{type(value).__name__} cannot be sent")


def decode(body: bytes) -> Value:
    """Return the value of a frame's body (the frame without its length).

    Raises:
        WireError: It is truncated, too long, nested too deeply, or has an unknown tag.
    """
    try:
        value, end = _get(body, 0, 0)
    except (StructError, UnicodeDecodeError, IndexError) as error:
        raise WireError(f"not a frame: {error}") from None
    if end != len(body):
        raise WireError(f"{len(body) - end} bytes after the value")
    return value


def _get(body: bytes, at: int, depth: int) -> "tuple[Value, int]":
    if depth > MAX_DEPTH:
        raise WireError("value is nested too deeply")
    tag = body[at]
    at += 1
    if tag == 0x4E:
        return None, at
    if tag == 0x54:
        return True, at
    if tag == 0x46:
        return False, at
    if tag == 0x69:
        return _BARE_INT.unpack_from(body, at)[0], at + 8
    if tag == 0x64:
        return _BARE_DOUBLE.unpack_from(body, at)[0], at + 8
    if tag not in (0x62, 0x73, 0x6C, 0x6D):
        raise WireError(f"unknown tag {tag:#x}")
    (size,) = _LENGTH.unpack_from(body, at)
    at += 4
    if size > len(body) - at:  # also for counts: every item takes a byte at least
        raise WireError("frame is truncated")
    if tag == 0x62:
        return body[at : at + size], at + size
    if tag == 0x73:
        return body[at : at + size].decode("utf-8", "surrogateescape"), at + size
    if size > MAX_ITEMS:
        raise WireError(f"{size} items, {MAX_ITEMS} is the most")
    if tag == 0x6C:
        items: list[Value] = []
        for _ in range(size):
            item, at = _get(body, at, depth + 1)
            items.append(item)
        return items, at
    pairs: dict[str, Value] = {}
    for _ in range(size):
        (length,) = _LENGTH.unpack_from(body, at)
        at += 4
        if length > len(body) - at:
            raise WireError("frame is truncated")
        key = body[at : at + length].decode("utf-8", "surrogateescape")
        pairs[key], at = _get(body, at + length, depth + 1)
    return pairs, at


class FrameReader:
    """Cuts a stream of bytes into the values of its frames.

    Example:
        >>> reader, frame = FrameReader(), encode({"op": "ping"})
        >>> reader.feed(frame[:5]), reader.feed(frame[5:])
        ([], [{'op': 'ping'}])
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()

    def feed(self, data: bytes) -> "list[Value]":
        """Add received bytes; return the values that are complete now.

        Raises:
            WireError: A frame is oversized or malformed; the stream is of no further use.
        """
        buffer = self._buffer
        buffer += data
        values: list[Value] = []
        at = 0
        while len(buffer) - at >= 4:
            (length,) = _LENGTH.unpack_from(buffer, at)
            if length > self._max_frame:
                raise WireError(f"frame of {length} bytes, {self._max_frame} is the most")
            if len(buffer) - at - 4 < length:
                break
            values.append(decode(bytes(buffer[at + 4 : at + 4 + length])))
            at += 4 + length
        if at:
            del buffer[:at]
        return values

    @property
    def pending(self) -> int:
        """Bytes of an incomplete frame that are held."""
        return len(self._buffer)
