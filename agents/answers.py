"""Answers to what a user asks about finished work, each from a look at the workspace.

What fits is found by the words of the question: how to run it, what was left out, what became of
odd rows, where a figure comes from. Every way of answering makes its own tool calls and quotes
what they show; it returns "" where it has nothing to say, and the next one is tried. An answer
that was given before is not given again.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ise_env.tasks.kit import Solution, SubGoal, ToolReply
from ise_env.tasks.steps import last_line, plural, sh

Way = Callable[["Asked"], Solution]

_PATH = re.compile(r"(?<![\w/.])[\w][\w.-]*(?:/[\w.-]*\w)+/?|(?<![\w/.])\w[\w-]*\.[a-z]\w{1,5}\b")
_QUOTED = re.compile(r"“([^”]+)”")
_MAX_QUOTE = 100
_DOES = r"^(if|for|while|with|try|print|main|sys|raise|assert|[a-z_.]+[(])"
"""A line of Python that does something when the file is run."""


@dataclass(frozen=True)
class Asked:
    """One question about a finished sub-goal.

    Attributes:
        text: The user's words.
        goal: What it is about.
        folder: The task's own folder.
        review: Starts the kit's own look at the result.
        told: What the agent said so far.
    """

    text: str
    goal: SubGoal
    folder: str
    review: Callable[[], Solution]
    told: Collection[str] = ()

    @property
    def path(self) -> str:
        """The path that the question names, else the first result; "" where there is none."""
        named = paths_in(self.text)
        ours = [p for p in named if p in self.goal.artifacts]
        known = ours or [p for p in named if "/" in p and p.startswith(f"{self.folder}/")]
        return (known or [*self.goal.artifacts, ""])[0]


def paths_in(text: str) -> list[str]:
    """What looks like a path in a message, quotations left out."""
    return [m.group().rstrip("/") for m in _PATH.finditer(_QUOTED.sub(" ", text))]


def answer(asked: Asked) -> Solution:
    """Look, and answer in words that fit the question and were not said before."""
    known = ""
    for way in _ways(asked.text):
        words = yield from way(asked)
        if words and words not in asked.told:
            return words
        known = known or words
    return (yield from _unchanged(asked, known))


def _ways(text: str) -> list[Way]:
    """Ways of answering, the one that fits best first."""
    bare = _QUOTED.sub(" ", text)
    quoted = _QUOTED.search(text)
    if quoted and quoted[1][:1].isdigit():
        return [_figure, _review, _content, _history]
    fitting = [way for pattern, way in _FITS if re.search(pattern, bare, re.IGNORECASE)]
    return [*dict.fromkeys([*fitting[:2], _review, _content, _history])]


def whereabouts(path: str, goal: SubGoal) -> Solution:
    """Look for something that the user misses and that is no result: where it is, if anywhere."""
    name = posixpath.basename(path)
    (there,) = yield sh(f"find . -name {_q(name)} -not -path '*/.git/*' | head -n 3")
    places = [line.removeprefix("./") for line in _lines(there)]
    if places:
        return f"{name} is here: {' and '.join(f'`{place}`' for place in places)}."
    results = f" The result is {' and '.join(goal.artifacts)}." if goal.artifacts else ""
    return f"There is no {path}, and you did not ask for one.{results}"


# -- ways of answering ---------------------------------------------------------------------------


def _review(asked: Asked) -> Solution:
    """The kit's own look; where a call in it fails, that is the answer."""
    review = asked.review()
    try:
        step = next(review)
        while True:
            replies = yield step
            failed = [reply for reply in replies if reply.failed]
            step = review.send(replies)
    except StopIteration as stop:
        words = str(stop.value)
        seen = last_line(failed[-1].text)[:_MAX_QUOTE] if failed else ""
        if failed and ("(Command " in words or seen not in words):
            return f"I looked again, and something is not right there: {_quote(seen)}"
        return words


def _recounted(asked: Asked) -> Solution:
    """What somebody who counted otherwise needs: all lines, and those that are not blank."""
    path = asked.path
    if not path:
        return ""
    (counts,) = yield sh(f"wc -l < {_q(path)} && grep -c . {_q(path)}")
    numbers = counts.text.split()
    if len(numbers) != 2 or not all(n.isdigit() for n in numbers):
        return ""
    blank = int(numbers[0]) - int(numbers[1])
    rest = f", {blank} of them blank" if blank > 0 else ", none of them blank"
    return f"I counted {path} again: {plural(int(numbers[0]), 'line')}{rest}."


def _content(asked: Asked) -> Solution:
    """How much there is, and how it begins and ends."""
    path = asked.path
    if not path:
        return ""
    (kind,) = yield sh(f"test -d {_q(path)} && echo folder || wc -l < {_q(path)}")
    if "folder" in kind.text:
        (names,) = yield sh(f"find {_q(path)} -type f | sort")
        lines = _lines(names)
        some = ", ".join(f"`{posixpath.relpath(n, path)}`" for n in lines[:3])
        more = " and others" if len(lines) > 3 else ""
        return f"{path} holds {plural(len(lines), 'file')}: {some}{more}." if lines else ""
    if kind.failed or not kind.text.strip().isdigit():
        return f"I cannot open {path}: {_first(kind)}"
    (shown,) = yield sh(f"grep . {_q(path)} | sed -n '1p;$p'")
    lines = _lines(shown)
    if not lines:
        return f"{path} is empty."
    size = plural(int(kind.text), "line")
    if len(lines) == 1:
        return f"{path} has {size}, it reads {_quote(lines[0])}."
    return f"{path} has {size}, from {_quote(lines[0])} to {_quote(lines[-1])}."


