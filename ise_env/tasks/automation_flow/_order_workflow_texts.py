"""What lies in the workspace of the kit order-workflow, and what its oracle runs there."""

from __future__ import annotations

RULES = """\
# The nightly workflow

`workflow.toml` has a table for each task: `needs` (tasks that must be done before), `reads` and
`writes` (files), `minutes`. A task is faulty

- `unknown`: when it needs a task that there is not;
- `cycle`: when it waits, directly or over others, for itself;
- `unordered`: when it reads a file that another task writes, and waits for that task neither
  directly nor over others. Tasks with one of the two faults above are not looked at for this.

What {person} has decided about the faults is in `DECISIONS.md`. The file `workflow.toml` is live
and is replaced by {person}; a mended one goes beside it as `workflow.new.toml`.

In a plan every task starts as soon as all that it needs is done; any number may run at once; the
first tasks start at minute 0.
"""
LINT = """\
import tomllib
tasks = tomllib.load(open("workflow.toml", "rb"))
def behind(name, seen):
    for other in tasks.get(name, {}).get("needs", []):
        if other not in seen:
            seen.add(other)
            behind(other, seen)
    return seen
faults = []
for name, task in sorted(tasks.items()):
    waits = behind(name, set())
    if any(other not in tasks for other in task["needs"]):
        faults.append((name, "unknown"))
    elif name in waits:
        faults.append((name, "cycle"))
    elif any(
        set(task["reads"]) & set(t["writes"]) and o != name and o not in waits
        for o, t in tasks.items()
    ):
        faults.append((name, "unordered"))
with open("faults.csv", "w") as out:
    print("task,fault", file=out)
    for fault in faults:
        print(*fault, sep=",", file=out)
print(len(faults), "faults in", len(tasks), "tasks")
"""
PLAN = """\
import json, re, tomllib
tasks = tomllib.load(open("workflow.toml", "rb"))
for line in open("DECISIONS.md"):
    if found := re.match(r"- `(\\S+)` needs `(\\S+)` instead of `(\\S+)`", line):
        name, right, wrong = found.groups()
        tasks[name]["needs"] = [right if n == wrong else n for n in tasks[name]["needs"]]
    elif found := re.match(r"- `(\\S+)` does not need `(\\S+)`", line):
        tasks[found[1]]["needs"].remove(found[2])
    elif found := re.match(r"- `(\\S+)` needs `(\\S+)` as well", line):
        tasks[found[1]]["needs"].append(found[2])
def start(name):
    return max(({ends} for n in tasks[name]["needs"]), default=0)
with open("workflow.new.toml", "w") as out:
    for name, task in tasks.items():
        print(f"[{{name}}]", file=out)
        for key, value in task.items():
            print(key, "=", json.dumps(value), file=out)
        print(file=out)
with open("plan.csv", "w") as out:
    print("task,start", file=out)
    for name in sorted(tasks, key=lambda n: (start(n), n)):
        print(name, start(name), sep=",", file=out)
print("done at minute", max(start(n) + tasks[n]["minutes"] for n in tasks))
"""
LOAD = """\
import json, tomllib
tasks = tomllib.load(open("workflow.new.toml", "rb"))
for task in tasks.values():
    task["needs"] = sorted(task["needs"])
print(json.dumps(tasks, sort_keys=True))
"""
