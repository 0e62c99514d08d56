"""What exists only while an episode is going on: its workspace, its user, and the judging.

`IntentEnv` decides whose turn it is and when the episode ends; this room does the work of a
turn and knows neither Gymnasium nor budgets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ise_env.episode import Episode
from ise_env.errors import UserSimulatorError, VerifierError, WorkspaceError, blame
from ise_env.rewards.spec import Verdict
from ise_env.rewards.verifier import Evidence, verify
from ise_env.spaces import Message
from ise_env.tasks.bind import BoundTask
from ise_env.tasks.install import install
from ise_env.tools.base import Tool, ToolContext
from ise_env.tools.dispatch import DispatchResult, dispatch
from ise_env.traces.record import WorkspaceRecord
from ise_env.users import make_user
from ise_env.users.digest import DigestBuilder, hidden
from ise_env.users.ledger import with_truth
from ise_env.users.protocol import User, UserTurn
from ise_env.workspaces.protocol import Backend, Limits, Workspace


@dataclass
class Live:
    """One episode's live parts.

    Attributes:
        episode: What is recorded.
        bound: The tasks with their kits.
        workspace: Where tools run.
        context: What tools may touch.
        user: None in direct-query mode.
        digest: What the user observes; None without a user.
    """

    episode: Episode
    bound: tuple[BoundTask, ...]
    workspace: Workspace
    context: ToolContext
    user: User | None = None
    digest: DigestBuilder | None = None

    @classmethod
    def start(
        cls,
        episode: Episode,
        bound: tuple[BoundTask, ...],
        backend: Backend,
        *,
        limits: Limits,
        allow_degraded: Sequence[str],
        rng: np.random.Generator,
    ) -> Live:
        """Create the workspace and put into it what the tasks start with.

        Raises:
            WorkspaceError: It could not be made or seeded; nothing is left behind.
        """
        workspace = backend.create(limits=limits, allow_degraded=allow_degraded, owner="env")
        live = cls(episode, bound, workspace, ToolContext(workspace, rng))
        episode.workspace = WorkspaceRecord(
            backend=workspace.backend,
            image=workspace.image,
            limits=asdict(limits),
            degraded=list(workspace.degraded),
        )
        try:
            install(workspace, [(task.kit.name, task.seed()) for task in bound])
        except BaseException:
            live.close()
            raise
        return live

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

    def run_tools(
        self, message: Message, tools: Mapping[str, Tool[Any]], *, calls: int, seconds: float
    ) -> DispatchResult:
        """Run the calls of an assistant message and record every answer.

        Args:
            message: With `tool_calls`.
            tools: What the agent was offered.
            calls: How many calls are left to it.
            seconds: How much time inside tools is left to it.

        Raises:
            WorkspaceError: The machinery failed; the history is whole all the same.
        """
        result = dispatch(message, tools, self.context, budget=calls, time_budget_s=seconds)
        for done in result.results:
            self.episode.add_tool_result(done.message, done.outcome, done.call)
        if result.failure is not None:
            raise result.failure
        return result

    def hear_user(self, agent_text: str) -> UserTurn:
        """Let the user look at the workspace and answer.

        Raises:
            WorkspaceError: The workspace could not be looked at.
            UserSimulatorError: The user found no legal turn.
        """
        if self.user is None or self.digest is None:
            raise UserSimulatorError("there is no user in this episode")
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
        with blame(WorkspaceError, "freezing the workspace"):
            frozen = self.workspace.freeze()
            changes = frozen.diff()
        if episode.workspace is not None:
            kept = [c for c in changes if c.kind != "directory" and not hidden(c.path)]
            episode.workspace.diff = kept
            episode.workspace.diff_left_out = len(changes) - len(kept)
        evidence = Evidence(
            frozen=frozen,
            agent_texts=episode.assistant_texts(),
            said_of=episode.texts_by_subgoal(),
            changes=tuple(changes),
        )
        checks = [check for task in self.bound for check in task.checks()]
        with blame(VerifierError, "verifying the final state"):
            episode.verdict = verify(checks, evidence)
        if self.user is not None:
            episode.ledger = with_truth(self.user.ledger(), episode.verdict.checks)
        return episode.verdict

    def close(self) -> None:
        """End the workspace; idempotent."""
        with contextlib.suppress(WorkspaceError):
            self.workspace.close()
