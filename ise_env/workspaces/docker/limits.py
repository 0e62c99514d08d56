"""Which limits hold in an engine's containers, and how containers are confined."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.docker.profile import profile
from ise_env.workspaces.protocol import Limits, Requirement

_SMALL = ("/tmp", "/run", "/dev/shm")
_EXECUTOR = 1
"""Processes that are not the agent's."""

_MEND_CGROUP = (
    "give the engine the controllers: for a rootless one, delegate cpu, memory and pids to the "
    "user's systemd (a drop-in for user@.service with Delegate=cpu memory pids)"
)


@dataclass(frozen=True)
class Enforced:
    """How the limits of workspaces are enforced by an engine."""

    requirements: tuple[Requirement, ...]
    processors: float
    """Of the engine's machine, which refuses containers that may use more."""

    def __contains__(self, name: object) -> bool:
        """Whether a limit of that name is enforced."""
        return any(r.name == name and r.status == "enforced" for r in self.requirements)

    def degraded(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return the limits that are not enforced, all of which must be allowed not to be.

        Raises:
            WorkspaceError: One is not; says what to do.
        """
        weak = [r for r in self.requirements if r.status != "enforced"]
        refused = [r for r in weak if r.name not in allowed]
        if refused:
            reasons = "; ".join(f"{r.name}: {r.how}" for r in refused)
            mends = "; ".join(dict.fromkeys(r.mend for r in refused))
            names = ", ".join(repr(r.name) for r in weak)
            raise WorkspaceError(
                f"limits that the Docker engine cannot enforce ({reasons}). To mend it: {mends}. "
                f"To go on without them, and have that recorded: allow_degraded=[{names}]"
            )
        return tuple(r.name for r in weak)


def find(info: dict[str, Any]) -> Enforced:
    """Read what an engine says of itself."""
    version = info.get("CgroupVersion") or "1"
    swap = "no swap" if info.get("SwapLimit") else "swap not counted"
    return Enforced(
        (
            _limit("memory", info.get("MemoryLimit"), f"cgroup v{version}, {swap}"),
            _limit("pids", info.get("PidsLimit"), f"cgroup v{version}"),
            _limit("cpu", info.get("CpuCfsQuota"), f"cgroup v{version}"),
            _seccomp(info.get("SecurityOptions") or ()),
        ),
        info.get("NCPU") or math.inf,
    )


def _limit(name: str, holds: object, how: str) -> Requirement:
    if holds:
        return Requirement(name, "enforced", how)
    return Requirement(name, "degraded", f"the engine has no {name} controller", _MEND_CGROUP)


def _seccomp(options: Iterable[str]) -> Requirement:
    if any(option.startswith("name=seccomp") for option in options):
        calls = sum(len(rule["names"]) for rule in json.loads(profile())["syscalls"])
        return Requirement("seccomp", "enforced", f"a profile of our own, {calls} entries")
    mend = "an engine built with seccomp, on a kernel with CONFIG_SECCOMP_FILTER"
    return Requirement("seccomp", "degraded", "the engine has no seccomp", mend)


def host_options(limits: Limits, enforced: Enforced, volumes: Sequence[str]) -> dict[str, Any]:
    """Return the options of the SDK's `create_host_config` for a workspace.

    Args:
        limits: Of it.
        enforced: What the engine can enforce; nothing else is asked of it.
        volumes: Places that the image wants to be volumes: they would be disk without a limit.
    """
    from docker.types import Ulimit

    small = f"exec,nosuid,nodev,size={limits.tmp_bytes},nr_inodes={limits.inodes},mode=1777"
    options: dict[str, Any] = {
        "security_opt": ["no-new-privileges"],
        "sysctls": {
            "kernel.shmall": str(max(1, limits.tmp_bytes // 4096)),
            "net.ipv4.ip_unprivileged_port_start": "0",
        },
        "tmpfs": {
            **dict.fromkeys(_SMALL, small),
            **dict.fromkeys(volumes, "ro,nosuid,nodev,size=4096"),
        },
        "ulimits": [
            Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
            Ulimit(name="core", soft=0, hard=0),
        ],
    }
    if "memory" in enforced:
        options["mem_limit"] = options["memswap_limit"] = limits.memory_bytes
    if "pids" in enforced:
        options["pids_limit"] = limits.pids + _EXECUTOR
    if "cpu" in enforced:
        options["nano_cpus"] = int(min(limits.cpus, enforced.processors) * 1_000_000_000)
    if "seccomp" in enforced:
        options["security_opt"].append(f"seccomp={profile()}")
    return options
