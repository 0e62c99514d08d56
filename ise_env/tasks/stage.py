"""A kit in a live workspace of its own: seeded, played through the real tools, judged.

What the environment does for whole intents, reduced to one kit: no user, no budgets. Kits are
admitted on it, and their authors try them on it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import numpy as np

from ise_env.errors import ConfigError, VerifierError, WorkspaceError, blame
from ise_env.rewards.checks import ANY_CHECK
from ise_env.rewards.spec import Verdict
from ise_env.rewards.verifier import Evidence, look, verify
from ise_env.services.episode import EpisodeServices, start
from ise_env.services.plan import outside, plan
from ise_env.services.records import ServiceRecords
from ise_env.tasks.delegate import delegate_policy, message_of
from ise_env.tasks.install import install
from ise_env.tasks.kit import Kit, KitParams, Seed, Solution, ToolCall, ToolReply, Wait
from ise_env.tasks.programs import demand
from ise_env.tools import registry as tools
from ise_env.tools.agent_sessions import AgentSessions
from ise_env.tools.base import Outcome, ToolContext
from ise_env.tools.dispatch import dispatch
from ise_env.workspaces.protocol import Backend, Completed


class Stage(AbstractContextManager["Stage"]):
    """One kit, set up.

    Args:
        kit: The kit.
        params: Drawn by it.
        backend: Makes the workspace.
        asked: The kit's own ids of the sub-goals that are asked for; None: all of them.

    Attributes:
        said: Closing words of what was played, as the user would read them.
        outcomes: Of every tool call, in order.
    """

    def __init__(
        self,
        kit: Kit[Any],
        params: KitParams,
        backend: Backend,
        asked: Collection[str] | None = None,
    ) -> None:
        self.kit, self.params = kit, params
        self._asked = asked
        self.said: list[str] = []
        self._about: dict[str, list[str]] = {}
        self._rechecked: dict[str, list[str]] = {}
        self._aimed = 0
        self.outcomes: list[tuple[ToolCall, Outcome]] = []
        seed = self._seed()
        wanted = plan((kit.name, service) for service in seed.services)
        self.services: EpisodeServices | None = None
        self.workspace = backend.create(
            owner=f"admission of {kit.name}", names=wanted.names if wanted else ()
        )
        try:
            demand(self.workspace, [kit])
            self.services = start(wanted, self.workspace, backend)
            install(self.workspace, [(kit.name, seed)], self.services)
        except BaseException:
            self.close()
            raise
        self._tools = tools.resolve([*tools.CORE, *kit.tools])
        self._context = ToolContext(
            self.workspace, np.random.default_rng(0), services=self.services
        )
        self._agents = AgentSessions.install(
            self._context,
            seed.sessions,
            tools=self._tools,
            policy=delegate_policy(functools.partial(kit.delegate, params)),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the workspace."""
        self.close()

    def close(self) -> None:
        """Release the workspace and its services."""
        if self.services is not None:
            self.services.close()
        self.workspace.close()

    def play(self, solution: Solution, about: Sequence[str] = (), *, rechecks: bool = False) -> str:
        """Run a solution through the tools; returns, and remembers, its closing words.

        Args:
            solution: What to play.
            about: Sub-goals that its words answer; none: of unknown aim.
            rechecks: Whether they answer a request to look at the result again.
        """
        replies: list[ToolReply] | None = None
        try:
            while True:
                asked = next(solution) if replies is None else solution.send(replies)
                if isinstance(asked, Wait):
                    self._say(asked.words, about, rechecks)
                    replies = [ToolReply(self._agents.crew.wait())]
                else:
                    replies = self._call([asked] if isinstance(asked, ToolCall) else asked)
        except StopIteration as end:
            self._say(str(end.value), about, rechecks)
            return self.said[-1]

    def _say(self, words: str, about: Sequence[str], rechecks: bool) -> None:
        self.said.append(words)
        self._aimed += bool(about)
        for goal in about:
            (self._rechecked if rechecks else self._about).setdefault(goal, []).append(words)

    def shell(self, script: str) -> Completed:
        """Run a script as the agent would, for tricks; no words are said."""
        with blame(WorkspaceError, "running a trick"):
            done = self.workspace.run(script, timeout_s=30)
        if not isinstance(done, Completed):
            raise WorkspaceError("a script went on in the background")
        return done

    def verdicts(self) -> tuple[Verdict, Verdict]:
        """Freeze, and judge twice: the second time with checks that went through JSON."""
        asked = self._asked or [goal.id for goal in self.kit.subgoals(self.params)]
        checks = self.kit.checks_of(self.params, asked)
        again = [ANY_CHECK.validate_json(check.model_dump_json()) for check in checks]
        if self.services is not None:
            self.services.advance()
        probed = look(checks, self.workspace)
        with blame(VerifierError, "freezing the workspace"):
            frozen = self.workspace.freeze()
        # Words of unknown aim (a claim, a trick) count for every sub-goal.
        aimed = self._aimed == len(self.said)
        evidence = Evidence(
            frozen,
            tuple(self.said),
            said_of=self._about if aimed else None,
            rechecked_of=self._rechecked if aimed else {},
            services=self.services.records() if self.services else ServiceRecords(),
            probed=probed,
            subagents=self._agents.crew.records(),
        )
        return verify(checks, evidence), verify(again, evidence)

    def _seed(self) -> Seed:
        """What the kit seeds, if it keeps to its own folder and names."""
        seed, folder = self.kit.seed(self.params), self.params.folder
        own = (f"{folder}/", f"memory/{folder}/")
        strange = [f.path for f in seed.files if not f.path.startswith(own)]
        strange += filter(None, (outside(service, folder) for service in seed.services))
        strange += [session.key for session in seed.sessions if folder not in session.name]
        if strange:
            raise ConfigError(f"{self.kit.name}: {strange[0]} does not belong to {folder}")
        return seed

    def _call(self, calls: Sequence[ToolCall]) -> list[ToolReply]:
        message = message_of(calls, f"call_{len(self.outcomes)}")
        answered = list(dispatch(message, self._tools, self._context))
        self._agents.crew.advance()
        self.outcomes += [(c, a.outcome) for c, a in zip(calls, answered, strict=True)]
        return [ToolReply(str(answer.message["content"])) for answer in answered]
