"""Containers and volumes that outlived their purpose, found by their labels and removed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from ise_env.errors import IseError
from ise_env.workspaces.docker import labels
from ise_env.workspaces.docker.engine import Engine

_Chosen = Callable[[Mapping[str, str] | None], bool]


def sweep(engine: Engine, chosen: _Chosen, *, dry_run: bool) -> list[str]:
    """Remove containers and unused volumes whose labels are chosen; return a line for each.

    Args:
        engine: Where.
        chosen: Tells by labels.
        dry_run: Remove nothing.

    Raises:
        WorkspaceError: The engine cannot be asked.
    """
    ours = {"label": labels.KIND}
    lines = []
    for found in engine.call("listing containers", "containers", all=True, filters=ours):
        if chosen(found["Labels"]):
            episode = found["Labels"].get(labels.EPISODE, "")
            lines.append(f"container {found['Id'][:12]}" + (f" of {episode}" if episode else ""))
            if not dry_run:
                _remove(engine, "remove_container", found["Id"], v=True)
    unused = {**ours, "dangling": True}
    for volume in engine.call("listing volumes", "volumes", filters=unused)["Volumes"] or ():
        if chosen(volume["Labels"]):
            lines.append(f"volume {volume['Name'][:12]}")
            if not dry_run:
                _remove(engine, "remove_volume", volume["Name"])
    return lines


def _remove(engine: Engine, method: str, what: str, **options: Any) -> None:
    with contextlib.suppress(IseError):  # the engine may be removing it at this moment
        engine.call("removing left-overs", method, what, force=True, **options)
