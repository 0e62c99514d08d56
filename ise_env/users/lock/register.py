"""Register matching: the user goes on writing as this person writes.

Length, language, markup and tone, against the persona and their own earlier turns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ise_env.users.digest import mentioned
from ise_env.users.language import language_of
from ise_env.users.lock.scene import Scene, Violation, without, words
from ise_env.users.protocol import UserTurn

_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+\S", re.M)
_BULLETS = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+\S", re.M)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_TABLE = re.compile(r"^\s*\|.+\|\s*$", re.M)
_RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|={3,})\s*$", re.M)
_LINK = re.compile(r"\[[^\]\n]+\]\([^)\n]+\)")
_EMOJI = re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF\u2B50\u2705\u274C]")
_LETTER = re.compile(
    r"\b(?:(?:best|kind|warm|many) regards|sincerely|yours (?:truly|faithfully)|cheers)\s*,\s*\n"
    r"|^\s*dear (?:assistant|sir|madam|all|team)\b|\[(?:your )?name\]|^subject\s*:",
    re.I | re.M,
)
_BROKEN = frozenset({"Cc", "Cn", "Co", "Cs"})
_WORDLIKE = re.compile(
    r"^\W*(?:[^\W\d_]{0,4}|(?=[^\W\d_]*[aeiouyà-ü])[^\W\d_]+)(?:['’-][^\W\d_]+)*\W*$"
    r"|^\W*\d+(?:[.,:]\d+)*\W*$",
    re.I,
)
_SLANG = re.compile(
    r"\b(?:gonna|wanna|gotta|lemme|lol|lmao|omg|dude|bro|nah|yep|yeah|ain't|y'all|kinda|sorta|btw"
    r"|thx|pls|u r|ur|wtf|haha)\b",
    re.I,
)
_STIFF = re.compile(
    r"\b(?:kindly|hereby|herewith|pursuant|aforementioned|hence|whilst|henceforth|i trust this"
    r"|i should be (?:grateful|obliged)|at your earliest convenience|delighted|commendable"
    r"|exemplary|leverage|seamless(?:ly)?|robust|comprehensive overview|delve|tapestry)\b",
    re.I,
)


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of register matching that a turn breaks."""
    goal, style = scene.goal, scene.register
    own = (goal.request, scene.answer, scene.context, *(f.value for f in goal.facts))
    text = without(turn.message, own)
    limit = most_words(turn, scene)
    if not turn.message.strip() or len(words(turn.message)) > limit:
        yield too_long(limit)
    found = language_of(text)
    expected = language_of(" ".join(scene.earlier[-3:])) or style.language
    if found and found != expected:
        yield Violation("register.language", "Go on in the language of the conversation.")
    if _illegible(text):
        yield Violation("register.legible", "Write words that a person would type.")
    if _markup(text, lists=style.lists, emoji=style.emoji):
        yield Violation(
            "register.markup", "Plain text as typed in a chat: no headings, lists, bold or tables."
        )
    if _off_tone(text, scene):
        why = "Keep the tone of your earlier messages."
        yield Violation("register.tone", why, certain=False)


def most_words(turn: UserTurn, scene: Scene) -> int:
    """How many words a turn may have at most, as this person writes."""
    limit = max(scene.register.most_words * 3 // 2, 30)
    if turn.act in ("request", "correct", "change_mind"):
        limit += len(words(scene.goal.request)) + len(words(scene.context)) // 2
    return limit + len(words(scene.answer))


def too_long(limit: int) -> Violation:
    """That a turn has more than so many words, or as many letters as if it had."""
    return Violation(
        "register.length", f"Write one short message, at most {limit} words, as this person."
    )


def _illegible(text: str) -> bool:
    """Noise rather than language: broken characters, scripts mixed at random, no words."""
    if any(unicodedata.category(c) in _BROKEN for c in text if c not in "\n\t") or "�" in text:
        return True
    scripts = {
        unicodedata.name(c, "?").split(" ")[0] for c in text if c.isalpha() and c not in "ªº"
    }
    if len(scripts - {"CJK", "HIRAGANA", "KATAKANA", "MODIFIER"}) > 2:
        return True
    if scripts - {"LATIN"}:
        return False
    tokens = [t for t in text.replace("…", " ").split() if any(c.isalnum() for c in t)]
    tokens = [t for t in tokens if not mentioned(t)]
    return sum(_WORDLIKE.search(token) is not None for token in tokens) * 2 < len(tokens)


def _markup(text: str, *, lists: bool, emoji: bool) -> bool:
    shapes = (_HEADING, _BOLD, _TABLE, _RULE, _LINK)
    if any(shape.search(text) for shape in shapes):
        return True
    if len(_BULLETS.findall(text)) > (4 if lists else 1):
        return True
    return len(_EMOJI.findall(text)) > (3 if emoji else 1)


def _off_tone(text: str, scene: Scene) -> bool:
    before = " ".join(scene.earlier)
    voice = scene.register.voice
    if _LETTER.search(text) and not _LETTER.search(before):
        return True
    if voice == "formal" and _SLANG.search(text) and not _SLANG.search(before):
        return True
    stiff = len(_STIFF.findall(text))
    return voice in ("casual", "terse") and stiff >= 2 and not _STIFF.search(before)
