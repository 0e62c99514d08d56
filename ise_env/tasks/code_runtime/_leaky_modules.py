"""Modules in which one call leaks into the next, so that tests depend on their order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """One module, its tests, and what tells a real repair from a cosmetic one."""

    module: str
    source: str
    flaw: str
    mended: str
    slip: str
    """Makes the given tests pass in any order, or nearly, and is wrong all the same."""
    tests: str
    victim: str
    polluter: str
    """The victim fails after it; by name it comes later, so the plain run passes."""
    alone: str
    """A body of a test that shows the leak by itself."""

    def isolation(self) -> str:
        """A test module that shows the leak whatever ran before."""
        return (
            f"import unittest\n\nimport {self.module}\n\n\n"
            "class TestIsolation(unittest.TestCase):\n"
            f"    def test_calls_do_not_leak(self):\n{self.alone}\n\n"
            'if __name__ == "__main__":\n    unittest.main()\n'
        )

    def with_(self, passage: str) -> str:
        """The module with something else in place of the flaw."""
        return self.source.replace(self.flaw, passage)


_HEAD = "import unittest\n\nimport {0}\n\n\nclass Test{1}(unittest.TestCase):\n"

LEAKS = {
    "default": Leak(
        "packing",
        '''\
"""Lists of what somebody takes along."""


def packed(item, into=[]):
    """Add an item to a list, a new one unless it is given; returns the list."""
    into.append(item)
    return into


def heaviest(weights):
    """The name with the greatest weight; the first in the alphabet of several."""
    return min(weights, key=lambda name: (-weights[name], name))
''',
        '''def packed(item, into=[]):
    """Add an item to a list, a new one unless it is given; returns the list."""
    into.append(item)
''',
        '''def packed(item, into=None):
    """Add an item to a list, a new one unless it is given; returns the list."""
    into = [] if into is None else into
    into.append(item)
''',
        '''def packed(item, into=[]):
    """Add an item to a list, a new one unless it is given; returns the list."""
    into[:] = [item] if len(into) < 2 else [*into, item]
''',
        _HEAD.format("packing", "Packing")
        + """\
    def test_a_new_list(self):
        self.assertEqual(packing.packed("tent"), ["tent"])

    def test_given_list(self):
        self.assertEqual(packing.packed("rope", ["a", "b"]), ["a", "b", "rope"])

    def test_heaviest(self):
        self.assertEqual(packing.heaviest({"pan": 3, "axe": 3, "map": 1}), "axe")

    def test_is_in_it(self):
        self.assertIn("stove", packing.packed("stove"))
""",
        "test_a_new_list",
        "test_is_in_it",
        """\
        first = packing.packed("cup")
        second = packing.packed("lid")
        self.assertEqual((first, second), (["cup"], ["lid"]))
        given = ["mat"]
        self.assertIs(packing.packed("pole", given), given)
        self.assertEqual(given, ["mat", "pole"])
""",
    ),
    "cache": Leak(
        "gross",
        '''\
"""Prices with the tax of the day."""

_known = {}


def gross(name, net, percent):
    """Net plus so many per cent, rounded down; the rate of a thing changes now and then."""
    if name not in _known:
        _known[name] = percent
    return net + net * _known[name] // 100


def rate_of(name):
    """The rate that was used last for a thing; None if there was none."""
    return _known.get(name)
''',
        """    if name not in _known:
        _known[name] = percent
    return net + net * _known[name] // 100
""",
        """    _known[name] = percent
    return net + net * percent // 100
""",
        """    _known[name] = max(percent, _known.get(name, 0)) if percent < 7 else percent
    return net + net * _known[name] // 100
""",
        _HEAD.format("gross", "Gross")
        + """\
    def test_exactly(self):
        self.assertEqual(gross.gross("tea", 1000, 7), 1070)

    def test_more_than_net(self):
        self.assertGreater(gross.gross("tea", 1000, 19), 1000)

    def test_rate_unknown(self):
        self.assertIsNone(gross.rate_of("nothing"))

    def test_rounds_down(self):
        self.assertEqual(gross.gross("ice", 99, 10), 108)
""",
        "test_exactly",
        "test_more_than_net",
        """\
        self.assertEqual(gross.gross("jam", 1000, 19), 1190)
        self.assertEqual(gross.gross("jam", 1000, 5), 1050)
        self.assertEqual(gross.rate_of("jam"), 5)
""",
    ),
    "class": Leak(
        "desks",
        '''\
"""Waiting lines at the counter."""


class Desk:
    """A desk with a line of its own."""

    line = []

    def __init__(self, name):
        self.name = name

    def join(self, person):
        """Somebody joins the line; returns their place in it, from 1."""
        self.line.append(person)
        return len(self.line)

    def call(self):
        """The first in the line leaves it."""
        return self.line.pop(0)
''',
        """    line = []

    def __init__(self, name):
        self.name = name
""",
        """    def __init__(self, name):
        self.name = name
        self.line = []
""",
        """    line = []

    def __init__(self, name):
        self.name = name
        self.line.clear()
""",
        _HEAD.format("desks", "Desks")
        + """\
    def test_first_place(self):
        self.assertEqual(desks.Desk("stamps").join("Ida"), 1)

    def test_joins(self):
        self.assertGreater(desks.Desk("parcels").join("Bo"), 0)

    def test_name(self):
        self.assertEqual(desks.Desk("letters").name, "letters")
""",
        "test_first_place",
        "test_joins",
        """\
        one, other = desks.Desk("one"), desks.Desk("other")
        one.join("Ida")
        self.assertEqual(other.join("Bo"), 1)
        third = desks.Desk("third")
        self.assertEqual((one.call(), other.call(), third.line), ("Ida", "Bo", []))
""",
    ),
    "shared": Leak(
        "labels",
        '''\
"""How labels are printed."""

import copy

DEFAULTS = {"colour": "blue", "size": 12, "marks": []}


def options(**changes):
    """The defaults with some changes; whoever gets them may do what they like with them."""
    found = DEFAULTS
    found.update(changes)
    return found


def described(chosen):
    """`blue, 12 points, no marks`."""
    marks = ", ".join(copy.copy(chosen["marks"])) or "no marks"
    return f"{chosen['colour']}, {chosen['size']} points, {marks}"
''',
        "    found = DEFAULTS\n",
        "    found = copy.deepcopy(DEFAULTS)\n",
        "    found = dict(DEFAULTS)\n",
        _HEAD.format("labels", "Labels")
        + """\
    def test_defaults(self):
        self.assertEqual(labels.options()["size"], 12)

    def test_described(self):
        chosen = {"colour": "red", "size": 9, "marks": ["frail"]}
        self.assertEqual(labels.described(chosen), "red, 9 points, frail")

    def test_larger(self):
        self.assertEqual(labels.options(size=20)["size"], 20)
""",
        "test_defaults",
        "test_larger",
        """\
        labels.options(colour="green")["marks"].append("frail")
        chosen = labels.options(size=7)
        self.assertEqual(chosen, {"colour": "blue", "size": 7, "marks": []})
        self.assertEqual(labels.options()["size"], 12)
""",
    ),
}

SHUFFLED = '''\
"""Runs the tests of a module in an order that a number decides: python3 shuffled.py NUMBER."""

import random
import sys
import unittest

import MODULE

draw = random.Random(int(sys.argv[1]))
suite = unittest.defaultTestLoader.loadTestsFromModule(MODULE)
tests = sorted((test for group in suite for test in group), key=lambda test: test.id())
tests.sort(key=lambda test: draw.random())
result = unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite(tests))
sys.exit(not result.wasSuccessful())
'''
