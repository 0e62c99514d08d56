"""What commands wrote, as text for the agent: decoded, bounded, honest about what is missing."""

from __future__ import annotations

import codecs

MAX_OUTPUT_BYTES = 200_000
"""Shown of one command's output: half from the head, half from the tail."""


def as_text(output: bytes, omitted: int = 0, limit: int = MAX_OUTPUT_BYTES) -> tuple[str, int]:
    """Decode output, cutting its middle where it is too long.

    Args:
        output: What was kept; where `omitted` is not 0, its first half is the head and its
            second half the tail of what was written.
        omitted: Bytes already left out between the two.
        limit: Most bytes to show.

    Returns:
        The text, undecodable bytes replaced, and how many bytes it leaves out. What is left out
        is marked in its place.
    """
    half = min(limit, len(output)) // 2
    if omitted == 0 and len(output) <= limit:
        return output.decode("utf-8", "replace"), 0
    head, tail = output[:half], output[len(output) - half :]
    left_out = omitted + len(output) - 2 * half
    marker = f"\n\n[... {left_out:,} bytes of output left out ...]\n\n"
    return _head_text(head) + marker + _tail_text(tail), left_out


def _head_text(head: bytes) -> str:
    """Decode, dropping a character that the cut went through."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(head)


def _tail_text(tail: bytes) -> str:
    start = next((i for i in range(min(4, len(tail))) if tail[i] & 0xC0 != 0x80), 0)
    return tail[start:].decode("utf-8", "replace")


def seconds(value: float) -> str:
    """Write a number of seconds as upstream does: no `.0`."""
    return f"{value:g}" if value != int(value) else str(int(value))
