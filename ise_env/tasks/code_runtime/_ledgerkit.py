"""A library between two major versions: what it has now, what it drops, how code moves over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ise_env.tasks.draw import Draw

NEW = '''\
"""Sums and tables of small ledgers."""

__version__ = "{version}"


def parse(text, *, separator=";"):
    """Entries `(name, cents)` of lines `NAME;CENTS`."""
    rows = (line.split(separator) for line in text.splitlines() if line.strip())
    return [(name.strip(), int(cents)) for name, cents in rows]


def total(entries):
    """Cents of all entries."""
    return sum(cents for _, cents in entries)


def largest(entries, *, count=1):
    """The entries with most cents, the largest first."""
    return sorted(entries, key=lambda entry: -entry[1])[:count]


def amount(cents, *, decimals=2):
    """`12.50`."""
    return f"{{cents / 100:.{{decimals}}f}}"


class Ledger:
    """Entries that can be added to."""

    def __init__(self, entries=()):
        self._entries = list(entries)

    @property
    def balance(self):
        """Cents of all entries."""
        return total(self._entries)

    def add(self, name, *, cents):
        self._entries.append((name, cents))
'''

OLD = """

def _old(name, instead):
    warnings.warn(f"{name} goes away in 3.0: {instead}", DeprecationWarning, stacklevel=3)


def read_entries(text, separator=";"):
    _old("read_entries", "use parse")
    return parse(text, separator=separator)


def sum_up(entries):
    _old("sum_up", "use total")
    return total(entries)


def biggest(entries):
    _old("biggest", "use largest, which gives a list")
    return largest(entries)[0]


def format_cents(cents, decimals=2):
    _old("format_cents", "use amount")
    return amount(cents, decimals=decimals)


def _get_balance(self):
    _old("Ledger.get_balance()", "use the property balance")
    return self.balance


def _book(self, cents, name):
    _old("Ledger.book(cents, name)", "use add(name, cents=...)")
    self.add(name, cents=cents)


Ledger.get_balance = _get_balance
Ledger.book = _book
"""

GUIDE = """\
# Moving to ledgerkit 3

| until 2.x | from 2.9 on, and in 3.0 |
| --- | --- |
| `read_entries(text, separator)` | `parse(text, separator=separator)` |
| `sum_up(entries)` | `total(entries)` |
| `biggest(entries)` | `largest(entries)[0]`; `largest` gives a list |
| `format_cents(cents, decimals)` | `amount(cents, decimals=decimals)` |
| `ledger.get_balance()` | `ledger.balance`, a property |
| `ledger.book(cents, name)` | `ledger.add(name, cents=cents)`, the other way round |

Everything on the left warns in 2.9 and is gone in 3.0.
"""


def library(version: str, *, old: bool) -> str:
    """Source of the library, with or without what goes away."""
    source = NEW.format(version=version)
    if not old:
        return source
    return source.replace("__version__", "import warnings\n\n__version__", 1) + OLD


@dataclass(frozen=True)
class Caller:
    """A module that uses the library the old way, and how the same reads the new way."""

    old: str
    new: str
    call: str
    """Expression over `m`, the module, with a JSON-able value."""


def _report(d: Draw) -> tuple[str, str, str]:
    old = (
        'def line(name, text):\n    entries = read_entries(text, ",")\n'
        '    return f"{name}: {format_cents(sum_up(entries))}"\n'
    )
    new = (
        'def line(name, text):\n    entries = parse(text, separator=",")\n'
        '    return f"{name}: {amount(total(entries))}"\n'
    )
    return old, new, f'm.line("rent", "a,{d.integer(100, 9999)}\\nb,{d.integer(1, 99)}\\n")'


def _top(d: Draw) -> tuple[str, str, str]:
    old = (
        "def top(text):\n    name, cents = biggest(read_entries(text))\n"
        '    return f"{name} ({format_cents(cents, 0)})"\n'
    )
    new = (
        "def top(text):\n    name, cents = largest(parse(text))[0]\n"
        '    return f"{name} ({amount(cents, decimals=0)})"\n'
    )
    return old, new, f'm.top("a;{d.integer(100, 900)}00\\nb;{d.integer(1000, 9000)}00\\n")'


def _account(d: Draw) -> tuple[str, str, str]:
    old = (
        'def account(start, movements):\n    ledger = Ledger()\n    ledger.book(start, "start")\n'
        "    for name, cents in movements:\n        ledger.book(cents, name)\n"
        "    return ledger.get_balance()\n"
    )
    new = (
        "def account(start, movements):\n    ledger = Ledger()\n"
        '    ledger.add("start", cents=start)\n'
        "    for name, cents in movements:\n        ledger.add(name, cents=cents)\n"
        "    return ledger.balance\n"
    )
    return old, new, f'm.account({d.integer(5, 500)}, [("a", {d.integer(1, 99)}), ("b", -3)])'


def _split(d: Draw) -> tuple[str, str, str]:
    old = (
        'def shares(text, people):\n    whole = sum_up(read_entries(text, separator="|"))\n'
        "    return [format_cents(whole // people)] * people\n"
    )
    new = (
        'def shares(text, people):\n    whole = total(parse(text, separator="|"))\n'
        "    return [amount(whole // people)] * people\n"
    )
    return old, new, f'm.shares("x|{d.integer(300, 9000)}\\ny|7\\n", 3)'


_KINDS: tuple[Callable[[Draw], tuple[str, str, str]], ...] = (_report, _top, _account, _split)
_NAMES = ("parse", "total", "largest", "amount", "Ledger")
_GONE = ("read_entries", "sum_up", "biggest", "format_cents", "Ledger")


def callers(d: Draw, names: list[str]) -> dict[str, Caller]:
    """Modules by name, each kind of use in turn."""
    found = {}
    for number, name in enumerate(names):
        old, new, call = _KINDS[number % len(_KINDS)](d)
        head = f'"""What {name} wants to know of a ledger."""\n\n'
        used = [n for n in _GONE if f"{n}(" in old]
        instead = [n for n in _NAMES if f"{n}(" in new]
        found[name] = Caller(
            f"{head}from ledgerkit import {', '.join(used)}\n\n\n{old}",
            f"{head}from ledgerkit import {', '.join(instead)}\n\n\n{new}",
            call,
        )
    return found
