"""What a shell command is about: its program, its verb, the things it names.

A reading for labels, not a shell: it looks at words, never at values, and gives up (returns
nothing) where quoting does not close. Used to tell whether a later command is another try at
the same thing, and whether a command line can hide the exit code of its parts.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_SEPARATORS = frozenset({";", "&&", "||", "|", "|&", "&", "\n", ";;", "(", ")"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_WRAPPERS = frozenset(
    {"sudo", "env", "time", "timeout", "nohup", "nice", "command", "exec", "stdbuf", "xargs"}
)
_PREPARATION = frozenset(
    {
        "cd",
        "export",
        "set",
        "source",
        ".",
        "pushd",
        "popd",
        "umask",
        "unset",
        "alias",
        "ulimit",
        "tee",
    }
    | {"echo", "printf", "true", "false", ":", "sleep", "wait", "if", "then", "else", "fi"}
    | {"for", "do", "done", "while", "case", "esac", "{", "}", "!", "[", "[[", "test"}
)
"""Words that lead a simple command but are not what the line is for."""
_VERBS = frozenset(
    {"git", "pip", "npm", "npx", "yarn", "pnpm", "apt", "apt-get", "brew", "cargo", "go", "docker"}
    | {"podman", "kubectl", "systemctl", "service", "uv", "poetry", "conda", "gem", "bundle"}
    | {"ise", "gh", "crontab", "openclaw", "dotnet", "terraform", "helm", "hg", "svn"}
)
"""Programs whose first operand says what is done."""
_WHOLE = frozenset({"pytest", "unittest", "tox", "nox", "make", "ninja", "cmake", "mypy", "ruff"})
"""Programs that mean everything when they are given nothing."""
_INTERPRETERS = frozenset({"python", "node", "bash", "sh", "ruby", "perl", "Rscript", "php"})
_TAKES_VALUE = {"git": frozenset({"-c", "-C", "-m", "--message", "--author", "--date"})}
"""Options whose next word is a value and names nothing."""
_MODE_FIRST = frozenset({"chmod", "chown", "chgrp"})
"""Programs whose first operand says how, not what."""
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?([^\n]*)\n.*?^\s*\1\s*$", re.S | re.M)
"""Text handed to a command, which is no command itself."""
_HIDING = frozenset({";", "||", "|", "|&", "&", "\n"})
_SHOWS_FILES = frozenset(
    {"cat", "tail", "head", "less", "more", "grep", "egrep", "rg", "zgrep", "awk", "sed", "zcat"}
    | {"journalctl", "dmesg", "strings", "xxd", "nl", "tac", "bat", "jq", "cut", "sort", "uniq"}
)


@dataclass(frozen=True)
class Family:
    """What one simple command is about.

    Attributes:
        program: Name without folder and version (`pip3` and `python -m pip` are `pip`).
        verb: First operand of programs that take one (`git clone`), or an interpreter's script.
        operands: What else it names: base names of its words that are no options.
        sweeping: Whether it means everything when it names nothing (`pytest`, `git commit`).
    """

    program: str
    verb: str
    operands: frozenset[str]
    sweeping: bool
    words: tuple[str, ...] = ()
    """What follows the program, options left out, as it was written."""


def main_family(command: str) -> Family | None:
    """What a line is for: the first command of its last pipeline that is not preparation."""
    last: Family | None = None
    for pipeline in _pipelines(command):
        found = [family for words in pipeline if (family := _family(words)) is not None]
        last = found[0] if found else last
    return last


def families(command: str) -> tuple[Family, ...]:
    """Return what the simple commands of a line are about, preparation left out."""
    found = (_family(words) for words in _simple_commands(command))
    return tuple(family for family in found if family is not None)


def hides_exit_code(command: str) -> bool:
    """Whether a part of the line may fail while the whole exits 0 (`a | b`, `a || b`, `a; b`)."""
    words = _words(command.strip())
    return words is None or any(word in _HIDING for word in words)


def shows_files(command: str) -> bool:
    """Whether the line mainly prints what files hold, so that errors in its output are content."""
    first = next(iter(families(command)), None)
    return first is not None and first.program in _SHOWS_FILES


def _words(command: str) -> list[str] | None:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def _simple_commands(command: str) -> Iterator[list[str]]:
    for pipeline in _pipelines(command):
        yield from pipeline


def _pipelines(command: str) -> Iterator[list[list[str]]]:
    """The simple commands of a line, those that a pipe connects together."""
    words: list[str] = []
    pipeline: list[list[str]] = []
    skip_target = False
    for word in _words(_HERE_DOCUMENT.sub(r"\2", command)) or []:
        if word in _SEPARATORS or word.strip(";&|()\n") == "":
            if words:
                pipeline.append(words)
            if pipeline and word not in ("|", "|&"):
                yield pipeline
                pipeline = []
            words = []
        elif set(word) <= {"<", ">", "&"}:  # a redirection; its target is no operand
            if words and words[-1].isdigit():
                words.pop()
            skip_target = True
            continue
        elif not skip_target:
            words.append(word)
        skip_target = False
    if words:
        pipeline.append(words)
    if pipeline:
        yield pipeline


def _family(words: list[str]) -> Family | None:
    words = _without_wrappers(words)
    if not words or words[0] in _PREPARATION:
        return None
    program, rest = _program(words)
    operands = _operands(program, rest)
    every = tuple(operands)
    verb = ""
    if program in _VERBS or program in _INTERPRETERS:
        verb, operands = (operands[0], operands[1:]) if operands else ("", [])
        verb = posixpath.basename(verb)
    named = frozenset(filter(None, (posixpath.basename(word.rstrip("/")) for word in operands)))
    sweeping = program in _WHOLE or (bool(verb) and program in _VERBS | _INTERPRETERS)
    script = "/" in words[0] and program not in _INTERPRETERS
    return Family(program, verb, named, sweeping or script, every)


def _operands(program: str, rest: list[str]) -> list[str]:
    takes_value = _TAKES_VALUE.get(program, frozenset())
    pairs = zip(["", *rest], rest, strict=False)
    named = [
        word for before, word in pairs if not word.startswith("-") and before not in takes_value
    ]
    return named[1:] if program in _MODE_FIRST else named


def _without_wrappers(words: list[str]) -> list[str]:
    while words:
        if _ASSIGNMENT.match(words[0]):
            words = words[1:]
        elif words[0] in _WRAPPERS:
            wrapper, words = words[0], words[1:]
            while words and (words[0].startswith("-") or words[0][:1].isdigit()):
                words = words[1:]
            if wrapper == "command" and not words:
                return []
        else:
            return words
    return words


def _program(words: list[str]) -> tuple[str, list[str]]:
    """Return the program's plain name and what follows; `python3 -m pip` is `pip`."""
    name = posixpath.basename(words[0])
    plain = re.sub(r"(?<=[a-z])[\d.]+$", "", name) or name
    rest = words[1:]
    if plain == "python" and rest[:1] == ["-m"] and len(rest) > 1:
        return rest[1].split(".")[0], rest[2:]
    if plain in _INTERPRETERS and rest[:1] and rest[0] in ("-c", "-e"):
        return plain, []  # code, not a name: nothing to compare
    return plain, rest
