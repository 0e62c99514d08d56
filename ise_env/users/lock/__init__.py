"""The role lock: four constraints, each with detectors of its own, and a learnt second opinion.

`judge` says which rules a turn breaks; what becomes of such a turn is decided elsewhere. A
text is never edited. Rules that look at structure are certain; frames that people use as well are
signs, which the classifier weighs.
"""

from ise_env.users.lock import advancement, conditioning, perspective, register
from ise_env.users.lock.classifier import learnt
from ise_env.users.lock.scene import Register, Scene, Violation
from ise_env.users.protocol import UserTurn

CONSTRAINTS = (perspective, register, advancement, conditioning)
VOICE = Violation(
    "perspective.voice",
    "That is not how the person who asks would put it here: speak as somebody who wants the work"
    " done, does none of it, and stays until it is done.",
)
_LETTERS = 20
"""Of a word, paths included: more than in any message of a person."""

__all__ = ["CONSTRAINTS", "VOICE", "Register", "Scene", "Violation", "broken", "judge"]


def judge(turn: UserTurn, scene: Scene) -> list[Violation]:
    """Every rule that a turn breaks in its scene, none for a legal turn."""
    found = broken(turn, scene)
    if any(violation.certain for violation in found):
        return found
    if not scene.english:
        return found
    signs = {violation.rule for violation in found}
    if learnt().margin(turn.message, scene, signs) <= 0:
        return []
    return found or [VOICE]


def broken(turn: UserTurn, scene: Scene) -> list[Violation]:
    """Every rule that applies to a turn, certain or not.

    Of one that is far too long nothing else is said: nobody has to read on.
    """
    limit = register.most_words(turn, scene)
    own = len(scene.goal.request) + len(scene.context) + len(scene.answer)
    if len(turn.message) > own + _LETTERS * limit:
        return [register.too_long(limit)]
    return [found for rules in CONSTRAINTS for found in rules.violations(turn, scene)]
