"""process: look after commands that `exec` left in the background."""

from __future__ import annotations

import signal as signals
import time
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from ise_env.tools.base import Outcome, OutcomeStatus, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.exec import signal_name
from ise_env.tools.keys import encode_hex, encode_keys, encode_paste
from ise_env.tools.registry import tool
from ise_env.tools.sessions import Session, Sessions

MAX_POLL_MS = 120_000
DEFAULT_LOG_LINES = 200
_KILL_AFTER_S = 1.0
"""A session that ignores SIGTERM for so long gets SIGKILL."""
_LABEL = 80
"""Characters of a command in `list`."""


class ProcessParams(Params):
    """Parameters of `process`."""

    action: Literal[
        "list",
        "poll",
        "log",
        "write",
        "send-keys",
        "submit",
        "paste",
        "kill",
        "clear",
        "remove",
    ] = Field(description="What to do.")
    sessionId: str | None = Field(
        None, description="Name of the session; needed for everything but list."
    )
    data: str | None = Field(None, description="write: text for the command's stdin.")
    keys: list[str] | None = Field(
        None, description="send-keys: names of keys, such as C-c, Enter, Up."
    )
    hex: list[str] | None = Field(None, description="send-keys: bytes, two digits each.")
    literal: str | None = Field(None, description="send-keys: text sent as it is.")
    text: str | None = Field(None, description="paste: the text.")
    bracketed: bool | None = Field(
        None, description="paste: mark it as a paste for the terminal (default true)."
    )
    eof: bool | None = Field(None, description="write: close stdin afterwards.")
    offset: int | None = Field(None, description="log: first line to show, counted from 0.")
    limit: int | None = Field(None, description="log: number of lines; alone, the last ones.")
    timeout: float | None = Field(
        None, description="poll: milliseconds to wait for the command's end (at most 120000)."
    )


@tool(
    "process",
    "Look after commands that exec left in the background: list them, poll for new output and "
    "the exit code, page through the log, write to stdin, send keys, submit (Enter), paste, "
    "kill, clear what has finished, remove.",
)
def process(p: ProcessParams, context: ToolContext) -> ToolResult:
    """Do one action; see `ProcessParams`.

    Raises:
        ToolFailure: No such session, its stdin is closed, nothing to send.
    """
    if p.action == "list":
        return _list(context)
    if not p.sessionId:
        raise ToolFailure("sessionId is required for this action.", error="bad_arguments")
    return _ACTIONS[p.action](p, context, Sessions.of(context).get(p.sessionId))


def _list(context: ToolContext) -> ToolResult:
    lines = []
    for session in Sessions.of(context):
        try:
            _refresh(session, context)
        except ToolFailure:
            continue
        duration = _duration(session.duration_s)
        lines.append(f"{session.name} {_state(session):<9} {duration} :: {_label(session)}")
    return _ok("\n".join(lines) or "No running or recent sessions.")


