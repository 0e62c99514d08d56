"""Daily figures to sum up by month, with outliers left out by a rule."""

from __future__ import annotations

import csv
import io
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

SIZES = {"simple": (40, 2, 3), "medium": (90, 3, 4), "complex": (240, 4, 6)}
"""Rows, categories, months."""
SETTINGS = {
    "power": ("site", "kwh"),
    "water": ("building", "litres"),
    "takings": ("till", "amount"),
    "waste": ("depot", "kilos"),
}

RULES = """\
# How {title} is summed up

- A row is an outlier when its {value} is more than {factor} times the median of all rows of its
  {key}, or below zero. The median is taken over every row of that {key} that has a number, the
  outliers included.
- A row without a number is broken. It is no outlier, and counts nowhere.
- The table has a column `month` (`2025-03`), then one column for each {key} in alphabetical order,
  and one row for each month, in order. A cell is the sum of what is left, with two decimals, and
  0.00 where nothing is left.
- The list of outliers has the columns of the source and keeps its order.
"""

Row = tuple[str, str, str]
"""Day, key, value as written."""


class Params(KitParams):
    """What is measured, how long, and the rule's factor."""

    setting: str
    rows: int = Field(ge=40, le=240)
    keys: int = Field(ge=2, le=4)
    months: int = Field(ge=3, le=6)
    factor: int = Field(ge=3, le=6)


@dataclass(frozen=True)
class World:
    """The source and what it comes to."""

    contents: dict[str, str]
    keys: list[str]
    table: list[tuple[str, ...]]
    outliers: list[Row]


