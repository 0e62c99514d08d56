"""What exists only while an episode is going on: its workspace, its user, and the judging.

`IntentEnv` decides whose turn it is and when the episode ends; this room does the work of a
turn and knows neither Gymnasium nor budgets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ise_env.episode import Episode
from ise_env.errors import UserSimulatorError, VerifierError, WorkspaceError, blame
from ise_env.rewards.spec import Verdict
from ise_env.rewards.verifier import Evidence, look, verify
from ise_env.services.episode import EpisodeServices, start
from ise_env.services.plan import plan
from ise_env.services.records import ServiceRecords
from ise_env.spaces import Message
from ise_env.tasks.bind import BoundTask
from ise_env.tasks.install import install
from ise_env.tasks.programs import demand
from ise_env.tools.agent_sessions import AgentSessions
from ise_env.tools.base import Tool, ToolContext
from ise_env.tools.dispatch import DispatchResult, dispatch
from ise_env.tools.registry import resolve
from ise_env.tools.subagent import SubagentPolicy
from ise_env.tools.web_provider import WebProvider
from ise_env.traces.record import WorkspaceRecord
from ise_env.users import make_user
from ise_env.users.digest import DigestBuilder, hidden
from ise_env.users.ledger import with_truth
from ise_env.users.protocol import User, UserTurn
from ise_env.workspaces.protocol import Backend, Limits, Workspace, WorkspaceGone


@dataclass
class Live:
    """One episode's live parts.

    Attributes:
        episode: What is recorded.
        bound: The tasks with their kits.
        workspace: Where tools run.
        context: What tools may touch.
        tools: What the agent is offered.
        agents: Its sessions, and its sub-agents.
        services: What answers on the workspace's loopback; None where no task wants any.
        user: None in direct-query mode.
        digest: What the user observes; None without a user.
    """

    episode: Episode
    bound: tuple[BoundTask, ...]
    workspace: Workspace
    context: ToolContext
    tools: Mapping[str, Tool[Any]]
    agents: AgentSessions
    services: EpisodeServices | None = None
    user: User | None = None
    digest: DigestBuilder | None = None
    _aside: list[str] = field(default_factory=list)
    """What the agent said since the user's last turn before an announcement came between."""

    @classmethod
    def start(
        cls,
        episode: Episode,
        bound: tuple[BoundTask, ...],
        backend: Backend,
        tools: Sequence[str] | None,
        *,
        subagent_policy: SubagentPolicy | None = None,
        web: WebProvider | None = None,
        limits: Limits,
        allow_degraded: Sequence[str],
        rng: np.random.Generator,
    ) -> Live:
        """Create the workspace and put into it what the tasks start with.

        Raises:
            WorkspaceError: It could not be made or seeded; nothing is left behind.
        """
        seeds = [task.seed() for task in bound]
        planned = [(task.kit.name, seed) for task, seed in zip(bound, seeds, strict=True)]
        wanted = plan((kit, service) for kit, seed in planned for service in seed.services)
        workspace = backend.create(
            limits=limits,
            allow_degraded=allow_degraded,
            owner="env",
            names=wanted.names if wanted else (),
        )
        context = ToolContext(workspace, rng, web=web)
        agents = AgentSessions.install(
            context,
            [session for seed in seeds for session in seed.sessions],
            policy=subagent_policy,
            history=episode.messages,
            usage=lambda: episode.usage,
        )
        episode.subagents = agents.crew.records
        live = cls(episode, bound, workspace, context, {}, agents)
        episode.workspace = WorkspaceRecord(
            backend=workspace.backend,
            image=workspace.image,
            limits=asdict(limits),
            degraded=list(workspace.degraded),
        )
        try:
            demand(workspace, [task.kit for task in bound])
            live.services = start(wanted, workspace, backend)
            context.services = live.services
            install(workspace, planned, live.services)
            live._offer(tools)
        except BaseException:
            live.close()
            raise
        return live

    def _offer(self, names: Sequence[str] | None) -> None:
        """Offer the tools that are named; of the default set, those that lack nothing here."""
        tools = resolve(names)
        if names is None:
            tools = {n: tool for n, tool in tools.items() if not tool.missing(self.context)}
        self.tools = tools
        self.agents.offer(tools)
        self.episode.offer([tool.schema() for tool in tools.values()])

    def open_dialogue(self, user_spec: str | None, rng: np.random.Generator) -> None:
        """Let the user say the first words, or give the single instruction without a user.

        Raises:
            UserSimulatorError: The user found no legal opening.
        """
        intent = self.episode.intent
        if user_spec is None:
            self.episode.add_instruction(intent.utterance)
            return
        subgoals = [goal for task in self.bound for goal in task.subgoals()]
        with blame(UserSimulatorError, "opening the dialogue"):
            self.user = make_user(user_spec, intent=intent, subgoals=subgoals, rng=rng)
            self.digest = DigestBuilder(self.workspace, self.user)
            self.episode.user = self.user.provenance
            self.episode.add_user_turn(self.user.open())

    def run_tools(self, message: Message, *, calls: int, seconds: float) -> DispatchResult:
        """Run the calls of an assistant message and record every answer.

        Sub-agents that are at work play one message each.

        Args:
            message: With `tool_calls`.
            calls: How many calls are left to it.
            seconds: How much time inside tools is left to it.

        Raises:
            WorkspaceError: The machinery failed; the history is whole all the same.
        """
        result = dispatch(message, self.tools, self.context, budget=calls, time_budget_s=seconds)
        for done in result.results:
            self.episode.add_tool_result(done.message, done.outcome, done.call)
        if result.failure is not None:
            raise result.failure
        if result.gone is None:
            with self._bill_subagents():
                self.agents.crew.advance()
            if self.agents.crew.workspace_gone:
                result = replace(result, gone=WorkspaceGone("a sub-agent ended the processes"))
        return result

    def hear_subagents(self, agent_text: str) -> bool:
        """At the end of the agent's turn, let sub-agents work until one of them ends.

        Args:
            agent_text: What the agent said; the user hears it together with what comes after.

        Returns:
            Whether there was an announcement, which begins another turn of the agent's.

        Raises:
            IseError: Infrastructure failed.
        """
        with self._bill_subagents():
            announced = self.agents.crew.wait()
        if announced:
            self._aside.append(agent_text)
            self.episode.add_announcement(announced)
        return bool(announced)

    @contextlib.contextmanager
    def _bill_subagents(self) -> Iterator[None]:
        """Count what sub-agents use up as the episode's."""
        before = self.agents.crew.tool_seconds
        try:
            yield
        finally:
            for usage in self.agents.crew.take_usage():
                self.episode.add_usage(usage)
            self.episode.tool_time_s += self.agents.crew.tool_seconds - before

    def hear_user(self, agent_text: str) -> UserTurn:
        """Let the user look at the workspace and answer.

        Raises:
            WorkspaceError: The workspace could not be looked at.
            UserSimulatorError: The user found no legal turn.
        """
        if self.user is None or self.digest is None:
            raise UserSimulatorError("there is no user in this episode")
        agent_text = "\n\n".join(filter(None, [*self._aside, agent_text]))
        self._aside.clear()
        with blame(WorkspaceError, "looking at the workspace for the user"):
            digest = self.digest.build(agent_text, tool_calls=self.episode.calls_since_user())
        with blame(UserSimulatorError, "answering as the user"):
            turn = self.user.reply(digest)
        self.episode.add_user_turn(turn)
        return turn

    def judge(self) -> Verdict:
        """Kill everything inside, look at what is left from outside, and record the verdict.

        Raises:
            WorkspaceError: The tree could not be kept.
            VerifierError: A check could not be evaluated.
        """
        episode = self.episode
        checks = [check for task in self.bound for check in task.checks()]
        if self.services is not None:
            self.services.advance()
        probed = look(checks, self.workspace)
        with blame(WorkspaceError, "freezing the workspace"):
            frozen = self.workspace.freeze()
            changes = frozen.diff()
        if episode.workspace is not None:
            kept = [c for c in changes if c.kind != "directory" and not hidden(c.path)]
            episode.workspace.diff = kept
            episode.workspace.diff_left_out = len(changes) - len(kept)
        said_of, rechecked_of = episode.texts_by_subgoal()
        evidence = Evidence(
            frozen=frozen,
            agent_texts=episode.assistant_texts(),
            said_of=said_of,
            rechecked_of=rechecked_of,
            changes=tuple(changes),
            services=self.services.records() if self.services else ServiceRecords(),
            probed=probed,
            subagents=self.agents.crew.records(),
        )
        with blame(VerifierError, "verifying the final state"):
            episode.verdict = verify(checks, evidence)
        if self.user is not None:
            episode.ledger = with_truth(self.user.ledger(), episode.verdict.checks)
        return episode.verdict

    def close(self) -> None:
        """End the services and the workspace; idempotent."""
        if self.services is not None:
            self.services.close()
        with contextlib.suppress(WorkspaceError):
            self.workspace.close()
