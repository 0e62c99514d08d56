"""The tiny supervisor of the kit repair-units, a program that it starts, and its README."""

from __future__ import annotations

SUPERVISOR = '''\
"""Starts units in order: python3 sv.py up. Stops at the first fault it meets."""

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "run" / "sv.lock"


def die(text):
    sys.exit(f"sv: {text}")


def ordered(units):
    order, open_ = [], sorted(units)
    while open_:
        ready = [n for n in open_ if all(a in order for a in units[n]["after"])]
        if not ready:
            die("cycle among " + ", ".join(open_))
        order.append(ready[0])
        open_.remove(ready[0])
    return order


def load(path):
    ini = configparser.ConfigParser(interpolation=None)
    ini.optionxform = str
    ini.read(path)
    unit, service = ini["Unit"], ini["Service"]
    return {
        "after": unit.get("After", "").split(),
        "exec": service.get("ExecStart", ""),
        "env": service.get("EnvironmentFile", ""),
    }


if sys.argv[1:] != ["up"]:
    die("usage: sv.py up")
if LOCK.exists():
    die(f"locked by process {LOCK.read_text().strip()}")
units = {path.stem: load(path) for path in (HERE / "units").glob("*.unit")}
for name in sorted(units):
    for other in units[name]["after"]:
        if other not in units:
            die(f"unit {name}: After: there is no unit {other}")
done = {}
for name in ordered(units):
    program, env = HERE / units[name]["exec"], HERE / units[name]["env"]
    if not env.is_file():
        die(f"unit {name}: EnvironmentFile: {units[name]['env']} is not there")
    if not program.is_file():
        die(f"unit {name}: ExecStart: {units[name]['exec']} is not there")
    if not os.access(program, os.X_OK):
        die(f"unit {name}: {units[name]['exec']} is not executable")
    pairs = dict(line.split("=", 1) for line in env.read_text().split() if "=" in line)
    ran = subprocess.run([program], env={**os.environ, **pairs}, capture_output=True, text=True)
    if ran.returncode:
        die(f"unit {name}: exit code {ran.returncode}: {ran.stderr.strip()}")
    done[name] = ran.stdout.strip()
print(f"{len(done)} units are up: {' '.join(done)}")
print(json.dumps(done))
'''
PROGRAM = """\
#!/bin/sh
# Reports its endpoint; NODE and SLOT come from the unit's EnvironmentFile.
set -eu
[ "$UNIT" = "{name}" ] || {{ echo "environment of $UNIT, not of {name}" >&2; exit 78; }}
echo "{name}@$NODE:$SLOT"
"""
README = """\
# Units

`python3 sv.py up` starts everything in `units/`, in an order that satisfies every `After`.

- Programs are in `bin/`, environments in `env/`, each named after its unit. They are right; a
  program may have lost its executable bit in the move, which you give back.
- `sv.py` keeps `run/sv.lock` while it runs. A lock whose process is gone may be removed.
- What has to be up before what:

| unit | after |
| --- | --- |
{table}

Ask {person} before anything else is changed.
"""
