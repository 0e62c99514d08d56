"""Functions that go through everything for everything, how they could do without, and a slip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ise_env.tasks.draw import Draw

Entries = list[list[str]]


@dataclass(frozen=True)
class Slow:
    """One module with one function over `(kind, ref)` entries."""

    module: str
    function: str
    about: str
    slow: str
    fast: str
    slip: tuple[str, str]
    """A passage of `fast`, and what makes it fast and wrong."""

    def answer(self, entries: Entries) -> Any:
        """What the slow function gives."""
        scope: dict[str, Any] = {}
        exec(self.source, scope)  # our own source, below
        return scope[self.function]([tuple(entry) for entry in entries])

    @property
    def source(self) -> str:
        """The module as it is given."""
        return f'"""{self.about}"""\n\n\n{self.slow}'

    @property
    def mended(self) -> str:
        """The module as it could be."""
        return f'"""{self.about}"""\n\n{self.fast}'


def entries(d: Draw, count: int, refs: int) -> Entries:
    """Loans and returns of things that occur again and again."""
    return [
        ["out" if d.chance(0.6) else "back", f"{d.pick('KMRT')}{d.integer(1, refs):04d}"]
        for _ in range(count)
    ]


SLOW = {
    "loans": Slow(
        "loans",
        "pairs",
        "Which return belongs to which loan, in the tool library.",
        '''\
def pairs(entries):
    """Places of loan and return: each return ends the earliest loan of its ref still open.

    Returns without an open loan are left out. In the order of the returns.
    """
    found = []
    for place, (kind, ref) in enumerate(entries):
        if kind != "back":
            continue
        for earlier in range(place):
            other, what = entries[earlier]
            if other == "out" and what == ref and earlier not in [loan for loan, _ in found]:
                found.append([earlier, place])
                break
    return found
''',
        '''\
from collections import defaultdict, deque


def pairs(entries):
    """Places of loan and return: each return ends the earliest loan of its ref still open.

    Returns without an open loan are left out. In the order of the returns.
    """
    found = []
    waiting = defaultdict(deque)
    for place, (kind, ref) in enumerate(entries):
        if kind == "out":
            waiting[ref].append(place)
        elif waiting[ref]:
            found.append([waiting[ref].popleft(), place])
    return found
''',
        (".popleft()", ".pop()"),
    ),
    "visits": Slow(
        "visits",
        "visit_numbers",
        "How often somebody has been here before.",
        '''\
def visit_numbers(entries):
    """For every entry, how many earlier ones have the same kind and the same ref."""
    numbers = []
    for place in range(len(entries)):
        count = 0
        for earlier in range(place):
            if entries[earlier] == entries[place]:
                count += 1
        numbers.append(count)
    return numbers
''',
        '''\

def visit_numbers(entries):
    """For every entry, how many earlier ones have the same kind and the same ref."""
    numbers = []
    seen = {}
    for entry in entries:
        numbers.append(seen.get(entry, 0))
        seen[entry] = numbers[-1] + 1
    return numbers
''',
        ("seen.get(entry, 0)", "seen.get(entry, 1)"),
    ),
    "batches": Slow(
        "batches",
        "batches",
        "Orders of the same thing go into the oven together.",
        '''\
def batches(entries):
    """Lists of places by ref, in the order in which each ref came up first; kinds mixed."""
    groups = []
    for place, (_, ref) in enumerate(entries):
        for known, places in groups:
            if known == ref:
                places.append(place)
                break
        else:
            groups.append((ref, [place]))
    return [places for _, places in groups]
''',
        '''\

def batches(entries):
    """Lists of places by ref, in the order in which each ref came up first; kinds mixed."""
    groups = {}
    for place, (_, ref) in enumerate(entries):
        groups.setdefault(ref, []).append(place)
    return list(groups.values())
''',
        ("list(groups.values())", "[groups[ref] for ref in sorted(groups)]"),
    ),
    "latest": Slow(
        "latest",
        "still_valid",
        "Only the newest word on a thing counts.",
        '''\
def still_valid(entries):
    """Places of the entries that no later entry with the same ref overrides."""
    places = []
    for place, (_, ref) in enumerate(entries):
        later = [other for _, other in entries[place + 1 :]]
        if not any(other == ref for other in later):
            places.append(place)
    return places
''',
        '''\

def still_valid(entries):
    """Places of the entries that no later entry with the same ref overrides."""
    last = {ref: place for place, (_, ref) in enumerate(entries)}
    return sorted(last.values())
''',
        ("sorted(last.values())", "list(last.values())"),
    ),
}

COUNTER = '''\
"""Counts the work that a function does: python3 tools/steps.py ENTRIES.

A step is a line of Python that runs or a comparison of two refs, so the figure is the same on
every machine, however busy it is.
"""

import random
import sys

sys.path.insert(0, ".")
from MODULE import FUNCTION


class Ref(str):
    compared = 0

    def __eq__(self, other):
        Ref.compared += 1
        return str.__eq__(self, other)

    def __lt__(self, other):
        Ref.compared += 1
        return str.__lt__(self, other)

    __hash__ = str.__hash__


def entries(count):
    draw = random.Random(count)
    kinds = ("out", "out", "back")
    return [(draw.choice(kinds), Ref(draw.randrange(count // 2))) for _ in range(count)]


def steps(count):
    lines = 0

    def line(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return line

    given = entries(count)
    Ref.compared = 0
    sys.settrace(line)
    FUNCTION(given)
    sys.settrace(None)
    return lines + Ref.compared


if __name__ == "__main__":
    print(steps(int(sys.argv[1])))
'''
