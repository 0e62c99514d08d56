"""Responsive conditioning: the user reacts to what was said and to what is really there.

Every concrete detail needs a source that a person could have; praise and confirmation need
something to point at; a question gets an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ise_env.users.digest import mentioned
from ise_env.users.lock.frames import frames
from ise_env.users.lock.scene import Scene, Violation, content_words, covered
from ise_env.users.protocol import UserTurn

_ENTITY = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+\w|https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b[0-9a-f]{8}-[0-9a-f-]{12,}\b|\b(?=\w*\d)[0-9a-f]{7,40}\b|\b[A-Z]{2,}-\d+\b"
    r"|\b[\w-]+(?:/[\w.-]+)+\b|(?<![\w.,-])[$€£]?\d[\d,]*(?:\.\d+)*(?:%|[kKmM]\b)?(?![\w/-])"
)
_TIME = re.compile(
    r"\b\d{1,2}(?::\d{2})?\s*(?:am|pm|o'clock)\b|\b\d{1,2}:\d{2}\b"
    r"|\b\d{1,3} ?(?:min(?:ute)?s?|hours?"
    r"|hrs?|days?|weeks?|months?|years?|sec(?:ond)?s?)\b|\b(?:19|20)\d\d\b|\b100 ?%",
    re.I,
)
_IDIOMS = frozenset({"and/or", "yes/no", "his/her", "he/she", "w/o", "n/a", "24/7", "either/or"})
_UNSEEN = re.compile(r"n't\b|\b(?:not|no|cannot|never|nowhere|missing|without|where)\b", re.I)


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of responsive conditioning that a turn breaks."""
    invented = [e for e in entities(turn.message) if not _grounded(e, scene)]
    if invented:
        yield Violation(
            "conditioning.entity",
            f"Do not make up details of the machine: {invented[0][:60]!r} comes from nowhere.",
        )
    if _unanswered(turn, scene):
        yield Violation("conditioning.unanswered", "The assistant asked you something: answer it.")
    praise = frames()["conditioning.praise"]
    if praise.pattern.search(turn.message) and _nothing_to_praise(scene):
        yield praise.violation
    if _sees_what_is_not_there(turn, scene):
        yield Violation(
            "conditioning.observation", "You can only point at what the observations show."
        )
    if turn.act == "confirm" and not _something_to_confirm(turn, scene):
        yield Violation(
            "conditioning.confirm", "Nobody asked you to confirm, and you observed nothing."
        )


def entities(message: str) -> list[str]:
    """Concrete details: paths, addresses, ids, figures above nine; times and years left out."""
    text = _TIME.sub(" ", message.replace("’", "'"))
    found = mentioned(text)
    for match in _ENTITY.finditer(text):
        value = match.group().rstrip(".,;:")
        if not re.fullmatch(r"[$€£]?\d", value) and value.lower() not in _IDIOMS:
            found.append(value)
    return list(dict.fromkeys(found))


def _grounded(value: str, scene: Scene) -> bool:
    known = scene.known.lower()
    lower = value.lower().strip("./")
    if re.fullmatch(r"[$€£]?[\d.,]+%?[km]?", lower):
        figure = lower.strip("$€£%").replace(",", "")
        return re.search(rf"(?<!\d){re.escape(figure)}(?!\d)", known.replace(",", "")) is not None
    if lower in known or value.lower() in known:
        return True
    name = lower.rsplit("/", 1)[-1]
    if "/" in lower and not re.search(r"\.\w{1,5}$", name):
        # `logs/errors` may be two nouns of the conversation rather than a path.
        return all(part in known for part in lower.split("/"))
    return False


def _unanswered(turn: UserTurn, scene: Scene) -> bool:
    move = scene.move
    if move is None or move.kind not in ("asked", "asked_to_confirm"):
        return False
    if turn.act in ("request", "close") and scene.act == turn.act:
        return False  # the ledger has let the step go: the question is moot
    if turn.act in ("challenge", "correct", "give_up", "change_mind"):
        return False
    if scene.answer and turn.act == "answer":
        return covered(scene.answer, turn.message) < 0.4
    if not turn.message.isascii() and not re.search(r"[a-z]{3}", turn.message):
        return False
    return not (
        frames()["sign.reply"].pattern.search(turn.message)
        or content_words(turn.message) & content_words(move.question)
        or entities(turn.message)
    )


def _nothing_to_praise(scene: Scene) -> bool:
    if scene.content:
        return False
    lacking = [c for c in scene.digest.claims if not c.endswith(": unchanged")]
    if lacking:
        return True
    if scene.move is None:
        return False
    if scene.move.kind in ("silent", "reported_error", "declined"):
        return True
    worked = scene.digest.changes or scene.digest.heads or scene.digest.tool_calls or scene.seen
    return not worked and scene.move.kind in ("promised", "asked", "said")


def _sees_what_is_not_there(turn: UserTurn, scene: Scene) -> bool:
    there = {*scene.seen, *(p for p, _ in scene.digest.heads)}
    there |= {c.path for c in scene.digest.changes if c.change != "deleted"}
    absent = {c.partition(": ")[0] for c in scene.digest.claims if c.endswith(": not there")}
    for sentence in re.split(r"(?<=[.!?])\s+|\n", turn.message):
        if not frames()["sign.saw"].pattern.search(sentence) or _UNSEEN.search(sentence):
            continue
        for path in mentioned(sentence):
            if path in absent or not any(_names(path, known) for known in there):
                return True
    bogus = [o for o in turn.observed if not _is_observation(o, scene, there)]
    return bool(bogus)


def _names(path: str, known: str) -> bool:
    short = path.removeprefix("/workspace/").removeprefix("./")
    return known == short or known.endswith("/" + short) or short.endswith("/" + known)


def _is_observation(value: str, scene: Scene, there: set[str]) -> bool:
    text = "\n".join([*scene.digest.claims, *scene.observed, *there])
    heads = "\n".join(head for _, head in scene.digest.heads)
    sources = f"{text}\n{heads}\n{scene.digest.agent_text}".lower()
    return value.strip().lower() in sources or any(
        _names(p, k) for p in mentioned(value) for k in there
    )


def _something_to_confirm(turn: UserTurn, scene: Scene) -> bool:
    asked = scene.move is not None and scene.move.kind in ("asked", "asked_to_confirm")
    return asked or bool(turn.observed)
