"""Control groups for an ordinary user: a scope that the user's systemd hands over.

A login session's own group may not be divided, but `systemd-run --user --scope` starts a
process in a group of its own that belongs to the user, controllers included. The spawner is
started that way where there is no other; workspaces get groups beside it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ise_env.workspaces.local import cgroups

_UNIFIED = Path("/sys/fs/cgroup")
_LEAF = "spawner"


def prefix() -> list[str]:
    """Return the command that starts another one in a scope; empty where there is no such way."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    program = shutil.which("systemd-run")
    if program is None or os.geteuid() == 0 or not Path(runtime, "bus").exists():
        return []
    if not (_UNIFIED / "cgroup.controllers").exists():
        return []
    return [program, "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "--"]


def environment() -> dict[str, str]:
    """Return what systemd-run needs to find the user's systemd."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return {"XDG_RUNTIME_DIR": runtime, "PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def placement(pid: int) -> cgroups.Placement:
    """Return where groups can be made beside a process that was started in a scope.

    Raises:
        OSError: Its group is not ours to divide.
    """
    line = Path(f"/proc/{pid}/cgroup").read_text().strip().splitlines()[-1]
    scope = _UNIFIED / line.partition("::")[2].lstrip("/")
    leaf = scope / _LEAF
    leaf.mkdir(exist_ok=True)
    # A group that hands controllers on may hold no process itself.
    (leaf / "cgroup.procs").write_text(str(pid))
    return cgroups.place(scope)
