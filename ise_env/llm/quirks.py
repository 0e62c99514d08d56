"""What a model turned out not to accept, learnt from its own refusal.

A 400 that names a request field is answered by dropping or renaming that field, once, for the
rest of the process; it is logged, and recorded with every completion that it touched. Nothing
is assumed from a model's name.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ise_env.llm.endpoint import SAMPLING

log = logging.getLogger("ise_env.llm")

_DROPPABLE = SAMPLING - {"max_tokens", "max_completion_tokens", "tool_choice"} | {"stream_options"}
_REFUSED = re.compile(
    r"unsupported|not support|unrecognized|unrecognised|unknown|unexpected|not allowed"
    r"|not permitted|invalid (parameter|argument)|extra (inputs|fields)|deprecated"
    r"|only the default",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quirk:
    """One learnt difference: `field` is left out, or sent under the name `instead`."""

    field: str
    instead: str | None = None

    def __str__(self) -> str:
        return f"{self.field}->{self.instead}" if self.instead else f"-{self.field}"


class Quirks:
    """What is known of one model at one address. Thread-safe."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._known: dict[str, Quirk] = {}
        self._lock = threading.Lock()

    def apply(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Adapt a request body.

        Returns:
            A changed copy, and the quirks that changed it, in words.
        """
        with self._lock:
            known = list(self._known.values())
        out, used = dict(body), []
        for quirk in known:
            if quirk.field == "messages.reasoning":
                out["messages"], touched = _without_reasoning(out["messages"])
            else:
                touched = quirk.field in out
                value = out.pop(quirk.field, None)
                if touched and quirk.instead:
                    out.setdefault(quirk.instead, value)
            if touched:
                used.append(str(quirk))
        return out, used

    def learn(self, refusal: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        """Draw a conclusion from a 400.

        Args:
            refusal: The server's error object (`message`, `param`, `code`).
            body: The request that it refused, as sent.

        Returns:
            Whether the request is worth sending again, changed.
        """
        quirk = diagnose(refusal, body)
        if quirk is None:
            return False
        with self._lock:
            new = self._known.setdefault(quirk.field, quirk) is quirk
        if new:
            said = " ".join(str(refusal.get("message", "")).split())[:200]
            log.warning("%s: %s from now on; it said: %s", self._label, quirk, said)
        # Known already: another thread learnt it while this request was on its way.
        return True


def diagnose(refusal: Mapping[str, Any], body: Mapping[str, Any]) -> Quirk | None:
    """Which field of the request a refusal is about, and what would help."""
    said = str(refusal.get("message", ""))
    if not (_REFUSED.search(said) or "unsupported" in str(refusal.get("code", ""))):
        return None
    for name, instead in (
        ("max_tokens", "max_completion_tokens"),
        ("max_completion_tokens", "max_tokens"),
    ):
        if name in body and _names(refusal, name):
            # The other name in the same text is the advice, not the culprit.
            first = re.search(r"max(_completion)?_tokens", said)
            if refusal.get("param") == name or (first is not None and first[0] == name):
                return Quirk(name, instead)
    if re.search(r"reasoning(_content)?\b(?!_effort)", said) and any(
        isinstance(m, Mapping) and ("reasoning_content" in m or "reasoning" in m)
        for m in body.get("messages", ())
    ):
        return Quirk("messages.reasoning")
    for name in sorted(_DROPPABLE & body.keys(), key=len, reverse=True):
        if _names(refusal, name):
            return Quirk(name)
    return None


def _names(refusal: Mapping[str, Any], field: str) -> bool:
    param = str(refusal.get("param") or "")
    if param.split(".")[0] == field:
        return True
    return re.search(rf"(?<![\w.]){field}(?!\w)", str(refusal.get("message", ""))) is not None


def _without_reasoning(messages: Any) -> tuple[list[Any], bool]:
    keys = ("reasoning_content", "reasoning")
    out = [
        {k: v for k, v in m.items() if k not in keys} if isinstance(m, Mapping) else m
        for m in messages
    ]
    return out, out != list(messages)
