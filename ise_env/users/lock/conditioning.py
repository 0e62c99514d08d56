"""Responsive conditioning: the user reacts to what was said and to what is really there.

Every concrete detail needs a source that a person could have; praise and confirmation need
something to point at; a question gets an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ise_env.users.digest import mentioned
from ise_env.users.lock.frames import frames
from ise_env.users.lock.grounding import entities, invented
from ise_env.users.lock.scene import Scene, Violation, content_words, covered, own_text, words
from ise_env.users.protocol import UserTurn

_UNSEEN = re.compile(r"n't\b|\b(?:not|no|cannot|never|nowhere|missing|without|where)\b", re.I)
_CLAUSE = re.compile(r"[,;:]\s|\s(?:and|but|so)\s")
_ENOUGH = 0.4
"""Share of the content words of an answer that has to be told."""
_SMALL = frozenset(
    "the a an it is not no of to in on at as by or and i we my our you please just thanks".split()
)
_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.I)


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of responsive conditioning that a turn breaks."""
    certain, perhaps = invented(turn, scene)
    if found := certain or perhaps:
        yield Violation(
            "conditioning.entity",
            f"Do not make up details of the machine: {found[0][:60]!r} comes from nowhere.",
            certain=bool(certain),
        )
    if _unanswered(turn, scene):
        why = "The assistant asked you something: answer it."
        yield Violation("conditioning.unanswered", why, certain=_knows_what(turn, scene))
    praise = frames()["conditioning.praise"]
    if praise.pattern.search(_as_praise(turn, scene)) and _nothing_to_praise(turn, scene):
        yield praise.violation
    if _sees_what_is_not_there(turn, scene):
        yield Violation(
            "conditioning.observation", "You can only point at what the observations show."
        )
    if turn.act == "confirm" and not _something_to_confirm(turn, scene):
        yield Violation(
            "conditioning.confirm", "Nobody asked you to confirm, and you observed nothing."
        )


def _unanswered(turn: UserTurn, scene: Scene) -> bool:
    move = scene.move
    if move is None or move.kind not in ("asked", "asked_to_confirm"):
        return False
    if turn.act in ("request", "close") and scene.act == turn.act:
        return False  # the ledger has let the step go: the question is moot
    if turn.act in ("challenge", "correct", "give_up", "change_mind"):
        return False
    if turn.act == "confirm":
        return False  # held to its act: whether it says yes
    if not scene.english:
        return False
    if scene.answer and turn.act == "answer":
        return not _tells(turn.message, scene.answer)
    return not (
        frames()["sign.reply"].pattern.search(turn.message)
        or content_words(turn.message) & content_words(move.question)
        or entities(turn.message)
    )


def _tells(message: str, answer: str) -> bool:
    """Whether a message has enough of what is known, or is the heart of it and little else.

    `gcc` is enough of "gcc, the course uses gcc"; what stands behind the first comma may be what
    is *not* so.
    """
    if covered(answer, message) >= _ENOUGH:
        return True
    own = content_words(message) or {w for w in words(message) if w not in _SMALL}
    heart = _CLAUSE.split(answer)[0]
    there = content_words(heart) | set(words(heart))
    return bool(own) and own <= there


def _knows_what(turn: UserTurn, scene: Scene) -> bool:
    """Whether there is something to be told; a yes or no may be said in any words."""
    return bool(scene.answer) and turn.act == "answer" and not _YES_OR_NO.match(scene.answer)


def _as_praise(turn: UserTurn, scene: Scene) -> str:
    """The user's own words, without a first interjection where that only agrees to a plan."""
    text = own_text(turn.message, scene)
    waits = scene.move is not None and scene.move.waits
    return re.sub(r"^\w+\s*[!,.]", "", text) if waits else text


def _nothing_to_praise(turn: UserTurn, scene: Scene) -> bool:
    if scene.content or turn.act in ("request", "change_mind"):
        return False  # who moves on may say that it is fine
    lacking = [c for c in scene.digest.claims if not c.endswith(": unchanged")]
    if lacking:
        return True
    return scene.move is not None and scene.move.kind in ("silent", "reported_error", "declined")


def _sees_what_is_not_there(turn: UserTurn, scene: Scene) -> bool:
    there = {*scene.seen, *(p for p, _ in scene.digest.heads)}
    there |= {c.path for c in scene.digest.changes if c.change != "deleted"}
    absent = {c.partition(": ")[0] for c in scene.digest.claims if c.endswith(": not there")}
    for sentence in re.split(r"(?<=[.!?])\s+|\n", turn.message):
        saw = frames()["sign.saw"].pattern.search(sentence)
        if saw is None or _UNSEEN.search(sentence):
            continue
        for path in mentioned(_CLAUSE.split(sentence[saw.start() :])[0]):
            if path in absent or not any(_is_path_of(path, known) for known in there):
                return True
    bogus = [o for o in turn.observed if not _is_observation(o, scene, there)]
    return bool(bogus)


def _is_path_of(path: str, known: str) -> bool:
    short = path.removeprefix("/workspace/").removeprefix("./")
    return known == short or known.endswith("/" + short) or short.endswith("/" + known)


def _is_observation(value: str, scene: Scene, there: set[str]) -> bool:
    text = "\n".join([*scene.digest.claims, *scene.digest.mail, *scene.observed, *there])
    heads = "\n".join(head for _, head in scene.digest.heads)
    sources = f"{text}\n{heads}\n{scene.digest.agent_text}".lower()
    return value.strip().lower() in sources or any(
        _is_path_of(p, k) for p in mentioned(value) for k in there
    )


def _something_to_confirm(turn: UserTurn, scene: Scene) -> bool:
    if not scene.english and scene.act == "confirm":
        return True  # moves are read in English; that somebody asked is known to the plan
    asked = scene.move is not None and scene.move.kind in ("asked", "asked_to_confirm")
    return asked or bool(turn.observed)
