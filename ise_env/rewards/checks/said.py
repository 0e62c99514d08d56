"""What the agent must have told the user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from pydantic import Field, model_validator

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt

_NUMBER = re.compile(r"(?<![\w./:-])[-−]?\d[\d,]{0,15}(?:\.\d{1,12})?(?![\w/:-]|\.\d)")
"""A number that stands alone: parts of dates, times, paths, versions and ids do not count."""

DUMP = 40
"""A message with more different numbers than this answers nothing: it recites the data."""

MESSAGE_LENGTH = 20_000

_CLAUSE = re.compile(r"(?<=[.;:!?])\s+|\n|,\s+|\s+and\s+", re.IGNORECASE)
_QUOTATION = re.compile(r"```.*?```|`[^`\n]{12,}`", re.DOTALL)
_PATH = re.compile(r"(?<!\S)\S*(?:/|\.[A-Za-z])\S*")
"""A file name is no unit, whatever it is called."""
_LIST = 2
"""A message with more different texts of a kind than this lists them, it does not name one."""
_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}


class Said(Kind):
    """The agent told the user a number or a text, and did not take it back.

    With a sub-goal, only messages in answer to turns about it count, and answers to a request to
    look again only where those do not say it. Where `unit` or `like` say
    what such a statement looks like, the last message that makes one decides; otherwise any
    message that names what is wanted will do.

    Numbers are read with their thousands separators; their sign counts only when `signed`.
    """

    kind: Literal["said"] = "said"
    number: float | None = None
    tolerance: float = 0.005
    signed: bool = False
    unit: tuple[str, ...] = Field(
        default=(), description="Beginnings of words that stand by the number: `tr` for tries."
    )
    text: TextMatch | None = None
    like: str = Field(default="", description="Pattern of texts of the same kind, such as ids.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Said:
        if (self.number is None) == (self.text is None):
            raise ValueError("give number or text")
        return self

    def judge(self, evidence: Evidence) -> str:
        """Go through the messages that count, latest first."""
        try:
            return self._judge(evidence.texts_about(self.subgoal), evidence)
        except Unmet:
            again = evidence.rechecked_of.get(self.subgoal or "", ())
            with suppress(Unmet):
                return self._judge(again, evidence)
            raise

    def _judge(self, said: Sequence[str], evidence: Evidence) -> str:
        texts = [text[:MESSAGE_LENGTH] for text in said if text]
        for message in reversed(texts):
            stated = self._stated(message)
            if stated and self._among(stated, message):
                return f"the agent said: “{excerpt(self._where(message))}”"
            if stated:
                said = excerpt(self._where(message))
                raise Unmet(f"the agent said: “{said}”, which is not {self._wanted()}")
        if not any(map(self._stated, texts)):
            for message in reversed(texts):
                if self._among([message], message):
                    return f"the agent said: “{excerpt(message)}”"
        about = f" about {self.subgoal}" if self.subgoal and evidence.said_of is not None else ""
        last = f"; it last said: “{excerpt(texts[-1])}”" if texts else ""
        raise Unmet(f"the agent never said {self._wanted()}{about}{last}")

    def _stated(self, message: str) -> Sequence[str]:
        """The parts of a message that make a statement of this kind."""
        if self.number is not None:
            return [c for c in _clauses(message) if self._has_unit(c) and _numbers(c)]
        named = set(re.findall(self.like, message)) if self.like else set()
        return [message] if 0 < len(named) <= _LIST else []

    def _has_unit(self, clause: str) -> bool:
        words = _PATH.sub(" ", clause)
        return any(re.search(rf"\b{word}", words, re.IGNORECASE) for word in self.unit)

    def _among(self, parts: Sequence[str], message: str) -> bool:
        """Whether one of the parts names what is wanted."""
        if self.text is not None:
            try:
                self.text.demand(message, "said")
            except Unmet:
                return False
            return True
        found = {value for part in parts for value in _numbers(part)}
        return len(found) <= DUMP and any(map(self._is_it, found))

    def _is_it(self, value: float) -> bool:
        wanted = self.number or 0.0
        if not self.signed:
            value, wanted = abs(value), abs(wanted)
        return abs(value - wanted) <= self.tolerance

    def _where(self, message: str) -> str:
        """The part of a message that makes the statement, with what stands around it."""
        lines = [line for line in message.splitlines() if self._stated(line)]
        return lines[0] if self.number is not None and lines else message

    def _wanted(self) -> str:
        return f"{self.number:g}" if self.text is None else self.text.wanted()


def _clauses(message: str) -> Iterator[str]:
    """The clauses of a message; what it quotes from elsewhere is not its own statement."""
    return (clause for clause in _CLAUSE.split(_QUOTATION.sub(" ", message)) if clause)


def _numbers(text: str) -> set[float]:
    """The numbers that stand alone in a text, small ones also as words."""
    found = {match.replace(",", "").replace("−", "-") for match in _NUMBER.findall(text)}
    found |= {_WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _WORDS}
    return {float(value) for value in found}
