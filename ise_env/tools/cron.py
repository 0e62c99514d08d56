"""cron: jobs of the workspace's scheduler, the same table that the command `crontab` shows.

Optional. Upstream's jobs speak to the agent; here they run a command (`payload.kind` `command`),
which is what the scheduler of a workspace does. A job's id and name stand in a comment above its
line, so that lines written with `crontab` and jobs written here live together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ise_env.services.access import ServiceAccess, Unreachable
from ise_env.services.crontab import parse_schedule, read_crontab
from ise_env.services.spec import CRON_HOST
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool

_TABLE = f"http://{CRON_HOST}/crontab"
_MARK = re.compile(r"# cron:(?P<id>job-\d+) (?P<name>.*)")
_MINUTE_MS = 60_000


def _missing(context: ToolContext) -> str:
    there = context.services is not None and CRON_HOST in context.services.hosts
    return "" if there else "the task has no scheduler"


class CronSchedule(BaseModel):
    """When a job runs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["cron", "every", "at"]
    expr: str | None = Field(None, description="For cron: five fields, as in crontab(5).")
    everyMs: int | None = Field(None, description="For every: whole minutes, in milliseconds.")
    at: str | None = Field(None, description="For at: time in UTC, 2026-01-05T17:30:00Z.")


class CronPayload(BaseModel):
    """What a job does."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["command"] = "command"
    command: str = Field(min_length=1, description="Shell command, run from the home folder.")


class CronJob(BaseModel):
    """A job as it is given."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str | None = Field(None, description="What people call it.")
    schedule: CronSchedule | None = Field(None, description="When.")
    payload: CronPayload | None = Field(None, description="What.")


class CronParams(Params):
    """Parameters of `cron`."""

    action: Literal["status", "list", "add", "update", "remove"] = Field(description="What to do.")
    job: CronJob | None = Field(None, description="For add: name, schedule and payload.")
    jobId: str | None = Field(None, description="For update and remove: from list.")
    patch: CronJob | None = Field(None, description="For update: what changes.")


@dataclass(frozen=True)
class _Entry:
    """A job of the table; lines that `crontab` wrote have no id of their own but a number."""

    id: str
    name: str
    schedule: str
    command: str
    lines: range = range(0)
    """Where it stands in the table, its comment included."""


@tool(
    "cron",
    "Look after the scheduler's jobs: list, add, update, remove. A job runs a shell command in "
    "this workspace at the times of its schedule.",
    needs="a scheduler of the task's",
    missing=_missing,
)
def cron(p: CronParams, context: ToolContext) -> ToolResult:
    """Look after jobs; see `CronParams`.

    Raises:
        ToolFailure: No scheduler, no such job, or a schedule that cannot be read.
    """
    if context.services is None:
        raise ToolFailure("there is no scheduler in this episode", error="unavailable")
    text = _ask(context.services)
    entries = _entries(text)
    if p.action == "status":
        now = _ask(context.services, "/now").strip()
        return _answer({"enabled": True, "jobs": len(entries), "now": now})
    if p.action == "list":
        return _answer({"jobs": [_shown(entry) for entry in entries]})
    if p.action == "add":
        changed = _added(p.job, entries)
        text = (f"{text}\n" if text and not text.endswith("\n") else text) + _lines(changed)
    else:
        old = next((entry for entry in entries if entry.id == p.jobId), None)
        if old is None:
            raise ToolFailure(f"there is no job {p.jobId!r}; see list", error="not_found")
        changed = old if p.action == "remove" else _updated(old, p.patch)
        text = _replaced(text, old, "" if p.action == "remove" else _lines(changed))
    _ask(context.services, body=text)
    key = "removed" if p.action == "remove" else "job"
    return _answer({key: _shown(changed)})


def _answer(value: dict[str, Any]) -> ToolResult:
    return ToolResult(as_json({"ok": True, **value}), Outcome(status="ok"))


