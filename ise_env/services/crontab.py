"""Tables of jobs: what their lines say, and which minutes they mean.

Field syntax after crontab(5): `*`, lists, ranges, steps, names of months and days, 7 for
Sunday, and the nicknames `@hourly` to `@yearly`.
"""

from __future__ import annotations

import re
from datetime import datetime

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

Schedule = tuple[frozenset[int] | None, ...]
"""Values of each field; None where the field is `*`, which changes how days combine."""


def read_crontab(text: str) -> list[tuple[str, str]]:
    """Schedule and command of every job; comments, settings and unreadable lines left out."""
    jobs = []
    for line in text.split("\n"):
        line = line.strip()
        if not line or line.startswith("#") or re.match(r"[A-Za-z_]\w*\s*=", line):
            continue
        fields = 1 if line.startswith("@") else 5
        parts = line.split(None, fields)
        if len(parts) == fields + 1:
            jobs.append((" ".join(parts[:fields]), parts[fields]))
    return jobs


def parse_schedule(text: str) -> Schedule | None:
    """What five fields mean; None when they are not a schedule."""
    fields = NICKNAMES.get(text.strip().lower(), text).split()
    if len(fields) != len(RANGES):
        return None
    values = []
    for field, (low, high), names in zip(fields, RANGES, ((), (), (), MONTHS, DAYS), strict=True):
        parsed = _field(field.lower(), low, high, names)
        if parsed is None:
            return None
        if high == 7:
            parsed = frozenset(day % 7 for day in parsed)
        everything = frozenset(range(low, high + 1)) if high != 7 else frozenset(range(7))
        values.append(None if field.startswith("*") and parsed == everything else parsed)
    return tuple(values)


def _field(field: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int] | None:
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d{1,3}))?", part)
        if not match:
            return None
        start, end, step = match.groups()
        first = low if start == "*" else _value(start, low, names)
        if start == "*" or (step and not end):
            last: int | None = high
        else:
            last = _value(end, low, names) if end else first
        stride = int(step or 1)
        if first is None or last is None or not low <= first <= last <= high or stride < 1:
            return None
        found.update(range(first, last + 1, stride))
    return frozenset(found)


def _value(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdigit() and len(text) < 4 else None


def first_unreadable(text: str) -> int | None:
    """Number of the first line that is neither a job, a setting, a comment nor empty."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#") or re.match(r"[A-Za-z_]\w*\s*=", line):
            continue
        jobs = read_crontab(line)
        if not jobs or parse_schedule(jobs[0][0]) is None:
            return number
    return None


def fires(schedule: Schedule, moment: datetime) -> bool:
    """Whether a job is due in a minute; of two restricted day fields, either is enough."""
    minute, hour, day, month, weekday = schedule
    if not (_in(moment.minute, minute) and _in(moment.hour, hour) and _in(moment.month, month)):
        return False
    by_day, by_weekday = _in(moment.day, day), _in(moment.isoweekday() % 7, weekday)
    return (by_day or by_weekday) if day and weekday else (by_day and by_weekday)


def _in(value: int, values: frozenset[int] | None) -> bool:
    return values is None or value in values
