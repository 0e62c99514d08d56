"""Gymnasium ids: one for all intents, and a fast way to give each intent its own.

`gym.register` compares every new id with all others: 10,000 ids take 7 to 24 seconds. One id
with an `intent=` argument is the usual way; `register_intents` writes the registry directly
for those who want `ISE/<intent id>-v0`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

if TYPE_CHECKING:
    from ise_env.intents.model import Intent

ENV_ID = "ISE/Intent-v0"
_ENTRY_POINT = "ise_env.env:IntentEnv"
_VECTOR_ENTRY_POINT = "ise_env.vector:ThreadVectorEnv"


def register() -> None:
    """Register `ISE/Intent-v0`; again is harmless."""
    gym.registry.setdefault(ENV_ID, _spec(ENV_ID))


def register_intents(intents: Iterable[Intent]) -> list[str]:
    """Register each intent under an id of its own.

    Args:
        intents: Any number of them.

    Returns:
        The ids, `ISE/<intent id>-v0`, in order; characters that an id may not have become `-`.
    """
    ids = []
    for intent in intents:
        env_id = f"ISE/{re.sub(r'[^A-Za-z0-9_.-]', '-', intent.id)}-v0"
        spec = _spec(env_id)
        spec.kwargs = {"intent": intent.model_dump(mode="json")}
        gym.registry[env_id] = spec
        ids.append(env_id)
    return ids


def _spec(env_id: str) -> EnvSpec:
    # nondeterministic: a live operating system is never quite the same twice.
    return EnvSpec(
        id=env_id,
        entry_point=_ENTRY_POINT,
        vector_entry_point=_VECTOR_ENTRY_POINT,
        nondeterministic=True,
        disable_env_checker=False,
    )
