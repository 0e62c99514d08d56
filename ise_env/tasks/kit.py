"""What a task kit is: everything that makes one sampled task real.

A kit draws parameters, says which files the workspace starts with, which sub-goals the user
will ask for, which checks decide success, and how the oracle solves it. It knows nothing of
environments, backends, users or rollouts.

Admission (`ise validate`): through the real environment the oracle passes every check; doing
nothing, only claiming to be done, and every plausible wrong solution fail; no weighted check
is true at reset; verifying twice agrees.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.spec import Check
from ise_env.services.spec import ServiceSeed
from ise_env.tools.session_seed import SessionSeed
from ise_env.workspaces.protocol import SeedFile


class KitParams(BaseModel):
    """Base of every kit's parameters; JSON-able, stored in the intent.

    Every number has the range that `draw` draws from: what was never admitted is not loaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Top folder that belongs to this task alone; everything seeded lies below it, or below the
    folder of that name in `memory/`, where the memory tools look."""
    content: int = Field(default=0, ge=0)
    """What `Draw` derives the contents from; keeps the stored parameters small."""


P = TypeVar("P", bound=KitParams)


@dataclass(frozen=True)
class Seed:
    """What the workspace holds before the first turn."""

    files: tuple[SeedFile, ...] = ()
    setup: tuple[str, ...] = ()
    """Bash scripts run by the harness in `WORKDIR` with pinned git dates, before the checkpoint;
    for what files cannot say (a git repository). Must be deterministic, and must succeed."""
    sessions: tuple[SessionSeed, ...] = ()
    """Earlier conversations of the agent; put the kit's folder into their names."""
    services: tuple[ServiceSeed, ...] = ()
    """What servers on the workspace's loopback hold: mail, sites, repositories, chat, jobs. Names
    contain the kit's folder, see `ise_env.services.spec`."""


@dataclass(frozen=True)
class Fact:
    """A seeded detail that a request has to mention for the sub-goal to be satisfiable."""

    id: str
    value: str
    """Verbatim text: a path, a figure, a branch name. Occurs in `SubGoal.request`."""


@dataclass(frozen=True)
class SubGoal:
    """One step that the user asks for in a turn of its own."""

    id: str
    """Unique in the kit; the episode knows it as `<task id>.<id>`."""
    request: str
    """Imperative clause without final punctuation, every fact in it verbatim:
    `reconcile ledger/march.csv with ledger/bank.csv and write ...`."""
    label: str
    """Short noun phrase for later turns: `the reconciliation`, `the merge of feature/tax`."""
    facts: tuple[Fact, ...] = ()
    artifacts: tuple[str, ...] = ()
    """Paths in which this person would look for the result (observable, not the checks)."""
    question: str = ""
    """What the agent might ask about it; empty if nothing is open."""
    answer: str = ""
    """The user's answer to that question; true of the workspace."""
    at_first: str = ""
    """What this person asks for before they change their mind, an imperative clause; `request`
    is what counts and what the checks follow. Empty for people who know what they want."""


@dataclass(frozen=True)
class ToolCall:
    """A call that a scripted policy makes."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ToolReply:
    """What it got back: the text that the agent sees, and nothing else."""

    text: str

    @property
    def failed(self) -> bool:
        """Whether the text itself says that the call failed."""
        return (
            "(Command exited with code" in self.text
            or _ERROR_OBJECT.match(self.text) is not None
            or "Command timed out after" in self.text
        )


@dataclass(frozen=True)
class Wait:
    """The end of a turn while sub-agents work; what is sent back is their announcement."""

    words: str
    """To the user: what was handed out."""


_ERROR_OBJECT = re.compile(r'\{\s*"status":\s*"error"')

Solution = Generator[ToolCall | Sequence[ToolCall] | Wait, list[ToolReply], str]
"""Yields one call, or several made in parallel; is sent the replies in the same order; returns
the closing words to the user for this sub-goal, in which every figure comes from a reply.
`Wait` ends the turn until a sub-agent does; its one reply is the announcement."""


@dataclass(frozen=True)
class WrongSolution:
    """A plausible way to get one sub-goal wrong that the checks must catch."""

    name: str
    run: Solution = field(repr=False)
    """In place of `solve(p, subgoal)`; the sub-goals before and after are solved as they should."""
    subgoal: str = ""
    """The kit's own id; empty: the first one."""


class Kit(ABC, Generic[P]):
    """One task, real.

    Subclasses live in `ise_env/tasks/<domain>/<kit>.py` and are found by the registry.
    """

    name: ClassVar[str]
    """`<domain>/<slug>`."""
    version: ClassVar[int] = 1
    """Raised whenever the same parameters would give another workspace or other checks."""
    title: ClassVar[str]
    description: ClassVar[str]
    tools: ClassVar[tuple[str, ...]] = ("exec", "read", "write", "edit")
    requires: ClassVar[tuple[str, ...]] = ()
    """Programs that must exist inside the workspace (`git`, `sqlite3`)."""
    obstacle: ClassVar[str] = ""
    """The authentic difficulty that must be noticed, in a phrase; empty if there is none."""
    folders: ClassVar[tuple[str, ...]]
    """Top folders that `draw` chooses from; no two kits share one."""
    people: ClassVar[bool] = False
    """Whether its mail or chat knows people; two tasks of an intent then share no person's name,
    for a request names people by it, and the address book is one for all."""
    params: ClassVar[type[KitParams]]

    @abstractmethod
    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> P:
        """Draw parameters; all randomness from `rng`."""

    @abstractmethod
    def seed(self, p: P) -> Seed:
        """Say what the workspace starts with; touches no path outside this kit's own folders."""

    @abstractmethod
    def subgoals(self, p: P) -> tuple[SubGoal, ...]:
        """The steps that the user asks for, in order; usually one or two."""

    @abstractmethod
    def checks(self, p: P) -> tuple[Check, ...]:
        """What must hold at the end; `Check.subgoal` is the kit's own sub-goal id."""

    def checks_of(self, p: P, asked: Collection[str]) -> tuple[Check, ...]:
        """The checks that count when these sub-goals, by the kit's own ids, are asked for."""
        return tuple(
            check
            for check in self.checks(p)
            if (check.subgoal is None or check.subgoal in asked) and check.until not in asked
        )

    @abstractmethod
    def solve(self, p: P, subgoal: str) -> Solution:
        """The oracle's steps for one sub-goal; branches on what the tools really return."""

    def solve_at_first(self, p: P, subgoal: str) -> Solution:
        """The oracle's steps for a sub-goal's `at_first`, before the user changes their mind.

        Raises:
            NotImplementedError: The kit's users know what they want.
        """
        raise NotImplementedError(f"{self.name}: nobody changes their mind about {subgoal}")

    @abstractmethod
    def review(self, p: P, subgoal: str) -> Solution:
        """Steps that look at the finished result when the user asks to verify it."""

    def delegate(self, p: P, task: str) -> Solution | None:
        """The oracle's steps as a sub-agent, for a task (or message) that `solve` hands out.

        Returns:
            None where the text is none of this kit's own; most kits hand nothing out.
        """
        return None

    @abstractmethod
    def wrong(self, p: P) -> tuple[WrongSolution, ...]:
        """At least one plausible wrong solution, each of a single sub-goal."""
