"""What of the intent a user's message is about, judged by its words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ise_env.tasks.kit import SubGoal

_ALL = re.compile(r"\b(everything|all of (it|that|this)|the whole (thing|lot)|overall)\b", re.I)
_ABSENT = re.compile(
    r"\b((missing|empty|blank)(?! (?!this\b|does\b)[a-z]{3,}s\b)"
    r"|nothing (in|there|to see)|no files|not there|isn't there|gone"
    r"|(don't|do not|doesn't|does not) (see|have|exist)|(can't|cannot|can not|unable to) find"
    r"|(isn't|is not|n't seem to be) there|where(| is|'s| are) (it|the|my|\S+[/.])"
    r"|there('s| is| are) no|looked for|did it end up|not (done|finished)|never|redo)\b"
    r"|^(no|where's) \S+[/.]|\bno \S+\.\w+ (here|on my end)",
    re.IGNORECASE | re.MULTILINE,
)


def asks_about_all(text: str) -> bool:
    """Whether a message is about everything that was done."""
    return _ALL.search(text) is not None


def reports_absence(text: str) -> bool:
    """Whether somebody says that a result is not there, or has nothing in it."""
    return _ABSENT.search(text) is not None


def asked_for(text: str, goals: Iterable[SubGoal], done: Iterable[SubGoal] = ()) -> list[SubGoal]:
    """Which sub-goals a message asks for: word for word, or with all of their fact values.

    What stands in a request that is repeated word for word is that request's own and is no sign
    of another. A sub-goal whose facts are all among those of another match is asked for only
    when it is named as well: a step that starts from another's result shares its paths. One
    whose facts are all known from finished steps must be worded like its request: a question
    about the result names the same paths.

    Args:
        text: The message.
        goals: What it may ask for.
        done: What was done already.
    """
    flat, goals = _flat(text), list(goals)
    known = set().union(*(_values(goal) for goal in done))
    verbatim = [goal for goal in goals if _flat(goal.request) in flat]
    for goal in verbatim:
        flat = flat.replace(_flat(goal.request), " ")
    matches = [goal for goal in goals if goal.facts and _values(goal) <= _present(goal, flat)]
    clear = [
        goal
        for goal in matches
        if is_named(flat, goal)
        or (
            not any(_values(goal) < _values(other) for other in matches)
            and (not _values(goal) <= known or _is_worded(flat, goal))
        )
    ]
    return [goal for goal in goals if goal in verbatim or goal in clear]


def closest(text: str, goals: Iterable[SubGoal], others: Iterable[SubGoal] = ()) -> SubGoal | None:
    """The sub-goal that a request in other words most likely asks for; None if none is meant.

    Args:
        text: The message.
        goals: What it may ask for.
        others: What was done already; facts that these share say nothing.
    """
    flat, goals = _flat(text), list(goals)
    known = set().union(*(_values(goal) for goal in others))
    shares = [len(_present(goal, flat) - known) / len(goal.facts or "-") for goal in goals]
    best = max(shares, default=0)
    return goals[shares.index(best)] if best >= 0.5 else None


def holds(text: str, part: str) -> bool:
    """Whether a message holds a text word for word, in whatever case and spacing."""
    return _flat(part) in _flat(text)


def is_named(text: str, goal: SubGoal) -> bool:
    """Whether a message calls a sub-goal by its label."""
    return _occurs(_flat(goal.label), _flat(text))


def mentions(text: str, goal: SubGoal) -> bool:
    """Whether a message is about a finished sub-goal: its label, a result, or what is in one."""
    flat = _flat(text)
    results = [_flat(path) for path in goal.artifacts]
    return is_named(text, goal) or any(_occurs(p, flat) or f"{p}/" in flat for p in results)


def touches(text: str, goal: SubGoal) -> bool:
    """Whether a message holds a path that belongs to a finished sub-goal, or its request."""
    flat = _flat(text)
    paths = (value for value in _values(goal) if "/" in value or "." in value)
    return _flat(goal.request) in flat or any(_occurs(path, flat) for path in paths)


_WORDED = 0.3
"""Share of a request's own words that one in other words still has."""


def _is_worded(flat: str, goal: SubGoal) -> bool:
    """Whether a message has some of a request's own words, its facts aside."""
    request = _flat(goal.request)
    for value in _values(goal):
        request, flat = request.replace(value, " "), flat.replace(value, " ")
    wanted = {word for word in re.findall(r"[a-z]+", request) if len(word) > 3}
    return not wanted or len(wanted & set(re.findall(r"[a-z]+", flat))) >= _WORDED * len(wanted)


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


def _values(goal: SubGoal) -> set[str]:
    return {_flat(fact.value) for fact in goal.facts}


def _present(goal: SubGoal, flat: str) -> set[str]:
    return {value for value in _values(goal) if _occurs(value, flat)}


def _occurs(value: str, flat: str) -> bool:
    """As a whole: `5` is not in `15`, nor `a.md` in `data.md`; a full stop or slash may follow."""
    pattern = rf"(?<![\w/.\-]){re.escape(value)}(?![\w\-]|\.\w)"
    return bool(value) and re.search(pattern, flat) is not None
