"""The ledger: what one user knows, has asked for, and believes; owned by code.

Believed states move by observables only. What is true is added afterwards, from the checks,
for the trace (`with_truth`); nothing in a user reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ise_env.rewards.spec import CheckVerdict
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.agent_move import AgentMove
from ise_env.users.protocol import Act, UserTurn

Believed = Literal["pending", "asked", "attempted", "done", "failed", "waived"]
FactSource = Literal["intent", "agent", "workspace", "persona"]

OPEN: frozenset[str] = frozenset({"pending", "asked", "attempted"})
"""Believed states in which a sub-goal still stands in the way of closing."""


@dataclass
class GoalState:
    """One sub-goal as the user sees it."""

    goal: SubGoal
    believed: Believed = "pending"
    asked_at: int | None = None
    """Number of the user turn that asked for it, from 1."""
    complaints: int = 0
    """Challenges and corrections so far."""
    answers: int = 0
    lookups: int = 0
    """Questions that the user asked about the result."""
    verified: bool = False
    """Whether a check of the result was asked for at the end."""
    answered: bool = False
    """Whether the kit's own answer has been given."""
    changed_mind: bool = False
    """Whether what was asked at first has been taken back."""
    touched: bool = False
    """Whether a place of the result was seen to change since the sub-goal was asked for."""
    pointed_out: set[str] = field(default_factory=set)
    """What was seen to be wrong and said so."""
    accepted: set[str] = field(default_factory=set)
    """What of that the agent gave a reason for; a reason is taken for what it is."""
    removed: bool = False
    """Whether any file was seen to go since the sub-goal was asked for."""
    trouble: bool = False
    """Whether the agent left it unfinished by its own words, and has not taken that back."""
    told: bool = False
    """Whether the agent said what it was asked to tell, right or wrong."""


@dataclass
class FactState:
    """One detail, and when the agent was told."""

    id: str
    value: str
    source: FactSource
    revealed_at: int | None = None


@dataclass
class Ledger:
    """Everything that the user may know and say.

    Args:
        subgoals: In the order in which the user means to ask.
    """

    subgoals: Sequence[SubGoal]
    goals: dict[str, GoalState] = field(init=False)
    facts: dict[str, FactState] = field(init=False)
    turns: list[UserTurn] = field(default_factory=list)
    moves: list[AgentMove] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """What the agent said, shortened."""
    seen: dict[str, int] = field(default_factory=dict)
    """Files that the user knows to exist, with their size."""
    came: set[str] = field(default_factory=set)
    """Files among them that were not there at first."""
    acknowledged: set[str] = field(default_factory=set)
    """Files that the user has said a word on; nobody gives thanks twice."""
    verification_at: int | None = None
    """Number of the turn that asked for a check of the whole result."""

    def __post_init__(self) -> None:
        self.goals = {goal.id: GoalState(goal) for goal in self.subgoals}
        facts = [fact for goal in self.subgoals for fact in goal.facts]
        facts += [answer_of(goal) for goal in self.subgoals if goal.answer]
        self.facts = {f.id: FactState(f.id, f.value, "intent") for f in facts}

    @property
    def current(self) -> GoalState | None:
        """The sub-goal asked for last, whatever became of it."""
        asked = [state for state in self.goals.values() if state.asked_at is not None]
        return max(asked, key=lambda state: state.asked_at or 0, default=None)

    @property
    def focus(self) -> GoalState | None:
        """The sub-goal that the user spoke of last."""
        return self.goals.get(self.turns[-1].subgoal or "") if self.turns else None

    @property
    def next_pending(self) -> GoalState | None:
        """The first sub-goal that was not asked for yet."""
        return next((s for s in self.goals.values() if s.believed == "pending"), None)

    @property
    def move(self) -> AgentMove | None:
        """The agent's last move."""
        return self.moves[-1] if self.moves else None

    def with_state(self, *believed: Believed) -> list[GoalState]:
        """Sub-goals in one of these states, in order."""
        return [state for state in self.goals.values() if state.believed in believed]

    def may_close(self) -> str:
        """Return why closing is not legal now; '' when it is."""
        if any(state.believed in OPEN for state in self.goals.values()):
            return "a sub-goal is still open"
        if self.verification_at is None:
            return "no check of the result was asked for"
        if self.move is not None and self.move.waits:
            return f"the agent {self.move.kind.replace('_', ' ')}"
        return ""

    def reveal(self, facts: Iterable[Fact]) -> tuple[list[str], list[str]]:
        """Note facts as told in the turn being made; returns (all ids, ids told just now)."""
        used, new = [], []
        for fact in facts:
            state = self.facts[fact.id]
            used.append(fact.id)
            if state.revealed_at is None:
                state.revealed_at = len(self.turns) + 1
                new.append(fact.id)
        return used, new

    def record(self, turn: UserTurn) -> UserTurn:
        """Append a turn that was really said."""
        self.turns.append(turn)
        return turn

    def dump(self) -> dict[str, Any]:
        """The ledger as JSON-able data."""
        return {
            "subgoals": [
                {
                    "id": s.goal.id,
                    "believed": s.believed,
                    "asked_at": s.asked_at,
                    "request": s.goal.request,
                    "label": s.goal.label,
                }
                for s in self.goals.values()
            ],
            "facts": [
                {"id": f.id, "value": f.value, "source": f.source, "revealed_at": f.revealed_at}
                for f in self.facts.values()
            ],
            "agent_moves": [move.kind for move in self.moves],
            "verification_at": self.verification_at,
        }


def answer_of(goal: SubGoal) -> Fact:
    """What the user knows in answer to a sub-goal's question, as a fact."""
    return Fact(f"{goal.id}.answer", goal.answer)


def asked_as(goal: SubGoal, act: Act) -> SubGoal:
    """The sub-goal as a turn of that act puts it: at first it may be something else."""
    if act != "request" or not goal.at_first:
        return goal
    told = tuple(fact for fact in goal.facts if fact.value in goal.at_first)
    return replace(goal, request=goal.at_first, facts=told)


def with_truth(dumped: Mapping[str, Any], checks: Iterable[CheckVerdict]) -> dict[str, Any]:
    """Add `true` ("done", "failed", "not judged") to every sub-goal of a dumped ledger.

    For the trace, once the episode is over: a user that learns what is true leaks the verifier.
    """
    judged: dict[str, list[str]] = {}
    for check in checks:
        if check.subgoal is not None and (check.required or check.weight > 0):
            judged.setdefault(check.subgoal, []).append(check.verdict)
    subgoals = [
        {**state, "true": _truth(judged.get(state["id"], []))} for state in dumped["subgoals"]
    ]
    return {**dumped, "subgoals": subgoals}


def _truth(verdicts: list[str]) -> str:
    if not verdicts or "not judged" in verdicts:
        return "not judged"
    return "failed" if "failed" in verdicts else "done"
