"""Whether a later call means the same as one that failed.

Names that other tool sets give to tools and parameters are read as ours, slips of the keyboard
are seen through, and nothing else is guessed: a folder or a helper program in common is not
enough.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ise_env.tools.command import Family, families, main_family
from ise_env.tools.paths import absolute

Arguments = Mapping[str, Any]

_TOOLS = {
    "exec": "bash shell run sh terminal run_command execute_command execute_bash run_shell command",
    "write": "create_file write_file save_file create write_to_file",
    "read": "view_file view cat open read_file open_file show_file",
    "edit": "str_replace edit_file replace str_replace_editor replace_in_file",
}
_TOOL_NAMES = {alias: name for name, aliases in _TOOLS.items() for alias in aliases.split()}
_PARAMETERS = {
    "command": "cmd script shell_command code",
    "path": "file_path filepath file filename file_name target_file",
    "oldText": "old_string old_str old_text old search",
    "newText": "new_string new_str new_text new replace",
    "content": "text body contents file_text",
    "action": "op operation",
    "sessionId": "session_id session id",
    "workdir": "cwd dir directory working_directory",
}
_PARAMETER_NAMES = {
    alias: name for name, aliases in _PARAMETERS.items() for alias in aliases.split()
}
_PAGERS = frozenset({"cat", "tail", "head", "less", "more", "nl"})
_SEARCHES = frozenset({"grep", "egrep", "fgrep", "rg", "zgrep"})
"""Programs whose first operand is a pattern: another pattern is another question."""
_LISTINGS = frozenset({"ls", "find", "du", "tree", "stat", "mkdir", "rm", "cp", "mv", "chmod"})
"""Programs that take folders: one in common says little, unless all operands are."""
_INTERPRETERS = frozenset({"bash", "sh", "python", "perl", "node", "ruby"})
_CONFLICTING = frozenset({"merge", "rebase", "cherry-pick", "revert", "pull"})
_NOT_FOUND = 127
_LONG_ENOUGH = 4
_SIMILAR_QUERIES = 0.5


def plain_tool(name: str) -> str:
    """Our name of a tool that may go by another."""
    return _TOOL_NAMES.get(name.lower(), name)


def plain_arguments(arguments: Arguments) -> dict[str, Any]:
    """Arguments under our names of the parameters."""
    return {_PARAMETER_NAMES.get(name, name): value for name, value in arguments.items()}


def same_command(
    before: Arguments, after: Arguments, *, exit_code: int | None = None, bad_folder: bool = False
) -> bool:
    """Whether two exec calls mean the same.

    Args:
        before: Of the call that failed, under our names.
        after: Of the later one.
        exit_code: Of the call that failed; 127 is a program that does not exist.
        bad_folder: Whether it failed because of its folder.
    """
    failed, later = str(before.get("command", "")), str(after.get("command", ""))
    if not (bad_folder or _same_folder(before.get("workdir"), after.get("workdir"))):
        return False
    if failed.split() == later.split():
        return bool(failed.strip())
    if _one_slip(failed.split(), later.split()):
        return True
    main = main_family(failed)
    if main is None:
        return False
    return any(_alike(main, other, exit_code) for other in families(later))


def ends_conflict(before: Arguments, after: Arguments) -> bool:
    """Whether the later command commits what a conflicting merge or the like left."""
    if not _same_folder(before.get("workdir"), after.get("workdir")):
        return False
    failed = main_family(str(before.get("command", "")))
    if failed is None or failed.program != "git" or failed.verb not in _CONFLICTING:
        return False
    command = str(after.get("command", ""))
    if re.search(rf"\bgit {failed.verb} --continue\b", command):
        return True
    return any(f.program == "git" and f.verb == "commit" for f in families(command))


def gives_up(before: Arguments, after: Arguments) -> bool:
    """Whether the later command takes back what a conflicting one began."""
    failed = main_family(str(before.get("command", "")))
    verb = failed.verb if failed is not None else ""
    return bool(verb) and f"git {verb} --abort" in str(after.get("command", ""))


def same_path(before: str, after: str, *, missing: bool = False) -> bool:
    """Whether two paths mean the same file.

    Args:
        before: Of the call that failed.
        after: Of the later one.
        missing: Whether the first was not found: then a slip, or another folder, is seen through.
    """
    a, b = absolute(before), absolute(after)
    if a == b:
        return True
    return missing and (posixpath.basename(a) == posixpath.basename(b) or is_slip(a, b, True))


def shows_path(command: str, path: str, *, missing: bool = False) -> bool:
    """Whether a command's main part shows a file, as `cat` does."""
    main = main_family(command)
    name = posixpath.basename(absolute(path))
    return main is not None and main.program in _PAGERS and any(
        word == name or (missing and is_slip(word, name)) for word in main.operands
    )  # fmt: skip