def pivot(rows: list[Row], factor: float) -> tuple[list[str], list[tuple[str, ...]], list[Row]]:
    """Sum up: keys, table, outliers."""
    numbers = defaultdict(list)
    for _, key, value in rows:
        if _number(value) is not None:
            numbers[key].append(float(value))
    keys = sorted(numbers)
    limit = {key: factor * statistics.median(values) for key, values in numbers.items()}
    sums: dict[tuple[str, str], float] = defaultdict(float)
    outliers = []
    for row in rows:
        day, key, value = row
        number = _number(value)
        if number is None:
            continue
        if number > limit[key] or number < 0:
            outliers.append(row)
        else:
            sums[day[:7], key] += number
    months = sorted({row[0][:7] for row in rows})
    table = [(month, *(f"{sums[month, key]:.2f}" for key in keys)) for month in months]
    return keys, table, outliers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the figures from the parameters."""
    d = Draw(p.content)
    key_name, value_name = SETTINGS[p.setting]
    places = [town.lower().replace(" ", "-") for town in d.different("towns", p.keys)]
    levels = {place: d.integer(2_000, 60_000) for place in places}
    start = d.integer(1, 12 - p.months)
    rows: list[Row] = []
    for number in range(p.rows):
        place = places[number % p.keys]
        month = start + number * p.months // p.rows
        cents = levels[place] * d.integer(60, 140) // 100
        value = money(cents)
        if number % 11 == 5:
            value = money(levels[place] * (p.factor * 3 + d.integer(0, 5)) // 2)
        elif number % 13 == 7:  # high, and yet within the rule
            value = money(levels[place] * p.factor * 4 // 5)
        elif number % 17 == 9:
            value = money(-cents)
        elif number % 19 == 12:
            value = d.pick(("", "n/a", "err", "-"))
        rows.append((d.day(2025, month).isoformat(), place, value))
    rows.sort(key=lambda row: row[0])
    f = p.folder
    contents = {
        f"{f}/{p.setting}.csv": csv_text(("day", key_name, value_name), rows),
        f"{f}/RULES.md": RULES.format(
            title=f"{p.setting}.csv", value=value_name, key=key_name, factor=p.factor
        ),
        f"{f}/{p.setting}-2024.csv": csv_text(("day", key_name, value_name), []),
    }
    return World(contents, *pivot(rows, p.factor))


class MonthlyPivot(Kit[Params]):
    """Figures to sum up."""

    name = "intelligence-core/monthly-pivot"
    title = "Monthly table without outliers"
    description = "Exclude outliers by a stated rule, then sum daily figures by month and category."
    obstacle = "outliers, and rows without a number"
    folders = ("meters", "measurements", "figures")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more rows, categories and months."""
        rows, keys, months = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            setting=one(rng, sorted(SETTINGS)),
            rows=rows,
            keys=keys,
            months=months,
            factor=int(rng.integers(3, 7)),
        )

    def seed(self, p: Params) -> Seed:
        """The figures and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The outliers, then the table."""
        source, rules, outliers, table = (
            f"{p.folder}/{n}"
            for n in (f"{p.setting}.csv", "RULES.md", "outliers.csv", "monthly.csv")
        )
        return (
            SubGoal(
                id="outliers",
                request=f"list the outliers of {source} in {outliers} by the rule in {rules} and "
                "tell me how many they are",
                label=f"the outliers of {source}",
                facts=(Fact("source", source), Fact("rules", rules), Fact("list", outliers)),
                artifacts=(outliers,),
                question="Does the median include the outliers themselves?",
                answer="Yes, the median is taken over every row that has a number",
            ),
            SubGoal(
                id="table",
                request=f"sum up what is left of {source} by month into {table} in the form that "
                f"{rules} asks for",
                label="the monthly table",
                facts=(Fact("source", source), Fact("table", table)),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The outliers in order, their number, the table."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="outliers",
                subgoal="outliers",
                path=f"{f}/outliers.csv",
                columns=("day", *SETTINGS[p.setting]),
                rows=tuple(w.outliers),
                ordered=True,
            ),
            Said(id="told", subgoal="outliers", unit=("outlier",), number=len(w.outliers)),
            CsvRows(
                id="table",
                subgoal="table",
                weight=2,
                path=f"{f}/monthly.csv",
                columns=("month", *w.keys),
                rows=tuple(w.table),
                ordered=True,
                failure="a sum is not what the rules give",
            ),
            untouched(w.contents, failure="the source or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read rules and figures; list, then sum."""
        return self._outliers(p) if subgoal == "outliers" else self._table(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the result."""
        if subgoal == "outliers":
            (shown,) = yield sh(f"tail -n +2 {p.folder}/outliers.csv | wc -l")
            return f"I counted again: the list has {plural(shown.text, 'outlier')}."
        (shown,) = yield read(f"{p.folder}/monthly.csv")
        return f"I looked again, the table reads:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A rule of thumb for the rule; outliers listed and yet summed."""
        return (
            WrongSolution(
                "a factor of two",
                self._outliers(p, factor=2.0),
            ),
            WrongSolution("outliers summed too", self._table(p, factor=1e9), "table"),
        )

    def _outliers(self, p: Params, factor: float = 0) -> Solution:
        f, source = p.folder, f"{p.setting}.csv"
        rules, figures = yield [read(f"{f}/RULES.md"), read(f"{f}/{source}")]
        (odd,) = yield sh(f"grep -cvE ',-?[0-9]+[.][0-9]+$' {source}", workdir=f)
        factor = factor or float(found(r"more than (\d+) times", rules.text, "0"))
        header, rows = _table(figures.text)
        _, _, outliers = pivot(rows, factor)
        (saved,) = yield write(f"{f}/outliers.csv", csv_text(header, outliers))
        if saved.failed:
            return f"The outliers could not be written: {saved.text}"
        (counted,) = yield sh(
            f"tail -n +2 {f}/outliers.csv | wc -l; cut -d, -f2 {f}/outliers.csv | sort | uniq -c"
        )
        return (
            f"Outliers in all: {counted.text.split()[0]}, listed in {f}/outliers.csv. "
            f"Rows without a number: {int(odd.text.split()[0]) - 1}."
        )

    def _table(self, p: Params, factor: float = 0) -> Solution:
        f = p.folder
        rules, figures = yield [read(f"{f}/RULES.md"), read(f"{f}/{p.setting}.csv")]
        factor = factor or float(found(r"more than (\d+) times", rules.text, "0"))
        _, rows = _table(figures.text)
        keys, table, _ = pivot(rows, factor)
        (saved,) = yield write(f"{f}/monthly.csv", csv_text(("month", *keys), table))
        if saved.failed:
            return f"The table could not be written: {saved.text}"
        (shown,) = yield sh(
            f"head -n 1 {f}/monthly.csv; tail -n 1 {f}/monthly.csv; wc -l < {f}/monthly.csv"
        )
        lines = shown.text.strip().splitlines()
        return (
            f"The table has {plural(int(lines[2]) - 1, 'month')}; the last one reads `{lines[1]}`."
        )


def _table(text: str) -> tuple[list[str], list[Row]]:
    header, *rows = csv.reader(io.StringIO(text))
    return header, [(row[0], row[1], row[2]) for row in rows if row]
