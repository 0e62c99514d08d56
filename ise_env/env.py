"""IntentEnv: one intent, one episode.

One action is one assistant message. With tool calls: they run in order and the user stays
silent. Without: the user simulator answers, or closes. Nothing starts before `reset`.

This module wires the rooms together and decides when an episode ends; what tools do, what
users say and what checks mean is none of its business.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from ise_env.action import text_of, to_message
from ise_env.episode import Episode
from ise_env.errors import ConfigError
from ise_env.intents.load import as_intent
from ise_env.intents.model import Intent
from ise_env.live import Live
from ise_env.render import render_message
from ise_env.spaces import AssistantMessage, Message, Messages, Tools
from ise_env.tasks.bind import bind
from ise_env.tools.live_web import make_web
from ise_env.tools.registry import resolve
from ise_env.tools.subagent import SubagentPolicy
from ise_env.traces.record import AgentProvenance, Termination, TerminationReason, Trajectory
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Limits

Observation = dict[str, Any]


@functools.cache
def default_system_prompt() -> str:
    """Return the packaged system prompt."""
    return resources.files("ise_env").joinpath("system_prompt.v1.md").read_text("utf-8")


class IntentEnv(gym.Env[Observation, Any]):
    """One structured intent as a Gymnasium environment on a live, isolated OS workspace.

    Observation: `{"messages": [...], "tools": [...]}`, the whole history in the OpenAI wire
    shape and the function schemas; it is the request of `client.chat.completions.create`.
    Action: an assistant message (dict, SDK object, or a string).
    Reward: 0 until the end, then safety x the weighted share of checks that pass, in [0, 1].
    `info`: `intent_id`, `turn`, `step`, `new_messages`, `termination`, `judged` and, once
    judged, `success` and `reward_parts`. Where nothing was judged (an intent without kits, an
    episode cut off by Gymnasium's `TimeLimit`), the reward is 0 and `judged` is False.

    Args:
        intent: An `Intent`, its dict, a published ISETrace record, or a line of text. May be
            left out when every `reset` names one in `options={"intent": ...}`.
        user: Who plays the user (`"rule"`, ...); None for direct-query mode: a single
            instruction, and the first message without tool calls ends the episode.
        workspace: Where tools run (`"local"`, ...).
        tools: Names of the tools offered (`core` and `all` stand for sets); None for those of
            the reference set that lack nothing in the episode.
        system_prompt: Replaces the packaged one.
        max_turns: User turns, the opening included, before the episode is truncated.
        max_tool_calls: Tool calls before the episode is truncated.
        tool_time_s: Seconds spent inside tools before the episode is truncated; a call that is
            running then ends by its own timeout, and no further one begins.
        token_budget: Completion tokens before the episode is truncated, where usage is known.
        limits: Resource limits of the workspace.
        allow_degraded: Names of limits that may go unenforced (recorded in the trace).
        subagent_policy: Plays sub-agents: called with a `Brief` at each `sessions_spawn`, it gives
            a function from an observation to an assistant message. Without one, tools that need
            sub-agents answer that there are none.
        web: Who stands behind the web tools beside the task's own sites: None for nobody,
            `brave`, `tavily`, `searxng@<url>`. Such episodes cannot be executed again.
        allow_kit_drift: Accept an intent whose kits have another version than the installed
            ones.
        render_mode: `"ansi"` (a transcript as a string) or `"human"` (printed as it grows).

    Example:
        >>> import gymnasium as gym
        >>> env = gym.make("ise_env:ISE/Intent-v0", intent="Count the files here.")
        >>> observation, info = env.reset(seed=7)
        >>> [message["role"] for message in observation["messages"]]
        ['system', 'user']
        >>> env.close()
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        intent: Intent | dict[str, Any] | str | None = None,
        *,
        user: str | None = "rule",
        workspace: str = "local",
        tools: Sequence[str] | None = None,
        system_prompt: str | None = None,
        max_turns: int = 20,
        max_tool_calls: int = 200,
        tool_time_s: float = 600.0,
        token_budget: int | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        allow_degraded: Sequence[str] = (),
        subagent_policy: SubagentPolicy | None = None,
        web: str | None = None,
        allow_kit_drift: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode {render_mode!r} is none of ansi, human")
        self.observation_space = spaces.Dict({"messages": Messages(), "tools": Tools()})
        self.action_space = AssistantMessage()
        self.render_mode = render_mode
        self.intent = None if intent is None else as_intent(intent)
        self.user_spec = user
        self.workspace_spec = workspace
        self.system_prompt = default_system_prompt() if system_prompt is None else system_prompt
        self.max_turns = max_turns
        self.max_tool_calls = max_tool_calls
        self.tool_time_s = tool_time_s
        self.token_budget = token_budget
        self.limits = limits if isinstance(limits, Limits) else Limits(**(limits or {}))
        self.allow_degraded = tuple(allow_degraded)
        self.subagent_policy = subagent_policy
        self._web = None if web is None else make_web(web)
        self.allow_kit_drift = allow_kit_drift
        self._tools = None if tools is None else tuple(resolve(tools))
        self._spec: EnvSpec | None = None
        self._episode: Episode | None = None
        self._live: Live | None = None
        self._rendered = 0

    @property
    def spec(self) -> EnvSpec | None:
        """The registration; its `intent` is made JSON-able so that `to_json` round-trips."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None and isinstance(spec.kwargs.get("intent"), Intent):
            spec.kwargs["intent"] = spec.kwargs["intent"].model_dump(mode="json")
        self._spec = spec

    @property
    def episode(self) -> Episode:
        """The episode going on, or the last one.

        Raises:
            ConfigError: `reset` was never called.
        """
        if self._episode is None:
            raise ConfigError("no episode yet: call reset() first")
        return self._episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode in a fresh workspace.

        Args:
            seed: Seeds all of the episode's randomness, the user simulator's included.
            options: `{"intent": ...}` replaces the intent from this episode on.

        Raises:
            ConfigError: The intent, a kit or a tool cannot be used.
            WorkspaceError: The workspace could not be made or seeded.
            UserSimulatorError: The user found no legal opening.
        """
        super().reset(seed=seed)
        self._release()
        if options and options.get("intent") is not None:
            self.intent = as_intent(options["intent"])
        if self.intent is None:
            raise ConfigError("no intent: give one to the constructor or in reset options")
        self._episode = Episode(self.intent, seed, self.system_prompt)
        self._rendered = 0
        try:
            self._live = Live.start(
                self._episode,
                bind(self.intent, allow_kit_drift=self.allow_kit_drift),
                make_backend(self.workspace_spec),
                self._tools,
                subagent_policy=self.subagent_policy,
                web=self._web,
                limits=self.limits,
                allow_degraded=self.allow_degraded,
                rng=self._child_rng(),
            )
            self._live.open_dialogue(self.user_spec, self._child_rng())
        except BaseException:
            self._release()
            raise
        if self.render_mode == "human":
            self._print_new()
        return self.episode.observation(), {**self.facts(), "new_messages": 2}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Play one assistant message.

        Args:
            action: An assistant message, a dict, the openai SDK's object, or a string.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            InvalidAction: `action` is not an assistant message at all.
            ResetNeeded: The episode is over or never began.
            WorkspaceError, UserSimulatorError, VerifierError: Infrastructure failed; the
                episode is invalid and must not be scored.
        """
        episode, live = self.episode, self._going_on()
        message, annotations = to_message(action)
        before = len(episode.messages)
        episode.add_assistant(message, annotations)
        try:
            if "tool_calls" in message:
                self._run_tools(live, message)
            else:
                self._end_turn(live, text_of(message))
            if episode.termination is None:
                self._enforce_budgets()
            reward = self._reward(live) if episode.termination else 0.0
        except BaseException:
            self._release()
            raise
        if self.render_mode == "human":
            self._print_new()
        ended = episode.termination
        return (
            episode.observation(),
            reward,
            ended is not None and not ended.truncated,
            ended is not None and ended.truncated,
            {**self.facts(), "new_messages": len(episode.messages) - before},
        )

    def trajectory(
        self,
        *,
        agent: AgentProvenance,
        episode_id: str = "",
        run_id: str = "",
        trial: int = 0,
        wall_s: float = 0.0,
        error: BaseException | None = None,
    ) -> Trajectory:
        """Return the record of the episode going on, or of the last one.

        Args:
            agent: Who acted.
            episode_id: Content hash that the collector gives it.
            run_id: Run it belongs to.
            trial: Which attempt at the same intent.
            wall_s: Wall time of the whole episode, in seconds.
            error: The infrastructure failure that made it invalid, if one did.
        """
        return self.episode.trajectory(
            episode_id=episode_id,
            run_id=run_id,
            trial=trial,
            agent=agent,
            wall_s=wall_s,
            error=error,
        )

    def render(self) -> str | None:
        """Return the transcript so far (`ansi`), or print what is new (`human`)."""
        if self.render_mode == "ansi":
            return "\n".join(render_message(message) for message in self.episode.messages)
        if self.render_mode == "human":
            self._print_new()
        return None

    def close(self) -> None:
        """End the workspace; idempotent."""
        self._release()

    # -- starting ----------------------------------------------------------------------------

    def _child_rng(self) -> np.random.Generator:
        return np.random.default_rng(int(self.np_random.integers(2**63)))

    # -- one step ----------------------------------------------------------------------------

    def _going_on(self) -> Live:
        if self._live is None or self.episode.termination is not None:
            raise gym.error.ResetNeeded("the episode is over: call reset() first")
        return self._live

    def _run_tools(self, live: Live, message: Message) -> None:
        result = live.run_tools(
            message,
            calls=self.max_tool_calls - len(self.episode.calls),
            seconds=self.tool_time_s - self.episode.tool_time_s,
        )
        if result.gone is not None:
            self._end("workspace_gone", by="agent")
        elif result.over_budget:
            self._end("tool_call_budget", by="budget", truncated=True)

    def _end_turn(self, live: Live, text: str) -> None:
        """Answer a message without tool calls: sub-agents first, then the user."""
        announced = live.hear_subagents(text)
        if live.agents.crew.workspace_gone:
            self._end("workspace_gone", by="agent")
        elif not announced and live.user is None:
            self._end("agent_ended", by="agent")
        elif not announced:
            self._ask_user(live, text)

    def _ask_user(self, live: Live, text: str) -> None:
        if self.episode.user_turns >= self.max_turns:
            self._end("turn_budget", by="budget", truncated=True)
            return
        turn = live.hear_user(text)
        if turn.ends:
            self._end("user_satisfied" if turn.act == "close" else "user_gave_up", by="user")

    def _enforce_budgets(self) -> None:
        episode = self.episode
        if episode.tool_time_s > self.tool_time_s:
            self._end("tool_time_budget", by="budget", truncated=True)
        elif self.token_budget is not None and episode.tokens > self.token_budget:
            self._end("token_budget", by="budget", truncated=True)

    # -- ending ------------------------------------------------------------------------------

    def _end(self, reason: TerminationReason, *, by: Any, truncated: bool = False) -> None:
        self.episode.termination = Termination(reason=reason, by=by, truncated=truncated)

    def truncate(self, reason: TerminationReason) -> float:
        """End the episode from outside (`context_overflow`, `time_limit`) and score it.

        Args:
            reason: What is recorded as the reason.

        Returns:
            The reward, as `step` would have returned it.
        """
        live = self._going_on()
        self._end(reason, by="budget", truncated=True)
        try:
            return self._reward(live)
        finally:
            self._release()

    def _reward(self, live: Live) -> float:
        """Judge, release the workspace, and return the reward."""
        reward = live.judge().reward
        self._release()
        # Wrappers and vector envs need a number; `info["judged"]` says what it means.
        return reward or 0.0

    def _release(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()

    # -- telling -----------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether there is no episode going on."""
        return self._live is None

    def facts(self) -> dict[str, Any]:
        """Return what `info` says about the episode: small, reproducible, no clocks or paths."""
        episode = self.episode
        info: dict[str, Any] = {
            "intent_id": episode.intent.id,
            "turn": episode.user_turns,
            "step": episode.steps,
            "termination": episode.termination.reason if episode.termination else None,
            "judged": False,
        }
        verdict = episode.verdict
        if verdict is not None:
            info["judged"] = verdict.judged
            info["success"] = verdict.success
            info["reward_parts"] = dict(verdict.parts)
        return info

    def _print_new(self) -> None:
        for message in self.episode.messages[self._rendered :]:
            print(render_message(message), flush=True)  # noqa: T201
        self._rendered = len(self.episode.messages)
