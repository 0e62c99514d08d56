"""Splitting a plain utterance into steps, by rules, when no kit says what the steps are.

Sentences and "then / finally / before" clauses become sub-goals without checks; sentences that
ask for nothing become context. Any text gives at least one sub-goal and at most `MAX_STEPS`,
and no word of a request is lost.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources

from ise_env.intents.model import Intent, Pieces, Step
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.digest import mentioned

MAX_STEPS = 8
NAMELESS = "that step"
"""Label of a request from which no noun phrase can be read."""

_ENDS = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=\S)|(?<=[。！？；])\s*|\n\s*\n")
_ABBREVIATION = re.compile(
    r"\b(e\.g|i\.e|etc|vs|mr|mrs|ms|dr|st|no|fig|approx|inc|ltd|dept)\.$", re.I
)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]+", re.M)
_CLAUSE = re.compile(r"[,;]\s*(?:and\s+)?(?:then|after that|afterwards|finally|next)[\s,]+", re.I)
_AND_VERB = re.compile(r"[,;]\s*(?:and|then)\s+(?=(?:please\s+)?([a-z]+)\b)")
_CLAUSE_CJK = re.compile(r"[，,；]\s*(?=(然后|接着|最后|再|之后|并且))")
_LEADING = re.compile(
    r"^(?:(?:and|so|also|then|next|finally|lastly|ultimately|first(?:ly)?|second(?:ly)?"
    r"|third(?:ly)?|after that|afterwards|to (?:start|begin)(?: with)?|please|kindly"
    r"|(?:can|could|would|will) you(?: please)?|i(?:'d| would) like you to|i(?:'d| would) like to"
    r"|i (?:also )?(?:need|want) you to|we (?:also )?need you to|you (?:should|must|need to)"
    r"|make sure you|let's|go ahead and)\b[\s,:]*)+",
    re.I,
)
_LEADING_CJK = re.compile(r"^(?:[，,；\s]|请|然后|接着|最后|再|之后|并且|帮我|麻烦你?)+")
_WISH = re.compile(
    r"^(?:i|we)(?:'d| would)?(?: also| really)? (need|want|require|like|have)\b(?: to)?", re.I
)
_ADVERB = re.compile(
    r"^(?:and|also|then|next|finally|lastly|ultimately|first|second|third|after that|overall"
    r"|in the end|at the end|hello|hi|hey|good (?:morning|day|afternoon|evening))\b[\s,:!]*",
    re.I,
)
_AFTER_CLAUSE = re.compile(
    r"^(?:once|when|after|before|based on|if|using|as soon as|with|while|for|in|on|from)\b"
    r"[^,]{3,90},\s*(?:please\s+)?(?:you\s+)?([a-z]+)\b",
    re.I,
)
_HARD_NUMBER = re.compile(
    r"(?<![\w.])(?:v?\d+(?:\.\d+)+|\d{2,}(?:[.,]\d+)?%?|[\w-]+/[\w./-]+)(?![\w])"
)
_STOP = re.compile(
    r"\s+(?:(?:that|which|who|so|for|to|by|from|using|with|via|and|or|into|in|on|at|as|against"
    r"|before|after|when|if|without|where|is|are|was|be|will|has|have|\w+ly"
    r"|\w+ing (?:the|our|my|a|an|all|any|it))\b|of (?:the|our|my|all)\b)|[,;:(]|\.(?:\s|$)"
)
_MAKES = re.compile(
    r"(?:compil|compos|creat|design|develop|draft|draw|generat|mak|outlin|plot|prepar|produc|writ"
    r"|build)(?:e|ing)?$",
    re.I,
)
_NOT_A_THING = re.compile(
    r"(?:its|their|his|her|it|them|sure|what\w*|how|why|which|where|who|down|up|out)\b", re.I
)
_BEFORE_NOUN = re.compile(
    r"^(?:(?:sure|up|out|down|off|over|back|into|through|at|for|on|in|to|by|with|me|us|you|that|this"
    r"|these|those|it|them|the|a|an|all|any|every|each|both|my|our|your|some|of)\b\s*)+",
    re.I,
)


@dataclass(frozen=True)
class Split:
    """An utterance taken apart."""

    context: tuple[str, ...]
    """Sentences that ask for nothing (who the person is, what it is all for)."""
    subgoals: tuple[SubGoal, ...]


def split(utterance: str) -> Split:
    """Take an utterance apart.

    Args:
        utterance: Any text; it is never obeyed, only cut.
    """
    context: list[str] = []
    wishes: list[str] = []
    steps: list[str] = []
    for sentence in _sentences(utterance):
        wish = _WISH.match(_ADVERB.sub("", sentence))
        if _asks(sentence):
            steps += _clauses(sentence)
        elif wish and not steps:
            wishes.append(sentence)
        elif wish:
            steps += _clauses(_as_request(sentence))
        elif steps:
            steps[-1] = f"{steps[-1]}. {sentence.rstrip('.')}"
        else:
            context.append(sentence)
    if steps:
        context += wishes
    else:
        steps = [c for wish in wishes for c in _clauses(_as_request(wish))] or [
            _tidy(" ".join(utterance.split())) or utterance.strip() or "help me"
        ]
        context = context if wishes else []
    return Split(tuple(context), tuple(step(i, s) for i, s in enumerate(_grouped(steps), 1)))


def label(request: str) -> str:
    """A short noun phrase for a request: `generate a concise report that...` -> its object.

    Only for requests that make something: `clean the invoices folder` is about the cleaning, and
    "is the invoices folder done?" would be nonsense, so that stays `that step`.
    """
    clause = _AFTER_CLAUSE.match(request)
    rest = request[clause.start(1) :] if clause else request
    words = rest.split(maxsplit=1)
    if len(words) < 2 or words[0].lower() not in verbs():
        return NAMELESS
    if words[0].lower() in ("start", "begin") and words[1].lower().startswith("by "):
        words = words[1].split(maxsplit=2)[1:] if len(words[1].split()) > 2 else words
    if not _MAKES.match(words[0]) or _NOT_A_THING.match(words[-1]):
        return NAMELESS
    thing = _BEFORE_NOUN.sub("", words[-1])
    thing = _STOP.split(thing, maxsplit=1)[0].strip(" '\"`")
    short = " ".join(thing.split()[:5])
    if len(short) < 3 or not short.isascii():
        return NAMELESS
    return short if short.split()[0].endswith("thing") else f"the {short}"


@functools.cache
def verbs() -> frozenset[str]:
    """Verbs that open an instruction."""
    text = resources.files("ise_env.users").joinpath("data/verbs.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["verbs"])


def _sentences(text: str) -> list[str]:
    parts: list[str] = []
    for part in _ENDS.split(_BULLET.sub("\n\n", text)):
        piece = " ".join(part.split())
        if not piece:
            continue
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {piece}"
        else:
            parts.append(piece)
    return parts


def _asks(sentence: str) -> bool:
    """Whether a sentence asks for something to be done."""
    stripped = _LEADING.sub("", sentence)
    if stripped != sentence and re.match(
        r"(?:please|kindly|(?:can|could|would|will) you)", sentence, re.I
    ):
        return True
    if re.search(r"[，。、]|请|帮|需要", sentence) and not sentence.isascii():
        return True
    first = re.match(r"[A-Za-z]+", stripped)
    if first and first.group().lower() in verbs():
        return True
    clause = _AFTER_CLAUSE.match(stripped)
    if clause and clause.group(1).lower() in verbs():
        return True
    return bool(re.search(r"\b(can|could|would) you\b|\bplease\b", sentence, re.I))


def _clauses(sentence: str) -> list[str]:
    """Cut one asking sentence where another instruction begins."""
    parts = [p for p in _CLAUSE.split(sentence) if p and p.strip()]
    parts = [piece for part in parts for piece in _cut_at_verbs(part)]
    parts = [p for part in parts for p in _CLAUSE_CJK.sub("\n", part).split("\n") if p.strip()]
    return [_tidy(part) for part in parts if _tidy(part)]


def _cut_at_verbs(part: str) -> list[str]:
    pieces, start = [], 0
    for match in _AND_VERB.finditer(part):
        if match.group(1).lower() in verbs() and match.start() - start > 25:
            pieces.append(part[start : match.start()])
            start = match.end()
    pieces.append(part[start:])
    return pieces


def _tidy(clause: str) -> str:
    text = _LEADING_CJK.sub("", _LEADING.sub("", clause.strip())).strip()
    text = re.sub(r"(, )please ", r"\1", text.rstrip(" .!?。！？;；,，"), flags=re.I)
    if re.match(r"[A-Z][a-z]+\b", text) and text.split()[0].lower() in verbs() | _OPENERS:
        text = text[0].lower() + text[1:]
    return text


_OPENERS = frozenset(
    {
        *("once", "when", "after", "before", "based", "if", "using", "as", "with", "while"),
        *("for", "in", "on", "from"),
    }
)


def _as_request(sentence: str) -> str:
    """`I need to finalize the audit` -> `finalize the audit`; `I require X` -> `get me X`."""
    sentence = _ADVERB.sub("", sentence)
    match = _WISH.match(sentence)
    if match is None:
        return _tidy(sentence)
    rest = sentence[match.end() :].strip()
    first = rest.split(maxsplit=1)[0].lower() if rest else ""
    return _tidy(rest if first in verbs() else f"get me {rest}")


def _grouped(steps: list[str]) -> list[str]:
    """At most `MAX_STEPS`: neighbours are joined, the shortest pairs first."""
    steps = list(steps)
    while len(steps) > MAX_STEPS:
        sizes = [len(a) + len(b) for a, b in itertools.pairwise(steps)]
        at = sizes.index(min(sizes))
        steps[at : at + 2] = [f"{steps[at]}; {steps[at + 1]}"]
    return steps


def details(text: str) -> list[str]:
    """Paths, versions and figures in a text, each once."""
    found = mentioned(text) + _HARD_NUMBER.findall(text)
    return list(dict.fromkeys(value for value in found if value in text))


def stored(intent: Intent) -> Split | None:
    """The split that is stored with an intent; None where there is none."""
    if intent.pieces is None:
        return None
    goals = [step(n, s.request, s.label) for n, s in enumerate(intent.pieces.steps, 1)]
    return Split(intent.pieces.context, tuple(goals))


def with_pieces(intent: Intent, found: Split, model: str | None) -> Intent:
    """Store a split with its intent.

    Args:
        intent: One without kits.
        found: Its utterance taken apart.
        model: Who took it apart; None for the rules.
    """
    steps = tuple(Step(request=g.request, label=g.label) for g in found.subgoals)
    pieces = Pieces(context=found.context, steps=steps, model=model)
    return intent.model_copy(update={"pieces": pieces})


def step(number: int, request: str, name: str | None = None) -> SubGoal:
    """The sub-goal without checks that a clause of an utterance becomes.

    Args:
        number: Its place, from 1.
        request: The clause.
        name: What to call it; read from the clause when None.
    """
    facts = tuple(
        Fact(f"u.s{number}.f{i}", value) for i, value in enumerate(details(request)[:12], 1)
    )
    return SubGoal(f"u.s{number}", request, name or label(request), facts)
