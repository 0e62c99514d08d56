"""The oracle with human-like slips: authentic failure and recovery without a model.

Most slips are noticed, because the tool says so, and made good (`ise_env.agents.slips`). In some
episodes one is not: a plausible wrong solution, or a sub-goal claimed and never done. Such a
sub-goal is done properly once the user doubts it; if nobody does, the checks fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ise_env.agents.matching import reports_absence
from ise_env.agents.oracle import Goal, Oracle, Words
from ise_env.agents.phrases import say
from ise_env.agents.protocol import AgentContext
from ise_env.agents.scripted import Message
from ise_env.agents.slips import with_slips
from ise_env.tasks.kit import Solution

_WRONG, _CLAIMED = "wrong_solution", "claimed_not_done"

_EXPECTED = (LookupError, ValueError, AttributeError)
"""What a solution raises when it reads a workspace that is not as it should be."""

_STUCK = re.compile(
    r"not (look )?(as|what) i expected|i stopped at|not finished|FAILED \(|could not be"
    r"|only 0 of \d+|still (fails|differs)|\b(failed|cannot open): ",
    re.IGNORECASE,
)
"""A solution's words when it did not get through; nobody says before them that it is done."""
_ASKS = re.compile(r"[?？]|\btell me\b", re.IGNORECASE)


class Faulty(Oracle):
    """Slips, recovers, and now and then does not notice.

    Args:
        name: As in `make_agent`.
        rate: Share of the calls that slip and are made good.
        unnoticed: Share of the episodes in which one sub-goal goes wrong unnoticed.
        options: For the record.
    """

    def __init__(
        self,
        name: str = "faulty",
        *,
        rate: float = 0.15,
        unnoticed: float = 0.4,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, options=options)
        self._rate = rate
        self._unnoticed = unnoticed

    def reset(self, context: AgentContext) -> None:
        """Decide what will go wrong unnoticed."""
        super().reset(context)
        self._strayed: set[str] = set()
        if self.goals and self.rng.random() < self._unnoticed:
            goal = self.goals[int(self.rng.integers(len(self.goals)))]
            wrong = goal.task.wrong(goal.subgoal.id) and self.rng.random() < 0.65
            goal.notes["slip"] = _WRONG if wrong else _CLAIMED

    def work(self, goal: Goal) -> Words:
        """Do a sub-goal, or what will be taken for it."""
        slip = goal.notes.get("slip")
        if slip is None:
            return (yield from self._properly(goal, "begin"))
        self._slip = slip
        self._strayed.add(goal.task.task.id)
        if slip == _CLAIMED:
            return say(self.rng, "faulty", "claim", label=goal.label)
        choices = goal.task.wrong(goal.subgoal.id)
        chosen = choices[int(self.rng.integers(len(choices)))]
        return (yield from self._daring(chosen.run, "begin", goal))

    def work_as_subagent(self, task: str) -> Words:
        """Do what was handed out, with slips; what it needs may have been spoilt before."""
        for bound in self.tasks:
            solution = bound.delegate(task)
            if solution is not None:
                slipping = with_slips(solution, self.rng, self._rate)
                try:
                    return (yield from self.carry_out(slipping))
                except _EXPECTED:
                    return say(self.rng, "faulty", "stuck", label="the task that I was given")
        return say(self.rng, "oracle", "unsolvable")

    def look_again(self, goal: Goal, text: str) -> Words:
        """Look at it; what went wrong unnoticed is usually seen now, and done properly."""
        slip = goal.notes.get("slip")
        if slip is None or (slip == _WRONG and self.rng.random() < 0.3):
            try:
                return (yield from super().look_again(goal, text))
            except _EXPECTED:
                return self._stuck(goal)
        words = yield from self.redo(goal)
        if _STUCK.search(words) or reports_absence(text) or not _ASKS.search(text):
            return words
        try:
            answered = yield from super().look_again(goal, text)
        except _EXPECTED:
            return words
        return f"{words} {answered}"

    def redo(self, goal: Goal) -> Words:
        """Do it properly this time."""
        policy, key = ("oracle", "redone")
        if goal.notes.pop("slip", None) == _CLAIMED:
            policy, key = ("faulty", "belated")
        words = yield from self._properly(goal, "redo")
        return words if _STUCK.search(words) else f"{say(self.rng, policy, key)} {words}"

    def _wants_to_ask(self, goal: Goal) -> bool:
        # Who is about to go wrong unnoticed takes it for clear; an answer would be ignored.
        return "slip" not in goal.notes and super()._wants_to_ask(goal)

    def _properly(self, goal: Goal, occasion: str) -> Words:
        solution = with_slips(goal.task.solve(goal.subgoal.id), self.rng, self._rate)
        return (yield from self._daring(solution, occasion, goal))

    def _daring(self, solution: Solution, occasion: str, goal: Goal) -> Words:
        """Carry out steps that may find a workspace which an earlier mistake has changed."""
        try:
            return (yield from self.perform(solution, occasion, goal))
        except _EXPECTED:
            return self._stuck(goal)

    def _stuck(self, goal: Goal) -> str:
        # Only what an earlier mistake explains; anything else is a kit's own bug.
        if goal.task.task.id not in self._strayed:
            raise
        return say(self.rng, "faulty", "stuck", label=goal.label)

    def remark(self, message: Message) -> str:
        """Now and then, say what went wrong with the call before."""
        slip = message.get("x", {}).get("slip")
        if slip is None or self.rng.random() < 0.5:
            return ""
        return say(self.rng, "slips", slip)
