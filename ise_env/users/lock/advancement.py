"""Incremental advancement: one step a turn, nothing ahead of time, nothing twice.

The ledger says what the next turn is about; these rules hold the words to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ise_env.tasks.kit import SubGoal
from ise_env.users.lock.frames import frames
from ise_env.users.lock.illocution import lacks_its_act
from ise_env.users.lock.scene import (
    Scene,
    Violation,
    content_words,
    covered,
    ngrams,
    without,
    words,
)
from ise_env.users.protocol import UserTurn

DUMPED_WORDS = 12
REPEATED = 0.85
_LEAD = 8
_ABOUT = 4
"""Words in a row of the persona by which an introduction is told from a request."""
_SHARE = 0.65
_BESIDE_VALUES = 0.3
"""Share of a request's own words that has to be there where its values are there too."""


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of incremental advancement that a turn breaks."""
    if turn.act != scene.act or (turn.subgoal is not None and turn.subgoal != scene.goal.id):
        yield Violation(
            "advancement.plan", f"This turn has the act {scene.act} and is about {scene.goal.id}."
        )
    ahead = [goal for goal in scene.others if _speaks_of(turn.message, goal, scene)]
    if ahead:
        yield Violation(
            "advancement.several", "Ask for one step only; keep the later ones to yourself."
        )
    if _dumps(turn.message, scene):
        yield Violation(
            "advancement.verbatim", "Do not recite what you have in mind beyond this one step."
        )
    again = any(goal.request.lower() in turn.message.lower() for goal in scene.asked)
    said = [turn.message, *scene.earlier]
    if turn.act == "correct":  # asks for the same step again, in other words around it
        said = [without(text, (scene.goal.request,)) for text in said]
    if again or any(_same(said[0], before) for before in said[1:]):
        yield Violation("advancement.repeat", "You said that already; put it differently.")
    goodbye = frames()["advancement.close"]
    if scene.act not in ("close", "give_up") and goodbye.pattern.search(_own(turn.message, scene)):
        yield goodbye.violation
    if lacks_its_act(turn, _own(turn.message, scene), scene):
        why = f"The message does not do what {scene.act} is for."
        yield Violation("advancement.act", why, certain=False)
    if scene.act in ("request", "change_mind") and not _complete(turn.message, scene):
        yield Violation(
            "advancement.incomplete",
            "The request has to carry every detail of this step, the quoted values verbatim.",
        )


def _speaks_of(message: str, goal: SubGoal, scene: Scene) -> bool:
    """Whether a later step's substance is in the message."""
    lower = message.lower()
    if goal.request.lower() in lower:
        return True
    if scene.move is not None and _names(lower, goal, scene):
        return True
    known = content_words(scene.own_words + " " + " ".join(g.request for g in scene.asked))
    known |= content_words(" ".join([scene.digest.agent_text, scene.context, *scene.seen]))
    special = content_words(goal.request) - known
    if len(special) >= 4:
        return len(special & content_words(message)) >= _SHARE * len(special)
    values = [f.value for f in goal.facts if f.value.lower() not in scene.known.lower()]
    return bool(values) and all(value.lower() in lower for value in values) and len(special) > 0


def _names(lower: str, goal: SubGoal, scene: Scene) -> bool:
    """Whether a later step's name or one of its own paths and versions is in a later message."""
    name = goal.label.lower().removeprefix("the ").strip()
    mine = f"{scene.own_words}\n{scene.digest.agent_text}\n{' '.join(scene.heard)}".lower()
    telling = [f.value.lower() for f in goal.facts if re.search(r"[./\d]", f.value)]
    telling += [name] if len(name) > 8 else []
    told = mine + " ".join(g.request for g in scene.asked).lower() + " ".join(scene.seen).lower()
    return any(v in lower and v not in told for v in telling if len(v) > 3)


def _dumps(message: str, scene: Scene) -> bool:
    """Whether a run of the utterance is recited that is not part of what may be said now.

    A run that shares eight words with the current step only leads into it or out of it.
    """
    allowed = [scene.goal.request, scene.context, *scene.earlier, *(g.request for g in scene.asked)]
    allowed += [scene.answer, scene.digest.agent_text]
    free = set().union(*(ngrams(text, _LEAD) for text in allowed))
    themselves = ngrams(scene.persona, _ABOUT)
    recited = ngrams(message, DUMPED_WORDS) & ngrams(scene.utterance, DUMPED_WORDS)
    return any(
        not any(run[i : i + _LEAD] in free for i in range(len(run) - _LEAD + 1))
        and not any(run[i : i + _ABOUT] in themselves for i in range(len(run) - _ABOUT + 1))
        for run in recited
    )


def _same(message: str, before: str) -> bool:
    first, second = words(message), words(before)
    if first == second:
        return True
    if min(len(first), len(second)) < 6:
        return False
    ours, theirs = ngrams(message, 3), ngrams(before, 3)
    return len(ours & theirs) >= REPEATED * max(len(ours | theirs), 1)


def _own(message: str, scene: Scene) -> str:
    """The message without the step's own text, which may say anything."""
    return without(message.replace("’", "'"), (scene.goal.request, scene.answer, scene.context))


def _complete(message: str, scene: Scene) -> bool:
    """Whether the step is asked for: its values as they are, the rest in any words."""
    lower, goal = message.lower(), scene.goal
    if not all(fact.value.lower() in lower for fact in goal.facts):
        return False
    if goal.request.lower() in lower or not scene.english:
        return True
    return covered(goal.request, message) >= (_BESIDE_VALUES if goal.facts else _SHARE)