def _left_out(asked: Asked) -> Solution:
    """What the request or the rules beside the data say about what stays out, and what is in."""
    clause = _clause(
        asked.goal.request, r"\b(nothing (else|that)|only|stay out|reject|no valid|leav(e|ing))\b"
    )
    size = yield from _size(asked)
    if clause:
        return f"I kept to your words “{clause}”. {size}".strip()
    rule = yield from _rule(asked, "only|never|not|except|without|reject|skip|unless|out")
    if rule:
        return f"I kept to what is written there, {rule}. {size}".strip()
    return f"I left nothing out on my own account. {size}".strip() if size else ""


def _odd_rows(asked: Asked) -> Solution:
    """Rows that come twice, and the rule for odd ones."""
    path = asked.path
    if not path:
        return ""
    (twice,) = yield sh(f"test -f {_q(path)} && sort {_q(path)} | uniq -d | head -n 3")
    if twice.failed:
        return ""
    rows = [line for line in _lines(twice) if line.strip(" {}[],")]
    found = f"{_quote(rows[0])} occurs more than once" if rows else "no line occurs twice"
    rule = yield from _rule(
        asked, "duplicate|twice|more than once|missing|empty|unknown|reject|odd"
    )
    clause = _clause(asked.goal.request, r"\b(more than once|missing|no valid|reject|no longer)")
    because = f" I went by your words “{clause}”." if clause else ""
    because = f" For odd entries I went by {rule}." if rule else because
    return f"In {path} {found}.{because}"


def _how_to_run(asked: Asked) -> Solution:
    path = asked.path
    if not path.endswith((".sh", ".py")):
        return ""
    look = f"ls -l {_q(path)}; grep -nE '^# |[$][1-9@]|argv' {_q(path)} | head -n 3"
    if path.endswith(".py"):
        look += f"; grep -qE {_q(_DOES)} {_q(path)} || echo only definitions"
    (mode,) = yield sh(look)
    lines = [line for line in _lines(mode) if not line.startswith("(Command")]
    if not lines or "No such file" in mode.text:
        return ""
    if lines[-1] == "only definitions":
        return f"{path} does nothing when it is run: it is a module, for others to import."
    program = (
        path if "x" in lines[0][:4] else f"{'sh' if path.endswith('.sh') else 'python3'} {path}"
    )
    takes = [_unnumbered(line) for line in lines[1:]]
    more = f" It takes its arguments here: {_quote(takes[-1])}" if takes else ""
    return f"Call it as `{program}`.{more}"


def _tried(asked: Asked) -> Solution:
    words = yield from _review(asked)
    return (
        f"Yes, I have just run it again. {words}" if asked.path.endswith((".sh", ".py")) else words
    )


def _on_failure(asked: Asked) -> Solution:
    """The lines in which a program gives up."""
    path = asked.path
    if not path.endswith((".sh", ".py")):
        return ""
    (shown,) = yield sh(
        f"grep -nE 'exit|raise|return [^#]*|>&2|set -e|[|][|]' {_q(path)} | head -n 3"
    )
    lines = [line for line in _lines(shown) if re.match(r"\d+:", line)]
    if shown.failed or not lines:
        return f"{path} has no lines of its own for that; it stops where a command in it fails."
    number, _, line = lines[-1].partition(":")
    return f"That is decided on line {number} of {path}: {_quote(line.strip())}"


def _figure(asked: Asked) -> Solution:
    """Where a figure in an earlier message comes from."""
    quoted = _QUOTED.search(asked.text)
    words = yield from _review(asked)
    if quoted is None:
        return words
    return f"“{quoted[1]}” is what I counted when I did the work. {words}"


def _purpose(asked: Asked) -> Solution:
    size = yield from _size(asked)
    if not asked.path or not size:
        return ""
    if asked.path in asked.goal.artifacts:
        return f"It is part of the result of {asked.goal.label}, so keep it. {size}"
    return f"It came with {asked.goal.label}; you did not ask for it as such. {size}"


def _sources(asked: Asked) -> Solution:
    """The seeded files of the task that the request names."""
    named = dict.fromkeys(fact.value for fact in asked.goal.facts if "/" in fact.value)
    others = [path for path in named if path not in asked.goal.artifacts]
    if not others:
        return ""
    (listed,) = yield sh(f"ls -d {' '.join(map(_q, others))}")
    there = [line for line in _lines(listed) if line in others]
    if not there:
        return ""
    words = yield from _review(asked)
    return f"It rests on {' and '.join(there)}, nothing else. {words}"


