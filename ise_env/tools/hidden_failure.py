"""Failures that an exit code of 0 hides, read from what a shell command printed.

A command line can hide the exit code of its parts (`a | head`, `a || b`, `a; b`); only then is
its output looked at, and it fails where it ends in an error message. Text that a command was
asked to show (a log, a source file) is content: errors in it are not its own. In doubt nothing
failed: an invented failure is worse than a missed one.
"""

from __future__ import annotations

import re

from ise_env.tools.command import families, hides_exit_code, shows_files

_STRONG = re.compile(
    r"""^(?:
        fatal:\s | error:\s | ERROR:\s | E:\s | npm\s(?:ERR!|error)\s | curl:\s\(\d+\)
      | make(?:\[\d+\])?:\s\*\*\*\s | panic:\s | Segmentation\ fault | Killed$ | Terminated$
      | error\[E\d+\] | error:?\ could\ not | Error:\s | ssh:\s | rsync\ error:\s
      | (?:[\w.]+\.)?\w*(?:Error|Exception)(?::\s.*)?$ | KeyboardInterrupt$ | SystemExit:\s
      | =+\ .*\b\d+\ (?:failed|errors?)\b.*=+$ | FAILED\ \( | FAIL\t? | BUILD\ FAILED
      | (?:/\S*/)?(?:ba|z|da|k)?sh:\s.*\b(?:command\ not\ found|not\ found|
            [Pp]ermission\ denied|[Nn]o\ such\ file\ or\ directory)\b
      | \S+:\ (?:line\ )?\d+:\s.*:\ (?:command\ )?not\ found$
      | \S+:\ command\ not\ found$ | command\ not\ found:\s
      | \S+:\ .*\bNo\ module\ named\b
      | jq:\ error | psql:\ error | sqlite3?:\ Error | Error:\ in\ prepare
      | (?:\w+\ )?[Pp]arse\ error\b | [Ss]yntax\ error\b | Found\ [1-9]\d*\ errors?\b
      | Tests?:\s+[1-9]\d*\ failed | Cannot\ | Can't\ | Could\ not\ | Couldn't\s
      | Unable\ to\ | Failed\ to\s
    )""",
    re.X,
)
"""Lines that programs print when they give up; believed among the last lines."""
_WEAK = re.compile(
    r"""^\S.{0,60}:\s.*\b(?:
        No\ such\ file\ or\ directory | Permission\ denied | Is\ a\ directory | Not\ a\ directory
      | No\ space\ left\ on\ device | Read-only\ file\ system | Operation\ not\ permitted
      | Connection\ refused | Name\ or\ service\ not\ known | invalid\ option | unexpected\ end
      | cannot | can't | could\ not | couldn't | unable\ to | not\ recoverable | not\ recognized
    )\b""",
    re.X | re.I,
)
"""`program: complaint`, often about one of many things; believed where nothing else was printed,
or where it comes last and from a program of the command line."""
_STRONG_WITHIN = 4
"""Last lines among which a strong sign counts: hints often follow it."""


def hidden_failure(text: str, command: str) -> bool:
    """Whether a command that reported no failure ends in one all the same.

    Args:
        text: What it printed.
        command: Its command line; empty where that is not known.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return False
    if not command:
        return _gives_up(lines) or all(_WEAK.match(line) for line in lines)
    programs = {family.program for family in families(command)}
    if not programs or not hides_exit_code(command):
        return False
    by_a_program = [line.split(":")[0] in programs and _WEAK.match(line) for line in lines]
    if shows_files(command):  # only what these programs say of themselves is not content
        return bool(by_a_program[-1])
    return _gives_up(lines) or bool(by_a_program[-1]) or all(_WEAK.match(line) for line in lines)


def _gives_up(lines: list[str]) -> bool:
    return any(_STRONG.match(line) for line in lines[-_STRONG_WITHIN:])


def told_exit_code(text: str, command: str) -> int:
    """Return the exit code that the command line itself printed (`...; echo rc=$?`), or 0."""
    told = (
        re.search(r"\b(\d{1,3})\s*$", text)
        if re.search(r"echo [^;&|]*\$\?[\"']?$", command)
        else None
    )
    return int(told[1]) if told else 0
