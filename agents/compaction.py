"""Making a history fit the model's context again: old tool results are left out, oldest first.

Only what is sent changes. The history of the episode stays whole, and the trace says which
results the model no longer saw (`x.compaction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEPT_RESULTS = 4
"""So many of the newest results are never left out."""

_WORTHWHILE = 200


class Compactor:
    """Remembers, over an episode, which tool results are left out."""

    def __init__(self) -> None:
        self._left_out: dict[str, int] = {}

    def apply(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The messages as they are to be sent."""
        return [
            {**message, "content": _placeholder(self._left_out[message["tool_call_id"]])}
            if message.get("tool_call_id") in self._left_out
            else message
            for message in messages
        ]

    def shrink(self, messages: Sequence[dict[str, Any]]) -> bool:
        """Leave out the older half, by size, of the results that are still sent whole.

        Returns:
            Whether there was anything to leave out.
        """
        results = [m for m in messages if m.get("role") == "tool"]
        sizes = {
            message["tool_call_id"]: len(str(message.get("content") or ""))
            for message in results[: max(0, len(results) - KEPT_RESULTS)]
            if message["tool_call_id"] not in self._left_out
        }
        sizes = {name: size for name, size in sizes.items() if size > _WORTHWHILE}
        target = sum(sizes.values()) / 2
        gone = 0
        for name, size in sizes.items():
            if gone and gone >= target:
                break
            self._left_out[name] = size
            gone += size
        return gone > 0

    def record(self) -> dict[str, Any] | None:
        """What the trace says; None while nothing is left out."""
        if not self._left_out:
            return None
        return {"left_out": list(self._left_out), "characters": sum(self._left_out.values())}


def _placeholder(size: int) -> str:
    return (
        f"[{size} characters of this result are left out to make room; "
        "call the tool again if they are needed]"
    )
