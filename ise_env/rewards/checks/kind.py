"""The base of every check kind: data that can judge evidence."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import BaseModel, ConfigDict, Field

from ise_env.rewards.evidence import Evidence, Unmet, excerpt, normalised
from ise_env.rewards.spec import Check


class Kind(Check):
    """A check that knows how to look.

    Subclasses add `kind: Literal["..."]` with a default and their own fields, one kind a file.
    """

    @abstractmethod
    def judge(self, evidence: Evidence) -> str:
        """Look at what was left.

        Returns:
            What was seen, when the check passes.

        Raises:
            Unmet: The check fails; its message is what was seen.
            VerifierError: The check could not be evaluated.
        """


class TextMatch(BaseModel):
    """Conditions on a text; all that are given must hold.

    Both sides are compared with normalised line ends. Patterns use Python's `re` with
    MULTILINE and are searched, not anchored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    equals: str | None = None
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    ignore_case: bool = Field(default=False, description="For contains, lacks and matches.")

    def wanted(self) -> str:
        """The conditions, for a person."""
        parts = [f"“{part}”" for part in (self.equals, *self.contains) if part is not None]
        parts += [f"something like {pattern}" for pattern in self.matches]
        parts += [f"no “{part}”" for part in self.lacks]
        return " and ".join(parts) or "anything"

    def demand(self, text: str, where: str) -> str:
        """Return evidence when the text meets every condition, raise `Unmet` otherwise."""
        import re

        if self.equals is not None and normalised(text) != normalised(self.equals):
            raise Unmet(f"{where}: {_difference(normalised(text), normalised(self.equals))}")
        folded = text.casefold() if self.ignore_case else text

        def fold(part: str) -> str:
            return part.casefold() if self.ignore_case else part

        for part in self.contains:
            if fold(part) not in folded:
                raise Unmet(f"{where}: “{part}” is not in it: {excerpt(text)}")
        for part in self.lacks:
            if fold(part) in folded:
                raise Unmet(f"{where}: still contains “{part}”")
        flags = re.MULTILINE | (re.IGNORECASE if self.ignore_case else 0)
        for pattern in self.matches:
            if not re.search(pattern, text, flags):
                raise Unmet(
                    f"{where}: nothing matches the pattern {pattern} in it: {excerpt(text)}"
                )
        return f"{where}: {excerpt(text, 80)}"


def _difference(found: str, wanted: str) -> str:
    """Name the first line that differs."""
    left, right = found.split("\n"), wanted.split("\n")
    for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
        if a != b:
            return f"line {number} is “{excerpt(a, 120)}”, not “{excerpt(b, 120)}”"
    return f"{len(left) - 1} lines, not {len(right) - 1}"
