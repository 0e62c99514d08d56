"""What a request lets a person expect to be told, and whether a message holds it.

Only the words of the request and the agent's words: no check. Where the text leaves a doubt,
nothing is held against the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["number", "id", "person", "reason"]

_TELL = re.compile(r"\b(?:tell me|let me know)\s+(?P<what>[^.,;:]+)", re.I)
_KINDS: dict[Kind, re.Pattern[str]] = {
    "number": re.compile(
        r"\bhow (many|much|long|big|often)\b"
        r"|\b(number|count|sum|total|average|price|amount|size|percentage|figure)\b",
        re.I,
    ),
    "id": re.compile(r"\b(id|hash)\b", re.I),
    "person": re.compile(
        r"(?<!those )(?<!people )(?<!one )(?<!ones )(?<!all )(?<!anybody )\bwho\b|\bauthor\b", re.I
    ),
    "reason": re.compile(r"\bwhy\b", re.I),
}
_NUMBER = re.compile(
    r"(?<![\w./:#-])[-+−]?\d[\d.,]*%?(?![\w/-]|\.\w)"
    r"|\b(none|nobody|nothing|zero|no|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve)\b",
    re.I,
)
_CITED = re.compile(r"`(?![-+−]?[\d.,]+%?`)[^`\n]*`|“[^”\n]*”")
"""A line or a name that is quoted: what stands in it is no answer, unless it is the figure."""
_ID = re.compile(r"(?<![\w./-])(?=[0-9a-f]*[0-9])[0-9a-f]{6,40}(?![\w/-])")
_NAME = re.compile(r"(?<=[\w,:(`] )[A-Z][a-zà-ÿ]+")
_LINK_WORDS = frozenset(
    "in of and is are was were for with which the a an to at on by from now as so that it but or"
    " after before all left more have has had under there here".split()
)


@dataclass(frozen=True)
class Wanted:
    """Something that the user asked to be told."""

    what: str
    """As the request puts it: `how many rows had to be rejected`."""
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Fault:
    """Something wrong that can be seen."""

    case: str
    """Key of the wording that points it out."""
    claim: str
    """For the record: `report.csv: not there`."""
    slots: dict[str, str] = field(default_factory=dict)


def wanted(request: str) -> Wanted | None:
    """What a request asks to be told, None where that is nothing that one could recognise."""
    match = _TELL.search(request)
    if match is None:
        return None
    what = " ".join(match["what"].split())
    kinds = tuple(kind for kind, pattern in _KINDS.items() if pattern.search(what))
    return Wanted(what, kinds) if kinds else None


def is_told(text: str, want: Wanted) -> bool:
    """Whether a message holds something that could be the answer, right or wrong."""
    return all(_holds(kind, text, want) for kind in want.kinds)


def _holds(kind: Kind, text: str, want: Wanted) -> bool:
    if kind == "id":
        return _ID.search(text) is not None
    if kind == "person":
        return _NAME.search(text) is not None
    if kind == "reason":
        return len(text.split()) > 8
    text = _CITED.sub(" ", text)
    counted = re.match(r"how (?:many|much) (.*)", want.what.lower())
    words = re.findall(r"[a-z]{4,}", counted[1]) if counted else []
    stems = {word[:4] for word in words} - {"they", "that", "ther"}
    return any(_counts(m, text, stems) for m in _NUMBER.finditer(text))


def _counts(number: re.Match[str], text: str, stems: set[str]) -> bool:
    """Whether a number may be the one: not if it plainly counts something else."""
    following = re.match(r"\s+([a-z]{3,})", text[number.end() :])
    if following is None or following[1] in _LINK_WORDS or following[1][:4] in stems:
        return True
    start = max(text.rfind(". ", 0, number.start()), text.rfind("\n", 0, number.start()))
    end = re.compile(r"[.;]\s|\n|\Z").search(text, number.end())
    sentence = text[start + 1 : end.start() if end else None].lower()
    return not stems or any(stem in sentence for stem in stems)
