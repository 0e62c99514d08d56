"""Trees left by an agent, made in the real workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from ise_env.rewards.verifier import Evidence
from ise_env.workspaces.protocol import Backend, SeedFile, Workspace

Left = Callable[..., Evidence]


@pytest.fixture
def left(local_backend: Backend) -> Iterator[Left]:
    """Seed files, checkpoint, run a script, freeze: what a verifier gets to see."""
    made: list[Workspace] = []

    def leave(
        files: Mapping[str, str | bytes] | None = None, script: str = "", says: tuple[str, ...] = ()
    ) -> Evidence:
        workspace = local_backend.create(owner="tests of checks")
        made.append(workspace)
        workspace.populate(
            SeedFile(path, content.encode() if isinstance(content, str) else content)
            for path, content in (files or {}).items()
        )
        workspace.checkpoint()
        if script:
            done = workspace.run(script, timeout_s=30)
            assert done.exit_code == 0, done.output
        return Evidence(workspace.freeze(), says)

    yield leave
    for workspace in made:
        workspace.close()
