"""The tests of a pushed commit, run in a workspace of their own: never on the host."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ise_env.workspaces.protocol import Backend, Completed, Limits, SeedFile, WorkspaceGone

SECONDS = 60.0
LIMITS = Limits(disk_bytes=64 * 2**20, memory_bytes=512 * 2**20, pids=64, output_bytes=20_000)
CLEAN = {"PYTHONDONTWRITEBYTECODE": "1"}


def run_tests(
    backend: Backend,
    files: Sequence[SeedFile],
    command: Sequence[str],
    allow_degraded: Sequence[str] = (),
) -> tuple[bool, str]:
    """Whether a command ends with 0 over a tree, and what it said (the end of it).

    Raises:
        WorkspaceError: The machinery failed; says nothing about the commit.
    """
    workspace = backend.create(
        limits=LIMITS, allow_degraded=allow_degraded, owner="tests of a commit"
    )
    with contextlib.closing(workspace):
        try:
            workspace.populate(files)
        except OSError as error:
            return False, f"the commit cannot be checked out: {error}"
        try:
            done = workspace.run(list(command), env=CLEAN, timeout_s=SECONDS)
        except WorkspaceGone as error:  # what was pushed may end everything around it
            return False, str(error)
    assert isinstance(done, Completed)
    said = done.output[-4_000:].decode("utf-8", "replace")
    if done.timed_out:
        return False, f"{said}\nnot done after {SECONDS:g} s"
    return done.exit_code == 0, said
