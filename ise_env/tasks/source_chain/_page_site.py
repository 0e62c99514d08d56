"""A site of small pages, and the check that calls every one of them."""

from __future__ import annotations

CHECK = '''\
"""Calls every page of routes.txt: python3 check.py."""

import importlib
import sys

sys.path.insert(0, ".")
lines = [line.split() for line in open("routes.txt", encoding="utf-8") if line.strip()]
names = [name for name, _ in lines]
if len(set(names)) < len(names):
    sys.exit("routes.txt: a page is named twice")
for name, module in lines:
    try:
        shown = importlib.import_module(f"pages.{module}").show()
    except Exception as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
    if not shown.startswith("<h1>"):
        sys.exit(f"{name}: no heading")
print(f"{len(lines)} pages are fine")
'''

FRAME = (
    '"""The frame around every page."""\n\n\ndef {name}(title):\n    return f"<h1>{{title}}</h1>"\n'
)
PAGE = """\
from pages import frame


def show():
    return frame.{name}("{title}")
"""
OLD, NEW = "wrap", "framed"


def page(module: str, name: str) -> str:
    """Source of a page; `name` is what the frame's function is called."""
    return PAGE.format(name=name, title=module.title())
