"""What lies in the workspace of the kit build-what-changed, and what its oracle runs there."""

from __future__ import annotations

BUILD = '''\
#!/usr/bin/env python3
"""Builds one target, needed or not: ./build.py TARGET. See BUILD.md."""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

here = Path(__file__).resolve().parent
name = sys.argv[1]
target = tomllib.loads((here / "targets.toml").read_text())[name]
inputs = [here / path for path in target["inputs"]]
lines = [line for path in inputs for line in path.read_text().splitlines()]
if target["how"] == "unique":
    lines = sorted(set(lines))
elif target["how"] == "count":
    lines = [f"{len(lines)} lines", *(f"{n} {line}" for n, line in enumerate(lines, 1))]
output = here / target["output"]
try:
    output.parent.mkdir(exist_ok=True)
    output.write_text("".join(line + "\\n" for line in lines))
except PermissionError:
    sys.exit(f"{target['output']}: not writable")
stamps = here / "state" / "stamps.json"
known = json.loads(stamps.read_text())
known[name] = {
    path: hashlib.sha256((here / path).read_bytes()).hexdigest() for path in target["inputs"]
}
stamps.write_text(json.dumps(known, indent=1, sort_keys=True) + "\\n")
with (here / "build.log").open("a") as log:
    log.write(f"built {name}\\n")
print(f"built {name}, {len(lines)} lines")
'''
RULES = """\
# Building

`targets.toml` has a table for each target: its inputs, its output, and how it is made. An input may
be the output of another target. `./build.py TARGET` builds one target whether it is needed or not,
and notes the SHA-256 of each input in `state/stamps.json`; `build.log` has a line for each build.

A target is **stale** when its output is missing, or when the SHA-256 of one of its inputs is not
the one in `state/stamps.json`. Times of files say nothing here, everything was copied. Building is
dear (on the real machine it takes minutes a target), so

- only stale targets are built, each once, inputs before what is made from them;
- whether a target is stale is looked at when its turn comes: if an input was built again and came
  out the same as before, nothing after it is stale on its account.

An output that is not writable may be made writable. Sources, `targets.toml` and `build.py` are not
touched; {person} wants to know of any build too many.
"""
STALE = """\
import hashlib, json, os, subprocess, sys, tomllib
targets = tomllib.load(open("targets.toml", "rb"))
makes = {{target["output"]: name for name, target in targets.items()}}
done, built = [], []
def see(name):
    if name in done:
        return
    done.append(name)
    target = targets[name]
    for path in target["inputs"]:
        if path in makes:
            see(makes[path])
    known = json.load(open("state/stamps.json")).get(name, {{}})
    now = {{p: hashlib.sha256(open(p, "rb").read()).hexdigest() for p in target["inputs"]}}
    if not os.path.exists(target["output"]) or {stale}:
        ran = subprocess.run(["./build.py", name], capture_output=True, text=True)
        if "not writable" in ran.stderr:
            os.chmod(target["output"], 0o644)
            ran = subprocess.run(["./build.py", name], capture_output=True, text=True)
        built.append(name)
        print(ran.stdout.strip() or ran.stderr.strip())
for name in targets:
    see(name)
print(len(built), "built,", len(targets) - len(built), "up to date")
"""
