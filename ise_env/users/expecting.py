"""What a request lets a person expect, and what of it they can see to be missing.

Only the words of the request, the agent's words and the first lines of a result: no check. Where
the text leaves a doubt, nothing is held against the result.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Literal

from ise_env.users.digest import HEAD_CHARS, HEAD_LINES

Kind = Literal["number", "id", "person", "reason"]

_TELL = re.compile(r"\b(?:tell me|let me know)\s+(?P<what>[^.,;:]+)", re.I)
_KINDS: dict[Kind, re.Pattern[str]] = {
    "number": re.compile(
        r"\bhow (many|much|long|big|often)\b"
        r"|\b(number|count|sum|total|average|price|amount|size|percentage|figure)\b",
        re.I,
    ),
    "id": re.compile(r"\b(id|hash)\b", re.I),
    "person": re.compile(r"\b(who|author)\b", re.I),
    "reason": re.compile(r"\bwhy\b", re.I),
}
_NUMBER = re.compile(
    r"(?<![\w./:#-])[-+−]?\d[\d.,]*%?(?![\w/-]|\.\w)"
    r"|\b(none|nobody|nothing|zero|no|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve)\b",
    re.I,
)
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


# -- looking into a result -----------------------------------------------------------------------

_COLUMNS = re.compile(r"\bcolumns ([^;]+)", re.I)
_KEYS = re.compile(r"\bkeys ([^;]+)", re.I)
_PREFIX = re.compile(r"\bstarting with (\S+/)(?=[\s,.;]|$)")
_SECTION = re.compile(r"\bsection `(#+ [^`<>]+)`")
_SORTED = re.compile(r"one (?:a|per) line(?:,)? (?:and sorted|in alphabetical order)", re.I)
_ONE_WORD = re.compile(r"^(?:and\s+)?`?([A-Za-z_]\w*)`?$")


def visible_fault(request: str, path: str, head: str) -> Fault | None:
    """What a person sees to be wrong who opens a result and knows what they asked for.

    Args:
        request: As it was asked.
        path: Of the result.
        head: Its first lines, perhaps all.
    """
    rows = [row for row in head.splitlines() if row.strip()]
    if not rows or head.startswith("(not text"):
        return None
    whole = len(head.splitlines()) < HEAD_LINES and len(head) < HEAD_CHARS - 1
    if path.lower().endswith(".csv"):
        return _table_fault(request, path, rows, whole=whole)
    if path.lower().endswith(".json") and whole:
        lacking = [key for key in _listed(_KEYS, request, path) if f'"{key}"' not in head]
        return _lacks(path, lacking[0]) if lacking else None
    if (section := _SECTION.search(request)) and section[1] not in head and _is_first(request):
        return _lacks(path, section[1])
    return _list_fault(request, path, rows)


def _is_first(request: str) -> bool:
    return re.search(r"\b(above|on top|at the top)\b", request) is not None


def _table_fault(request: str, path: str, rows: list[str], *, whole: bool) -> Fault | None:
    header = [cell.strip(' "').lower() for cell in rows[0].split(",")]
    lacking = [c for c in _listed(_COLUMNS, request, path) if c.lower() not in header]
    if lacking:
        return Fault(
            "challenge.column",
            f"{path}: no column {lacking[0]}",
            {"path": path, "what": lacking[0]},
        )
    if len(rows) == 1 and whole and len(header) > 1:
        return Fault("challenge.bare", f"{path}: only a header", {"path": path})
    plain = [row for row in rows if '"' not in row and len(row) < 119]
    widths = {row.count(",") for row in plain[: len(rows) if whole else -1]}
    tabular = len(plain) == len(rows) > 2 and min(widths, default=0) > 0
    if tabular and len(widths) > 1 and len(header) > 1:
        odd = next((row for row in plain if row.count(",") != len(header) - 1), "")
        if odd:
            slots = {"path": path, "what": odd[:60]}
            return Fault("challenge.ragged", f"{path}: uneven rows", slots)
    return None


def _list_fault(request: str, path: str, rows: list[str]) -> Fault | None:
    """Of a file with one name a line."""
    if not path.lower().endswith(".txt"):
        return None
    prefix = _PREFIX.search(request)
    if prefix:
        odd = next((row for row in rows if not row.startswith(prefix[1])), "")
        if odd and not any(row.startswith(prefix[1]) for row in rows):
            return Fault(
                "challenge.prefix",
                f"{path}: lines do not start with {prefix[1]}",
                {"path": path, "what": prefix[1], "line": odd[:60]},
            )
    if _SORTED.search(request):
        pairs = list(itertools.pairwise(rows))
        if any(a > b for a, b in pairs) and any(a.lower() > b.lower() for a, b in pairs):
            return Fault("challenge.order", f"{path}: not in order", {"path": path})
    return None


def _lacks(path: str, what: str) -> Fault:
    return Fault("challenge.lacking", f"{path}: no {what}", {"path": path, "what": what})


def _listed(pattern: re.Pattern[str], request: str, path: str) -> list[str]:
    """Single words that a request lists after `columns` or `keys` of this very file."""
    if request.count(path) != 1:
        return []
    match = pattern.search(request)
    if match is None:
        return []
    names: list[str] = []
    bare = re.sub(r"\([^)]*\)", " ", match[1])
    for part in re.split(r",|\band\b", bare):
        word = _ONE_WORD.match(part.strip())
        if word is None:
            first = re.match(r"\s*`?([A-Za-z_]\w*)`?\s*$", part)
            if first:
                names.append(first[1])
            break
        names.append(word[1])
    return names if len(names) > 1 else []
