"""Functions that are specified by a docstring and not yet written, each with a usual slip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from ise_env.tasks.draw import Draw


@dataclass(frozen=True)
class Spec:
    """One function from a text to a number or a list of numbers."""

    module: str
    function: str
    columns: tuple[str, str]
    """Of the table whose second column the function reads."""
    docstring: str
    body: str
    slip: tuple[str, str]
    """A passage of the body, and what somebody in a hurry writes instead."""
    text: Callable[[Draw], str]
    telling: tuple[str, ...]
    """Inputs at the edges of the specification, the slip's among them."""

    def source(self, body: str) -> str:
        """The module; an empty body leaves it to be written."""
        code = body or "    raise NotImplementedError\n"
        return f'import re\n\n\ndef {self.function}(text):\n    """{self.docstring}"""\n{code}'

    def answer(self, text: str) -> Any:
        """What the docstring asks for; the name of the error where it asks for one."""
        try:
            return _defined(self.source(self.body), self.function)(text)
        except ValueError:
            return "ValueError"


@cache
def _defined(source: str, function: str) -> Callable[[str], Any]:
    scope: dict[str, Any] = {}
    exec(source, scope)  # our own source, below
    return cast("Callable[[str], Any]", scope[function])


def _duration(d: Draw) -> str:
    hours, minutes = d.integer(0, 9), d.integer(0, 59)
    return d.pick((f"{hours}h{minutes}m", f"{hours}:{minutes:02d}", f"{hours}h", f"{minutes}m"))


def _page_list(d: Draw) -> str:
    starts = [d.integer(1, 60) for _ in range(d.integer(1, 4))]
    return ",".join(d.pick((f"{a}", f"{a}-{a + d.integer(0, 9)}")) for a in starts)


def _bookings(d: Draw) -> str:
    spans = []
    for _ in range(d.integer(1, 4)):
        start = d.integer(7 * 4, 17 * 4) * 15
        end = start + d.integer(1, 10) * 15
        spans.append(f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}")
    return " ".join(spans)


def _code(d: Draw) -> str:
    body = "".join(d.pick("0123456789ABCXYZ") for _ in range(d.integer(4, 8)))
    return body if d.chance(0.9) else body[:3] + "-" + body[3:]


def _ticket(d: Draw) -> str:
    return d.pick(("T", "t", " T")) + d.pick(("-", " ", "")) + f"{d.integer(1, 99999):05d}"


