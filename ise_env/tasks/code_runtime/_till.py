"""A program that books goods without a lock, ways to guard it, and how to tell."""

from __future__ import annotations

STOCK = '''\
"""Books goods in and out: python3 stock.py [--state FILE] ITEM CHANGE."""

import argparse
import sys

import drive


def book(path, item, change):
    """Change an item's count; what would fall below zero is refused."""
    stock = drive.load(path)
    count = stock.get(item, 0) + change
    if count < 0:
        sys.exit(f"{item}: only {stock.get(item, 0)} left")
    stock[item] = count
    drive.save(path, stock)
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", default="state/stock.json")
    parser.add_argument("item")
    parser.add_argument("change", type=int)
    args = parser.parse_args()
    print(f"{args.item}: {book(args.state, args.item, args.change)}")


if __name__ == "__main__":
    main()
'''

DRIVE = '''\
"""The state on the shared drive, which takes its time over every write."""

import json
import time


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, stock):
    text = json.dumps(stock, indent=1, sort_keys=True) + "\\n"
    time.sleep(0.05)
    with open(path, "r+", encoding="utf-8") as file:
        file.write(text)
        file.truncate()
'''

REPLAY = '''\
"""Books every line of a list (ITEM CHANGE) at the same time: python3 replay.py LIST."""

import subprocess
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    lines = [line.rsplit(" ", 1) for line in file.read().splitlines()]
runs = [subprocess.Popen([sys.executable, "stock.py", *line]) for line in lines]
failed = sum(run.wait() != 0 for run in runs)
print(f"{len(runs)} bookings, {failed} refused")
'''

Guard = tuple[str, str]
"""Imports, and the context manager that keeps others out."""

LOCKED = (
    "import contextlib\nimport fcntl\n",
    """\
@contextlib.contextmanager
def alone(path):
    with open(f"{path}.guard", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


""",
)
EXCLUSIVE = (
    "import contextlib\nimport os\nimport time\n",
    """\
@contextlib.contextmanager
def alone(path):
    while True:
        try:
            os.close(os.open(f"{path}.guard", os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            time.sleep(0.01)
    try:
        yield
    finally:
        os.unlink(f"{path}.guard")


""",
)
"""Keeps others out, but for ever once it is killed."""

HAMMER = """\
import json, subprocess, sys
kill = (
    "import os, runpy, sys, time; sys.path.insert(0, '.');"
    "time.sleep = lambda s: os.kill(os.getpid(), 9); sys.argv = ['stock.py', *sys.argv[1:]];"
    "runpy.run_path('stock.py', run_name='__main__')"
)
state, killed = ["--state", "later.json"], sys.argv[1] == "killed"
if killed:
    subprocess.run([sys.executable, "-c", kill, *state, "doomed", "1"], timeout=6)
booked = ["apple"] if killed else ["apple", "pear"] * 3
runs = [subprocess.Popen([sys.executable, "stock.py", *state, item, "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for item in booked]
try:
    ended = [run.wait(timeout=6 if killed else 30) for run in runs]
    with open("later.json") as file:
        stock = json.load(file)
    kept = all(stock[item] == booked.count(item) for item in booked)
except (ValueError, subprocess.TimeoutExpired):
    kept = False
print("kept" if kept else "lost")
"""
"""Six bookings at once; `killed`: one after another whose process died at the worst moment."""
