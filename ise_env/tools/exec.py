"""exec: run a shell command, waiting a while, then leaving it to the background."""

from __future__ import annotations

import errno
import signal as signals
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ise_env.tools.base import (
    Outcome,
    OutcomeStatus,
    Params,
    ToolContext,
    ToolFailure,
    ToolResult,
)
from ise_env.tools.output import as_text, seconds
from ise_env.tools.paths import absolute, without_nul
from ise_env.tools.registry import tool
from ise_env.tools.sessions import Sessions
from ise_env.workspaces.protocol import WORKDIR, Completed, Running, Workspace

DEFAULT_TIMEOUT_S = 1800.0
MAX_TIMEOUT_S = 7 * 86_400.0
"""Longer ones mean this; no episode lives that long."""
DEFAULT_YIELD_MS = 10_000
MIN_YIELD_MS, MAX_YIELD_MS = 10, 120_000
_MAX_COMMAND_BYTES = 128 * 1024 - 1
"""Linux takes no longer single argument (MAX_ARG_STRLEN, its NUL included)."""
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


def _variable_names(env: dict[str, str]) -> dict[str, str]:
    for name in env:
        if not name or "=" in name:
            raise ValueError("an object whose names are names of environment variables")
    return env


def _number_as_text(value: Any) -> Any:
    """`PORT: 8080` is what everybody means by `PORT: "8080"`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else value


_Text = Annotated[str, AfterValidator(without_nul)]
_Value = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(without_nul)]


class ExecParams(Params):
    """Parameters of `exec`."""

    command: _Text = Field(min_length=1, description="Shell command line, run by bash.")
    workdir: _Text | None = Field(
        None, description="Folder to run it in; the workspace's root if left out."
    )
    env: Annotated[dict[_Text, _Value], AfterValidator(_variable_names)] | None = Field(
        None, description="Environment variables to add."
    )
    yieldMs: float | None = Field(
        None,
        description="Milliseconds to wait for the end before the command goes on in the "
        "background (default 10000).",
    )
    background: bool | None = Field(None, description="Put it in the background at once.")
    timeout: float | None = Field(
        None, description="Seconds after which the command is killed (default 1800)."
    )
    pty: bool | None = Field(None, description="Give it a terminal, for programs that need one.")


@tool(
    "exec",
    "Run a shell command and return what it prints, stdout and stderr together. A command that "
    "takes longer than yieldMs goes on in the background as a session, which the process tool "
    "polls, feeds and kills; background=true does so at once.",
)
def exec_(p: ExecParams, context: ToolContext) -> ToolResult:
    """Run a command; see `ExecParams`.

    Raises:
        ToolFailure: It could not be started, timed out, or was ended by a signal.
    """
    size = len(p.command.encode())
    if size > _MAX_COMMAND_BYTES:
        raise ToolFailure(
            f"the command is {size:,} bytes long, the system takes {_MAX_COMMAND_BYTES:,}: "
            "write a script with the write tool and run that",
            error="too_large",
        )
    workdir, warning = _workdir(p.workdir, context.workspace)
    done = _start(p, context.workspace, workdir)
    if isinstance(done, Running):
        session = Sessions.of(context).add(done, p.command, context.rng)
        return ToolResult(
            f"{warning}Command still running (session {session.name}, pid {session.pid}). "
            "Use process (list/poll/log/write/kill/clear/remove) for follow-up.",
            Outcome(status="ok"),
        )
    return _finished(done, warning, _timeout_s(p))


def _start(p: ExecParams, workspace: Workspace, workdir: str) -> Completed | Running:
    try:
        return workspace.run(
            p.command,
            cwd=workdir,
            env=p.env,
            timeout_s=_timeout_s(p),
            yield_after_s=_yield_s(p),
            pty=bool(p.pty),
        )
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        raise ToolFailure(
            f"the command could not be started: {name}: {error.strerror or error}",
            error="not_started",
        ) from error


def _timeout_s(p: ExecParams) -> float | None:
    """Upstream's rule: none when the command is sent to the background without one."""
    if p.timeout is not None:
        return min(p.timeout, MAX_TIMEOUT_S) if p.timeout > 0 else None
    return None if p.background or p.yieldMs is not None else DEFAULT_TIMEOUT_S


def _yield_s(p: ExecParams) -> float:
    if p.background:
        return 0.0
    asked = DEFAULT_YIELD_MS if p.yieldMs is None else p.yieldMs
    return min(max(asked, MIN_YIELD_MS), MAX_YIELD_MS) / 1000


def _workdir(asked: str | None, workspace: Workspace) -> tuple[str, str]:
    """Return where to run and, as upstream does, a warning where that is not what was asked."""
    if asked is None or not asked.strip():
        return WORKDIR, ""
    path = absolute(asked.strip())
    try:
        workspace.listdir(path)
    except OSError:
        return WORKDIR, f'Warning: workdir "{path}" is unavailable; using "{WORKDIR}".\n\n'
    return path, ""


def _finished(done: Completed, warning: str, timeout_s: float | None) -> ToolResult:
    text, left_out = as_text(done.output, done.omitted, done.gap)
    text = text.strip()
    reason = _failure(done, timeout_s)
    if reason is not None:
        raise ToolFailure(
            f"{text}\n\n{reason[0]}" if text else reason[0],
            error=reason[1],
            status=_status(done),
            exit_code=done.exit_code,
            signal=done.signal,
            duration_s=done.duration_s,
        )
    outcome = Outcome(
        status=_status(done, truncated=left_out > 0),
        exit_code=done.exit_code,
        duration_s=done.duration_s,
    )
    if done.exit_code:
        text = f"{text}\n\n(Command exited with code {done.exit_code})".lstrip()
    return ToolResult(warning + (text or "(no output)"), outcome)


def _status(done: Completed, truncated: bool = False) -> OutcomeStatus:
    if done.timed_out:
        return "timeout"
    if done.signal is not None:
        return "killed"
    if done.exit_code:
        return "nonzero_exit"
    return "truncated" if truncated else "ok"


def _failure(done: Completed, timeout_s: float | None) -> tuple[str, str] | None:
    """Return what upstream says of an end that it counts as a failure, and our class of it."""
    if done.timed_out:
        return (
            f"Command timed out after {seconds(timeout_s or 0)} seconds. If this command is "
            "expected to take longer, re-run with a higher timeout (e.g., exec timeout=300).",
            "timeout",
        )
    if done.signal is not None:
        return f"Command aborted by signal {signal_name(done.signal)}", "signal"
    if done.exit_code == _NOT_FOUND:
        return "Command not found", "command_not_found"
    if done.exit_code == _NOT_EXECUTABLE:
        return "Command not executable (permission denied)", "not_executable"
    return None


def signal_name(number: int) -> str:
    """Return `SIGKILL` for 9, and the number itself where it has no name."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)
