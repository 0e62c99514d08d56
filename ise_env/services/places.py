"""Folders on the host in which services of an episode keep their state."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
from pathlib import Path

from ise_env.workspaces.local import owners
from ise_env.workspaces.local.root import state_directory

_NUMBERS = itertools.count(1)
_OURS: set[tuple[int, Path]] = set()
"""What is left to remove when the process ends, with the process that made it."""


def make() -> Path:
    """A folder that only we can read; named after this process, so that `reap` finds it."""
    folder = _store() / owners.label(f"{next(_NUMBERS)}")
    folder.mkdir(parents=True, mode=0o700)
    _OURS.add((os.getpid(), folder))
    return folder


def remove(folder: Path) -> None:
    """Remove it with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    _OURS.discard((os.getpid(), folder))


@atexit.register
def _remove_ours() -> None:
    for pid, folder in list(_OURS):
        if pid == os.getpid():
            remove(folder)


def reap(*, dry_run: bool = False) -> list[str]:
    """Remove folders whose process has ended without doing so; returns a line for each."""
    store = _store()
    names = sorted(path.name for path in store.iterdir()) if store.is_dir() else []
    left = [store / name for name in names if owners.is_label(name) and not owners.alive(name)]
    if not dry_run:
        for folder in left:
            remove(folder)
    return [f"directory {folder}" for folder in left]


def _store() -> Path:
    return state_directory() / "services"
