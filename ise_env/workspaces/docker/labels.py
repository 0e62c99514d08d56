"""Whose a container or volume is, written on it, so that nobody else's is ever removed."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from ise_env.workspaces.local import owners

KIND = "ise-env"
OWNER = "ise-env.owner"
MACHINE = "ise-env.machine"
EPISODE = "ise-env.episode"


def of(kind: str, episode: str = "") -> dict[str, str]:
    """Return labels that name this process.

    Args:
        kind: `workspace`, `keeper` or `install`.
        episode: What it is for; may be empty.
    """
    found = {KIND: kind, OWNER: owners.label(kind), MACHINE: machine()}
    return {**found, EPISODE: episode} if episode else found


def machine() -> str:
    """Name the place in which our process ids mean something; engines may serve several."""
    return f"{socket.gethostname()}/{os.stat('/proc/self/ns/pid').st_ino}"


def abandoned(labels: Mapping[str, str] | None) -> bool:
    """Whether something was made here by a process that is gone."""
    if not labels or labels.get(MACHINE) != machine():
        return False
    return not owners.alive(labels.get(OWNER, ""))


def ours(labels: Mapping[str, str] | None) -> bool:
    """Whether something was made by this process."""
    if not labels or labels.get(MACHINE) != machine():
        return False
    return labels.get(OWNER, "").startswith(owners.label(""))
