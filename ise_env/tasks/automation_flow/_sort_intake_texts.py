"""What lies in the workspace of the kit sort-intake, and what its oracle runs there."""

from __future__ import annotations

RULES = """\
# Intake

Partners upload into `inbox/`. An upload is complete when `NAME.done` lies beside `NAME`; without it
the file is still on its way and stays exactly where it is.

The script goes through the complete uploads in the order of their names:

1. A file whose content was taken in before (its SHA-256 is in `ledger.csv`, or came up in this run)
   goes to `duplicates/` under its name.
2. A file whose first line is not `Period: YYYY-MM` goes to `rejected/` under its name.
3. Every other file goes to `stored/YYYY-MM/` under its name. If there is a file of that name
   already, it gets `-2` before its extension, then `-3`, and so on; nothing is overwritten.
   A line `name,sha256` with the name that it has now is added to `ledger.csv`.

In all three cases its `.done` file is removed. The script is started in the folder that holds
`inbox/`, prints one line for each file it has moved, and may be started again at any time: with
nothing new in `inbox/` it changes nothing. Names may contain blanks. Questions: {person}.
"""
SCRIPT = """\
#!/usr/bin/env python3
\"\"\"Takes in what is complete in inbox/; see INTAKE.md.\"\"\"
import hashlib, os, re
from pathlib import Path

known = {{line.strip().split(",")[-1] for line in open("ledger.csv")}}
for path in sorted({waiting}):
    if not path.is_file():
        continue
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    period = re.fullmatch(rb"Period: (\\d{{4}}-\\d\\d)", data.split(b"\\n")[0].rstrip())
    if digest in known:
        target = Path("duplicates")
    elif not period:
        target = Path("rejected")
    else:
        target = Path("stored", period[1].decode())
    target.mkdir(parents=True, exist_ok=True)
    new, number = target / path.name, 2
    while {taken}:
        new, number = target / f"{{path.stem}}-{{number}}{{path.suffix}}", number + 1
    os.replace(path, new)
    if target.parts[0] == "stored":
        known.add(digest)
        with open("ledger.csv", "a") as ledger:
            ledger.write(f"{{new.name}},{{digest}}\\n")
    Path(f"inbox/{{path.name}}.done").unlink(missing_ok=True)
    print(target, new.name)
"""
LOOK = """\
import json, os, subprocess, sys
env = {"PATH": "/usr/bin:/bin"}
for _ in range(2):
    subprocess.run(["./" + sys.argv[1]], stdout=subprocess.DEVNULL, timeout=20, env=env)
    found = {}
    for top in ("inbox", "stored", "duplicates", "rejected"):
        for base, _, names in os.walk(top):
            for name in names:
                found[os.path.join(base, name)] = open(os.path.join(base, name)).read()
    ledger = sorted(open("ledger.csv").read().split("\\n"))
    print(json.dumps([found, ledger]))
"""