def _poll(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    session = _found(p, session)
    wait_s = min(max(p.timeout or 0.0, 0.0), MAX_POLL_MS) / 1000
    deadline = time.monotonic() + wait_s
    _refresh(session, context)
    while session.running and (left := deadline - time.monotonic()) > 0:
        _refresh(session, context, wait_s=left)
    output, lost = session.take_unread()
    note = f"[... {lost:,} bytes of earlier output left out ...]\n\n" if lost else ""
    text = note + (output.strip() or "(no new output)") + "\n\n"
    if session.running:
        status: OutcomeStatus = "truncated" if lost else "ok"
        return ToolResult(f"{text}Process still running.", Outcome(status=status))
    return ToolResult(f"{text}Process exited with {_end(session)}.", _end_outcome(session, lost))


def _end(session: Session) -> str:
    if session.timed_out:
        return "timeout"
    if session.signal is not None:
        return f"signal {signal_name(session.signal)}"
    return f"code {session.exit_code or 0}"


def _end_outcome(session: Session, lost: int) -> Outcome:
    """Label the poll that reports an end with that end: it is the command's only label."""
    status: OutcomeStatus = "truncated" if lost else "ok"
    if session.timed_out:
        status = "timeout"
    elif session.stopped_by_agent:
        pass  # it ended as it was told to
    elif session.signal is not None:
        status = "killed"
    elif session.exit_code:
        status = "nonzero_exit"
    return Outcome(status=status, exit_code=session.exit_code, signal=session.signal)


def _log(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    session = _found(p, session)
    _refresh(session, context)
    log, lost = session.log()
    lines = log.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    total = len(lines)
    limit = DEFAULT_LOG_LINES if p.limit is None and p.offset is None else p.limit
    start = max(0, total - max(0, limit or 0) if p.offset is None else p.offset)
    end = total if limit is None else start + max(0, limit)
    nothing = "(no output yet)" if session.running else "(no output recorded)"
    text = "\n".join(lines[start:end]) or nothing
    if lost:
        text = f"[... {lost:,} bytes of earlier output left out ...]\n\n{text}"
    if p.limit is None and p.offset is None and total > DEFAULT_LOG_LINES:
        text += (
            f"\n\n[showing last {DEFAULT_LOG_LINES} of {total} lines; pass offset/limit to page]"
        )
    return ToolResult(text, Outcome(status="truncated" if lost else "ok"))


def _write(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    data = (p.data or "").encode()
    name = _feed(p, context, session, data, eof=bool(p.eof))
    closed = " (stdin closed)" if p.eof else ""
    return _ok(f"Wrote {len(data)} bytes to session {name}{closed}.")


def _send_keys(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    raw, complaints = encode_hex(p.hex or [])
    typed, warnings = encode_keys(p.keys or [])
    data = (p.literal or "").encode() + raw + typed.encode()
    _writable(p, session)
    if not data:
        raise ToolFailure("No key data provided.", error="bad_arguments")
    name = _feed(p, context, session, data)
    text = f"Sent {len(data)} bytes to session {name}."
    if complaints or warnings:
        text += "\nWarnings:\n- " + "\n- ".join([*complaints, *warnings])
    return _ok(text)


def _submit(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    name = _feed(p, context, session, b"\r")
    return _ok(f"Submitted session {name} (sent CR).")


def _paste(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    _writable(p, session)
    if not p.text:
        raise ToolFailure("No paste text provided.", error="bad_arguments")
    name = _feed(p, context, session, encode_paste(p.text, p.bracketed is not False).encode())
    return _ok(f"Pasted {len(p.text)} chars to session {name}.")


def _kill(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    session = _active(p, context, session)
    _stop(session, context)
    return _ok(f"Termination requested for session {session.name}.")


def _clear(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    if session is not None:
        _refresh(session, context)
    if session is None or session.running:
        raise ToolFailure(f"No finished session found for {p.sessionId}", error="not_found")
    _forget(session, context)
    return _ok(f"Cleared session {session.name}.")


def _remove(p: ProcessParams, context: ToolContext, session: Session | None) -> ToolResult:
    session = _found(p, session)
    _refresh(session, context)
    was_running = session.running
    _forget(session, context)
    requested = " (termination requested)" if was_running else ""
    return _ok(f"Removed session {session.name}{requested}.")


_Action = Callable[[ProcessParams, ToolContext, Session | None], ToolResult]
_ACTIONS: dict[str, _Action] = {
    "poll": _poll,
    "log": _log,
    "write": _write,
    "send-keys": _send_keys,
    "submit": _submit,
    "paste": _paste,
    "kill": _kill,
    "clear": _clear,
    "remove": _remove,
}


def _ok(text: str) -> ToolResult:
    return ToolResult(text, Outcome(status="ok"))


def _found(p: ProcessParams, session: Session | None) -> Session:
    if session is None:
        raise _not_found(str(p.sessionId))
    return session


def _not_found(name: str) -> ToolFailure:
    return ToolFailure(f"No session found for {name}", error="not_found")


def _active(p: ProcessParams, context: ToolContext, session: Session | None) -> Session:
    if session is not None:
        _refresh(session, context)
    return _writable(p, session)


def _writable(p: ProcessParams, session: Session | None) -> Session:
    if session is None or not session.running:
        raise ToolFailure(f"No active session found for {p.sessionId}", error="not_found")
    return session


def _feed(
    p: ProcessParams,
    context: ToolContext,
    session: Session | None,
    data: bytes,
    eof: bool = False,
) -> str:
    session = _active(p, context, session)
    try:
        context.workspace.write_stdin(session.number, data, eof=eof)
    except (BrokenPipeError, KeyError):
        raise ToolFailure(
            f"Session {session.name} stdin is not writable.", error="stdin_closed"
        ) from None
    except BlockingIOError:
        raise ToolFailure(
            f"Session {session.name} does not read its input; nothing was written.",
            error="stdin_full",
        ) from None
    return session.name


def _refresh(session: Session, context: ToolContext, wait_s: float = 0.0) -> None:
    if not session.running:
        return
    try:
        session.update(context.workspace.poll(session.number, wait_s))
    except KeyError:  # the workspace keeps a limited number of sessions
        Sessions.of(context).drop(session.name)
        raise _not_found(session.name) from None


def _stop(session: Session, context: ToolContext) -> None:
    """Ask a session to end, then make it."""
    session.stopped_by_agent = True
    context.workspace.signal(session.number, signals.SIGTERM)
    deadline = time.monotonic() + _KILL_AFTER_S
    while session.running and (left := deadline - time.monotonic()) > 0:
        _refresh(session, context, wait_s=left)
    if session.running:
        context.workspace.signal(session.number, signals.SIGKILL)


def _forget(session: Session, context: ToolContext) -> None:
    context.workspace.forget(session.number)
    Sessions.of(context).drop(session.name)


def _state(session: Session) -> str:
    if session.running:
        return "running"
    if session.timed_out or (session.exit_code not in (0, None)):
        return "failed"
    return "killed" if session.signal is not None else "completed"


def _label(session: Session) -> str:
    command = " ".join(session.command.split())
    if len(command) <= _LABEL:
        return command
    half = (_LABEL - 3) // 2
    return f"{command[:half]}...{command[-half:]}"


def _duration(value: float) -> str:
    """Write a duration as upstream does: `850ms`, `12s`, `3m5s`, `1h2m`."""
    if value < 1:
        return f"{int(value * 1000)}ms"
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    return f"{rest}s"
