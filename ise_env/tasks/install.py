"""Putting what tasks start with into a workspace, the same way every time."""

from __future__ import annotations

from collections.abc import Iterable

from ise_env.errors import WorkspaceError, blame
from ise_env.services.episode import EpisodeServices
from ise_env.tasks.kit import Seed
from ise_env.workspaces.protocol import Completed, Workspace

PINNED = {
    "GIT_AUTHOR_DATE": "2026-01-01T09:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T09:00:00Z",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}
"""Environment of set-up scripts: whatever they date, they date the same."""


def install(
    workspace: Workspace,
    seeds: Iterable[tuple[str, Seed]],
    services: EpisodeServices | None = None,
) -> None:
    """Write all files, run all set-up scripts, and remember the tree as the start.

    Args:
        workspace: A fresh one.
        seeds: Each with the name of its kit, for messages.
        services: Started already, so that set-up scripts reach them; what runs inside comes last.

    Raises:
        WorkspaceError: A file could not be written, or a script failed.
    """
    planned = list(seeds)
    with blame(WorkspaceError, "seeding the workspace"):
        own = list(services.files()) if services is not None else []
        workspace.populate(own + [file for _, seed in planned for file in seed.files])
        for name, seed in planned:
            for script in seed.setup:
                _run(workspace, name, script)
        if services is not None:
            services.start_inside()
        workspace.checkpoint()


def _run(workspace: Workspace, name: str, script: str) -> None:
    done = workspace.run(["bash", "-euc", script], env=PINNED, timeout_s=60.0)
    if not (isinstance(done, Completed) and done.exit_code == 0):
        said = done.output[-400:].decode("utf-8", "replace").strip() or "no output"
        raise WorkspaceError(f"setup of kit {name} failed: {said}")
