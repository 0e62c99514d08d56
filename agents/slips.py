"""Human-like slips in single tool calls, and how they are noticed and made good.

A slip makes a call that goes wrong in a real workspace, reads what comes back, and acts because
of it: it looks around, and repeats the call as it was meant. Each is a generator over the same
protocol as a kit's solution; it returns the replies to the call that was meant. A slip that
could do damage by succeeding is not one of these.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Generator
from difflib import get_close_matches
from typing import Any

import numpy as np

from ise_env.agents.scripted import SlippedCall
from ise_env.tasks.kit import Solution, ToolCall, ToolReply

Slip = Generator[ToolCall, list[ToolReply], list[ToolReply]]
"""Yields calls one at a time; returns the replies to the call that was meant."""

MakeSlip = Callable[[ToolCall, np.random.Generator], Slip | None]
"""Returns None where the call gives no occasion for this slip."""

_COMPOUND = re.compile(r"[;\n`>]|(?<!&)&(?!&)|\$\(|<<")
"""More than a pipeline or a chain that ends at its first failure: part of it would still run."""

_READERS = frozenset({"cat", "grep", "head", "ls", "python3", "sort", "tail", "wc"})
"""Commands that change nothing when the file that they are given does not exist."""

_COMMAND = re.compile(r"[a-z][a-z0-9_]{2,}")


def with_slips(solution: Solution, rng: np.random.Generator, rate: float) -> Solution:
    """Let a solution's single calls slip now and then.

    Args:
        solution: The steps as they should be.
        rng: Decides which calls slip, and how.
        rate: Share of the single calls that slip, where some slip fits.
    """
    try:
        step = next(solution)
        while True:
            slip = None
            if isinstance(step, ToolCall) and rng.random() < rate:
                slip = _pick(step, rng)
            replies = yield from slip if slip is not None else _as_meant(step)
            step = solution.send(replies)
    except StopIteration as stop:
        return str(stop.value)


def _as_meant(step: Any) -> Generator[Any, list[ToolReply], list[ToolReply]]:
    return (yield step)


def _pick(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    makers, weights = list(SLIPS), np.array(list(SLIPS.values()), float)
    order = rng.choice(len(makers), len(makers), replace=False, p=weights / weights.sum())
    # Not all of them: where little fits, most calls should go right rather than wrong in the
    # few ways that always fit.
    for index in order[:5]:
        slip = makers[int(index)](call, rng)
        if slip is not None:
            return slip
    return None


def broken_json(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """Arguments that end before their last quote and brace."""
    raw = json.dumps(dict(call.arguments), ensure_ascii=False)
    return _corrected(call, SlippedCall(call.tool, call.arguments, "broken_json", raw[:-2]))


def wrong_parameter(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A parameter under the name that another tool set gives it."""
    other = {"path": "file_path", "command": "cmd", "oldText": "old_string", "action": "op"}
    name = next((name for name in other if name in call.arguments), None)
    if name is None:
        return None
    arguments = {other[name] if k == name else k: v for k, v in call.arguments.items()}
    return _corrected(call, SlippedCall(call.tool, arguments, "wrong_parameter"))


