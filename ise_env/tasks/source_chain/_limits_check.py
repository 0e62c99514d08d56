"""A check that a host runs on every commit, before and after it became stricter."""

from __future__ import annotations

from ise_env.tasks.draw import Draw

_FIRST = '''\
"""What the host runs on every commit: python3 check.py."""

import importlib
import pathlib
import sys

sys.path.insert(0, ".")
names = sorted(path.stem for path in pathlib.Path("tools").glob("[!_]*.py"))
for name in names:
    if not isinstance(importlib.import_module(f"tools.{name}").LIMIT, int):
        sys.exit(f"tools/{name}.py: LIMIT is no number")
'''
_MORE = """\
listed = pathlib.Path("MANIFEST").read_text(encoding="utf-8").split()
for name in names:
    if name not in listed:
        sys.exit(f"tools/{name}.py is not in MANIFEST")
if listed != sorted(listed):
    sys.exit("MANIFEST is not sorted")
"""
_LAST = 'print(len(names), "tools are fine")\n'

LENIENT = _FIRST + _LAST
STRICT = _FIRST + _MORE + _LAST


def tool(d: Draw, name: str) -> str:
    """A module that the check looks at."""
    return f'"""Limits for {name}."""\n\nLIMIT = {d.integer(3, 900)}\n'
