"""Who acts: whether a text has its speaker work on the machine.

A user asks, looks, waits and decides; the assistant works. So the verbs that "I" may have are an
allow-list (`own_verbs` in `lexicon.toml`), and every other verb in a tense that reports or
announces is work, if it is done to something of the workspace or for the other side. Wishes,
duties and subordinate clauses ("before I publish it") are no reports.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

_SENTENCE = re.compile(r"(?<=[.!?;:])[\"')\]]*\s+|\n+|\s[–—]\s|\s-\s")
_CONTRACTED = (
    (r"\b(i|we)'?ve\b", r"\1 have"),
    (r"\b(i|we)'ll\b|\b(i)ll\b", r"\1\2 will"),
    (r"\b(i)'?m\b|\bwe're\b", r"i am"),
    (r"\b(i|we)'d\b|\b(i)d\b", r"\1\2 would"),
    (r"\b(?:gone|went|go) ahead (?:and|with)\b", r""),
    (r"\b(?:have |i've )?(?:took|taken) the liberty (?:of|to)\b", r"will"),
    (r"\b(gonna|gotta)\b", r"going to"),
    (r"\bya\b|\bu\b", "you"),
    (r"\bur\b", "your"),
)
_WORD = re.compile(r"…|[^\W_][\w./@'’-]*[^\W_]|[^\W_]")
_ADVERBS = frozenset(
    "just now also already then first successfully finally quickly simply actually really"
    " so even still only carefully manually directly immediately promptly gladly happily once again"
    " personally right away kindly duly since properly fully all both".split()
)
_DUTY = frozenset(
    "need needs have has want like love prefer hope plan try had ought supposed".split()
)
_FUTURE = frozenset("will shall can could would might may".split())
_SUBORDINATE = frozenset(
    "before until till so that when once after if which what how whether because since as"
    " where unless than whatever things thing who everything anything something why all"
    " reason".split()
)
_DETERMINERS = frozenset("the a an your all both every each these those this that any some".split())
_OPENERS = frozenset(
    "ok okay sure great alright right done yes yep certainly understood absolutely perfect good"
    " fine well thanks so and then cool noted hi hello sorry oh ah hey".split()
)
_CLAUSE = frozenset("it they you i we he she so and now then for with in to from but".split())
_INVERTED = frozenset("did do should can could may am would will have shall".split())
_SERVING = frozenset(
    "for to with ping notify update inform help assist show send guide support keep walk give get"
    " let bring provide message email text brief".split()
)
_PARTICIPLES = frozenset("done run gone begun come become put set cut split read".split())
_OTHERS = frozenset("it that this you the there they your he she somebody someone".split())
_NAMES_A_THING = frozenset(
    "the a an your all both every each these those this that any some you it they was were is are"
    " be been not got get being he she who of in to as have has had my how".split()
)
"""What comes before a participle that is part of a noun phrase or of another clause."""
_IRREGULAR_PAST = frozenset(
    "ran wrote put set built rebuilt made did found redid undid rewrote reran split cut overwrote"
    " sent got gave took went left kept said told saw thought brought began came".split()
)
_SAME_IN_BOTH = frozenset("put set split cut read".split())
"""Past tenses that are imperatives as well, which is what they are without a subject."""
_OTHER_TIME = re.compile(
    r"\b(?:yesterday|ago|last (?:\w+)|earlier (?:today|this)|this morning|the other day|back then"
    r"|once|years?|originally|before that|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|used to"
    r"|at home|by hand|in (?:19|20)\d\d)\b"
)
_QUESTION = re.compile(
    r"\W*(?:(?:so|and|but|ok|okay|then|or|hm+|well|hey|oh)\W+)*(?:what(?! an?\b)|which|where|why"
    r"|when|who|whose|how(?! (?:lovely|nice|kind|great|wonderful))|is|are|was|were|did|does"
    r"|do you|has|have you|can|could|would|will (?:it|that|this|you|there|the))\b",
    re.I,
)


@functools.cache
def lexicon(name: str) -> frozenset[str]:
    """A word list of `lexicon.toml`."""
    text = resources.files(__package__).joinpath("lexicon.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    return frozenset(data[name].split())


@functools.cache
def _own() -> frozenset[str]:
    return lexicon("own_verbs") | {form for v in lexicon("own_verbs") for form in _forms(v)}


def owned(verb: str) -> bool:
    """Whether a word is a form of a verb that a user may have for what they do themselves."""
    return verb in _own()


_IRREGULAR = {
    "be": "am are is was were been being", "begin": "began begun", "bear": "bore",
    "become": "became", "bring": "brought", "buy": "bought", "catch": "caught",
    "choose": "chose chosen", "come": "came", "do": "did done does", "drink": "drank",
    "drive": "drove", "eat": "ate eaten", "feel": "felt", "find": "found", "fly": "flew",
    "forget": "forgot forgotten", "forgive": "forgave", "get": "got gotten", "give": "gave given",
    "go": "went gone goes", "hang": "hung", "have": "had has", "hear": "heard", "hold": "held",
    "keep": "kept", "know": "knew known", "leave": "left", "lose": "lost", "make": "made",
    "mean": "meant", "meet": "met", "pay": "paid", "ring": "rang", "say": "said", "see": "saw seen",
    "sell": "sold", "send": "sent", "show": "shown", "sit": "sat", "sleep": "slept",
    "speak": "spoke spoken", "spend": "spent", "stand": "stood", "stick": "stuck",
    "swear": "swore", "take": "took taken", "teach": "taught", "tell": "told",
    "think": "thought", "understand": "understood", "wake": "woke",
}  # fmt: skip


def _forms(verb: str) -> Iterator[str]:
    """Inflections, one or two too many: `plan` -> plans, planned, planning, ..."""
    stem = verb.removesuffix("e")
    yield from _IRREGULAR.get(verb, "").split()
    yield from (f"{verb}s", f"{verb}es", f"{stem}ed", f"{stem}ing", f"{verb}ing")
    yield from (f"{verb}{verb[-1]}ed", f"{verb}{verb[-1]}ing")
    if verb.endswith("y"):
        yield from (f"{verb[:-1]}ied", f"{verb[:-1]}ies")
    if verb.endswith("ie"):
        yield f"{verb[:-2]}ying"


@functools.cache
def _exceptions() -> frozenset[tuple[str, ...]]:
    """Own verbs with what makes them work, every form of the verb."""
    found = set()
    for entry in lexicon("not_own"):
        verb, *rest = entry.split("+")
        found |= {(form, *rest) for form in (verb, *_forms(verb))}
    return frozenset(found)


def sentences(text: str) -> list[str]:
    """Sentences and lines, without empty ones."""
    return [s for s in _SENTENCE.split(text) if any(c.isalnum() or c == "…" for c in s)]


def is_question(sentence: str) -> bool:
    """Whether a sentence asks, with or without a question mark."""
    return sentence.rstrip(" )\"'*").endswith(("?", "？")) or _QUESTION.match(sentence) is not None


def statement_of(sentence: str) -> str:
    """What of a sentence is said rather than asked: `I fixed it, all right?` -> `I fixed it`."""
    if not is_question(sentence):
        return sentence
    before = sentence.rpartition(",")[0]
    return "" if is_question(before) else before


def works(text: str, things: frozenset[str], *, leaving: bool = False) -> bool:
    """Whether the speaker reports, announces or offers work on the machine as their own.

    Args:
        text: English; the user's own request replaced by `…`.
        things: Stems of what the workspace is about, by `content_words`: "the kettle" is not of it.
        leaving: Whether they are giving up, when doing it oneself is what people announce.
    """
    return any(_Sentence(s, things).works(leaving=leaving) for s in sentences(text))


def _plain(sentence: str) -> str:
    """Lower case, contractions written out."""
    lower = sentence.lower().replace("’", "'")
    for pattern, plain in _CONTRACTED:
        lower = re.sub(pattern, plain, lower)
    return lower


def _tokens(plain: str) -> list[str]:
    return [token.strip("'") for token in _WORD.findall(plain)]


class _Sentence:
    """One sentence and what the workspace is about."""

    def __init__(self, text: str, things: frozenset[str]) -> None:
        self._plain = _plain(text)
        self._tokens = _tokens(self._plain)
        self._text = text
        self._things = things

    def works(self, *, leaving: bool) -> bool:
        if _OTHER_TIME.search(self._plain):
            return False
        tokens = self._tokens
        subjects = [i for i, t in enumerate(tokens) if t in ("i", "we")]
        if any(self._acts(i, leaving=leaving) for i in subjects):
            return True
        return not leaving and self._elided()

    def _acts(self, at: int, *, leaving: bool) -> bool:
        """Whether the "I" at a position does work; who leaves may do it alone from now on."""
        tokens = self._tokens
        before = tokens[at - 1] if at else ""
        if before in _SUBORDINATE and tokens[0] not in ("so", "and", "then"):
            return False
        if before in _INVERTED:
            return False  # a question; offers in that form are frames of their own
        clause = _verb_after(tokens[at + 1 :])
        if clause is None:
            return False
        aux, verb, after = clause
        if leaving and "will" in aux:
            return _for_you(after)
        reports = bool(aux) or _past(verb) or before == "while"
        if _is_own(verb, after):
            return reports and self._and_works(after)
        if not reports or (aux[-1:] in (["am"], ["was"]) and not verb.endswith("ing")):
            return False
        done = _past(verb) and not {"am", "was"} & set(aux)
        return self._on_the_workspace(after, done=done) or _for_you(after)

    def _and_works(self, after: Sequence[str]) -> bool:
        """Whether an own verb is followed by one that is work: `opened it, changed a line`."""
        return any(
            token.endswith("ed")
            and token not in _own()
            and after[i] not in _NAMES_A_THING
            and self._on_the_workspace(after[i + 2 :])
            for i, token in enumerate(after[1:])
        )

    def _elided(self) -> bool:
        """Whether it reports or announces work without a subject: `Just fixed the header`."""
        rest = _tokens(_plain(statement_of(self._text)))
        while rest and (rest[0] in _OPENERS or rest[0] in _ADVERBS):
            rest = rest[1:]
        if len(rest) < 2:
            return False
        verb, after = rest[0], rest[1:]
        if verb == "will" and after[0] not in _OTHERS:
            return after[0] == "do" or (len(after) > 1 and not _is_own(after[0], after[1:]))
        if verb.endswith("ing") and (verb, after[0]) in _exceptions():
            return True
        if not _past(verb) or verb in _SAME_IN_BOTH or (verb, after[0]) == ("got", "it"):
            return False  # an order, or that it is understood
        if _is_own(verb, after):
            return self._and_works(after)
        return self._on_the_workspace(after, done=True)

    def _on_the_workspace(self, after: Sequence[str], *, done: bool = False) -> bool:
        """Whether an object follows that is something of the workspace.

        What somebody did to a thing (`done`) they did to it here, where it is not said when; what
        they do just now or will do ("putting the kettle on") has to name something of the work.
        """
        rest = [t for t in after if t not in _ADVERBS or t in ("all", "both")]
        rest = rest[1:] if rest[:1] in (["up"], ["out"]) else rest
        if not rest or rest[0] in ("my", "our", "me", "us", "myself"):
            return False
        head, noun = rest[0], rest[1:4]
        if head in ("…", "it", "them", "everything", "your") or "." in head or "/" in head:
            return True
        alone = not noun or noun[0] in _CLAUSE
        if head in ("this", "that", "these", "those", "all", "both") and alone:
            return True
        about = any(t[:6] in self._things or t.rstrip("s")[:6] in self._things for t in noun)
        if head in lexicon("numerals"):
            return True
        return (head in _DETERMINERS or head[0].isdigit()) and (
            (done and head not in ("this", "that")) or about or "…" in noun
        )


def _verb_after(tokens: Sequence[str]) -> tuple[list[str], str, list[str]] | None:
    """Auxiliaries, main verb and what follows; None for wishes, duties, possession, denials."""
    rest, aux = list(tokens), list[str]()
    while rest:
        word = rest[0]
        if word in ("have", "had"):
            following = next((t for t in rest[1:] if t not in _ADVERBS), "")
            if not (_past(following) or following in _PARTICIPLES or following.endswith("en")):
                return None
        going = (word, *rest[1:2]) == ("going", "to") or (*aux[-1:], word) == ("going", "to")
        if not (going or word in _FUTURE or word in ("have", "had", "am", "was", "been")):
            if word not in _ADVERBS:
                break
            rest.pop(0)
            continue
        aux.append(rest.pop(0))
    if not rest:
        return None
    verb = rest[0]
    if verb in _DUTY or verb == "not" or verb.endswith("n't"):
        return None
    if "would" in aux and verb in ("rather", "say", "be", "better"):
        return None
    return aux, verb, rest[1:]


def _is_own(verb: str, after: Sequence[str]) -> bool:
    if tuple(after[:2]) == ("you", "…"):
        return True  # what they know and may tell
    nearest = next((t for t in after if t not in _ADVERBS or t in ("all", "both")), "")
    if any((verb, t) in _exceptions() for t in (nearest, *after[:1])):
        return False
    return verb in _own()


def _past(verb: str) -> bool:
    return verb.endswith("ed") or verb in _IRREGULAR_PAST


def _for_you(after: Sequence[str]) -> bool:
    """Whether it is done for the other side: `send you ...`, `... for you`."""
    pairs = itertools.pairwise(after)
    return after[:1] == ["you"] or any(a in _SERVING and b in ("you", "your") for a, b in pairs)
