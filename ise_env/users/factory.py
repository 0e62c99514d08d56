"""Making the user that a configuration names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.tasks.kit import SubGoal
from ise_env.users.protocol import User
from ise_env.users.rule import RuleUser


def make_user(
    spec: str, *, intent: Intent, subgoals: Sequence[SubGoal], rng: np.random.Generator
) -> User:
    """Make one episode's user.

    Args:
        spec: `"rule"`.
        intent: Who asks, and for what.
        subgoals: The kits' steps with the episode's ids; empty where no kit stands behind the
            intent, whose utterance is then split by rules.
        rng: All of the user's randomness.

    Raises:
        ConfigError: There is no such user.
    """
    if spec == "rule":
        return RuleUser(intent, subgoals, rng)
    raise ConfigError(f"user {spec!r}: expected 'rule'")
