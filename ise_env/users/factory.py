"""Making the user that a configuration names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.tasks.kit import SubGoal
from ise_env.users.protocol import User
from ise_env.users.rule import RuleUser
from ise_env.users.single_turn import SingleTurnUser
from ise_env.users.split import stored

KINDS = ("rule", "llm", "human", "replay")
OPTIONS = {
    "single-turn": "the whole intent at once, nothing after",
    "no-lock": "a model's turns are said as they come; the rules they break are only recorded",
    "no-grounding": "the user sees the agent's text only, not the workspace",
}
"""Ablations; each is part of the user's recorded name."""


def make_user(
    spec: str, *, intent: Intent, subgoals: Sequence[SubGoal], rng: np.random.Generator
) -> User:
    """Make one episode's user.

    Args:
        spec: `KIND[+OPTION...][:REST]`: `rule`, `rule+no-grounding`, `rule+single-turn`,
            `llm:MODEL@BASE_URL[#option=value,...]`, `llm+no-lock:MODEL@BASE_URL`, `human`,
            `replay:RUN`.
        intent: Who asks, and for what.
        subgoals: The kits' steps with the episode's ids; empty where no kit stands behind the
            intent, whose utterance is then split: as stored with it, by the user's model, or
            by rules.
        rng: All of the user's randomness.

    Raises:
        ConfigError: There is no such user, or it lacks something.
        ModelEndpointError: The model that was to split the utterance cannot be reached.
    """
    kind, options, rest = parse(spec)
    name = "+".join([kind, *options])
    if "single-turn" in options:
        return SingleTurnUser(intent, subgoals, name=name)
    if kind == "human":
        from ise_env.users.human import HumanUser

        return HumanUser(intent, subgoals)
    if kind == "replay":
        from ise_env.users.replay import replay_user

        return replay_user(rest, intent)
    grounded = "no-grounding" not in options
    pieces = stored(intent)
    if kind == "rule":
        return RuleUser(intent, subgoals, rng, pieces=pieces, grounded=grounded, name=name)
    from ise_env.llm import Endpoint, client_for
    from ise_env.users.llm_user import LLMUser
    from ise_env.users.model_split import split_with

    client = client_for(Endpoint.parse(rest))
    if pieces is None and not subgoals:
        pieces = split_with(client, intent.utterance)
    planner = RuleUser(intent, subgoals, rng, pieces=pieces, grounded=grounded, name=name)
    return LLMUser(planner, intent, client, lock="no-lock" not in options, name=name)


def parse(spec: str) -> tuple[str, tuple[str, ...], str]:
    """Take a specification apart: kind, options in a fixed order, what comes after the colon.

    Raises:
        ConfigError: What is wrong, on one line.
    """
    head, colon, rest = spec.partition(":")
    kind, *options = head.split("+")
    if kind not in KINDS:
        raise ConfigError(f"user {spec!r}: expected one of {', '.join(KINDS)}")
    for option in options:
        if option not in OPTIONS:
            raise ConfigError(f"user {spec!r}: option {option!r} is none of {', '.join(OPTIONS)}")
    if kind in ("human", "replay") and options:
        raise ConfigError(f"user {spec!r}: {kind} takes no options")
    if "no-lock" in options and kind != "llm":
        raise ConfigError(f"user {spec!r}: no-lock needs a model; say llm+no-lock:MODEL@URL")
    if kind in ("llm", "replay") and not rest:
        wanted = "MODEL@BASE_URL" if kind == "llm" else "RUN"
        raise ConfigError(f"user {spec!r}: expected {kind}:{wanted}")
    if kind in ("rule", "human") and colon:
        raise ConfigError(f"user {spec!r}: {kind} takes nothing after a colon")
    return kind, tuple(o for o in OPTIONS if o in options), rest
