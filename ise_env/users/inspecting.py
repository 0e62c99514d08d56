"""Looking into a result: what a person sees to be wrong who knows what they asked for.

Only the words of the request, the agent's words and the result itself: no check. Where the text
leaves a doubt, nothing is held against the result.
"""

from __future__ import annotations

import csv
import itertools
import json
import posixpath
import re

from ise_env.users.columns import COLUMNS, table_fault
from ise_env.users.expecting import Fault

_KEYS = re.compile(r"\bkeys ([^;]+)", re.I)
_PREFIX = re.compile(r"\bstarting with (\S+/)(?=[\s,.;]|$)")
_SECTION = re.compile(r"\bsection `(#+ [^`<>]+)`")
_SORTED = re.compile(r"one (?:a|per) line(?:,)? (?:and sorted|in alphabetical order)", re.I)
_ONE_WORD = re.compile(r"^(?:and\s+)?`?([A-Za-z_]\w*)`?$")


def visible_fault(request: str, path: str, head: str, *, whole: bool) -> Fault | None:
    """What a person sees to be wrong who opens a result and knows what they asked for.

    Args:
        request: As it was asked.
        path: Of the result.
        head: Its first lines, or all of them.
        whole: Whether it is all of them.
    """
    rows = [row for row in head.splitlines() if row.strip()]
    if not rows or head.startswith("(not text"):
        return None
    return (
        _shape_fault(request, path, head, rows, whole=whole)
        or _order_fault(request, path, rows if whole else rows[:-1])
        or _value_fault(request, path, rows)
        or _unlisted(request, path, head, whole=whole)
    )


def miscounted(said: str, path: str, text: str) -> Fault | None:
    """A figure that the agent gives for a file, and the file has another.

    Args:
        said: The agent's words.
        path: Of the file.
        text: All of it.
    """
    name = re.escape(posixpath.basename(path))
    match = re.search(
        rf"{name}`? (?:now )?(?:lists|has|holds|contains) (\d[\d,]{{0,11}}) (?:names|lines|rows"
        r"|entries|records|products|offers|items)\b",
        said,
    )
    if match is None or text.startswith("(not text"):
        return None
    claimed, rows = int(match[1].replace(",", "")), [r for r in text.splitlines() if r.strip()]
    if len(rows) - 4 <= claimed <= len(text.splitlines()) + 1:
        return None  # a heading, a header, a blank line
    slots = {"path": path, "claimed": str(claimed), "counted": str(len(rows))}
    return Fault("challenge.count", f"{path}: {len(rows)} lines, not {claimed}", slots)


def _shape_fault(
    request: str, path: str, head: str, rows: list[str], *, whole: bool
) -> Fault | None:
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
    lacking = [c for c in _listed(COLUMNS, request, path) if c.lower() not in header]
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
    return table_fault(request, path, rows, whole=whole)


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


_SORTED_BY = re.compile(r"\bsorted by (?:its |the |their )?`?(\w+)`?(?! (?:and|then))")


def _order_fault(request: str, path: str, rows: list[str]) -> Fault | None:
    """A table or records that are sorted neither up nor down by the column that was named."""
    match = _SORTED_BY.search(request)
    if match is None or request.count(path) != 1:
        return None
    values = _column(path, rows, match[1].lower())
    orders = [values, [v.lower() for v in values]]
    if len(values) < 3 or any(o in (sorted(o), sorted(o, reverse=True)) for o in orders):
        return None
    try:
        figures = [float(v.replace(",", "")) for v in values]
    except ValueError:
        figures = []
    if figures and figures in (sorted(figures), sorted(figures, reverse=True)):
        return None
    return Fault("challenge.order", f"{path}: not sorted by {match[1]}", {"path": path})


def _column(path: str, rows: list[str], name: str) -> list[str]:
    """The values of a column of a CSV file, or of a key of JSON lines; [] where there is none."""
    if path.endswith(".jsonl"):
        found = []
        for row in rows:
            try:
                record = json.loads(row)
            except ValueError:
                continue  # the last row may be cut off
            if not isinstance(record, dict) or name not in record:
                return []
            found.append(str(record[name]))
        return found
    if not path.endswith(".csv"):
        return []
    header, *table = csv.reader(rows)
    at = [cell.strip().lower() for cell in header]
    if name not in at:
        return []
    return [row[at.index(name)] for row in table if len(row) == len(header)]


_LEFT_OVER = re.compile(
    r"(?:^|[,:\t|]\s?)(nan|NaN|None|undefined|NaT|TODO|TBD|FIXME|<\w+>)(?=\s*(?:[,;|]|$))"
    r"|: (-)(?= \(|\s*$)"
)
_PLAIN_DATES = re.compile(r"\bYYYY-MM-DD\b")
_OTHER_DATE = re.compile(r"\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b")


def _value_fault(request: str, path: str, rows: list[str]) -> Fault | None:
    """A place holder where a value should be, a date in another form than the one asked for."""
    if not re.search(r"\.(csv|tsv|md|txt|jsonl)$", path):
        return None
    for row in rows:
        odd = _LEFT_OVER.search(row)
        if odd is None and _PLAIN_DATES.search(request):
            odd = _OTHER_DATE.search(row)
        if odd is not None and odd.group().strip(" ,:|") not in request:
            slots = {"path": path, "what": row.strip()[:60]}
            return Fault("challenge.value", f"{path}: an odd value in a line", slots)
    return None


_LIST_IT = re.compile(r"\b(\S+/(\S+\.\w+))\b.*\blist it in (?:\S+/)?(\S*\w)")


def _unlisted(request: str, path: str, head: str, *, whole: bool) -> Fault | None:
    """A file that was to be listed in this one and is not."""
    match = _LIST_IT.search(request)
    if match is None or not whole or posixpath.basename(path) != match[3]:
        return None
    return None if match[2] in head else _lacks(path, match[2])
