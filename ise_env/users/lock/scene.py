"""What the detectors may look at, and what they say.

A detector sees the turn that is to be said and the scene it is said in: the dialogue, the
ledger's plan, the observations. It never sees a check, and never changes a text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ise_env.tasks.kit import SubGoal
from ise_env.users.agent_move import AgentMove
from ise_env.users.protocol import Act, Digest


@dataclass(frozen=True)
class Violation:
    """A rule that a turn breaks."""

    rule: str
    """`<constraint>.<case>`, stable: counted in audits."""
    why: str
    """A sentence to the model that wrote the turn, naming what to do differently."""
    certain: bool = True
    """False of a frame that people use as well: a sign for the classifier to weigh."""


@dataclass(frozen=True)
class Register:
    """How this persona writes, as far as it can be measured."""

    voice: str = ""
    language: str = "en"
    most_words: int = 90
    """Longest usual turn, the request itself left out."""
    lists: bool = False
    """Whether numbered or bulleted lists would be like them."""
    emoji: bool = False


@dataclass(frozen=True)
class Scene:
    """One moment of a dialogue, seen from the user's side."""

    utterance: str
    digest: Digest
    move: AgentMove | None
    """None before the agent has said anything."""
    act: Act
    """What the ledger allows next."""
    goal: SubGoal
    """What the turn has to be about."""
    others: Sequence[SubGoal] = ()
    """Every other sub-goal that was not asked for yet."""
    asked: Sequence[SubGoal] = ()
    """Sub-goals asked for in earlier turns."""
    earlier: Sequence[str] = ()
    """The user's own earlier messages."""
    heard: Sequence[str] = ()
    """The agent's earlier messages."""
    seen: Sequence[str] = ()
    """Paths that the user knows to exist."""
    observed: Sequence[str] = ()
    """Claim lines and paths that the plan points at."""
    persona: str = ""
    """Everything that the persona says of itself."""
    context: str = ""
    """Sentences of the utterance that ask for nothing; free to be used in an opening."""
    register: Register = field(default_factory=Register)
    answer: str = ""
    """What the user knows in answer to the agent's question; '' if nothing."""
    content: bool = False
    """Whether the ledger takes the last result for good: then praise is in order."""

    @property
    def english(self) -> bool:
        """Whether the user writes English, which most frames are made for."""
        return self.register.language in ("en", "")

    @functools.cached_property
    def own_words(self) -> str:
        """What is the user's by right: the request, its label and facts, what they said."""
        goal = self.goal
        facts = " ".join(fact.value for fact in goal.facts)
        return "\n".join([goal.request, goal.label, facts, self.answer, *self.earlier])

    @functools.cached_property
    def known(self) -> str:
        """All text in which a concrete detail may have its source."""
        digest = self.digest
        return "\n".join(
            [
                self.own_words,
                *(goal.request for goal in self.asked),
                *(goal.label for goal in self.others),
                self.context,
                self.persona,
                digest.agent_text,
                *self.heard,
                *self.seen,
                *self.observed,
                *(f"{c.path} {c.size}" for c in digest.changes),
                *digest.claims,
                *digest.mail,
                *(f"{path}\n{head}" for path, head in digest.heads),
            ]
        )

    @functools.cached_property
    def known_lower(self) -> str:
        """`known` in lower case."""
        return self.known.lower()

    @functools.cached_property
    def known_stems(self) -> frozenset[str]:
        """Stems of the words that carry meaning in `known`."""
        return frozenset(content_words(self.known))

    @functools.cached_property
    def figures(self) -> frozenset[str]:
        """Figures of `known`, each as it stands and without separators of thousands."""
        found = set()
        for text in _FIGURES.findall(self.known):
            found |= {text, text.replace(",", ""), *text.split(",")}
        found |= {figure.removesuffix(".00") for figure in found}
        return frozenset(found | {figure.lstrip("0") for figure in found})

    def is_known(self, word: str) -> bool:
        """Whether a word has a source, in this form or a neighbouring one."""
        return word in self.known_lower or word[:6] in self.known_stems


_FIGURES = re.compile(r"\d[\d.,]*\d|\d")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\W_]", re.UNICODE)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def words(text: str) -> list[str]:
    """Lower-case words; where a script has no spaces, its characters."""
    found: list[str] = []
    for token in _TOKEN.findall(text.lower().replace("’", "'")):
        found.extend(token if _CJK.search(token) else (token,))
    return found


def ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """Every run of `size` words (of twice as many characters in a script without spaces)."""
    tokens = words(text)
    size = size * 2 if tokens and sum(len(t) == 1 for t in tokens) > len(tokens) // 2 else size
    return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}


def content_words(text: str) -> set[str]:
    """Stems of the words that carry meaning: four letters and more, no function words."""
    return {w[:6] for w in words(text) if len(w) > 3 and w not in _FUNCTION}


def covered(part: str, whole: str) -> float:
    """Share of the content words of `part` (of all its words if none) found in `whole`."""
    wanted, there = content_words(part), content_words(whole)
    if not wanted:
        wanted, there = set(words(part)), set(words(whole))
    return len(wanted & there) / len(wanted) if wanted else 1.0


def without(text: str, pieces: Sequence[str]) -> str:
    """The text with literal pieces blanked, longest first, upper and lower case alike."""
    for piece in sorted((p for p in pieces if p.strip()), key=len, reverse=True):
        text = re.sub(re.escape(piece), " … ", text, flags=re.I)
    return text


def own_text(message: str, scene: Scene) -> str:
    """A message with what is the user's by right (the request, its facts) replaced by `…`."""
    own = (scene.goal.request, scene.goal.label, *(f.value for f in scene.goal.facts))
    return without(message.replace("’", "'"), (*own, scene.answer, scene.context))


_FUNCTION = frozenset(
    {
        *("that", "this", "with", "from", "what", "which", "when", "where", "there", "here"),
        *("have", "been", "will", "would", "could", "should", "your", "you're", "they", "them"),
        *("then", "than", "into", "about", "please", "just", "only", "also", "some", "each"),
        *("every", "more", "most", "very", "does", "done", "make", "sure", "want", "need"),
        *("once", "again", "before", "after", "like", "it's", "don't", "i'm", "can't"),
    }
)
