"""Templates on the host: stored once by content, brought to a keeper when one is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from ise_env.workspaces.local import templates as trees
from ise_env.workspaces.protocol import SeedFile, Template
from ise_env.workspaces.tree import Tree


class Store:
    """Templates as directories of this user's, below the state directory."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "templates" / f"docker-{os.getuid()}"

    def put(self, template: Template) -> tuple[str, list[SeedFile]]:
        """Store a template; return its name, and the files that lie elsewhere.

        Raises:
            ConfigError: It is not one, or none of that name is stored.
        """
        if isinstance(template, str):
            return trees.stored(self._folder, template), []
        rest: list[SeedFile] = []
        if isinstance(template, bytes):
            items = trees.of_archive(template)
        else:
            items, rest = trees.of_files(template)
        if not items:
            return "", rest
        self._folder.mkdir(parents=True, exist_ok=True)
        return trees.prepare(self._folder, items, None), rest

    def archive(self, name: str) -> bytes:
        """Return a template as a tar."""
        fd = os.open(self._folder / name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return Tree(fd).archive("/")
        finally:
            os.close(fd)

    def abandoned(self) -> list[Path]:
        """Return what was never finished, and what nobody has used for long."""
        return trees.abandoned(self._folder)
