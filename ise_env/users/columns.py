"""What a request says of a table's columns, and what somebody sees who reads the table by it.

Only the words of the request and the table itself: no check. Where the text leaves a doubt,
nothing is held against the table.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence

from ise_env.users.expecting import Fault

Cell = Callable[[str], bool]
"""Whether a cell is of the form asked for."""

COLUMNS = re.compile(r"\bcolumns ([^;]+)", re.I)
_ITEM = re.compile(
    r"\s*(?:,\s*)?(?:and\s+)?`?([A-Za-z_]\w*)`?(?:\s+\(([^)]*)\))?\s*(?=,|\band\b|$)"
)
_FORMS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"\bYYYY-MM-DD\b"), re.compile(r"\d{4}-\d\d-\d\d")),
    (re.compile(r"\bHH:MM\b"), re.compile(r"\d\d:\d\d")),
    (re.compile(r"\btwo decimals\b"), re.compile(r"[-+]?\d+\.\d\d")),
    (re.compile(r"^how many\b|\bas an integer\b|\bwhole number\b"), re.compile(r"-?\d+")),
    (re.compile(r"\bplain number\b|\bdecimal number\b"), re.compile(r"-?\d+(\.\d+)?")),
)
"""What is said of a column, and what its cells then look like."""
_CHOICE = re.compile(r"(?:`[^`]+`|[\w-]+)(?:, (?:`[^`]+`|[\w-]+))* or (?:`[^`]+`|[\w-]+)")
_BEING = re.compile(rf"\b(\w+) (?:is|being) ({_CHOICE.pattern})")
_ONCE = re.compile(
    r"\b(?:every|each) (?P<noun>\w+)(?: exactly| only)? once\b"
    r"|\b(?:one|a) (?:row|line) for (?:each|every) (?P<of>\w+)"
)
_FIRST = re.compile(
    r"\b(?:the )?(?P<way>highest|largest|lowest|smallest|earliest|latest) (?P<column>\w+) first\b"
)
_UP = frozenset({"lowest", "smallest", "earliest"})
_IDS = frozenset({"id", "no", "number", "ref", "key"})
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SO_MANY = re.compile(
    rf"\b(?:copy|list|write|save|put|keep) the (?P<n>\d{{1,9}}|{'|'.join(_WORDS)}) "
    r"(?:\w+est|best|worst|(?:most|least) \w+) "
)
_LONGEST = 60


def table_fault(request: str, path: str, rows: Sequence[str], *, whole: bool) -> Fault | None:
    """A cell, a repeated row or an order that the request excludes; None where all fits.

    Args:
        request: As it was asked.
        path: Of a CSV file.
        rows: Its first lines, or all of them.
        whole: Whether it is all of them; the last of a part may be cut off.
    """
    if request.count(path) != 1:
        return None
    header, *cells = csv.reader(rows if whole else rows[:-1])
    at = [name.strip().lower() for name in header]
    table = [[cell.strip() for cell in row] for row in cells if len(row) == len(header)]
    return (
        _odd_cell(request, path, at, table)
        or _repeated(request, path, at, table)
        or _misordered(request, path, at, table)
        or (_too_many(request, path, table) if whole else None)
    )


def _odd_cell(
    request: str, path: str, at: Sequence[str], table: Sequence[Sequence[str]]
) -> Fault | None:
    for name, said in [*_columns(request), *_BEING.findall(request)]:
        fits = _form(said)
        if fits is None or name.lower() not in at:
            continue
        column = at.index(name.lower())
        values = [row[column] for row in table if row[column]]
        odd = next((value for value in values if not fits(value)), None)
        # Words to choose from may be kinds of things rather than values: then none of them occurs.
        if odd is None or (" or " in said and not any(fits(value) for value in values)):
            continue
        asked = re.sub(r"^(?:as|in) ", "", said)
        slots = {"path": path, "what": odd[:_LONGEST], "column": name, "asked": asked}
        claim = f"{path}: {name} is “{odd[:_LONGEST]}” in a row, asked for was {asked}"
        return Fault("challenge.cell", claim, slots)
    return None


def _columns(request: str) -> list[tuple[str, str]]:
    """Columns of which the request says more than their name, and what it says."""
    match = COLUMNS.search(request)
    if match is None:
        return []
    found, position = [], 0
    while item := _ITEM.match(match[1], position):
        found.append((item[1], item[2] or ""))
        position = item.end()
    return [(name, said) for name, said in found if said]


def _form(said: str) -> Cell | None:
    for words, pattern in _FORMS:
        if words.search(said):
            return lambda value: pattern.fullmatch(value) is not None
    if not _CHOICE.fullmatch(said):
        return None
    allowed = [choice.strip("`") for choice in re.split(r", | or ", said)]
    return lambda value: value in allowed


def _repeated(
    request: str, path: str, at: Sequence[str], table: Sequence[Sequence[str]]
) -> Fault | None:
    """A thing with two rows that was to have one."""
    match = _ONCE.search(request)
    if match is None or not table:
        return None
    noun = match["noun"] or match["of"]
    if at[0] not in {noun, *_IDS}:
        return None
    twice = next((value for value, n in Counter(row[0] for row in table).items() if n > 1), "")
    if not twice:
        return None
    slots = {"path": path, "what": twice[:_LONGEST]}
    return Fault("challenge.twice", f"{path}: {twice[:_LONGEST]} is in it twice", slots)


def _misordered(
    request: str, path: str, at: Sequence[str], table: Sequence[Sequence[str]]
) -> Fault | None:
    match = _FIRST.search(request)
    if match is None or match["column"] not in at:
        return None
    values = [row[at.index(match["column"])] for row in table]
    try:
        keys: list[float] | list[str] = [float(value) for value in values]
    except ValueError:
        if match["way"] not in ("earliest", "latest"):
            return None
        keys = values
    if keys == sorted(keys, reverse=match["way"] not in _UP):
        return None
    claim = f"{path}: not with the {match['way']} {match['column']} first"
    return Fault("challenge.order", claim, {"path": path})


def _too_many(request: str, path: str, table: Sequence[Sequence[str]]) -> Fault | None:
    """More rows than were asked for; that there are fewer may have its reason."""
    match = _SO_MANY.search(request)
    if match is None:
        return None
    said = match["n"]
    number = int(said) if said.isdigit() else _WORDS.index(said) + 2
    if len(table) <= number:
        return None
    claim = f"{path}: {len(table)} rows, asked for were {said}"
    return Fault(
        "challenge.too_many", claim, {"path": path, "asked": said, "counted": str(len(table))}
    )
