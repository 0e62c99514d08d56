"""What commands wrote, as text for the agent: decoded, bounded, honest about what is missing."""

from __future__ import annotations

import codecs
import json
from typing import Any

MAX_OUTPUT_BYTES = 200_000
"""Shown of one command's output: half from the head, half from the tail."""


def as_text(
    output: bytes, omitted: int = 0, gap: int = 0, limit: int = MAX_OUTPUT_BYTES
) -> tuple[str, int]:
    """Decode output, cutting its middle where it is too long.

    Args:
        output: What was kept.
        omitted: Bytes of it already left out.
        gap: Where in `output` they are missing.
        limit: Most bytes to show.

    Returns:
        The text, undecodable bytes replaced, and how many bytes it leaves out. What is left out
        is marked in its place.
    """
    if omitted == 0 and len(output) <= limit:
        return output.decode("utf-8", "replace"), 0
    middle = gap if omitted else len(output) // 2
    head, tail = output[:middle], output[middle:]
    head = _to_last_character(head[: limit // 2])
    tail = _from_first_character(tail[max(0, len(tail) - limit // 2) :])
    left_out = omitted + len(output) - len(head) - len(tail)
    marker = f"\n\n[... {left_out:,} bytes of output left out ...]\n\n"
    return head.decode("utf-8", "replace") + marker + tail.decode("utf-8", "replace"), left_out


def _to_last_character(head: bytes) -> bytes:
    """Drop the beginning of a character that a cut went through."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(head)
    return head[: len(head) - len(decoder.getstate()[0])]


def _from_first_character(tail: bytes) -> bytes:
    """Drop the rest of a character that a cut went through."""
    longest = min(3, len(tail))
    return tail[next((i for i in range(longest) if tail[i] & 0xC0 != 0x80), longest) :]


def seconds(value: float) -> str:
    """Write a number of seconds as upstream does: no `.0`."""
    return f"{value:g}" if value != int(value) else str(int(value))


def as_json(value: Any) -> str:
    """Write a result as upstream does: `JSON.stringify(value, null, 2)`."""
    return json.dumps(value, indent=2, ensure_ascii=False)
