"""One error vocabulary, and who is to blame.

A bad episode is data, not a crash: every failure belongs to one class below, and the class
decides what becomes of the episode.

=====================  ==============  =================================================
class                  blame           what happens to the episode
=====================  ==============  =================================================
`AgentError`           agent           valid; the agent is told, scored, or ended
`BudgetExceeded`       agent           valid; truncated
`UserSimulatorError`   user            invalid: reward is null, retried if retryable
`WorkspaceError`       workspace       invalid: reward is null, retried if retryable
`ModelEndpointError`   model           invalid: reward is null, retried if retryable
`VerifierError`        verifier        invalid: reward is null, retried if retryable
`ConfigError`          configuration   never starts; one line says what to change
=====================  ==============  =================================================

`blame` is the one place where an exception of somebody else's becomes one of ours: code that
crosses a boundary runs inside it, and what escapes is attributed to that boundary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class IseError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: One line: what is wrong and, where there is something to do, what to do.
        retryable: Whether the same episode may succeed when it is tried again.
    """

    blame: ClassVar[str] = "harness"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class AgentError(IseError):
    """The agent did something that cannot be carried out; the episode stays valid."""

    blame = "agent"


class BudgetExceeded(IseError):
    """A turn, tool-call, token, context or wall-clock budget is used up."""

    blame = "agent"


class UserSimulatorError(IseError):
    """The user simulator could not produce a legal turn."""

    blame = "user"


class WorkspaceError(IseError):
    """The workspace's own machinery failed, not a command that ran inside it."""

    blame = "workspace"


class ModelEndpointError(IseError):
    """A model endpoint refused, failed or answered something that is not the protocol.

    Args:
        message: One line.
        status: HTTP status, where there was one.
        retryable: Whether a later request may succeed.
    """

    blame = "model"

    def __init__(self, message: str, *, status: int | None = None, retryable: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.status = status


class ContextOverflow(ModelEndpointError):
    """The conversation no longer fits the model's context; truncates the episode."""


class VerifierError(IseError):
    """A check could not be evaluated; says nothing about the agent."""

    blame = "verifier"


class ConfigError(IseError):
    """What the caller gave cannot be used: a file, a field, a name, a combination."""

    blame = "configuration"


@contextmanager
def blame(kind: type[IseError], doing: str) -> Iterator[None]:
    """Attribute whatever escapes the block to one boundary.

    Errors of this vocabulary pass unchanged: they already know who is to blame.

    Args:
        kind: The class that an unknown exception becomes.
        doing: What was going on, as it should read in the message ("seeding the workspace").

    Raises:
        IseError: Of class `kind`, chained to the original exception.
    """
    try:
        yield
    except IseError:
        raise
    except Exception as error:
        raise kind(f"{doing}: {type(error).__name__}: {error}") from error