SPECS = {
    "durations": Spec(
        module="durations",
        function="minutes",
        columns=("task", "spent"),
        docstring="""Minutes of a duration as people write it in the time sheet.

    Known are `2h`, `45m`, `1h30m` and `1:15` (hours and minutes), blanks around them aside, and
    `H` and `M` as well. Without hours there may be any number of minutes (`90m`); beside hours,
    and after the colon, minutes are at most 59. After the colon there are always two digits.

    Raises:
        ValueError: Anything else, the empty text included.
    """,
        body=r"""    text = text.strip().lower()
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?|(\d+):(\d\d)", text)
    if not found or not found[0]:
        raise ValueError(f"not a duration: {text!r}")
    hours, rest = found[1] or found[3], int(found[2] or found[4] or 0)
    if hours is not None and rest > 59:
        raise ValueError(f"more than 59 minutes beside hours: {text!r}")
    return 60 * int(hours or 0) + rest
""",
        slip=("if hours is not None and rest > 59", "if found[4] and rest > 59"),
        text=_duration,
        telling=("90m", "1h75m", "1:75", "1:5", "", "H", " 2H ", "1h 30m", "3", "0m"),
    ),
    "page-lists": Spec(
        module="page_lists",
        function="pages",
        columns=("job", "pages"),
        docstring="""Page numbers of a print order such as `1-3, 7`, sorted, each once.

    Entries are separated by commas, blanks around entries and around the hyphen do not count.
    `4-4` is the one page 4. Pages begin at 1.

    Raises:
        ValueError: A range that runs backwards, page 0, an empty entry, anything but numbers.
    """,
        body=r"""    numbers = set()
    for entry in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", entry)
        if not found:
            raise ValueError(f"neither a page nor a range: {entry!r}")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last:
            raise ValueError(f"no such pages: {entry!r}")
        numbers.update(range(first, last + 1))
    return sorted(numbers)
""",
        slip=("if not 1 <= first <= last", "if last < 1"),
        text=_page_list,
        telling=("5-3", "0", "0-2", "4-4", "1, 3 - 5", "2,2,1", "1,,2", "", "a", "7-"),
    ),
    "free-time": Spec(
        module="free_time",
        function="free_minutes",
        columns=("room", "booked"),
        docstring="""Minutes between 08:00 and 18:00 in which a room is not booked.

    `text` holds bookings like `09:00-10:30`, separated by blanks, in any order. They may overlap,
    and may begin before 08:00 or end after 18:00. Gaps of less than 15 minutes are of no use to
    anybody and do not count. No booking at all leaves the whole day.

    Raises:
        ValueError: A booking that does not end after it begins, or is not written like that.
    """,
        body=r"""    spans = []
    for entry in text.split():
        found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", entry)
        if not found:
            raise ValueError(f"not a booking: {entry!r}")
        start, end = (60 * int(found[n]) + int(found[n + 1]) for n in (1, 3))
        if end <= start:
            raise ValueError(f"ends before it begins: {entry!r}")
        spans.append((start, end))
    free, last = 0, 8 * 60
    for start, end in sorted([*spans, (18 * 60, 24 * 60)]):
        gap = min(start, 18 * 60) - last
        free += gap if gap >= 15 else 0
        last = max(last, end)
    return free
""",
        slip=("last = max(last, end)", "last = end"),
        text=_bookings,
        telling=(
            "",
            "09:00-12:00 10:00-11:00",
            "07:00-08:10 08:20-17:50",
            "12:00-12:00",
            "9:00-10:00",
            "17:00-19:30",
            "08:00-09:00 09:14-18:00",
            "05:00-06:00",
        ),
    ),
    "check-sums": Spec(
        module="check_sums",
        function="check_digit",
        columns=("article", "code"),
        docstring="""Check digit of an article code, 0 to 9.

    Hyphens do not count. From the right, characters weigh 3, 1, 3, 1 and so on; a digit counts
    as itself, a capital letter as its place in the alphabet plus 9 (A is 10). The check digit
    is what is missing from the weighted sum to the next multiple of ten.

    Raises:
        ValueError: No character is left, or one that is neither a digit nor a capital letter.
    """,
        body=r"""    code = text.replace("-", "")
    if not re.fullmatch(r"[0-9A-Z]+", code):
        raise ValueError(f"not an article code: {text!r}")
    total = sum(int(c, 36) * (1 if place % 2 else 3) for place, c in enumerate(reversed(code)))
    return -total % 10
""",
        slip=("reversed(code)", "code"),
        text=_code,
        telling=("", "-", "a1", "AB-12", "10", "0", "7", "Z9Z9", "1 2", "ABC"),
    ),
    "ticket-numbers": Spec(
        module="ticket_numbers",
        function="ticket",
        columns=("caller", "ticket"),
        docstring="""Number of a ticket that a caller spells as `T-00417`, `t 417` or `417`.

    The letter, in either case, and one hyphen or blank after it may be there or not, and so may
    leading zeros and blanks around the whole. Numbers have up to five digits, zeros included.

    Raises:
        ValueError: More than five digits, ticket 0, anything else beside the number.
    """,
        body=r"""    found = re.fullmatch(r"(?:[Tt][- ]?)?(\d{1,5})", text.strip())
    if not found or int(found[1]) == 0:
        raise ValueError(f"not a ticket: {text!r}")
    return int(found[1])
""",
        slip=(r"(\d{1,5})", r"0*(\d{1,5})"),
        text=_ticket,
        telling=("417", "T-000417", "t 9", "T--9", "0", "-5", "T00000", " T12 ", "123456", "T"),
    ),
}
