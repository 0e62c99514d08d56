"""Playing one episode: an env, an agent, and the record of what happened."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gymnasium.error import InvalidAction

from ise_env.agents.protocol import Agent, AgentContext
from ise_env.env import IntentEnv
from ise_env.errors import AgentError, BudgetExceeded, ConfigError, ContextOverflow, IseError
from ise_env.rollout.config import RolloutConfig
from ise_env.rollout.plan import Job
from ise_env.tools.subagent import Act, Brief
from ise_env.traces.record import TerminationReason, Trajectory

AgentFactory = Callable[[], Agent]


class AgentCrashed(IseError):
    """The agent's own code failed; says nothing about what it would have done."""

    blame = "agent"


class Cancelled(Exception):
    """The episode was given up because the collector stops at once."""


class EpisodeFailed(Exception):
    """Infrastructure failed.

    Args:
        error: What failed.
        record: What was recorded until then, marked invalid; None before the episode began.
    """

    def __init__(self, error: Exception, record: Trajectory | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.record = record


@dataclass
class Gates:
    """Limits on what happens at the same time, over all episodes; None for no limit."""

    workspace_starts: AbstractContextManager[Any] = field(default_factory=nullcontext)
    model_calls: AbstractContextManager[Any] = field(default_factory=nullcontext)

    @classmethod
    def of(cls, workspace_starts: int | None, model_calls: int | None) -> Gates:
        """Make gates of the given widths."""
        return cls(
            *(
                nullcontext() if width is None else threading.BoundedSemaphore(width)
                for width in (workspace_starts, model_calls)
            )
        )


class Player:
    """One episode, from its reset to its record.

    Args:
        job: What to play.
        config: How.
        agent: Makes the agent.
        gates: Shared with the other episodes.
        run_id: Goes into the record.
    """

    def __init__(
        self, job: Job, config: RolloutConfig, agent: AgentFactory, gates: Gates, run_id: str
    ) -> None:
        self._job = job
        self._config = config
        self._make_agent = agent
        self._gates = gates
        self._run_id = run_id
        self._cancelled = threading.Event()
        self._helpers: list[Agent] = []
        self.thinking = False
        """Whether it waits for a model: then nothing is lost by leaving it behind."""
        self.env = IntentEnv(job.intent, subagent_policy=self._subagent, **config.env_arguments())

    def cancel(self) -> None:
        """Give the episode up from another thread: what it waits for in the workspace ends."""
        self._cancelled.set()
        with suppress(IseError):
            self.env.close()

    def play(self) -> Trajectory:
        """Play to the end.

        Returns:
            A valid record.

        Raises:
            EpisodeFailed: Infrastructure failed; carries the invalid record.
            ConfigError: The configuration cannot work.
            Cancelled: `cancel` was called.
        """
        started = time.monotonic()
        agent = self._begin()
        try:
            self._run(agent, started)
            return self._record(agent, started, None)
        except Exception as error:
            if self._cancelled.is_set():
                raise Cancelled from error
            if isinstance(error, ConfigError):
                raise
            raise EpisodeFailed(error, self._record_of_failure(agent, started, error)) from error
        finally:
            with suppress(Exception):
                self.env.close()
            for each in (agent, *self._helpers):
                with suppress(Exception):
                    each.close()

    def _begin(self) -> Agent:
        try:
            with crash_is_the_agents():
                return self._make_agent()
        except ConfigError:
            raise
        except IseError as error:
            raise EpisodeFailed(error, None) from error

    def _run(self, agent: Agent, started: float) -> None:
        with self._gates.workspace_starts:
            self._check_cancelled()
            observation, _info = self.env.reset(seed=self._job.seed)
        with crash_is_the_agents():
            agent.reset(AgentContext(self._job.intent, self._job.seed))
        over = False
        while not over:
            self._check_cancelled()
            message = self._act(agent, observation)
            if message is None:
                return
            with crash_is_the_agents(InvalidAction):
                observation, _reward, terminated, truncated, _info = self.env.step(message)
            over = terminated or truncated
            if not over and self._out_of_time(started):
                self.env.truncate("time_limit")
                over = True

    def _act(self, agent: Agent, observation: dict[str, Any]) -> dict[str, Any] | None:
        """Ask the agent; None when that ended the episode."""
        try:
            return self._think(agent, observation)
        except (ContextOverflow, BudgetExceeded, AgentError) as error:
            self.env.truncate(_reason_of(error))
            return None

    def _subagent(self, brief: Brief) -> Act:
        """Let another instance of the same agent play a sub-agent."""
        with crash_is_the_agents():
            agent = self._make_agent()
            self._helpers.append(agent)
            agent.reset(AgentContext(self._job.intent, brief.seed, brief.session_key))

        def act(observation: dict[str, Any]) -> dict[str, Any]:
            self._check_cancelled()
            return self._think(agent, observation)

        return act

    def _think(self, agent: Agent, observation: dict[str, Any]) -> dict[str, Any]:
        self.thinking = True
        try:
            with self._gates.model_calls, crash_is_the_agents():
                return agent.act(observation)
        finally:
            self.thinking = False

    def _out_of_time(self, started: float) -> bool:
        limit = self._config.episode_time_s
        return limit is not None and time.monotonic() - started > limit

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _record(self, agent: Agent, started: float, error: Exception | None) -> Trajectory:
        return self.env.trajectory(
            agent=agent.provenance,
            episode_id=self._job.episode_id,
            run_id=self._run_id,
            trial=self._job.trial,
            wall_s=round(time.monotonic() - started, 3),
            error=error,
        )

    def _record_of_failure(
        self, agent: Agent, started: float, error: Exception
    ) -> Trajectory | None:
        try:
            return self._record(agent, started, error)
        except ConfigError:
            return None


def _reason_of(error: IseError) -> TerminationReason:
    if isinstance(error, ContextOverflow):
        return "context_overflow"
    return "token_budget" if isinstance(error, BudgetExceeded) else "agent_ended"


@contextmanager
def crash_is_the_agents(kind: type[Exception] = Exception) -> Iterator[None]:
    """Attribute an exception that is not of our vocabulary to the agent's code.

    Args:
        kind: Class of exceptions that count.
    """
    try:
        yield
    except IseError:
        raise
    except kind as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        raise AgentCrashed(
            f"the agent's code failed at {place}: {type(error).__name__}: {error}"
        ) from error