def _history(asked: Asked) -> Solution:
    """The last commits, where the work was on a repository."""
    if not re.search(r"\b(repository|commit|branch|git)\b", asked.goal.request):
        return ""
    (log,) = yield sh("git log --oneline -n 3", workdir=asked.folder)
    lines = _lines(log)
    if log.failed or not lines:
        return ""
    return f"The last commits in {asked.folder}, newest first: {'; '.join(map(_quote, lines))}."


def _unchanged(asked: Asked, known: str) -> Solution:
    """The last resort: it is as it was when it was looked at before, as was said then."""
    path = asked.path or asked.folder
    look = f"find {_q(path)} -type f -exec sha256sum {{}} + | sort -k 2 | sha256sum | cut -c 1-10"
    (stamp,) = yield sh(look)
    state = f" Its checksum is `{stamp.text.strip()}`." if not stamp.failed else ""
    words = [
        f"Nothing has changed in {path} since I last looked. {known}".strip(),
        f"I looked at {path} once more: the same as before.{state}",
        f"Still the same in {path}; I see nothing that would have to change.",
    ]
    again = f"I have looked at {path} {len(asked.told)} times now, and it stays as it is.{state}"
    return next((w for w in words if w not in asked.told), again)


_FITS: tuple[tuple[str, Way], ...] = (
    (r"\bwhen i count|\b(i|my) count(ed)?\b|\d lines?\b.{0,40}\bnot \d", _recounted),
    (r"\b(verif|check\b|double-check|once more|again|holds up|prove|make sure)", _review),
    (r"\b(how (do|would|can|is|should) .{0,40}\b(run|call|use|start)|to be run|to run it)",
     _how_to_run),
    (r"\b(fails?|failure|rubbish|bad|wrong file|missing\?|absent)", _on_failure),
    (r"\b(tr(y|ied) .{0,40}out|did you (run|try)|executed|which cases|test it)", _tried),
    (r"\b(duplicate|malformed|odd|weird|irregular|looked off)", _odd_rows),
    (r"\b(le(ft|ave) .{0,12}out|omitted|exclu|dropped|throw|skip|not in|outside|left behind"
     r"|stay behind|didn't fit|not make it)", _left_out),
    (r"\b(where.{0,60}\bfrom|based? (on|the)|sources?|draw on|evidence behind|by which rule)",
     _sources),
    (r"\b(last (row|line|record|entry|one)|(what's|what is|what does it) (in|hold)\b|which files"
     r"|how (many|long))", _content),
    (r"\b(what is it for|purpose|need(ed)?\b|retained|keep|intermediate|what's (this|[\w-]+[/.]))",
     _purpose),
    (r"\b(how many|what exactly|hold|complete|all of it|whole lot|that everything|every file"
     r"|tell me what's in|what it holds)", _content),
)  # fmt: skip
"""Words of a question, and the way of answering that fits them."""


# -- what they are made of -----------------------------------------------------------------------


def _size(asked: Asked) -> Solution:
    """How much there is now, as a sentence; "" where that cannot be said."""
    path = asked.path
    if not path:
        return ""
    (shown,) = yield sh(
        f"if [ -d {_q(path)} ]; then find {_q(path)} -type f | wc -l; else wc -l < {_q(path)}; fi"
    )
    count = shown.text.strip()
    if shown.failed or not count.isdigit():
        return ""
    unit = "line" if re.search(r"\.\w+$", path) or "/" not in path else "file"
    return f"{path} has {plural(int(count), unit)}."


def _rule(asked: Asked, words: str) -> Solution:
    """A line of the rules beside the data that has one of the words: `` `line` in path ``."""
    look = f"grep -HinE -m 3 '^[^#].*({words})' {_q(asked.folder)}/*.md"
    (shown,) = yield sh(f"ls {_q(asked.folder)}/*.md >/dev/null 2>&1 && {look} || true")
    for line in _lines(shown):
        match = re.match(r"([^:]+\.md):(\d+):(.+)", line)
        if match and match[1] not in asked.goal.artifacts:
            name = posixpath.basename(match[1])
            return f"what {name} says on line {match[2]}, {_quote(match[3].strip(' -*'))}"
    return ""


def _clause(request: str, pattern: str) -> str:
    """The clause of a request that has one of the words; "" if none does."""
    for clause in re.split(r"[;,:]\s|\sand\s(?=leav|tell)", request):
        if re.search(pattern, clause, re.IGNORECASE) and len(clause) < 140:
            return re.sub(r"^(but|and|where|so that) ", "", clause.strip())
    return ""


def _lines(reply: ToolReply) -> list[str]:
    return [line for line in reply.text.splitlines() if line.strip() and line != "(no output)"]


def _first(reply: ToolReply) -> str:
    return (_lines(reply) or ["nothing came back"])[0]


def _quote(line: str) -> str:
    line = line.strip().replace("`", "'")
    return f"`{line if len(line) <= _MAX_QUOTE else line[: _MAX_QUOTE - 1] + '…'}`"


def _unnumbered(line: str) -> str:
    return re.sub(r"^\d+:\s*", "", line)


def _q(path: str) -> str:
    return shlex.quote(path)