def missing_parameter(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """The longest text, which is easily forgotten, is left out."""
    name = {"write": "content", "edit": "newText"}.get(call.tool)
    if name not in call.arguments:
        return None
    arguments = {k: v for k, v in call.arguments.items() if k != name}
    return _corrected(call, SlippedCall(call.tool, arguments, "missing_parameter"))


def unknown_tool(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A tool name from elsewhere."""
    elsewhere = {"exec": "bash", "read": "view_file", "write": "create_file", "edit": "str_replace"}
    if call.tool not in elsewhere:
        return None
    return _corrected(call, SlippedCall(elsewhere[call.tool], call.arguments, "unknown_tool"))


def misspelt_command(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """Two letters of a command swapped; only where nothing else would run."""
    command = str(call.arguments.get("command", ""))
    word = command.split(" ", 1)[0]
    if call.tool != "exec" or not _COMMAND.fullmatch(word) or _COMPOUND.search(command):
        return None
    typo = _swapped(word, rng)
    if typo == word or word in ("export", "set", "test"):
        return None
    arguments = {**call.arguments, "command": typo + command[len(word) :]}
    return _corrected(call, SlippedCall("exec", arguments, "misspelt_command"))


def misspelt_subcommand(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """Two letters of git's subcommand swapped."""
    command = str(call.arguments.get("command", ""))
    match = re.match(r"git ([a-z]{3,})\b", command)
    if call.tool != "exec" or match is None or _COMPOUND.search(command):
        return None
    typo = _swapped(match[1], rng)
    if typo == match[1]:
        return None
    arguments = {**call.arguments, "command": f"git {typo}{command[match.end() :]}"}
    return _corrected(call, SlippedCall("exec", arguments, "misspelt_subcommand"))


def forgotten_workdir(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A command started where the last one was, not where its files are."""
    if "workdir" not in call.arguments or not _fails_elsewhere(call):
        return None
    arguments = {key: value for key, value in call.arguments.items() if key != "workdir"}
    return _corrected(call, SlippedCall("exec", arguments, "forgotten_workdir"))


def wrong_workdir(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A command started in a folder that does not exist; what exists is looked up."""
    workdir = call.arguments.get("workdir")
    if (
        not isinstance(workdir, str)
        or not posixpath.basename(workdir)
        or not _fails_elsewhere(call)
    ):
        return None
    typo = _typo(workdir, rng)
    arguments = {**call.arguments, "workdir": typo}
    return _looked_up(call, "workdir", SlippedCall("exec", arguments, "wrong_workdir"))


def wrong_path(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A typing mistake in the path of a file that is read or edited."""
    path = call.arguments.get("path")
    if call.tool not in ("read", "edit") or not isinstance(path, str):
        return None
    arguments = {**call.arguments, "path": _typo(path, rng)}
    return _looked_up(call, "path", SlippedCall(call.tool, arguments, "wrong_path"))


def wrong_path_in_command(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A typing mistake in the first path that a reading command names."""
    command = str(call.arguments.get("command", ""))
    word, _, rest = command.partition(" ")
    path = next((w for w in rest.split() if re.fullmatch(r"[\w-][\w./-]*/[\w.-]+", w)), None)
    if call.tool != "exec" or word not in _READERS or path is None or _COMPOUND.search(command):
        return None
    typo = _typo(path, rng)
    arguments = {**call.arguments, "command": command.replace(path, typo, 1)}
    slipped = SlippedCall("exec", arguments, "wrong_path_in_command")
    return _listed(call, posixpath.join(str(call.arguments.get("workdir", "")), path), slipped)


def folder_for_file(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A folder is read instead of the file in it."""
    path = call.arguments.get("path")
    if call.tool != "read" or not isinstance(path, str) or not posixpath.dirname(path):
        return None
    arguments = {**call.arguments, "path": posixpath.dirname(path)}
    return _looked_up(call, "path", SlippedCall("read", arguments, "folder_for_file"))


def stale_text(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """An edit of text that is not (any more) what the file says; it is read again."""
    old = call.arguments.get("oldText")
    if call.tool != "edit" or not isinstance(old, str) or len(old) < 4:
        return None
    at = int(rng.integers(1, len(old) - 1))
    arguments = {**call.arguments, "oldText": old[:at] + old[at + 1 :] + " "}
    return _reread(call, SlippedCall("edit", arguments, "stale_text"))


def endless_command(call: ToolCall, rng: np.random.Generator) -> Slip | None:
    """A file is followed rather than read, until the time is over."""
    path = call.arguments.get("path")
    if call.tool != "read" or not isinstance(path, str) or not re.fullmatch(r"[\w./-]+", path):
        return None
    arguments = {"command": f"tail -n 40 -f {path}", "timeout": 1}
    return _corrected(call, SlippedCall("exec", arguments, "endless_command"))


SLIPS: dict[MakeSlip, float] = {
    misspelt_command: 3,
    misspelt_subcommand: 3,
    wrong_path: 3,
    wrong_path_in_command: 3,
    forgotten_workdir: 3,
    stale_text: 3,
    wrong_workdir: 1,
    folder_for_file: 1,
    broken_json: 0.7,
    wrong_parameter: 0.7,
    missing_parameter: 0.7,
    unknown_tool: 0.3,
    endless_command: 0.3,
}
"""How often each is made where it fits, relative to the others."""


def _fails_elsewhere(call: ToolCall) -> bool:
    """Whether a command fails, and leaves nothing behind, where its files are not.

    A folder that does not exist is no safeguard: `exec` then runs in the workspace's own.
    """
    command = str(call.arguments.get("command", ""))
    word = command.split(" ", 1)[0]
    reads = word == "git" or (word in _READERS and word != "ls")
    return call.tool == "exec" and reads and not _COMPOUND.search(command)


def _corrected(meant: ToolCall, slipped: SlippedCall) -> Slip:
    """Read the refusal, and make the call as it was meant."""
    yield slipped
    return (yield meant)


def _looked_up(meant: ToolCall, parameter: str, slipped: SlippedCall) -> Slip:
    """Read the refusal, list the folder, and take the name nearest to the one that failed."""
    (refusal,) = yield slipped
    if not refusal.failed:
        return (yield meant)
    folder, name = posixpath.split(str(meant.arguments[parameter]))
    (listing,) = yield ToolCall("exec", {"command": f"ls -a {folder or '.'}"})
    tried = posixpath.basename(str(slipped.arguments[parameter]))
    near = get_close_matches(tried, listing.text.split(), n=1, cutoff=0.4)
    if slipped.slip == "wrong_path" and meant.tool == "read" and near and near[0] != name:
        # The listing misled it: another file is read, and seen to be another.
        path = posixpath.join(folder, near[0])
        yield SlippedCall("read", {**meant.arguments, "path": path}, "wrong_file")
    return (yield meant)


def _listed(meant: ToolCall, path: str, slipped: SlippedCall) -> Slip:
    """Read the refusal, list the folder of the path, and repeat the command with what is there."""
    (refusal,) = yield slipped
    if "No such file" in refusal.text:
        yield ToolCall("exec", {"command": f"ls {posixpath.dirname(path)}"})
    return (yield meant)


def _reread(meant: ToolCall, slipped: SlippedCall) -> Slip:
    """Read the refusal, read the file, and edit what it really says."""
    (refusal,) = yield slipped
    if refusal.failed:
        yield ToolCall("read", {"path": meant.arguments["path"]})
    return (yield meant)


def _swapped(word: str, rng: np.random.Generator) -> str:
    """Swap two neighbouring letters."""
    at = int(rng.integers(len(word) - 1))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _typo(path: str, rng: np.random.Generator) -> str:
    """Drop or double one character of the last part, away from its ends."""
    folder, name = posixpath.split(path)
    at = int(rng.integers(1, max(2, len(name) - 1)))
    doubled = rng.random() < 0.5
    wrong = name[: at + 1] + name[at:] if doubled else name[:at] + name[at + 1 :]
    return posixpath.join(folder, wrong)
