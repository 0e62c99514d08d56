"""The honest outcome of a tool call of which only the result text is left.

For records made elsewhere, whose own flags cannot be trusted (in the published layout `success`
means no more than "the call was not aborted"). What is recorded here, beside the text, needs
none of this.

The text is believed where it says how a command ended. Where a shell command says nothing, it
exited with 0; that is success unless `hidden_failure` finds that a part of it gave up. Such
outcomes have the class `hidden`, so that whoever only counts exit codes can leave them out.
"""

from __future__ import annotations

import json
import re
import signal as signals
from collections.abc import Mapping
from typing import Any

from ise_env.tools.base import Outcome, OutcomeStatus
from ise_env.tools.hidden_failure import hidden_failure, told_exit_code

_SHELLS = frozenset({"exec", "bash", "shell", "terminal", "run_command", "execute_bash"})
_PROCESS = "process"
_CONTENT = frozenset({"read", "cat", "view"})
"""Tools whose text is a file's: only the tool's own wrapper says anything about the call."""
_CONFIRMING = frozenset({"write", "edit", "apply_patch"})
"""Tools that begin with `Success` whenever they succeeded."""

_EXITED = re.compile(r"\(Command exited with code (-?\d+)\)\s*$")
_EXIT_CODE = re.compile(
    r"(?:^|\n)\s*\[?(?:Command failed with )?exit (?:code|status):? (\d+)\]?\.?\s*$", re.I
)
_PROCESS_END = re.compile(r"Process exited with (?:(code) (-?\d+)|signal (\w+)|(timeout))\.")
_PROCESS_ERROR = re.compile(
    r"^(?:No (?:active |finished )?session found for .*|Session .* is not backgrounded\.|"
    r"Session .* stdin is not writable\.|sessionId is required for this action\.|"
    r"No key data provided\.|No paste text provided\.|Unknown action .*|"
    r"Invalid process action\..*|Unable to (?:terminate|remove) session .*)$",
    re.S,
)
_ABORTED = re.compile(r"^(?:AbortError: )?(?:This|The) operation was aborted\.?$")
_SIGNAL = re.compile(r"Command aborted by signal (\w+)")
_CUT = re.compile(
    r"\[Showing lines [\d,]+-[\d,]+ of [\d,]+[^\]]*Use offset=\d+ to continue\.\]\s*$"
    r"|\[Line \d+ is \S+, exceeds \S+ limit\."
    r"|\[\.\.\. [\d,]+ bytes of (?:earlier )?output left out \.\.\.\]"
    r"|\.\.\. ?\(?truncated\)?|\[truncated\]|\[output truncated",
    re.I,
)

_ERRORS: tuple[tuple[str, OutcomeStatus, str], ...] = (
    (r"^(?:invalid arguments|arguments |missing required param)", "tool_error", "bad_arguments"),
    (r"^there is no tool|^unknown tool|^tool .* not found", "tool_error", "unknown_tool"),
    (r"\bCommand timed out\b", "timeout", "timeout"),
    (r"^not run: an earlier call met a failure", "harness_error", "not_run"),
    (r"^the tool itself failed", "harness_error", "internal"),
    (r"^the workspace's processes have ended", "killed", "workspace_gone"),
    (r"\b(?:operation was aborted|AbortError)\b", "tool_error", "aborted"),
    (r"^Web fetch failed \(\d+\)", "tool_error", "http"),
    (r"\btimed? ?out\b", "timeout", "timeout"),
    (r"\bENOENT\b|^File not found|\bno such file\b", "tool_error", "not_found"),
    (r"\bEISDIR\b", "tool_error", "is_directory"),
    (r"\bEACCES\b|\bEPERM\b|permission denied", "tool_error", "permission"),
    (r"\bENOSPC\b", "tool_error", "no_space"),
    (r"^Could not find the exact text", "tool_error", "no_match"),
    (r"^Found \d+ occurrences", "tool_error", "not_unique"),
    (r"^No changes made", "tool_error", "no_change"),
    (r"beyond end of file", "tool_error", "beyond_end"),
    (r"^No (?:active |finished )?session found", "tool_error", "not_found"),
)
"""What an error message says, the status and class that it means; the first match counts."""

_PLAIN_ERROR = re.compile(
    r"(?:Error\b|Unknown \w+ target|Failed to |Unable to |Could not |No \w+ provider\b"
    r"|[\w ]{1,40} failed\b)"
)
"""How tools that usually answer JSON begin when they only say what went wrong."""


def outcome_from_text(tool: str, text: str, arguments: Mapping[str, Any] | None = None) -> Outcome:
    """Recompute what happened in a call.

    Args:
        tool: Name of the tool.
        text: What the agent got.
        arguments: Of the call, where known; a command line tells whether its exit code can hide
            a failure, and whether it only shows files.

    Returns:
        An outcome whose `duration_s` is 0 and whose `exit_code` is None where the text does
        not say and the tool does not imply one.
    """
    size = len(text.encode("utf-8", "replace"))
    return _outcome(tool, text.strip(), arguments or {}).model_copy(update={"bytes": size})


