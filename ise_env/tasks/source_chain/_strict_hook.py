"""A pre-commit hook that names one complaint at a time, and its rules."""

from __future__ import annotations

HOOK_PATH = ".githooks/pre-commit"
HOOK = '''\
#!/usr/bin/env python3
"""Looks at what is about to be committed; docs/hook.md says what it wants."""

import json
import re
import subprocess
import sys

names = subprocess.run(
    ["git", "diff", "--cached", "--name-only", "--diff-filter=ACM"], capture_output=True, text=True
).stdout.split()
complaints = []
for name in names:
    text = subprocess.run(["git", "show", f":{name}"], capture_output=True, text=True).stdout
    for number, line in enumerate(text.split("\\n"), 1):
        if line != line.rstrip():
            complaints.append(f"{name}:{number}: blanks at the end of the line")
        if "TODO" in line and not re.search(r"TODO\\(#\\d+\\)", line):
            complaints.append(f"{name}:{number}: TODO without a ticket")
    if name.endswith(".json"):
        try:
            json.loads(text)
        except ValueError as error:
            complaints.append(f"{name}: {error}")
    if name.endswith(".py") and not text.startswith(\'"""\'):
        complaints.append(f"{name}:1: no docstring")
for complaint in complaints[:1]:
    print(complaint)
sys.exit(bool(complaints))
'''

RULES = """\
# The commit hook

`.githooks/pre-commit` looks at every file of a commit and names the first thing it does not like:

- blanks at the end of a line
- a TODO without the number of a ticket, `TODO(#123)`; work that has none yet gets the number of
  our collective ticket, {ticket}
- JSON that cannot be read
- a Python module that does not begin with a docstring; `Helpers for NAME.` with the module's
  name will do

Whoever goes round the hook brings cake for everybody.
"""
