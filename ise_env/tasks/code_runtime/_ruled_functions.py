"""Functions that follow written rules, with a broken version and telling cases for each rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROBE = """\
import json, sys
sys.path.insert(0, ".")
function = getattr(__import__(sys.argv[1]), sys.argv[2])
def tried(args):
    try:
        return function(*args)
    except ValueError:
        return "ValueError"
print(json.dumps([tried(args) for args in json.load(sys.stdin)]))
"""
"""Calls a function with arguments from its input; prints what comes of each."""

Case = tuple[tuple[Any, ...], Any]
"""Arguments, and what comes of them; `ValueError` as a name where that is raised."""


@dataclass(frozen=True)
class Rule:
    """One rule, a version that breaks it, cases that tell."""

    text: str
    right: str
    broken: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Ruled:
    """One module with one function."""

    module: str
    function: str
    source: str
    rules: tuple[Rule, ...]
    rewritten: tuple[str, str]
    """A passage, and another way to write it: the same behaviour, so no test may fail."""

    def broken(self, rule: Rule) -> str:
        """The module with one rule broken."""
        return self.source.replace(rule.right, rule.broken)

    def tests(self, rules: tuple[Rule, ...]) -> str:
        """A unit test that covers some rules."""
        lines = [
            "import unittest\n",
            f"from {self.module} import {self.function}\n\n",
            f"class Test{self.function.title()}(unittest.TestCase):",
        ]
        for number, rule in enumerate(self.rules, 1):
            if rule not in rules:
                continue
            lines.append(f"    def test_rule_{number}(self):")
            for args, wanted in rule.cases:
                call = f"{self.function}({', '.join(map(repr, args))})"
                if wanted == "ValueError":
                    lines += ["        with self.assertRaises(ValueError):", f"            {call}"]
                else:
                    lines.append(f"        self.assertEqual({call}, {wanted})")
            lines.append("")
        return "\n".join(lines) + '\n\nif __name__ == "__main__":\n    unittest.main()\n'


RULED = {
    "fares": Ruled(
        "fares",
        "fare",
        '''\
"""What a bus ride costs, in cents."""

FIRST, FURTHER, MOST = 210, 90, 660


def fare(age, zones):
    if zones < 1:
        raise ValueError("a ride goes through one zone at least")
    if age <= 5:
        return 0
    cents = min(FIRST + FURTHER * (zones - 1), MOST)
    if age <= 17:
        return cents // 2
    if age >= 65:
        return cents * 7 // 10
    return cents
''',
        (
            Rule("Up to the age of 5 a ride is free.", "age <= 5", "age < 5", (((5, 3), 0),)),
            Rule(
                "From 6 to 17 it costs half, rounded down to the cent.",
                "age <= 17",
                "age < 17",
                (((17, 1), 105), ((6, 2), 150)),
            ),
            Rule("From 65 it costs 70 %.", "age >= 65", "age > 65", (((65, 1), 147),)),
            Rule(
                "The first zone costs 210 cents, each further one 90.",
                "FURTHER * (zones - 1)",
                "FURTHER * zones",
                (((30, 1), 210), ((30, 3), 390)),
            ),
            Rule(
                "Before reductions, no ride costs more than 660 cents.",
                "min(FIRST + FURTHER * (zones - 1), MOST)",
                "FIRST + FURTHER * (zones - 1)",
                (((40, 6), 660), ((40, 7), 660)),
            ),
            Rule(
                "A ride through no zone at all is a ValueError, at any age.",
                "zones < 1",
                "zones < 0",
                (((30, 0), "ValueError"), ((3, 0), "ValueError")),
            ),
        ),
        ("return cents // 2", "return int(cents / 2)"),
    ),
    "postage": Ruled(
        "postage",
        "postage",
        '''\
"""What a parcel costs, in cents."""

LIGHT, MEDIUM, KILOGRAM, ISLAND = 390, 590, 150, 300


def postage(grams, express=False, island=False):
    if not 0 < grams <= 30_000:
        raise ValueError(f"no parcel weighs {grams} g")
    if grams <= 500:
        cents = LIGHT
    elif grams <= 2000:
        cents = MEDIUM
    else:
        cents = MEDIUM + KILOGRAM * -(-(grams - 2000) // 1000)
    if express:
        cents *= 2
    if island:
        cents += ISLAND
    return cents
''',
        (
            Rule("Up to 500 g: 390 cents.", "grams <= 500", "grams < 500", (((500,), 390),)),
            Rule(
                "Up to 2 kg: 590 cents.",
                "grams <= 2000",
                "grams <= 2200",
                (((2000,), 590), ((2150,), 740)),
            ),
            Rule(
                "Each started kilogram above 2 kg costs 150 cents more.",
                "-(-(grams - 2000) // 1000)",
                "((grams - 2000) // 1000)",
                (((2001,), 740), ((3000,), 740), ((3500,), 890)),
            ),
            Rule(
                "Express costs twice as much.", "cents *= 2", "cents += 390", (((900, True), 1180),)
            ),
            Rule(
                "Islands cost 300 cents more, express or not; that is not doubled.",
                "    if express:\n        cents *= 2\n    if island:\n        cents += ISLAND\n",
                "    if island:\n        cents += ISLAND\n    if express:\n        cents *= 2\n",
                (((400, True, True), 1080), ((400, False, True), 690)),
            ),
            Rule(
                "Parcels above 30 kg, or of no weight, are a ValueError.",
                "not 0 < grams <= 30_000",
                "not 0 <= grams < 40_000",
                (((30_001,), "ValueError"), ((0,), "ValueError"), ((30_000,), 4790)),
            ),
        ),
        ("cents *= 2", "cents += cents"),
    ),
    "leave": Ruled(
        "leave",
        "days",
        '''\
"""Days of paid leave in a year."""


def days(years, percent=100, disabled=False):
    if not 1 <= percent <= 100:
        raise ValueError(f"nobody works {percent} per cent")
    full = 28
    if years >= 5:
        full = 30
    if years >= 10:
        full = 33
    share = -(-full * percent // 100)
    return share + (5 if disabled else 0)
''',
        (
            Rule("Everybody has 28 days.", "full = 28", "full = 27", (((0,), 28), ((4,), 28))),
            Rule("From the 5th full year on 30.", "years >= 5", "years > 5", (((5,), 30),)),
            Rule(
                "From the 10th full year on 33.",
                "years >= 10",
                "years > 10",
                (((10,), 33), ((9,), 30)),
            ),
            Rule(
                "Part-time has its share in per cent, rounded up to whole days.",
                "share = -(-full * percent // 100)",
                "share = full * percent // 100",
                (((0, 55), 16), ((0, 50), 14)),
            ),
            Rule(
                "With a severe disability it is 5 days more, whatever the share.",
                "return share + (5 if disabled else 0)",
                "return share + (-(-5 * percent // 100) if disabled else 0)",
                (((0, 50, True), 19), ((10, 100, True), 38)),
            ),
            Rule(
                "A share below 1 or above 100 per cent is a ValueError.",
                "not 1 <= percent <= 100",
                "percent < 0",
                (((3, 0), "ValueError"), ((3, 101), "ValueError")),
            ),
        ),
        ("(5 if disabled else 0)", "5 * bool(disabled)"),
    ),
}
