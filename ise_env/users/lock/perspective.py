"""Perspective lock: the user stays the person who wants something done.

Frames of the other side of the table: offers, reports of one's own work on the machine, code,
tool calls, talk of being a model, the agent's own sentences, stage directions, and what only
the verifier can know. The user's own request is taken out first: it may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ise_env.users.lock.frames import frames
from ise_env.users.lock.scene import Scene, Violation, ngrams, without, words
from ise_env.users.protocol import UserTurn

COPIED_WORDS = 8
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

RULES = ("offer", "solution", "code", "tool_call", "machine", "stage")


def violations(turn: UserTurn, scene: Scene) -> Iterator[Violation]:
    """Every rule of the perspective lock that a turn breaks."""
    own = (scene.goal.request, scene.goal.label, *(f.value for f in scene.goal.facts))
    text = without(turn.message.replace("’", "'"), (*own, scene.answer, scene.context))
    for rule in RULES:
        frame = frames()[f"perspective.{rule}"]
        if frame.pattern.search(text):
            yield frame.violation
    leaks = frames()["perspective.verifier"]
    if any(m.group().lower() not in scene.known.lower() for m in leaks.pattern.finditer(text)):
        yield leaks.violation
    if _copied(turn.message, scene):
        yield Violation(
            "perspective.copy", "Use your own words; do not repeat the assistant's sentences."
        )


def _copied(message: str, scene: Scene) -> bool:
    agent = "\n".join([scene.digest.agent_text, *scene.heard[-3:]])
    if any(words(message) == words(s) for s in _SENTENCE.split(agent) if len(words(s)) > 3):
        return True
    theirs = ngrams(agent, COPIED_WORDS)
    if not theirs:
        return False
    heads = "\n".join(head for _, head in scene.digest.heads)
    ours = "\n".join([scene.own_words, heads, scene.utterance])
    return bool((ngrams(message, COPIED_WORDS) & theirs) - ngrams(ours, COPIED_WORDS))
