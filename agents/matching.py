"""What of the intent a user's message is about, judged by its words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ise_env.tasks.kit import SubGoal

_VERIFY = re.compile(
    r"\b(verif(y|ies|ied)|(double[- ]?)?check(ed)?|make sure|look (it|this|that|them)? ?over"
    r"|review|are you sure|really (there|done|right)|confirm)\b",
    re.IGNORECASE,
)


def asks_to_verify(text: str) -> bool:
    """Whether somebody wants the result looked at."""
    return _VERIFY.search(text) is not None


def asked_for(text: str, goals: Iterable[SubGoal]) -> list[SubGoal]:
    """Which sub-goals a message asks for: all of a sub-goal's fact values occur in it.

    A request repeated word for word outweighs facts. A sub-goal whose facts are all among
    those of another match is asked for only when it is named as well: a step that starts from
    another's result shares its paths.
    """
    flat, goals = _flat(text), list(goals)
    verbatim = [goal for goal in goals if _flat(goal.request) in flat]
    if verbatim:
        return verbatim
    matches = [goal for goal in goals if goal.facts and _values(goal) <= _present(goal, flat)]
    return [
        goal
        for goal in matches
        if is_named(text, goal) or not any(_values(goal) < _values(other) for other in matches)
    ]


def is_named(text: str, goal: SubGoal) -> bool:
    """Whether a message calls a sub-goal by its label."""
    return _occurs(_flat(goal.label), _flat(text))


def mentions(text: str, goal: SubGoal) -> bool:
    """Whether a message is about a finished sub-goal: its label or one of its results."""
    flat = _flat(text)
    return is_named(text, goal) or any(_occurs(_flat(path), flat) for path in goal.artifacts)


def touches(text: str, goal: SubGoal) -> bool:
    """Whether a message holds a path that belongs to a finished sub-goal, or its request."""
    flat = _flat(text)
    paths = (value for value in _values(goal) if "/" in value or "." in value)
    return _flat(goal.request) in flat or any(_occurs(path, flat) for path in paths)


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


def _values(goal: SubGoal) -> set[str]:
    return {_flat(fact.value) for fact in goal.facts}


def _present(goal: SubGoal, flat: str) -> set[str]:
    return {value for value in _values(goal) if _occurs(value, flat)}


def _occurs(value: str, flat: str) -> bool:
    """As a whole: `5` is not in `15`, nor `a.md` in `data.md`; a full stop may follow."""
    pattern = rf"(?<![\w/.\-]){re.escape(value)}(?![\w/\-]|\.\w)"
    return bool(value) and re.search(pattern, flat) is not None
