"""A vector environment of threads, one env each.

What an env waits for (commands, model servers) releases the interpreter lock, so threads
overlap it, and nothing has to be pickled. Autoreset is disabled: each env is reset when its
caller says so, with its own intent if wanted. The collector does not use this: in lock-step,
everybody waits for the slowest episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ise_env.env import IntentEnv
from ise_env.errors import ConfigError
from ise_env.wrappers import JudgedTimeLimit

Batch = dict[str, tuple[Any, ...]]


class ThreadVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` environments stepped at the same time, each in its own thread.

    Observations are `{"messages": (history, ...), "tools": (schemas, ...)}`, actions a
    sequence of `num_envs` assistant messages, rewards float64, flags bool, all of length
    `num_envs`. An env whose episode is over is not stepped until it is reset (its action may be
    None; its reward is 0). An env whose infrastructure fails returns truncated, reward NaN and
    `info["error"]`; the results of the others are not lost.

    Args:
        num_envs: How many.
        max_episode_steps: Truncates each episode, and judges it.
        intents: One intent for each env; `intent` in `env_kwargs` gives all the same one.
        env_kwargs: Arguments of `IntentEnv`.

    Example:
        >>> import gymnasium as gym, numpy as np
        >>> envs = gym.make_vec("ise_env:ISE/Intent-v0", num_envs=2, intent="List the files.")
        >>> observations, infos = envs.reset(seed=1)
        >>> len(observations["messages"])
        2
        >>> envs.close()
    """

    def __init__(
        self,
        num_envs: int,
        *,
        max_episode_steps: int | None = None,
        intents: Sequence[Any] | None = None,
        **env_kwargs: Any,
    ) -> None:
        if intents is not None and len(intents) != num_envs:
            raise ConfigError(f"{len(intents)} intents for {num_envs} envs: give one for each")
        self.num_envs = num_envs
        self.envs: list[gym.Env[Any, Any]] = []
        for i in range(num_envs):
            kwargs = env_kwargs if intents is None else {**env_kwargs, "intent": intents[i]}
            env: gym.Env[Any, Any] = IntentEnv(**kwargs)
            if max_episode_steps is not None:
                env = JudgedTimeLimit(env, max_episode_steps)
            self.envs.append(env)
        first = self.envs[0]
        self.metadata = {**first.metadata, "autoreset_mode": AutoresetMode.DISABLED}
        self.render_mode = first.render_mode
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, num_envs)
        self.action_space = batch_space(first.action_space, num_envs)
        self._done = np.ones(num_envs, dtype=np.bool_)
        self._terminated = np.zeros(num_envs, dtype=np.bool_)
        self._truncated = np.zeros(num_envs, dtype=np.bool_)
        self._last: list[dict[str, Any]] = [{"messages": [], "tools": []} for _ in self.envs]
        self._pool: ThreadPoolExecutor | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Batch, dict[str, Any]]:
        """Start new episodes, in all envs or in those of `reset_mask`.

        Args:
            seed: For each env, or one integer from which env `i` gets `seed + i`.
            options: `reset_mask`: bool array of shape (num_envs,); `env_options`: a sequence
                of `num_envs` dicts (or None), each given to its own env's `reset`; anything
                else goes to every env.

        Raises:
            IseError: An env failed; the others are reset all the same.
        """
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None))
        own = options.pop("env_options", None) or [None] * self.num_envs
        if len(own) != self.num_envs:
            raise ConfigError(f"env_options has {len(own)} entries for {self.num_envs} envs")
        seeds = self._seeds(seed)

        def start(i: int) -> tuple[dict[str, Any], dict[str, Any]]:
            return self.envs[i].reset(seed=seeds[i], options={**options, **(own[i] or {})})

        infos: dict[str, Any] = {}
        failure: BaseException | None = None
        for i, future in self._submit(start, np.flatnonzero(mask)).items():
            try:
                self._last[i], info = future.result()
            except Exception as error:  # noqa: BLE001 - the others' results come first
                failure = failure or error
                continue
            self._done[i] = self._terminated[i] = self._truncated[i] = False
            infos = self._add_info(infos, info, i)
        if failure is not None:
            raise failure
        return self._observations(), infos

    def step(
        self, actions: Sequence[Any]
    ) -> tuple[
        Batch,
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Step every env whose episode is going on.

        Args:
            actions: One assistant message an env.
        """
        if len(actions) != self.num_envs:
            raise ConfigError(f"{len(actions)} actions for {self.num_envs} envs")
        rewards = np.zeros(self.num_envs, dtype=np.float64)
        infos: dict[str, Any] = {}
        futures = self._submit(lambda i: self.envs[i].step(actions[i]), np.flatnonzero(~self._done))
        for i, future in futures.items():
            try:
                self._last[i], reward, terminated, truncated, info = future.result()
            except Exception as error:  # noqa: BLE001 - one env's failure is its own
                reward, terminated, truncated = float("nan"), False, True
                info = {"error": f"{type(error).__name__}: {error}"}
            rewards[i] = reward
            self._terminated[i], self._truncated[i] = terminated, truncated
            self._done[i] = terminated or truncated
            infos = self._add_info(infos, info, i)
        return (
            self._observations(),
            rewards,
            self._terminated.copy(),
            self._truncated.copy(),
            infos,
        )

    def render(self) -> tuple[Any, ...] | None:
        """Return what each env renders."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """End all workspaces and threads."""
        for future in self._submit(lambda i: self.envs[i].close(), range(self.num_envs)).values():
            future.exception()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every env, or get an attribute, in order."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Get an attribute of every env."""
        return tuple(env.get_wrapper_attr(name) for env in self.envs)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute in every env: a list gives each its own value."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        for env, value in zip(self.envs, each, strict=True):
            env.set_wrapper_attr(name, value)

    @property
    def np_random_seed(self) -> Any:
        """Seeds of the envs, one each."""
        return self.get_attr("np_random_seed")

    @property
    def np_random(self) -> Any:
        """Generators of the envs, one each."""
        return self.get_attr("np_random")

    @np_random.setter
    def np_random(self, value: Any) -> None:
        raise AttributeError("each env has its own generator: seed them by reset(seed=...)")

    def _submit(
        self, work: Callable[[int], Any], indices: Sequence[Any] | npt.NDArray[np.intp] | range
    ) -> Mapping[int, Future[Any]]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.num_envs, thread_name_prefix="ise-env")
        return {int(i): self._pool.submit(work, int(i)) for i in indices}

    def _mask(self, mask: Any) -> npt.NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        chosen: npt.NDArray[np.bool_] = np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_ or not chosen.any():
            raise ConfigError(
                f"reset_mask must be a bool array of shape ({self.num_envs},), not all False"
            )
        return chosen

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ConfigError(f"{len(seed)} seeds for {self.num_envs} envs")
        return list(seed)

    def _observations(self) -> Batch:
        return {key: tuple(last[key] for last in self._last) for key in ("messages", "tools")}
