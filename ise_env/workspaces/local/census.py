"""Which processes live inside a sandbox, as the host's kernel tells it.

Nothing inside is asked: a program there can print what it likes, but not change what the kernel
says of its children.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ise_env.workspaces.protocol import ProcessView

_TICKS = os.sysconf("SC_CLK_TCK")
_LONGEST = 4096


def now() -> float:
    """Seconds since the machine started, the clock by which the kernel dates processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def census(first: int, since: float) -> tuple[ProcessView, ...]:
    """Describe every process below the first one, oldest first, zombies left out.

    Args:
        first: Descriptor of the first process inside, which is not counted itself.
        since: Moment of the checkpoint, by `now`.
    """
    root = _pid(first)
    if root <= 0:
        return ()
    children: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for pid, parent, started in _everybody():
        children[parent].append((pid, started))
    found, below = [], [root]
    while below:
        for pid, started in children.get(below.pop(), ()):
            below.append(pid)
            found.append((started, pid))
    views = (ProcessView(_argv(pid), started <= since) for started, pid in sorted(found))
    return tuple(view for view in views if view.argv)


def _pid(descriptor: int) -> int:
    """Number of the process behind a descriptor; -1 when it has ended."""
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    except OSError:
        return -1
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), -1)


def _everybody() -> Iterator[tuple[int, int, float]]:
    """Number, parent and start of every process of the machine; see proc_pid_stat(5)."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_text(errors="replace")
        except OSError:
            continue
        fields = stat[stat.rfind(")") + 2 :].split()
        if fields[0] not in "ZX":
            yield int(name), int(fields[1]), int(fields[19]) / _TICKS


def _argv(pid: int) -> tuple[str, ...]:
    """Its command line; empty when it has ended meanwhile."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()[:_LONGEST]
    except OSError:
        return ()
    return tuple(
        part.decode("utf-8", "replace") for part in data.rstrip(b"\0").split(b"\0") if data
    )
