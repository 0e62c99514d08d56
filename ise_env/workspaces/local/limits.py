"""Which limits hold on this machine, by which mechanism, and what to do about the others."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces.local import cgroups, seccomp
from ise_env.workspaces.protocol import Limits, Requirement

WORKING_MEMORY = 64 * 2**20
"""Least memory left for processes when everything that can be written is full."""

MEND_CGROUP = (
    "run as root, or where the user's systemd can be reached (XDG_RUNTIME_DIR, systemd-run); in "
    "a container, give it a writable cgroup whose processes have been moved down: docker run "
    "--privileged, then mkdir /sys/fs/cgroup/init and write every pid of "
    "/sys/fs/cgroup/cgroup.procs into /sys/fs/cgroup/init/cgroup.procs"
)


def kernel() -> tuple[int, int]:
    """Return the kernel's version."""
    major, minor = platform.release().split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdecimal()) or 0)


@dataclass(frozen=True)
class Enforced:
    """How the limits of workspaces are enforced here."""

    placement: cgroups.Placement
    requirements: tuple[Requirement, ...]
    seccomp: bytes
    """The filter program; empty where there is none."""

    def degraded(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return the limits that are not enforced, all of which must be allowed not to be.

        Raises:
            WorkspaceError: One is not; says what to do.
        """
        weak = [r for r in self.requirements if r.status != "enforced"]
        refused = [r for r in weak if r.name not in allowed]
        if refused:
            reasons = "; ".join(f"{r.name}: {r.how}" for r in refused)
            mends = "; ".join(dict.fromkeys(r.mend for r in refused if r.mend))
            names = ", ".join(repr(r.name) for r in weak)
            raise WorkspaceError(
                f"limits that cannot be enforced here ({reasons}). To mend it: {mends}. To go "
                f"on without them, and have that recorded: allow_degraded=[{names}]"
            )
        return tuple(r.name for r in weak)


def find(placement: cgroups.Placement | None = None) -> Enforced:
    """Find out how limits can be enforced on this machine, with groups where they are found."""
    placement = placement or cgroups.place()
    requirements = [_controller(name, placement) for name in cgroups.CONTROLLERS]
    try:
        program = seccomp.program()
    except seccomp.Unavailable as error:
        program = b""
        requirements.append(
            Requirement("seccomp", "degraded", str(error), "apt-get install libseccomp2")
        )
    else:
        how = f"allowlist through libseccomp, {len(program) // 8} instructions"
        requirements.append(Requirement("seccomp", "enforced", how))
    return Enforced(placement, tuple(requirements), program)


def _controller(name: str, placement: cgroups.Placement) -> Requirement:
    if name in placement.parents:
        where = placement.parents[name]
        return Requirement(name, "enforced", f"cgroup v{placement.version} below {where}")
    reason = placement.missing[name]
    if name == "pids" and kernel() >= (5, 14):
        how = f"RLIMIT_NPROC, counted in the workspace's own user namespace ({reason})"
        return Requirement(name, "enforced", how)
    instead = {
        "memory": "only RLIMIT_DATA for each process",
        "pids": "RLIMIT_NPROC counts all processes of the user on this kernel",
        "cpu": "nothing limits it",
    }[name]
    return Requirement(name, "degraded", f"{instead}: {reason}", MEND_CGROUP)


def check(limits: Limits) -> None:
    """Refuse limits that contradict each other or are none.

    Pages of a tmpfs count as memory of whoever wrote them, so a memory limit below what may
    be written would kill programs instead of telling them that the disk is full.

    Raises:
        ConfigError: Names the field and the least it must be.
    """
    for name in ("disk_bytes", "inodes", "pids", "open_files", "output_bytes", "tmp_bytes"):
        if getattr(limits, name) < 1:
            raise ConfigError(f"Limits.{name} is {getattr(limits, name)}: it must be at least 1")
    if not 0.01 <= limits.cpus < math.inf:
        raise ConfigError(f"Limits.cpus is {limits.cpus}: it must be at least 0.01")
    if limits.open_files < 64:
        raise ConfigError(f"Limits.open_files is {limits.open_files}: it must be at least 64")
    least = limits.disk_bytes + 3 * limits.tmp_bytes + WORKING_MEMORY
    if limits.memory_bytes < least:
        raise ConfigError(
            f"Limits.memory_bytes is {limits.memory_bytes}: files live in memory, so it must be "
            f"at least {least} (disk_bytes + 3 x tmp_bytes + {WORKING_MEMORY} to work with)"
        )


def process_limit(enforced: Enforced, limits: Limits) -> int:
    """Return the RLIMIT_NPROC of the workspace's processes; 0 for none."""
    return 0 if "pids" in enforced.placement.parents else limits.pids + cgroups.SPARE_PIDS


def data_limit(enforced: Enforced, limits: Limits) -> int:
    """Return the RLIMIT_DATA of each of its processes; 0 for none."""
    return 0 if "memory" in enforced.placement.parents else limits.memory_bytes


def is_root() -> bool:
    """Whether this process is root (in its own user namespace)."""
    return os.geteuid() == 0