def same_query(before: str, after: str) -> bool:
    """Whether two searches have half of their words in common."""
    a, b = (set(re.findall(r"\w+", query.lower())) for query in (before, after))
    return bool(a & b) and len(a & b) / min(len(a), len(b)) >= _SIMILAR_QUERIES


def is_slip(a: str, b: str, digits: bool = False) -> bool:
    """Whether two words differ by one character too many, or by two swapped.

    Args:
        a: A word.
        b: Another.
        digits: Whether the one too many may be a digit: `q1` and `q11` are two files, unless one
            of them does not exist.
    """
    if a == b or min(len(a), len(b)) < _LONG_ENOUGH:
        return False
    start = len(posixpath.commonprefix([a, b]))
    if len(a) == len(b):
        x, y = a[start : start + 2], b[start : start + 2]
        return x == y[::-1] and a[start + 2 :] == b[start + 2 :] and not x.isdigit()
    long, short = (a, b) if len(a) > len(b) else (b, a)
    extra = long[start : start + 1]
    return long[:start] + long[start + 1 :] == short and (digits or not extra.isdigit())


def distance(a: str, b: str) -> int:
    """Edits between two words; two neighbours swapped are one edit (optimal string alignment)."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            least = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                least = min(least, rows[-2][j - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def _same_folder(before: object, after: object) -> bool:
    """Whether two commands run in one folder; one that names none may mean the other's."""
    if before is None or after is None:
        return True
    a, b = absolute(str(before)), absolute(str(after))
    return a == b or is_slip(a, b)


def _alike(a: Family, b: Family, exit_code: int | None) -> bool:
    if _program(a) != _program(b):
        if exit_code == _NOT_FOUND and _mistyped(a.program, b.program):
            x, y = set(a.words), set(b.words)
            return x == y or len(x & y) * 2 >= len(x | y)
        return _mistyped_verb(a, b)
    if a.words == b.words:
        return bool(a.words) or a.sweeping
    if _one_slip(a.words, b.words):
        return True
    return _same_things(a, b)


def _program(family: Family) -> tuple[str, str]:
    """What runs: a script is the same by itself and under its interpreter."""
    if family.program in _INTERPRETERS and family.verb:
        return family.verb, ""
    return family.program, family.verb


def _mistyped(a: str, b: str) -> bool:
    """Whether a name that no program has stands for another; short ones only by a swap."""
    if min(len(a), len(b)) < _LONG_ENOUGH:
        return sorted(a) == sorted(b)
    return distance(a, b) <= 2


def _mistyped_verb(a: Family, b: Family) -> bool:
    """`git stauts` and `git status`: the rest is the same."""
    if a.program != b.program or a.program in _INTERPRETERS or not (a.verb and b.verb):
        return False
    swapped = len(a.verb) == len(b.verb) and sorted(a.verb) == sorted(b.verb)
    near = distance(a.verb, b.verb) == 1 and (swapped or len(a.verb) != len(b.verb))
    return near and (a.operands == b.operands or _mostly(a, b))


def _mostly(a: Family, b: Family) -> bool:
    """Whether at least half of what either names is named by both."""
    every = a.operands | b.operands
    return not every or len(a.operands & b.operands) * 2 >= len(every)


def _one_slip(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two lines differ in one word, and there by a slip."""
    if len(a) != len(b):
        return False
    odd = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    return len(odd) == 1 and (is_slip(*odd[0]) or (a[0] != b[0] and sorted(a[0]) == sorted(b[0])))


def _same_things(a: Family, b: Family) -> bool:
    """Whether two commands of one program are about the same things."""
    if not (a.operands and b.operands):
        return a.sweeping and b.sweeping
    if a.program in _SEARCHES:
        return a.words[:1] == b.words[:1] and bool(a.operands & b.operands)
    shared = a.operands & b.operands
    if a.program in _LISTINGS:
        return a.operands == b.operands or any("." in name.strip(".") for name in shared)
    return bool(shared)
