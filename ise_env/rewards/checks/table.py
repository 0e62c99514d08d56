"""CSV files: certain rows, certain cells, numbers with a tolerance."""

from __future__ import annotations

import csv
import io
import math
from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet, excerpt, listed

Row = dict[str, str]


class CsvRows(Kind):
    """A CSV file holds exactly these rows.

    Columns are found by name, whatever their order or letter case; more columns than asked
    for fail unless `extra_columns`. Cells are stripped and compared as text, or as numbers
    where the wanted text is one.
    """

    kind: Literal["csv_rows"] = "csv_rows"
    path: str
    columns: tuple[str, ...] = Field(min_length=1)
    rows: tuple[tuple[str, ...], ...]
    ordered: bool = False
    extra_columns: bool = False
    tolerance: float = 0.005
    delimiter: str = ","

    def judge(self, evidence: Evidence) -> str:
        """Compare row by row, in order or as a multiset."""
        table = read_csv(evidence, self.path, self.columns, self.delimiter, self.extra_columns)
        found = [tuple(row[name] for name in self.columns) for row in table]
        if len(found) != len(self.rows):
            raise Unmet(f"{self.path}: {len(found)} rows, not {len(self.rows)}")
        if not self.ordered:
            found = sorted(found, key=_sorting)
        wanted = self.rows if self.ordered else sorted(self.rows, key=_sorting)
        for number, (left, right) in enumerate(zip(found, wanted, strict=True), 1):
            if not all(same_cell(a, b, self.tolerance) for a, b in zip(left, right, strict=True)):
                raise Unmet(
                    f"{self.path}: row {number}{'' if self.ordered else ' (sorted)'} is "
                    f"“{excerpt(','.join(left))}”, not “{excerpt(','.join(right))}”"
                )
        return f"{self.path}: the {len(found)} expected rows"


class CsvCell(Kind):
    """One cell, found by the values of other columns in its row, holds a value."""

    kind: Literal["csv_cell"] = "csv_cell"
    path: str
    where: dict[str, str] = Field(min_length=1)
    column: str
    equals: str
    tolerance: float = 0.005
    delimiter: str = ","

    def judge(self, evidence: Evidence) -> str:
        """Find the one row and compare."""
        columns = (*self.where, self.column)
        table = read_csv(evidence, self.path, columns, self.delimiter, extra_columns=True)
        rows = [
            row
            for row in table
            if all(same_cell(row[name], value, 0) for name, value in self.where.items())
        ]
        if len(rows) != 1:
            raise Unmet(f"{self.path}: {len(rows)} rows with {_where(self.where)}")
        found = rows[0][self.column]
        if not same_cell(found, self.equals, self.tolerance):
            raise Unmet(f"{self.path}: {self.column} is “{excerpt(found)}”, not “{self.equals}”")
        return f"{self.path}: {self.column} is “{excerpt(found)}”"


def read_csv(
    evidence: Evidence, path: str, columns: tuple[str, ...], delimiter: str, extra_columns: bool
) -> list[Row]:
    """Return the rows as dicts keyed by the wanted column names."""
    text = evidence.text(path)
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise Unmet(f"{path}: not CSV: {error}") from error
    if not lines:
        raise Unmet(f"{path}: empty")
    header = [name.strip().casefold() for name in lines[0]]
    missing = [name for name in columns if name.casefold() not in header]
    if missing or len(set(header)) != len(header):
        raise Unmet(
            f"{path}: columns are {excerpt(listed(lines[0], 20))}; missing {listed(missing)}"
        )
    if not extra_columns and len(header) != len(columns):
        raise Unmet(
            f"{path}: columns are {excerpt(listed(lines[0], 20))}, not {listed(columns, 20)}"
        )
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise Unmet(f"{path}: line {number} has {len(line)} cells, not {len(header)}")
    places = {name: header.index(name.casefold()) for name in columns}
    return [{name: line[at].strip() for name, at in places.items()} for line in lines[1:]]


def _where(cells: dict[str, str]) -> str:
    return " and ".join(f"{name} = {value}" for name, value in cells.items())


def number(text: str) -> float | None:
    """The number that a cell is, thousands separators allowed; None for anything else."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and len(text) < 64 else None


def same_cell(found: str, wanted: str, tolerance: float) -> bool:
    """Whether a cell holds what it should: as a number where one is wanted, else as text."""
    if found == wanted:
        return True
    left, right = number(found), number(wanted)
    return left is not None and right is not None and abs(left - right) <= tolerance


def _sorting(row: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    """Numbers by value, so that `12.5` and `12.50` sort alike."""
    keys = []
    for cell in row:
        value = number(cell)
        keys.append((math.inf, cell) if value is None else (value, ""))
    return tuple(keys)