def _ask(services: ServiceAccess, path: str = "/crontab", body: str | None = None) -> str:
    url = f"http://{CRON_HOST}{path}"
    try:
        if body is None:
            answer = services.fetch(url)
        else:
            answer = services.fetch(url, method="PUT", body=body.encode())
    except Unreachable as error:
        raise ToolFailure(f"there is no scheduler: {error}", error="unreachable") from error
    said = answer.body.decode("utf-8", "replace")
    if answer.status >= 400:
        raise ToolFailure(f"the scheduler refuses: {said.strip()}", error="refused")
    return said


def _entries(text: str) -> list[_Entry]:
    found: list[_Entry] = []
    mark: re.Match[str] | None = None
    for number, line in enumerate(text.splitlines()):
        for schedule, command in read_crontab(line):
            if mark:
                lines = range(number - 1, number + 1)
                found.append(_Entry(mark["id"], mark["name"], schedule, command, lines))
            else:
                own = f"line-{len(found) + 1}"
                found.append(_Entry(own, "", schedule, command, range(number, number + 1)))
        mark = _MARK.fullmatch(line.strip())
    return found


def _shown(entry: _Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "enabled": True,
        "schedule": {"kind": "cron", "expr": entry.schedule},
        "payload": {"kind": "command", "command": entry.command},
    }


def _added(job: CronJob | None, entries: Sequence[_Entry]) -> _Entry:
    if job is None or job.schedule is None or job.payload is None:
        raise ToolFailure("add needs a job with schedule and payload", error="bad_arguments")
    taken = {entry.id for entry in entries}
    number = next(n for n in range(1, len(entries) + 2) if f"job-{n}" not in taken)
    return _Entry(
        f"job-{number}", _name(job.name), _expression(job.schedule), _command(job.payload)
    )


def _updated(old: _Entry, patch: CronJob | None) -> _Entry:
    if patch is None:
        raise ToolFailure("update needs a patch", error="bad_arguments")
    return _Entry(
        old.id if old.id.startswith("job-") else old.id.replace("line", "job"),
        old.name if patch.name is None else _name(patch.name),
        old.schedule if patch.schedule is None else _expression(patch.schedule),
        old.command if patch.payload is None else _command(patch.payload),
    )


def _name(name: str | None) -> str:
    return " ".join((name or "").split())


def _command(payload: CronPayload) -> str:
    if "\n" in payload.command.strip():
        raise ToolFailure(
            "a job's command is one line: put more into a script", error="bad_arguments"
        )
    return payload.command.strip().replace("%", r"\%")  # a bare % ends the command in crontab(5)


def _lines(entry: _Entry) -> str:
    return f"# cron:{entry.id} {entry.name}\n{entry.schedule} {entry.command}\n"


def _replaced(text: str, old: _Entry, new: str) -> str:
    """The table with a job's lines replaced."""
    lines = [f"{line}\n" for line in text.splitlines()]
    lines[old.lines.start : old.lines.stop] = [new]
    return "".join(lines)


def _expression(schedule: CronSchedule) -> str:
    """The five fields of a schedule."""
    if schedule.kind == "every":
        return _every(schedule.everyMs or 0)
    if schedule.kind == "at":
        try:
            moment = datetime.fromisoformat(schedule.at or "")
        except ValueError:
            raise ToolFailure(
                f"at: {schedule.at!r} is no time such as 2026-01-05T17:30:00Z", error="bad_schedule"
            ) from None
        return f"{moment.minute} {moment.hour} {moment.day} {moment.month} *"
    expression = " ".join((schedule.expr or "").split())
    if parse_schedule(expression) is None:
        raise ToolFailure(f"expr: {schedule.expr!r} is no schedule", error="bad_schedule")
    return expression


def _every(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, _MINUTE_MS)
    if not rest and minutes > 0:
        if 60 % minutes == 0 and minutes < 60:
            return f"*/{minutes} * * * *"
        if minutes % 60 == 0 and 24 % (minutes // 60) == 0:
            hours = minutes // 60
            return "0 * * * *" if hours == 1 else f"0 {'0' if hours == 24 else f'*/{hours}'} * * *"
    raise ToolFailure(
        "everyMs must be whole minutes that divide an hour, or hours that divide a day",
        error="bad_schedule",
    )
