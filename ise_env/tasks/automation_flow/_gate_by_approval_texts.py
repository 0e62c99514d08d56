"""What lies in the workspace of the kit gate-by-approval, and what its oracle runs there."""

from __future__ import annotations

RUN = """\
#!/usr/bin/env bash
# Runs one job: ./run.sh ID. It does what it is told: whether a job may run is decided before.
set -eu
cd "$(dirname "$0")"
if [ -e state/run.lock ]; then
  echo "locked by process $(cat state/run.lock)" >&2
  exit 75
fi
echo $$ > state/run.lock
trap 'rm -f state/run.lock' EXIT
amount=$(sed -nE 's/.*"cents": *([0-9]+).*/\\1/p' "jobs/$1.json")
echo "$1,$amount" >> paid.csv
echo "$1: paid $amount"
"""
POLICY = """\
# Approvals

A job in `jobs/ID.json` runs only with enough valid approvals in `approvals/ID.txt`, one a line:

    DATE NAME HASH

An approval is valid when all of this holds:

- HASH is the beginning of the SHA-256 of the job's file **as it is now**; a job that was edited
  after it was approved has lost that approval.
- NAME is in `approvers.csv`, with a limit of at least the job's `cents`.
- NAME did not ask for the job (`requested_by`).
- DATE is at most {days} days before {day}, the day on which the jobs are run.

A second valid approval of a job by the same person does not count.

Jobs above {limit} cents need two valid approvals from different people, all others one. What runs,
runs in the order of `due`, earliest first, each once. Jobs that are in `paid.csv` already have run.

`run.sh` keeps `state/run.lock` while it works. If its process is gone, the lock may be removed.
Doubts go to {person}, and the job waits.
"""
PROGRAM = """\
import csv, datetime as d, hashlib, json, pathlib, re
text = open("POLICY.md").read()
days, day = re.search(r"at most (\\d+) days before (\\S+),", text).groups()
since = d.date.fromisoformat(day) - d.timedelta(int(days))
above = int(re.search(r"above (\\d+) cents", text)[1])
limits = {{row["name"]: int(row["limit"]) for row in csv.DictReader(open("approvers.csv"))}}
paid = {{row["id"] for row in csv.DictReader(open("paid.csv"))}}
rows = []
for path in sorted(pathlib.Path("jobs").glob("*.json")):
    job, digest = json.loads(path.read_text()), hashlib.sha256(path.read_bytes()).hexdigest()
    valid, notes = set(), pathlib.Path("approvals", path.stem + ".txt")
    for line in notes.read_text().splitlines() if notes.exists() else ():
        when, *name, beginning = line.split()
        name = " ".join(name)
        if ({matching} and limits.get(name, -1) >= job["cents"] and {other}
                and d.date.fromisoformat(when) >= since):
            valid.add(name)
    needed = 2 if job["cents"] > above else 1
    if path.stem not in paid:
        rows.append((job["due"], path.stem, "run" if len(valid) >= needed else "hold", len(valid)))
with open("decisions.csv", "w") as out:
    print("id,decision,approvals", file=out)
    for _, name, decision, count in sorted(rows):
        print(name, decision, count, sep=",", file=out)
print(sum(r[2] == "run" for r in rows), "may run,", sum(r[2] == "hold" for r in rows), "wait")
"""
