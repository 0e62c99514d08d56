"""What the agent must have told the user."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import model_validator

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt

_NUMBER = re.compile(r"(?<![\w./:-])[-−]?\d[\d,]{0,15}(?:\.\d{1,12})?(?![\w/:-]|\.\d)")
"""A number that stands alone: parts of dates, times, paths, versions and ids do not count."""

DUMP = 40
"""A message with more different numbers than this answers nothing: it recites the data."""

MESSAGE_LENGTH = 20_000


class Said(Kind):
    """One of the agent's messages names a number, or contains a text.

    Numbers are read with their thousands separators; their sign counts only when `signed`.
    """

    kind: Literal["said"] = "said"
    number: float | None = None
    tolerance: float = 0.005
    signed: bool = False
    text: TextMatch | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Said:
        if (self.number is None) == (self.text is None):
            raise ValueError("give number or text")
        return self

    def judge(self, evidence: Evidence) -> str:
        """Go through the messages, latest first."""
        for message in reversed(evidence.agent_texts):
            shown = message[:MESSAGE_LENGTH]
            if self.number is not None and self._names_it(shown):
                return f"said: {excerpt(shown)}"
            if self.text is not None:
                try:
                    return self.text.demand(shown, "said")
                except Unmet:
                    continue
        wanted = self.number if self.number is not None else self.text
        raise Unmet(f"none of {len(evidence.agent_texts)} messages says {wanted}")

    def _names_it(self, message: str) -> bool:
        found = {text.replace(",", "").replace("−", "-") for text in _NUMBER.findall(message)}
        if self.number is None or len(found) > DUMP:
            return False
        values = [float(text) for text in found]
        if not self.signed:
            return any(abs(abs(v) - abs(self.number)) <= self.tolerance for v in values)
        return any(abs(v - self.number) <= self.tolerance for v in values)
