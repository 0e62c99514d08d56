"""What a tool is: a name, pydantic parameters, a function, and a true outcome.

The text is what the agent sees, in the reference tool set's own words. The outcome beside it
is what really happened, for the trace; the agent never sees it. A tool knows the workspace
and its own episode state, not the intent, the user or the checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from ise_env.errors import AgentError
from ise_env.services.access import ServiceAccess
from ise_env.tools.web_provider import WebProvider
from ise_env.workspaces.protocol import Workspace

OutcomeStatus = Literal[
    "ok", "nonzero_exit", "tool_error", "timeout", "killed", "truncated", "harness_error"
]
"""What became of a call. `truncated`: it succeeded, but the agent saw only part of the result."""

FAILED: frozenset[str] = frozenset({"nonzero_exit", "tool_error", "timeout", "killed"})
"""Statuses that count as a failed tool call (robustness, recovery spans)."""


class Outcome(BaseModel):
    """What really happened in one tool call."""

    model_config = ConfigDict(extra="forbid")

    status: OutcomeStatus
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    bytes: int = 0
    """Size of the text that the agent got."""
    error: str | None = None
    """Short stable class of a failure: `unknown_tool`, `bad_arguments`, `not_found`, ..."""
    recovered_by: str | None = None
    """Id of the later call that made this failure good, once known."""


@dataclass(frozen=True)
class ToolResult:
    """What a tool gives back.

    The dispatcher fills in `outcome.bytes`, and `outcome.duration_s` where it is 0.
    """

    text: str
    outcome: Outcome


class ToolFailure(AgentError):
    """A call that could not do what was asked; the agent gets it as the JSON error text.

    Args:
        message: What is wrong and what to do about it, for the agent.
        error: Short stable class of the failure (`not_found`, `not_unique`, ...).
        status: Anything but `ok` and `truncated`.
        exit_code: Of the command, where there was one.
        signal: That ended the command, where one did.
        duration_s: Of the command, where there was one; otherwise the dispatcher's own clock.
    """

    def __init__(
        self,
        message: str,
        *,
        error: str,
        status: OutcomeStatus = "tool_error",
        exit_code: int | None = None,
        signal: int | None = None,
        duration_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.outcome = Outcome(
            status=status, exit_code=exit_code, signal=signal, duration_s=duration_s, error=error
        )


class Params(BaseModel):
    """Base of every tool's parameters: unknown keys are ignored, as upstream does."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


P = TypeVar("P", bound=Params)


@dataclass
class ToolContext:
    """What a tool may touch during one episode."""

    workspace: Workspace
    rng: np.random.Generator
    """Source of session names and the like: same seed, same names."""
    state: dict[str, Any] = field(default_factory=dict)
    """Private to tools, keyed by tool name; lives as long as the episode."""
    services: ServiceAccess | None = None
    """Mail, sites and their like; None in an episode whose tasks have none."""
    web: WebProvider | None = None
    """The real net; None where nobody asked for it."""


def nothing_missing(context: ToolContext) -> str:
    """What most tools lack."""
    return ""


@dataclass(frozen=True)
class Tool(Generic[P]):
    """One entry of the registry; made by the `@tool` decorator."""

    name: str
    description: str
    params: type[P]
    run: Callable[[P, ToolContext], ToolResult]
    needs: str = ""
    """What it needs beside the workspace, in a phrase; empty if nothing."""
    missing: Callable[[ToolContext], str] = nothing_missing
    """Says what of that an episode lacks; empty if the tool can be used in it."""

    def schema(self) -> dict[str, Any]:
        """The function schema in the OpenAI wire shape, `{"type": "function", ...}`."""
        from ise_env.tools.schema import function_schema

        return function_schema(self.name, self.description, self.params)
