"""What was to stay, what was to go, and what a person sees became of it.

Only the words of the request and the list of what changed: no check. Where the text leaves a
doubt, nothing is held against the result.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from ise_env.tasks.kit import SubGoal
from ise_env.users.digest import mentioned
from ise_env.users.expecting import Fault
from ise_env.workspaces.protocol import FileChange

Kept = Callable[[str], bool]
"""Whether a path is one that was to stay as it is."""

_LEFT = re.compile(
    r"\bleav(?:e|ing) (?P<what>[^,;]{3,60}?)(?: alone\b| (?:as|where) (?:it is|they are)\b)"
    r"|\bwithout changing (?P<changing>[^,;]{2,60})"
    r"|(?<![\w./-])(?P<path>[\w.-]+(?:/[\w.-]+)+)"
    r"(?: itself left alone| (?:has to |must )?stays? as it is\b)"
    r"|\bnothing in (?P<inside>[\w.-]+(?:/[\w.-]+)+) itself\b"
)
_NOTHING_GOES = re.compile(r"\b(?:without deleting anything|delete nothing)\b")
_OLD = re.compile(r"^(?:the )?(?:old|original)\b|^(?:it|them)\b|^any of them\b")
_NOT_A_FILE = re.compile(r"^(?:what|how|a|an|anything)\b")
_TAKES_AWAY = re.compile(
    r"\b(?:delete|move|rename) (?:every|all|each|the|what)\b[^,;:]*"
    r"\b(?:files?|photos|documents|recordings|logs|copies|copy|ones)\b"
)
_NOT_YET = re.compile(
    r"\bwithout (?:deleting|moving)|\bnothing yet\b|\bnot yet\b|\bwants? deleted\b"
)
_SAME = re.compile(r"[\W_]+")
_STEM = 4


def upset(goal: SubGoal, changes: Sequence[FileChange]) -> Fault | None:
    """Something that was to stay as it is and did not; None where nothing is seen of that.

    Args:
        goal: What was asked for.
        changes: Since the user's last turn.
    """
    if _NOTHING_GOES.search(goal.request):
        gone = next((c.path for c in changes if c.change == "deleted"), "")
        if gone:
            return Fault("challenge.gone", f"{gone}: deleted", {"path": gone})
    kept = [test for match in _LEFT.finditer(goal.request) if (test := _kept(match, goal))]
    for change in changes:
        if change.change == "added" or change.path in goal.artifacts:
            continue
        if any(test(change.path) for test in kept):
            claim = f"{change.path}: {change.change}, and was to stay as it is"
            return Fault("challenge.upset", claim, {"path": change.path})
    return None


def _kept(match: re.Match[str], goal: SubGoal) -> Kept | None:
    place = match["path"] or match["inside"]
    what = place or match["what"] or match["changing"]
    paths = [place] if place else [p for p in mentioned(what) if "/" in p]
    if paths:
        return lambda path: any(path == p or path.startswith(f"{p}/") for p in paths)
    if _OLD.search(what):
        named = [p for p in mentioned(goal.request) if p not in goal.artifacts]
        return lambda path: path in named
    if _NOT_A_FILE.search(what):
        return None
    stems = [word.rstrip("s") for word in re.findall(r"[a-z]{4,}", what)]
    stems = [stem for stem in stems if len(stem) >= _STEM and stem not in ("other", "line")]
    return lambda path: any(_alike(part, stem) for part in _parts(path) for stem in stems)


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[\W_]+", path.lower()) if len(part) >= _STEM]


def _alike(part: str, stem: str) -> bool:
    """`check` is the checker's, `tests` are those of `test_sums.py`."""
    return part.startswith(stem) or (len(part) > _STEM and stem.startswith(part))


def still_all_there(goal: SubGoal, *, gone: bool) -> Fault | None:
    """Files were to be deleted or moved, and none is seen to have gone.

    Args:
        goal: What was asked for.
        gone: Whether any file was seen to go since then.
    """
    if gone or _NOT_YET.search(goal.request) or not _TAKES_AWAY.search(goal.request):
        return None
    return Fault("challenge.all_there", "no file is seen to have gone")


def twins(goal: SubGoal, changes: Sequence[FileChange]) -> Fault | None:
    """Two new files in one folder of the result, the same name written in two ways."""
    seen: dict[tuple[str, str], str] = {}
    for change in changes:
        folder, name = posixpath.split(change.path)
        inside = any(f"{folder}/".startswith(f"{place.rstrip('/')}/") for place in goal.artifacts)
        if change.change != "added" or not inside:
            continue
        key = folder, _SAME.sub("", name.casefold())
        if key in seen:
            slots = {"path": seen[key], "other": name}
            return Fault("challenge.twins", f"{seen[key]}: and {change.path}", slots)
        seen[key] = change.path
    return None
