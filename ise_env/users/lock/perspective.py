"""Perspective lock: the user stays the person who wants something done.

The other side of the table, in three ways: who acts (work on the machine is the assistant's, see
`agency`), who serves (offers, courtesies, reports, recipes), and who knows (of prompts, roles and
the verifier). The user's own request is taken out first: it may say anything. Words of a
technique or of an examination need a source: the request, the agent's text, what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ise_env.users.digest import mentioned
from ise_env.users.language import language_of
from ise_env.users.lock.agency import lexicon, sentences, statement_of, works
from ise_env.users.lock.frames import frames
from ise_env.users.lock.scene import (
    Scene,
    Violation,
    content_words,
    ngrams,
    own_text,
    without,
    words,
)
from ise_env.users.protocol import UserTurn

COPIED_WORDS = 8
_PARTLY, _MOSTLY = 1 / 3, 0.5
"""Shares of a message: less is quoted to reply to it, more is copied, between them it depends."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_TOKEN = re.compile(r"[a-z][a-z-]*[a-z]")
_THINGS = frozenset(
    """file script code folder direct functi report summar test comman config docume csv query
    patch branch commit change fix log data archiv output result repo workspa table column list
    entry entrie row line header task step reques issue proble error draft version copy rest missin
    follow whole remain latest new update correc final first second last next other necess requir
    """.split()
)

RULES = (
    *("offer", "service", "solution", "report", "howto", "code", "tool_call"),
    *("machine", "stage"),
)


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of the perspective lock that a turn breaks."""
    text = own_text(turn.message, scene)
    known = scene.known_lower
    broken = {rule for rule in RULES if _breaks(f"perspective.{rule}", text, scene)}
    things = _THINGS | scene.known_stems
    english = language_of(text) in ("en", "")
    if english and works(text, things, leaving=turn.act == "give_up"):
        broken.add("solution")
    if english and _names_a_technique(text, scene, leaving=turn.act == "give_up"):
        broken.add("howto")
    if turn.act == "give_up" and not _YOU.search(text):
        broken.discard("service")  # who leaves may well handle it alone
    if any(_reports_the_end(s) for s in sentences(text)):
        broken.add("report")
    thankful = turn.act == "close" and _THANKS.search(text)
    if _WHETHER.search(text):
        broken.discard("report")
    if scene.content and (thankful or turn.act == "request"):
        broken.discard("report")  # what is believed done may be called so
    yield from (frames()[f"perspective.{rule}"].violation for rule in sorted(broken))
    leaks = frames()["perspective.verifier"]
    meta = any(t not in known for t in _TOKEN.findall(text.lower()) if t in lexicon("meta"))
    if meta or any(not _has_a_source(m.group(), scene) for m in leaks.pattern.finditer(text)):
        yield leaks.violation
    copied = _copied(without(turn.message, [scene.goal.request]), scene)
    if copied > _PARTLY:
        yield Violation(
            "perspective.copy",
            "Use your own words; do not repeat the assistant's sentences.",
            certain=copied > _MOSTLY,
        )


def _breaks(rule: str, text: str, scene: Scene) -> bool:
    found = (m.group().strip().lower() for m in frames()[rule].pattern.finditer(text))
    return any(
        said not in scene.known_lower or not said.strip(" .!?:,…")
        for said in found
        if not (rule == "perspective.machine" and _is_a_profession(said, scene))
    )


def _has_a_source(found: str, scene: Scene) -> bool:
    """Whether others have spoken of that before, if only in a neighbouring form."""
    if found.lower() in scene.known_lower:
        return True
    telling = [w for w in words(found) if w[0].isdigit() or content_words(w)]
    return bool(telling) and all(w in scene.figures or scene.is_known(w) for w in telling)


def _is_a_profession(found: str, scene: Scene) -> bool:
    """Whether it is the persona's own: `I am a dental assistant`, `a machine learning engineer`."""
    return found.startswith("i") and " ".join(found.split()[-2:]) in scene.persona.lower()


def _names_a_technique(text: str, scene: Scene, *, leaving: bool) -> bool:
    """Whether a statement or an order says how it is done, in words that nobody used before.

    Who leaves may say in any words what was too much for them, or how they will do it alone.
    """
    for sentence in sentences(text):
        if leaving and _OWN.search(sentence):
            continue
        for token in _TOKEN.findall(statement_of(sentence).lower()):
            if token in lexicon("technique") and not scene.is_known(token):
                return True
    return False


def _reports_the_end(sentence: str) -> bool:
    """Whether a statement says that work is finished, without holding it against somebody."""
    found = _FINISHED.search(statement_of(sentence))
    return found is not None and not _HELD_AGAINST.search(sentence)


_WHETHER = re.compile(r"\bwhether\b", re.I)
_YOU = re.compile(r"\b(?:you|your|u)\b", re.I)
_OWN = re.compile(r"\b(?:i|me|my|myself|we|our)\b", re.I)


_FINISHED = re.compile(
    r"(?:\b(?:is|are|was|were|be)|'s|'re) (?:now |all |finally |already |fully )*"
    r"(?:set\b(?! (?:to|in|at|by))|finished|completed?|done|ready|sorted"
    r"|in (?:good )?(?:shape|hands|place)|good to go|taken care of|up and running)\b"
    r"|\bcan be ticked off\b",
    re.I,
)
_HELD_AGAINST = re.compile(
    r"n't\b|\b(?:you|it|they|message|text|summary) (?:say|said|says|claim\w*|told|tell|wrote|call)"
    r"|\b(?:not|never|when|once|if|until|till|before|whether|as soon as|after|hope|wish|want|need"
    r"|like|should|must|supposed|think|sure|thought|far from|nearly|almost|tell me|hardly|half"
    r"|me know|how|what|i'm|i am|we're|which|wait\w*)\b",
    re.I,
)
_THANKS = re.compile(
    r"\b(?:thank|thanks|thx|ty|bye|cheers|all i|needed|good|great|perfect|nice)\b(?! news)", re.I
)


def _copied(message: str, scene: Scene) -> float:
    """How much of a message is the assistant's, in words."""
    agent = _of_one_word("\n".join([scene.digest.agent_text, *scene.heard[-3:]]))
    message = _of_one_word(message)
    said = words(message)
    whole = [words(s) for s in (*_SENTENCE.split(agent), *sentences(agent))]
    heads = "\n".join(head for _, head in scene.digest.heads)
    ours = _of_one_word("\n".join([scene.own_words, heads, scene.utterance]))
    runs = [tuple(theirs) for theirs in whole if len(theirs) > 3]
    runs += ngrams(agent, COPIED_WORDS) - ngrams(ours, COPIED_WORDS)
    copied: set[int] = set()
    for run in runs:
        for at in range(len(said) - len(run) + 1):
            if tuple(said[at : at + len(run)]) == run:
                copied.update(range(at, at + len(run)))
    return len(copied) / max(len(said), 1)


def _of_one_word(text: str) -> str:
    """The text with every path as one word, as it is for whoever types it."""
    for path in sorted(mentioned(text), key=len, reverse=True):
        text = text.replace(path, "".join(c for c in path if c.isalnum()))
    return text
