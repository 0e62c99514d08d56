"""Recovery spans: which later call made a failed call good.

The rule, conservative on purpose (a missed recovery is a smaller lie than an invented one). A
call recovers a failure when all of this holds:

1. It was made in a later assistant message: whoever sent it had seen the failure.
2. It succeeded (`ok` or `truncated`), and a command exited with 0: a command that went to the
   background is not known to have succeeded.
3. It means the same (`ise_env.tools.same_meaning`):

   - tools and parameters under the names that other tool sets give them count as ours, so the
     call that a misnamed tool or parameter stood for makes it good; a call whose arguments could
     not be read is made good by the next successful call of the same tool;
   - read, write, edit: the same path; a failed edit is also made good by writing that path. A path
     that was not found also by the same file name in another folder, or by one that differs in a
     slip (a character too many or too few, two swapped); a folder, by reading a file in it;
   - exec: a command of the later line is the main one of the failed line again: the same program
     and verb, and the same things named, in the same folder. A program that was not found, a
     mistyped verb or path count where they differ by a slip. `pip3`, `pip` and `python3 -m pip`
     are one program, a script is the same by itself and under its interpreter. A folder in common
     is not enough. A merge, rebase or the like that conflicted is made good by the commit;
   - a file that could not be shown by `cat` or `tail` is made good by reading it, and vice versa;
   - process, cron, subagents, message, sessions_send: the same action on the same thing;
   - searches (`query`): at least half of the words of the two queries in common;
   - any other tool: the same value of its first argument.

Every failure has at most one recovery, the earliest; one call may recover several failures.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ise_env.tools.base import FAILED, Outcome
from ise_env.tools.paths import absolute
from ise_env.tools.same_meaning import (
    ends_conflict,
    gives_up,
    plain_arguments,
    plain_tool,
    same_command,
    same_path,
    same_query,
    shows_path,
)
from ise_env.traces.record import Recovery

_FILE_TOOLS = frozenset({"read", "write", "edit"})
_UNREADABLE = frozenset({"bad_json", "bad_arguments"})
_MISNAMED = frozenset({"unknown_tool", "bad_arguments"})
_SAME_KEYS = {
    "process": ("action", "sessionId"),
    "cron": ("action", "jobId"),
    "subagents": ("action", "target"),
    "message": ("action", "channel", "target"),
    "sessions_send": ("sessionKey", "label"),
}
"""Arguments that say what such a call is about."""
_FOLDER = frozenset({"is_directory", "is_a_directory"})


class CallRecord(NamedTuple):
    """One tool call of an episode, as recovery spans see it."""

    step: int
    """Which assistant message it was in; calls of one message share it."""
    call_id: str
    tool: str
    arguments: Mapping[str, Any] | None
    """None when they could not be read."""
    outcome: Outcome


def label_recoveries(
    calls: Iterable[CallRecord | tuple[int, str, str, Mapping[str, Any] | None, Outcome]],
) -> list[Recovery]:
    """Find the call that made each failure good, and note it in the failure's outcome.

    Outcomes are marked here, not by whoever gets the list, because ids may come again in a
    later message: an id alone does not say which call is meant.

    Args:
        calls: All tool calls of one episode, in order; `recovered_by` of every outcome is set.

    Returns:
        One entry for each failure that was recovered from, in order of the failures.
    """
    records = [CallRecord(*call) for call in calls]
    found: list[Recovery] = []
    for position, failed in enumerate(records):
        later = _recovery(records, position)
        failed.outcome.recovered_by = None if later is None else records[later].call_id
        if later is not None:
            found.append(
                Recovery(
                    failed=failed.call_id,
                    recovered=records[later].call_id,
                    calls_between=later - position - 1,
                    tool=failed.tool,
                )
            )
    return found


def _recovery(records: Sequence[CallRecord], position: int) -> int | None:
    """Return where the call is that made a failed one good."""
    failed = records[position]
    if failed.outcome.status not in FAILED:
        return None
    before = plain_arguments(failed.arguments or {})
    for later in range(position + 1, len(records)):
        call = records[later]
        if call.step <= failed.step or not _succeeded(call):
            continue
        after = plain_arguments(call.arguments or {})
        if gives_up(before, after):
            return None
        if _same_meaning(failed, before, call, after):
            return later
    return None


def _succeeded(call: CallRecord) -> bool:
    if call.outcome.status not in ("ok", "truncated"):
        return False
    return call.tool != "exec" or call.outcome.exit_code == 0


def _same_meaning(
    failed: CallRecord, before: Mapping[str, Any], later: CallRecord, after: Mapping[str, Any]
) -> bool:
    tool, missing = plain_tool(failed.tool), failed.outcome.error == "not_found"
    if failed.outcome.error in _UNREADABLE and not before:
        return tool == later.tool
    if failed.outcome.error in _MISNAMED and _same_value(before, after):
        return tool == later.tool or failed.outcome.error == "unknown_tool"
    if tool == "exec" and later.tool == "exec":
        return same_command(
            before,
            after,
            exit_code=failed.outcome.exit_code,
            bad_folder=failed.outcome.status == "tool_error",
        ) or ends_conflict(before, after)
    if tool in _FILE_TOOLS and later.tool in _FILE_TOOLS:
        return _same_file(tool, failed, before, later, after)
    if (tool, later.tool) == ("exec", "read"):
        return shows_path(str(before.get("command", "")), str(after.get("path", "")), missing=True)
    if (tool, later.tool) == ("read", "exec") and "path" in before:
        return shows_path(str(after.get("command", "")), str(before["path"]), missing=missing)
    if tool != later.tool:
        return False
    if keys := _SAME_KEYS.get(tool):
        return all(before.get(key) == after.get(key) for key in keys)
    if "query" in before:
        return same_query(str(before["query"]), str(after.get("query", "")))
    return bool(_first_value(before) == _first_value(after))


def _same_file(
    tool: str,
    failed: CallRecord,
    before: Mapping[str, Any],
    later: CallRecord,
    after: Mapping[str, Any],
) -> bool:
    if "path" not in before or (later.tool != tool and (tool, later.tool) != ("edit", "write")):
        return False
    wanted, got = str(before["path"]), str(after.get("path", ""))
    if tool == "read" and failed.outcome.error in _FOLDER:
        return posixpath.dirname(absolute(got)) == absolute(wanted)
    missing = failed.outcome.error == "not_found" and later.tool == tool
    return same_path(wanted, got, missing=missing)


def _same_value(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the text that matters in the later call was in the earlier one, by any name."""
    matters = after.get("command") or after.get("path") or _first_value(after)
    same = [value for value in before.values() if isinstance(value, str) and len(value) > 2]
    return matters in same


def _first_value(arguments: Mapping[str, Any]) -> Any:
    values: Sequence[Any] = list(arguments.values())
    return values[0] if values else None
