"""Recovery spans: which later call made a failed call good.

The rule, conservative on purpose (a missed recovery is a smaller lie than an invented one). A
call recovers a failure when all of this holds:

1. It was made in a later assistant message: whoever sent it had seen the failure.
2. It succeeded (`ok` or `truncated`), and a command exited with 0: a command that went to the
   background is not known to have succeeded.
3. It has the same target:

   - read, write, edit: the same path; a failed edit is also made good by writing that path, and
     a path that was not found also by the same file name in another folder (same tool);
   - exec: one of its simple commands is of the same family as one of the failed line: the same
     program, the same verb where the program has verbs, and a shared operand; operands may be
     absent on one side where the program then means everything (`pytest`, `git commit`);
     `pip3`, `pip` and `python3 -m pip` are one program. The identical line always counts;
   - process: the same action on the same session;
   - searches (`query`): at least half of the words of the two queries in common;
   - any other tool: the same value of its first argument; a call whose arguments could not be
     read is made good by the next successful call of the same tool.

Every failure has at most one recovery, the earliest; one call may recover several failures.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ise_env.tools.base import FAILED, Outcome
from ise_env.tools.command import Family, families
from ise_env.tools.paths import absolute
from ise_env.traces.record import Recovery

_FILE_TOOLS = frozenset({"read", "write", "edit"})
_UNREADABLE = frozenset({"bad_json", "bad_arguments"})
_SIMILAR_QUERIES = 0.5


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
    for later in range(position + 1, len(records)):
        call = records[later]
        if call.step > failed.step and _succeeded(call) and _same_target(failed, call):
            return later
    return None


def _succeeded(call: CallRecord) -> bool:
    if call.outcome.status not in ("ok", "truncated"):
        return False
    return call.tool != "exec" or call.outcome.exit_code == 0


def _same_target(failed: CallRecord, later: CallRecord) -> bool:
    before, after = failed.arguments or {}, later.arguments or {}
    if failed.tool in _FILE_TOOLS and before.get("path"):
        return _same_file(failed, before, later, after)
    if failed.tool != later.tool:
        return False
    if failed.outcome.error in _UNREADABLE and not _first_value(before):
        return True
    if failed.tool == "exec":
        return _same_command(str(before.get("command", "")), str(after.get("command", "")))
    if failed.tool == "process":
        keys = ("action", "sessionId")
        return all(before.get(key) == after.get(key) for key in keys)
    if "query" in before:
        return _similar(str(before["query"]), str(after.get("query", "")))
    return bool(_first_value(before) == _first_value(after))


def _same_file(
    failed: CallRecord, before: Mapping[str, Any], later: CallRecord, after: Mapping[str, Any]
) -> bool:
    wanted, got = str(before["path"]), str(after.get("path", ""))
    if later.tool != failed.tool and (failed.tool, later.tool) != ("edit", "write"):
        return False
    if absolute(wanted) == absolute(got):
        return True
    return (
        failed.tool == later.tool
        and failed.outcome.error == "not_found"
        and posixpath.basename(wanted) == posixpath.basename(got)
    )


def _same_command(before: str, after: str) -> bool:
    if before.strip() == after.strip():
        return True
    return any(_alike(a, b) for a in families(before) for b in families(after))


def _alike(a: Family, b: Family) -> bool:
    if (a.program, a.verb) != (b.program, b.verb):
        return False
    if a.operands & b.operands:
        return True
    return a.sweeping and not (a.operands and b.operands)


def _similar(before: str, after: str) -> bool:
    a, b = set(re.findall(r"\w+", before.lower())), set(re.findall(r"\w+", after.lower()))
    return bool(a & b) and len(a & b) / min(len(a), len(b)) >= _SIMILAR_QUERIES


def _first_value(arguments: Mapping[str, Any]) -> Any:
    values: Sequence[Any] = list(arguments.values())
    return values[0] if values else None
