"""Which processes live inside a sandbox, as the host's kernel tells it.

Nothing inside is asked: a program there can print what it likes, but not change what the kernel
says of its children.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ise_env.workspaces.protocol import ProcessView

_LONGEST = 4096

_CHILDREN = "/proc/thread-self/children"
"""Is there where the kernel lists children (CONFIG_PROC_CHILDREN)."""

Birth = tuple[int, int]
"""Start of a process in ticks of the kernel's clock, and its number: together, which one it is."""


def births(first: int) -> list[Birth]:
    """List every process below the first one, oldest first, zombies left out.

    Args:
        first: Descriptor of the first process inside, which is not listed itself.
    """
    root = _pid(first)
    if not os.path.exists(_CHILDREN):
        return sorted(_parents(root))
    found: list[Birth] = []
    below = [root] if root > 0 else []
    while below:
        for pid in _children(below.pop()):
            if (life := _life(pid)) is not None:
                below.append(pid)
                found.append((life[1], pid))
    return sorted(found)


def census(
    first: int, known: Collection[object], among: Iterable[int] | None = None
) -> tuple[ProcessView, ...]:
    """Describe every process below the first one, oldest first, zombies left out.

    Args:
        first: Descriptor of the first process inside, which is not counted itself.
        known: Those that were there at the checkpoint. The moment alone would not do: a tick is
            10 ms, in which a process of before and one of after can both start.
        among: Numbers of all processes that can be below it, such as those of its control group;
            every process of the machine when None, which hundreds of workspaces make many.
    """
    root = _pid(first)
    parents = _parents(root, among)
    argv = {birth[1]: _argv(birth[1]) for birth in sorted(parents)}
    return tuple(
        ProcessView(argv[birth[1]], birth in known, argv.get(parents[birth], ()))
        for birth in sorted(parents)
        if argv[birth[1]]
    )


def _parents(root: int, among: Iterable[int] | None = None) -> dict[Birth, int]:
    """Map every process below one to the number of the process that it is a child of."""
    if root <= 0:
        return {}
    children: dict[int, list[Birth]] = defaultdict(list)
    for pid in _everybody() if among is None else among:
        if (life := _life(pid)) is not None:
            parent, started = life
            children[parent].append((started, pid))
    found: dict[Birth, int] = {}
    below = [root]
    while below:
        parent = below.pop()
        for birth in children.get(parent, ()):
            below.append(birth[1])
            found[birth] = parent
    return found


def _pid(descriptor: int) -> int:
    """Number of the process behind a descriptor; -1 when it has ended."""
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    except OSError:
        return -1
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), -1)


def _children(pid: int) -> list[int]:
    """Numbers of a process's children: the work does not grow with what else the machine runs.

    The kernel may leave some out while others end (proc_pid_task_children(5)): not for verdicts.
    """
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += map(int, thread.read_bytes().split())
    return found


def _everybody() -> Iterator[int]:
    """Number of every process of the machine."""
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def _life(pid: int) -> tuple[int, int] | None:
    """Parent and start of a process, None when it has ended; see proc_pid_stat(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[19]))


def _argv(pid: int) -> tuple[str, ...]:
    """Its command line; empty when it has ended meanwhile."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()[:_LONGEST]
    except OSError:
        return ()
    return tuple(
        part.decode("utf-8", "replace") for part in data.rstrip(b"\0").split(b"\0") if data
    )
