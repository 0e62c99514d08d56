"""The role lock: four constraints, each with detectors of its own.

`judge` says which rules a turn breaks; what becomes of such a turn is decided elsewhere. A
text is never edited.
"""

from ise_env.users.lock import advancement, conditioning, perspective, register
from ise_env.users.lock.scene import Register, Scene, Violation
from ise_env.users.protocol import UserTurn

CONSTRAINTS = (perspective, register, advancement, conditioning)

__all__ = ["CONSTRAINTS", "Register", "Scene", "Violation", "judge"]


def judge(turn: UserTurn, scene: Scene) -> list[Violation]:
    """Every rule that a turn breaks in its scene, none for a legal turn."""
    return [found for rules in CONSTRAINTS for found in rules.violations(turn, scene)]
