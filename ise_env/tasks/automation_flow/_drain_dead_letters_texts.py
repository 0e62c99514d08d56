"""What lies in the workspace of the kit drain-dead-letters, and what its oracle runs there."""

from __future__ import annotations

SEND = '''\
#!/usr/bin/env python3
"""Delivers one message: ./send.py FILE. 0: delivered; 65: not valid; 75: busy, try again."""

import csv
import json
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
message = json.loads(Path(sys.argv[1]).read_text())
accounts = {row["account"] for row in csv.DictReader((here / "accounts.csv").open())}
if type(message.get("cents")) is not int:
    sys.exit(print("not valid: cents is no integer") or 65)
if message.get("account") not in accounts:
    sys.exit(print("not valid: unknown account") or 65)
state = here / "state.json"
tries = json.loads(state.read_text())
name = str(message["id"])
tries[name] = tries.get(name, 0) + 1
state.write_text(json.dumps(tries))
# The far end is busy for a while, longer for some than for others.
if tries[name] <= sum(map(ord, name)) % 4:
    sys.exit(print("busy, try again") or 75)
with (here / "delivered.jsonl").open("a") as file:
    file.write(json.dumps(message, sort_keys=True) + "\\n")
print("delivered", name)
'''
RUNBOOK = """\
# Dead letters

`dead/` holds messages that were not delivered, one JSON object a file, named by their `id`.
`./send.py FILE` delivers one: it answers 0 when it is delivered, 75 when the far end is busy, 65
when the message is not valid. **It does not know what was delivered before**: whoever sends a
message twice has moved the money twice.

For each message, in this order:

1. If its `id` is in `delivered.jsonl`, it was delivered although nobody noticed. It is not sent
   again; its file moves to `settled/`.
2. If its `account` is not in `accounts.csv`, look into `renamed.csv`: an account that was renamed
   is put under its new name in the message. If it is not there either, the file moves to
   `parked/`, unchanged.
3. If `cents` is a text such as `"12.50"`, it is an amount: 1250 takes its place, as a number.
4. Then it is sent. While the far end is busy it is sent again, at most six times altogether. Once
   it is delivered, its file is deleted from `dead/`.

Other fields are never changed. {person} looks after what is parked.
"""
PROGRAM = """\
import csv, json, os, pathlib, subprocess
known = {known}
accounts = {{row["account"] for row in csv.DictReader(open("accounts.csv"))}}
renamed = {{row["old"]: row["new"] for row in csv.DictReader(open("renamed.csv"))}}
done = []
for path in sorted(pathlib.Path("dead").glob("*.json")):
    message = json.loads(path.read_text())
    if message["id"] in known:
        done.append((message["id"], "settled"))
        os.makedirs("settled", exist_ok=True)
        path.rename("settled/" + path.name)
        continue
    account = message["account"]
    if account not in accounts and account not in renamed:
        done.append((message["id"], "parked"))
        os.makedirs("parked", exist_ok=True)
        path.rename("parked/" + path.name)
        continue
    message["account"] = account if account in accounts else renamed[account]
    if isinstance(message["cents"], str):
        message["cents"] = round(float(message["cents"]) * 100)
    path.write_text(json.dumps(message))
    for _ in range({tries}):
        if subprocess.run(["./send.py", str(path)], stdout=subprocess.DEVNULL).returncode == 0:
            done.append((message["id"], "delivered"))
            path.unlink()
            break
for outcome in ("delivered", "settled", "parked"):
    print(outcome, sum(how == outcome for _, how in done))
"""
