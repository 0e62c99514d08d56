"""The tools there are, what each needs, and whether it is there: `ise tools`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ise_env.errors import WorkspaceError
from ise_env.tools import registry
from ise_env.tools.base import Tool, ToolContext
from ise_env.workspaces import make_backend


@dataclass(frozen=True)
class ToolRow:
    """One tool."""

    tool: Tool[Any]
    default: bool
    """Whether it is offered without being named."""
    missing: str
    """What an empty workspace of this machine lacks for it; empty if nothing."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.tool.name,
            "default": self.default,
            "needs": self.tool.needs,
            "missing": self.missing,
            "schema": self.tool.schema(),
        }


def list_tools(workspace: str) -> list[ToolRow]:
    """Look at every known tool in an empty workspace.

    Args:
        workspace: Kind of workspace.

    Raises:
        ConfigError: There is no such kind, or a tool of an installed package is broken.
    """
    tools = registry.resolve(registry.names())
    try:
        live = make_backend(workspace).create(owner="ise tools")
    except WorkspaceError as error:
        return [
            ToolRow(t, t.name in registry.DEFAULT, f"no workspace: {error}") for t in tools.values()
        ]
    try:
        context = ToolContext(live, np.random.default_rng(0))
        return [
            ToolRow(tool, name in registry.DEFAULT, tool.missing(context))
            for name, tool in tools.items()
        ]
    finally:
        live.close()