def _outcome(tool: str, text: str, arguments: Mapping[str, Any]) -> Outcome:
    if _ABORTED.match(text):
        return Outcome(status="tool_error", error="aborted")
    wrapped = _wrapped_error(tool, text)
    if wrapped is not None:
        return _from_error(wrapped)
    if tool in _SHELLS:
        return _from_shell(text, arguments)
    if tool == _PROCESS:
        return _from_process(text)
    if tool in _CONTENT:
        return _from_content(text)
    if tool in _CONFIRMING:
        return Outcome(status="ok") if text.startswith("Success") else _from_error(text)
    return _from_other(text)


def _wrapped_error(tool: str, text: str) -> str | None:
    """Return the message of the JSON error object, if the text is one."""
    value = _json_object(text)
    if value is None or value.get("status") != "error":
        return None
    message = value.get("error", "")
    if not isinstance(message, str):
        message = json.dumps(message)
    # A file or a command may well print such an object of its own; theirs names the tool.
    own = set(value) <= {"status", "tool", "error"} and value.get("tool") == tool
    return message if own or tool not in _SHELLS | _CONTENT | {_PROCESS} else None


def _from_error(message: str) -> Outcome:
    message = message.strip()
    if message.endswith("Command not found"):
        return Outcome(status="nonzero_exit", exit_code=127, error="command_not_found")
    if message.endswith("Command not executable (permission denied)"):
        return Outcome(status="nonzero_exit", exit_code=126, error="not_executable")
    ended = message.rsplit("\n\n", 1)[-1]
    signal = _SIGNAL.match(ended)
    if signal:
        return Outcome(status="killed", signal=_signal_number(signal[1]), error="signal")
    for pattern, status, name in _ERRORS:
        if re.search(pattern, ended if name == "timeout" else message, re.I):
            return Outcome(status=status, error=name)
    return Outcome(status="tool_error", error="error")


def _from_shell(text: str, arguments: Mapping[str, Any]) -> Outcome:
    exited = _EXITED.search(text) or _EXIT_CODE.search(text)
    if exited and int(exited[1]) != 0:
        return Outcome(status="nonzero_exit", exit_code=int(exited[1]))
    last = text.rsplit("\n\n", 1)[-1]
    if last in ("Command not found", "Command not executable (permission denied)") or re.match(
        r"Command (?:timed out (?:after|waiting)|aborted by signal) ", last
    ):
        return _from_error(text)
    if text.startswith("Command still running (session "):
        return Outcome(status="ok")
    command = str(arguments.get("command") or "").strip()
    if told := told_exit_code(text, command):
        return Outcome(status="nonzero_exit", exit_code=told, error="hidden")
    if hidden_failure(text, command):
        return Outcome(status="nonzero_exit", error="hidden")
    return Outcome(status="truncated" if _CUT.search(text) else "ok", exit_code=0)


def _from_process(text: str) -> Outcome:
    if _PROCESS_ERROR.match(text):
        missing = text.startswith("No ") and "session found" in text
        return Outcome(status="tool_error", error="not_found" if missing else "error")
    ends = list(_PROCESS_END.finditer(text))
    if ends and ends[-1].end() == len(text):
        _, code, signal, timeout = ends[-1].groups()
        if timeout:
            return Outcome(status="timeout", error="timeout")
        if signal:
            return Outcome(status="killed", signal=_signal_number(signal))
        if int(code):
            return Outcome(status="nonzero_exit", exit_code=int(code))
        return Outcome(status="truncated" if _CUT.search(text) else "ok", exit_code=0)
    return Outcome(status="truncated" if _CUT.search(text) else "ok")


def _from_content(text: str) -> Outcome:
    first, _, rest = text.partition("\n")
    if not rest and re.match(
        r"(?:E[A-Z]{4,}: |Offset \d+ is beyond end of file|File not found: )", first
    ):
        return _from_error(text)
    return Outcome(status="truncated" if _CUT.search(text) else "ok")


def _from_other(text: str) -> Outcome:
    """Label a tool that answers JSON, or one that is not known here."""
    value = _json_object(text)
    if value is not None:
        if value.get("disabled") is True or value.get("unavailable") is True:
            return Outcome(status="tool_error", error="unavailable")
        if value.get("status") in ("failed", "forbidden", "rejected"):
            return Outcome(status="tool_error", error=str(value["status"]))
        if value.get("status") == "timeout":
            return Outcome(status="timeout", error="timeout")
        if value.get("error"):
            return Outcome(status="tool_error", error=_class_of(value["error"]))
        status = value.get("status")
        if isinstance(status, int) and status >= 400:
            return Outcome(status="tool_error", error="http")
        return Outcome(status="truncated" if value.get("truncated") is True else "ok")
    if _PLAIN_ERROR.match(text) and ("\n" not in text or text.startswith("Web ")):
        return _from_error(text)
    return Outcome(status="ok")


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _class_of(error: Any) -> str:
    """Return the error's own class where it is one word, as in `unsupported_freshness`."""
    return error if isinstance(error, str) and re.fullmatch(r"\w{1,40}", error) else "error"


def _signal_number(name: str) -> int | None:
    try:
        return int(name) if name.isdigit() else signals.Signals[name].value
    except KeyError:
        return None
