"""What lies in the workspace of the kit free-deleted-log, and what its oracle runs there."""

from __future__ import annotations

WORKER = '''\
"""Works on one queue: python3 worker.py QUEUE. Stops on SIGTERM."""

import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
queue = sys.argv[1]
log = (HERE / "logs" / f"{queue}.log").open("a")


def note(text):
    log.write(f"{queue}: {text}\\n")
    log.flush()


def stop(*_):
    note("stopped")
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
backlog = HERE / "backlog" / f"{queue}.txt"
note("started")
if backlog.exists():
    for job in backlog.read_text().split():
        note(f"job {job} put off, no room left to finish it")
(HERE / "run").mkdir(exist_ok=True)
fresh = HERE / "run" / f".{queue}.new"
fresh.write_text(f"{os.getpid()}\\n")
fresh.rename(HERE / "run" / f"{queue}.pid")
while True:
    signal.pause()
'''
START = """\
#!/usr/bin/env bash
# Starts the worker of one queue in the background and waits until it is up: ./start.sh QUEUE
set -eu
cd "$(dirname "$0")"
rm -f "run/$1.pid"
exec 9<> <(:)  # nothing ever comes from here: to wait without starting anything
setsid python3 worker.py "$1" </dev/null >/dev/null 2>&1 9<&- &
for _ in $(seq 1000); do
  [ -s "run/$1.pid" ] && { echo "worker $1 is up"; exit 0; }
  read -rt 0.01 -u 9 || true
done
echo "worker $1 did not come up" >&2
exit 1
"""
README = """\
# Workers

One process for each queue: `python3 worker.py QUEUE`. Each keeps `logs/QUEUE.log` open and writes
its process number to `run/QUEUE.pid` when it starts. Files in `run/` are only as good as the last
start: after the move to this machine some were copied by hand, so look at the process itself
before you stop anything.

- Stop one: SIGTERM to its process. It has no other children.
- Start one: `./start.sh QUEUE`.
- All of the other queues are in use all day. {person} is called for each that goes away.
"""
