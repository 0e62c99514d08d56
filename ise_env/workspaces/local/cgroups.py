"""Limits by control groups: version 2 where its controllers are, else version 1.

One group for each workspace, below the group of this process where that is possible, so that
limits set on us go on holding. A name says who owns it. What was tested where is written in
docs/isolation.md.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ise_env.workspaces.local import owners
from ise_env.workspaces.protocol import Limits

CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD_US = 100_000
SPARE_PIDS = 2
"""For bubblewrap and the process inside."""

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Placement:
    """Where groups are made, for each controller that can be used."""

    parents: dict[str, Path]
    version: int
    missing: dict[str, str] = field(default_factory=dict)
    """Why a controller cannot be used."""


@dataclass
class Group:
    """The control groups of one workspace."""

    paths: tuple[Path, ...]

    def open(self) -> list[int]:
        """Open what a process writes itself into, to join; the caller closes."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        return [os.open(path / "cgroup.procs", flags) for path in self.paths]

    def processes(self) -> list[int] | None:
        """Return the numbers of all processes in it; None where there is no group."""
        for path in self.paths:
            with contextlib.suppress(OSError):
                return [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
        return None

    def remove(self, within_s: float = 2.0) -> bool:
        """Remove the groups; the last processes may take a moment to leave them."""
        deadline = time.monotonic() + within_s
        for path in self.paths:
            while True:
                try:
                    path.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    if time.monotonic() > deadline:
                        return False
                    time.sleep(0.001)
                    continue
                break
        return True

    def oom_kills(self) -> int:
        """Return how often the memory limit has killed something in it."""
        for path in self.paths:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError, ValueError):
                    for line in (path / name).read_text().splitlines():
                        if line.startswith("oom_kill "):
                            return int(line.split()[1])
        return 0


def _mounts() -> Iterator[tuple[str, str, set[str]]]:
    """Yield mount point, type and options of the cgroup file systems."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield place.replace("\\040", " "), kind, set(options.split(","))


def _own_groups() -> dict[str, str]:
    """Map controllers ("" for version 2) to our group's path in their hierarchy."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def place(base: Path | None = None) -> Placement:
    """Find out where groups can be made.

    Args:
        base: A version 2 group that was delegated to us and holds no process itself.
    """
    own = _own_groups()
    parents: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for mount, kind, options in _mounts():
        if kind == "cgroup2":
            parent, usable, reason = _unified_parent(Path(mount), own.get("", "/"), base)
            if parent is not None:
                lacking = {c: f"{parent} has no {c} controller" for c in CONTROLLERS}
                left = {c: why for c, why in lacking.items() if c not in usable}
                return Placement(dict.fromkeys(usable, parent), 2, left)
            missing.update({c: reason for c in CONTROLLERS if c not in missing})
        else:
            for controller in options & set(CONTROLLERS):
                parent = _legacy_parent(Path(mount), own.get(controller, "/"))
                if parent is not None:
                    parents[controller] = parent
                else:
                    missing[controller] = f"{mount} is not writable for this user"
    absent = {c: missing.get(c, "no cgroup file system is mounted") for c in CONTROLLERS}
    return Placement(parents, 1, {c: absent[c] for c in CONTROLLERS if c not in parents})


def _legacy_parent(mount: Path, own: str) -> Path | None:
    for candidate in (mount / own.lstrip("/"), mount):
        if (candidate / "cgroup.procs").exists() and _can_make_groups(candidate):
            return candidate
    return None


def _unified_parent(mount: Path, own: str, base: Path | None) -> tuple[Path | None, list[str], str]:
    """Find the nearest group above ours that can hand controllers on, and which."""
    reason = "no cgroup v2 group that this user may write to"
    if not set((mount / "cgroup.controllers").read_text().split()) & set(CONTROLLERS):
        return None, [], f"cgroup v2 at {mount} offers no {' or '.join(CONTROLLERS)} controller"
    for candidate in [base] if base is not None else _above(mount, own):
        offered = (candidate / "cgroup.controllers").read_text().split()
        usable = [controller for controller in CONTROLLERS if controller in offered]
        if not usable or not _can_make_groups(candidate):
            continue
        try:
            _hand_on(candidate, usable)
        except OSError as error:
            reason = f"{candidate} cannot hand its controllers on: {error.strerror}"
            continue
        return candidate, usable, ""
    return None, [], reason


def _above(mount: Path, own: str) -> Iterator[Path]:
    """Yield the groups above ours, nearest first: one with processes cannot hand on."""
    group = mount / own.lstrip("/")
    while group != mount and mount in group.parents:
        group = group.parent
        yield group
    yield mount


def _hand_on(group: Path, controllers: list[str]) -> None:
    enabled = (group / "cgroup.subtree_control").read_text().split()
    wanted = [f"+{controller}" for controller in controllers if controller not in enabled]
    if wanted:
        (group / "cgroup.subtree_control").write_text(" ".join(wanted))


def _can_make_groups(parent: Path) -> bool:
    """Try it: permissions alone do not tell of a read-only mount or a namespace."""
    probe = parent / owners.label("probe")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def make(placement: Placement, limits: Limits, owner: str = "") -> Group:
    """Make the groups of one workspace, limits set.

    Args:
        placement: Where.
        limits: Which.
        owner: Goes into their names, letters and digits of it.

    Raises:
        OSError: The kernel refuses a group or a limit.
    """
    shown = "".join(c for c in owner if c.isascii() and (c.isalnum() or c in "._"))[:40]
    name = owners.label(f"{next(_NUMBERS)}{'-' if shown else ''}{shown}")
    group = Group(tuple(dict.fromkeys(parent / name for parent in placement.parents.values())))
    try:
        for path in group.paths:
            path.mkdir()
        for controller, parent in placement.parents.items():
            for file, value in _settings(controller, placement.version, limits):
                target = parent / name / file
                if file.endswith(("memsw.limit_in_bytes", "swap.max")) and not target.exists():
                    continue  # a kernel without swap accounting
                target.write_text(value)
    except OSError:
        group.remove(0.0)
        raise
    return group


def _settings(controller: str, version: int, limits: Limits) -> list[tuple[str, str]]:
    memory, pids = str(limits.memory_bytes), str(limits.pids + SPARE_PIDS)
    quota = str(int(limits.cpus * CPU_PERIOD_US))
    if version == 2:
        return {
            "memory": [("memory.max", memory), ("memory.swap.max", "0")],
            "pids": [("pids.max", pids)],
            "cpu": [("cpu.max", f"{quota} {CPU_PERIOD_US}")],
        }[controller]
    return {
        "memory": [
            ("memory.limit_in_bytes", memory),
            ("memory.memsw.limit_in_bytes", memory),
        ],
        "pids": [("pids.max", pids)],
        "cpu": [("cpu.cfs_period_us", str(CPU_PERIOD_US)), ("cpu.cfs_quota_us", quota)],
    }[controller]


def abandoned() -> list[Path]:
    """Return the groups whose owner is gone, wherever in the hierarchies they are."""
    found = []
    for mount, _, _ in _mounts():
        for folder, names, _ in os.walk(mount):
            ours = [name for name in names if owners.is_label(name)]
            found += [Path(folder, name) for name in ours if not owners.alive(name)]
            names[:] = [name for name in names if name not in ours]
    return found


def kill_and_remove(path: Path) -> bool:
    """Kill what is left in an abandoned group and remove it."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            for pid in (path / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(pid), signal.SIGKILL)
        if Group((path,)).remove(0.05):
            return True
    return False
