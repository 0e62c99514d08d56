"""A package whose modules import each other in a circle, as text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Names of the package, its modules and what they pass around."""

    package: str
    things: str
    costs: str
    rates: str
    table: str
    key: str
    keys: tuple[str, ...]


THEMES = {
    "shop": Theme(
        "till", "items", "prices", "taxes", "KINDS", "kind", ("book", "food", "tool", "toy")
    ),
    "lab": Theme(
        "bench", "samples", "fees", "levels", "HAZARDS", "hazard", ("acid", "gas", "salt", "dust")
    ),
    "library": Theme(
        "desk", "loans", "fines", "terms", "SHELVES", "shelf", ("novel", "map", "score", "atlas")
    ),
    "garage": Theme(
        "pit", "jobs", "quotes", "grades", "TRADES", "trade", ("paint", "brakes", "glass", "tyres")
    ),
}

THINGS = '''\
"""What is on a list."""

from dataclasses import dataclass

from {package}.{costs} import cost

{constants}

@dataclass(frozen=True)
class Entry:
    """One line of a list."""

    name: str
    {key}: str
    cents: int


def total(entries):
    """What a whole list comes to, in cents."""
    return sum(cost(entry) for entry in entries)
'''

COSTS = '''\
"""What one entry comes to."""

{imports}


def cost(entry):
    """Cents with the share on top, rounded down{base_note}."""
    return entry.cents + entry.cents * {rate} // 100{base}
'''

RATES = '''\
"""Shares in per cent."""

from {package}.{things} import {table}


def rate(name):
    """The share of a {key}; an unknown one is an error."""
    if name not in {table}:
        raise ValueError(f"unknown {key}: {{name!r}}")
    return {table}[name]
'''

MAIN = '''\
"""python3 -m {package} TABLE: what a table comes to."""

import csv
import sys

from {package}.{things} import Entry, total

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
entries = [Entry(row["name"], row["{key}"], int(row["cents"])) for row in rows]
print(f"{{len(entries)}} entries, {{total(entries)}} cents")
'''

MENDED = '"""What several modules need; imports none of them."""\n\n'


def sources(theme: Theme, constants: str, *, rates: bool, base: bool) -> dict[str, str]:
    """The package by path.

    Args:
        theme: Its names.
        constants: Definitions that stand in the module of things.
        rates: Whether a third module lies in the circle.
        base: Whether costs need a second constant, BASE.
    """
    names = {name: getattr(theme, name) for name in ("package", "things", "costs", "rates")}
    names |= {"table": theme.table, "key": theme.key, "constants": constants}
    wanted = (["BASE"] if base else []) + ([] if rates else [theme.table])
    imports = [f"from {theme.package}.{theme.things} import {', '.join(wanted)}"] if wanted else []
    imports = ([f"from {theme.package}.{theme.rates} import rate"] if rates else []) + imports
    share = f"rate(entry.{theme.key})" if rates else f"{theme.table}[entry.{theme.key}]"
    note, plus = (", plus BASE", " + BASE") if base else ("", "")
    found = {
        f"{theme.package}/__init__.py": f'"""The {theme.package}."""\n',
        f"{theme.package}/__main__.py": MAIN.format(**names),
        f"{theme.package}/{theme.things}.py": THINGS.format(**names),
        f"{theme.package}/{theme.costs}.py": COSTS.format(
            imports="\n".join(imports), rate=share, base_note=note, base=plus
        ),
    }
    if rates:
        found[f"{theme.package}/{theme.rates}.py"] = RATES.format(**names)
    return found
