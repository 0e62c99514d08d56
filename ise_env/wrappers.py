"""Wrappers for consumers that do not want the whole history at every step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from ise_env.env import IntentEnv


class DeltaObservation(gym.ObservationWrapper[Any, Any, Any]):
    """Show only the messages that are new since the last observation.

    The first observation of an episode holds the whole opening (system message and first user
    turn); after that, the agent's own message comes first, then what followed from it.

    Args:
        env: An `IntentEnv`, wrapped or not.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._seen = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start a new episode; see `IntentEnv.reset`."""
        self._seen = 0
        return super().reset(seed=seed, options=options)

    def observation(self, observation: Any) -> Any:
        """Return the observation with only its new messages."""
        messages = observation["messages"]
        new, self._seen = messages[self._seen :], len(messages)
        return {**observation, "messages": new}


class JudgedTimeLimit(gym.wrappers.TimeLimit[Any, Any]):
    """A `TimeLimit` that judges what there is when it truncates.

    Gymnasium's own ends an episode behind the environment's back: nothing is verified, and the
    last reward is 0 whatever was done.

    Args:
        env: An `IntentEnv`, wrapped or not.
        max_episode_steps: Steps after which the episode is truncated.
    """

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play one assistant message; see `IntentEnv.step`."""
        observation, reward, terminated, truncated, info = super().step(action)
        intent_env = self.unwrapped
        if truncated and isinstance(intent_env, IntentEnv) and not intent_env.over:
            reward = intent_env.truncate("time_limit")
            info = {**info, **intent_env.facts()}
        return observation, reward, terminated, truncated, info
