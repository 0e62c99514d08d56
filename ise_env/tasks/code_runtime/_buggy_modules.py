"""Small modules with one bug each, how they should behave, and how to tell.

Every entry holds the source with the flaw, the mended passage, a plausible slip, a reference
in Python and a generator of cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ise_env.tasks.draw import Draw

Args = list[Any]


@dataclass(frozen=True)
class Bug:
    """One module with its flaw."""

    module: str
    function: str
    rule: str
    """How the function should behave, in the user's words."""
    source: str
    flaw: str
    """The passage that is wrong; occurs once in the source."""
    mended: str
    slip: str
    """A plausible but wrong replacement of the flaw."""
    case: Callable[[Draw], Args]
    right: Callable[..., Any]

    def test(self, cases: list[Args]) -> str:
        """A unit test over some cases."""
        lines = [
            "import unittest\n",
            f"from {self.module} import {self.function}\n\n",
            f"class Test{self.function.title().replace('_', '')}(unittest.TestCase):",
        ]
        for number, args in enumerate(cases, 1):
            lines.append(f"    def test_case_{number}(self):")
            call = f"{self.function}({', '.join(repr(a) for a in args)})"
            lines.append(f"        self.assertEqual({call}, {self.right(*args)!r})\n")
        return "\n".join(lines) + '\n\nif __name__ == "__main__":\n    unittest.main()\n'

    def answer(self, replacement: str, args: Args) -> Any:
        """What the function gives with the flaw replaced; None when it raises."""
        scope: dict[str, Any] = {}
        exec(self.source.replace(self.flaw, replacement), scope)  # our own source, above
        try:
            return json.loads(json.dumps(scope[self.function](*args)))
        except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError):
            return None


def telling_cases(bug: Bug, d: Draw, count: int) -> list[Args]:
    """Different cases of which the first shows the flaw and the second the slip."""
    drawn = [bug.case(d) for _ in range(200)]
    first = next(args for args in drawn if bug.answer(bug.flaw, args) != bug.right(*args))
    second = next(args for args in drawn if bug.answer(bug.slip, args) != bug.right(*args))
    rest = [args for args in drawn if args not in (first, second)]
    chosen = [first, *([second] if second != first else []), *rest]
    return chosen[:count]


def _spans(d: Draw) -> Args:
    starts = [d.integer(0, 40) for _ in range(d.integer(2, 6))]
    return [[[start, start + d.integer(1, 12)] for start in starts]]


def _merge(spans: list[list[int]]) -> list[list[int]]:
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def _shares(cents: int, people: int) -> list[int]:
    base, rest = divmod(cents, people)
    return [base + (n < rest) for n in range(people)]


def _duration(text: str) -> int:
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(part[:-1]) * units[part[-1]] for part in text.split())


def _duration_case(d: Draw) -> Args:
    parts = [f"{d.integer(1, 30)}{u}" for u in "dhms" if d.chance(0.6)]
    return [" ".join(parts) or f"{d.integer(1, 9)}d"]


def _median(values: list[int]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _due_month(year: int, month: int, after: int) -> list[int]:
    index = year * 12 + month - 1 + after
    return [index // 12, index % 12 + 1]


BUGS: dict[str, Bug] = {
    "overlap": Bug(
        module="spans",
        function="merge_spans",
        rule="spans that overlap or touch become one, and one inside another must not shorten it",
        source='''"""Time spans as [start, end] pairs."""


def merge_spans(spans):
    """Join spans that overlap or touch; sorted by start."""
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return merged


def total(spans):
    """Length covered, counted once."""
    return sum(end - start for start, end in merge_spans(spans))
''',
        flaw="merged[-1][1] = end",
        mended="merged[-1][1] = max(merged[-1][1], end)",
        slip="merged[-1][1] = min(merged[-1][1], end)",
        case=_spans,
        right=_merge,
    ),
    "split": Bug(
        module="billing",
        function="split_cents",
        rule="the shares always add up to the amount, and the first ones take the odd cents",
        source='''"""Splitting a bill."""


def split_cents(cents, people):
    """Share an amount in cents; the first shares take the remainder."""
    share = round(cents / people)
    return [share] * people


def as_text(cents):
    """`12.05` for 1205."""
    return f"{cents // 100}.{cents % 100:02d}"
''',
        flaw="""    share = round(cents / people)
    return [share] * people""",
        mended="""    share, rest = divmod(cents, people)
    return [share + 1] * rest + [share] * (people - rest)""",
        slip="""    share, rest = divmod(cents, people)
    return [share + rest] + [share] * (people - 1)""",
        case=lambda d: [d.integer(100, 99_999), d.integer(3, 9)],
        right=_shares,
    ),
    "duration": Bug(
        module="durations",
        function="parse_duration",
        rule="a text like `2d 3h 15m` gives seconds, with d for days, h, m and s",
        source='''"""Durations as people write them."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 60}


def parse_duration(text):
    """Seconds in a text like `1h 30m`."""
    seconds = 0
    for part in text.split():
        seconds += int(part[:-1]) * UNITS[part[-1]]
    return seconds
''',
        flaw='"d": 24 * 60}',
        mended='"d": 24 * 3600}',
        slip='"d": 12 * 3600}',
        case=_duration_case,
        right=_duration,
    ),
    "median": Bug(
        module="figures",
        function="median",
        rule="the median of an even number of values is the mean of the two in the middle",
        source='''"""Figures for the weekly report."""


def mean(values):
    """Arithmetic mean."""
    return sum(values) / len(values)


def median(values):
    """Middle value; the mean of both middle values when their number is even."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
''',
        flaw="    return ordered[len(ordered) // 2]",
        mended="""    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2""",
        slip="""    middle = len(ordered) // 2
    return (ordered[middle - 1] + ordered[middle]) / 2""",
        case=lambda d: [[d.integer(1, 90) for _ in range(d.integer(3, 8))]],
        right=_median,
    ),
    "months": Bug(
        module="calendar_math",
        function="add_months",
        rule="adding months gives [year, month] with months from 1 to 12, over year ends too",
        source='''"""Months without a calendar library."""


def add_months(year, month, after):
    """The month `after` months later, as [year, month]."""
    month += after
    while month > 11:
        month -= 12
        year += 1
    return [year, month]
''',
        flaw="while month > 11:",
        mended="while month > 12:",
        slip="while month >= 12:",
        case=lambda d: [d.integer(2019, 2027), d.integer(1, 12), d.integer(0, 30)],
        right=_due_month,
    ),
}

BYSTANDERS: dict[str, str] = {
    "slugs": '''"""Names for files and links."""


def slug(text):
    """Lower case, dashes for everything else."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
''',
    "paging": '''"""Pages of a list."""


def page(items, number, size=20):
    """Items of one page, numbered from 1."""
    start = (number - 1) * size
    return items[start : start + size]
''',
    "textwrapping": '''"""Fixed-width output."""


def column(text, width):
    """Cut or pad to a width."""
    return text[:width].ljust(width)
''',
    "retrying": '''"""How long to wait before the next attempt."""


def waits(attempts, first=0.5, factor=2.0):
    """Seconds before each attempt after the first."""
    return [first * factor**n for n in range(attempts - 1)]
''',
}
