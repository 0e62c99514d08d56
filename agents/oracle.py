"""The oracle: the kits' own solutions, led by what the user asks for.

Privileged: it reads the intent's kits. It still works as an agent has to: a sub-goal is begun
when the user's words ask for it, every step is a tool call whose real reply decides the next,
and what it tells the user comes from those replies.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ise_env.agents import matching
from ise_env.agents.answers import Asked, answer, paths_in, whereabouts
from ise_env.agents.phrases import say
from ise_env.agents.protocol import AgentContext
from ise_env.agents.scripted import (
    Conversation,
    Message,
    ScriptedAgent,
    latest_task,
    replies_to,
    user_text,
)
from ise_env.tasks.bind import BoundTask, bind
from ise_env.tasks.kit import Solution, SubGoal, ToolCall, ToolReply, Wait
from ise_env.tasks.steps import NotFound, sh

Words = Generator[Message, list[Message], str]
"""Yields messages with tool calls; returns what to tell the user."""


@dataclass
class Goal:
    """One sub-goal and how far it is."""

    task: BoundTask
    subgoal: SubGoal
    done: bool = False
    asked: bool = False
    """Whether its question was put to the user."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a descendant remembers about it."""

    @property
    def label(self) -> str:
        """As the user calls it."""
        return self.subgoal.label


class Oracle(ScriptedAgent):
    """Solves every sub-goal with its kit's solution.

    Args:
        name: As in `make_agent`.
        questions: Share of the sub-goals with an open question that it asks about first.
        narration: Share of the sub-goals that it begins with a sentence.
        options: For the record.
    """

    def __init__(
        self,
        name: str = "oracle",
        *,
        questions: float = 0.35,
        narration: float = 0.5,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, options=options, privileged=True)
        self._questions = questions
        self._narration = narration

    def reset(self, context: AgentContext) -> None:
        """Bind the intent's kits.

        Raises:
            ConfigError: A kit is unknown or of another version.
        """
        super().reset(context)
        self.tasks = bind(context.intent, allow_kit_drift=True)
        self.goals = [Goal(task, subgoal) for task in self.tasks for subgoal in task.subgoals()]
        self._latest: list[Goal] = []
        self._told: list[str] = []

    def converse(self, first: list[Message]) -> Conversation:
        """Answer one user message after the other."""
        new = first
        while True:
            self._slip: str | None = None
            if self.context.subagent is not None:
                words = yield from self.work_as_subagent(latest_task(new))
            else:
                words = yield from self._answer(user_text(new))
            self._told.append(words)
            new = yield self.text(words, **({"slip": self._slip} if self._slip else {}))

    # -- what to do about a user's message ---------------------------------------------------

    def _answer(self, text: str) -> Words:
        if not self.goals:
            return say(self.rng, "oracle", "unsolvable")
        fickle = self._asked_at_first(text)
        if fickle is not None:
            first = fickle.task.solve_at_first(fickle.subgoal.id)
            return (yield from self.perform(first, "begin", fickle))
        due = self._due(text)
        if due:
            return (yield from self._work_on(due))
        words: list[str] = []
        for goal in self._meant(text):
            words.append((yield from self._look_into(goal, text)))
        return "\n\n".join(words) or say(self.rng, "oracle", "unplaced")

    def _asked_at_first(self, text: str) -> Goal | None:
        """The open sub-goal of which the message asks what its user will take back."""
        return next(
            (
                goal
                for goal in self.goals
                if not goal.done
                and goal.subgoal.at_first
                and matching.holds(text, goal.subgoal.at_first)
            ),
            None,
        )

    def _due(self, text: str) -> list[Goal]:
        """Open sub-goals that the message asks for, in the user's order.

        A message that names no open sub-goal's facts never starts new work: it is a question or
        a remark about what was done.
        """
        open_goals = [goal for goal in self.goals if not goal.done]
        others = [goal.subgoal for goal in self.goals if goal not in open_goals]
        asked = matching.asked_for(text, [goal.subgoal for goal in open_goals], others)
        due = [goal for goal in open_goals if goal.asked or goal.subgoal in asked]
        if due or not open_goals or self._named(text):
            return due
        closest = matching.closest(text, [goal.subgoal for goal in open_goals], others)
        return [goal for goal in open_goals if goal.subgoal is closest]

    def _meant(self, text: str) -> list[Goal]:
        """Finished sub-goals that a message is about."""
        finished = [goal for goal in self.goals if goal.done]
        return self._named(text) or (finished if matching.asks_about_all(text) else self._latest)

    def _named(self, text: str) -> list[Goal]:
        """Finished sub-goals that a message names: by label, by a result, by another path."""
        finished = [goal for goal in self.goals if goal.done]
        if by_label := [goal for goal in finished if matching.is_named(text, goal.subgoal)]:
            return by_label
        for about in (matching.mentions, matching.touches):
            if named := [goal for goal in finished if about(text, goal.subgoal)]:
                return named[-1:]  # the last one to have changed what is named
        folders = {path.partition("/")[0] for path in paths_in(text)}
        return [goal for goal in finished if goal.task.params.folder in folders][-1:]

    def _work_on(self, due: list[Goal]) -> Words:
        words: list[str] = []
        for goal in due:
            if not words and self._wants_to_ask(goal):
                goal.asked = True
                return (yield from self._ask(goal))
            words.append((yield from self.work(goal)))
            goal.done, goal.asked = True, False
            self._latest = [goal]
        return "\n\n".join(words)

    def _ask(self, goal: Goal) -> Words:
        """Put the open question, once it was seen that the workspace leaves it open."""
        message = self.calls([sh(f"ls -p {goal.task.params.folder}")])
        yield message
        question = goal.subgoal.question
        return say(self.rng, "oracle", "ask", label=goal.label, question=question)

    def _wants_to_ask(self, goal: Goal) -> bool:
        if goal.asked or not goal.subgoal.question:
            return False
        # Never on the first message: it may be the only one (direct-query mode).
        begun = any(other.done for other in self.goals)
        return begun and self.rng.random() < self._questions

    # -- how to do it ------------------------------------------------------------------------

    def work(self, goal: Goal) -> Words:
        """Do a sub-goal; returns the closing words."""
        return (yield from self.perform(goal.task.solve(goal.subgoal.id), "begin", goal))

    def work_as_subagent(self, task: str) -> Words:
        """Do what a kit's own solution handed out."""
        for bound in self.tasks:
            solution = bound.delegate(task)
            if solution is not None:
                return (yield from self.carry_out(solution))
        return say(self.rng, "oracle", "unsolvable")

    def look_again(self, goal: Goal, text: str) -> Words:
        """Look at a finished sub-goal because of what the user said about it."""
        asked = Asked(
            text,
            goal.subgoal,
            goal.task.params.folder,
            lambda: goal.task.review(goal.subgoal.id),
            self._told,
        )
        return (yield from self.perform(answer(asked), "review", goal))

    def redo(self, goal: Goal) -> Words:
        """Do a sub-goal once more whose result is not there."""
        words = yield from self.perform(goal.task.solve(goal.subgoal.id), "redo", goal)
        return f"{say(self.rng, 'oracle', 'redone')} {words}"

    def _look_into(self, goal: Goal, text: str) -> Words:
        """What was said of a finished sub-goal: a result that is missing, or something else."""
        if not matching.reports_absence(text):
            return (yield from self.look_again(goal, text))
        named = paths_in(text)
        if named and named[0] not in goal.subgoal.artifacts:
            words: str = yield from self.perform(
                whereabouts(named[0], goal.subgoal), "review", goal
            )
            return words if words not in self._told else (yield from self.look_again(goal, text))
        if (yield from self._is_missing(goal)):
            return (yield from self.redo(goal))
        return (yield from self.look_again(goal, text))

    def _is_missing(self, goal: Goal) -> Generator[Message, list[Message], bool]:
        """Whether a result is not there, or has nothing in it."""
        for path in goal.subgoal.artifacts:
            message = self.calls([sh(f"ls -ld {path}")])
            (reply,) = replies_to(message, (yield message))
            if reply.failed or re.match(r"-\S+ +\S+ +\S+ +\S+ +0 ", reply.text):
                return True
        return False

    def remark(self, message: Message) -> str:
        """What to say with the next call, given the message that made the last one."""
        return ""

    def perform(self, solution: Solution, occasion: str, goal: Goal) -> Words:
        """Carry out a solution's steps as tool calls."""
        content = ""
        if self.rng.random() < self._narration:
            content = say(self.rng, "oracle", occasion, label=goal.label)
        return (yield from self.carry_out(solution, content))

    def carry_out(self, solution: Solution, content: str = "") -> Words:
        """Make a solution's calls, the first with some words."""
        try:
            step = next(solution)
            while True:
                if isinstance(step, Wait):
                    told = yield self.text(step.words)
                    step = solution.send([ToolReply(user_text(told))])
                    continue
                calls = [step] if isinstance(step, ToolCall) else list(step)
                message = self.calls(calls, content)
                replies = replies_to(message, (yield message))
                content = self.remark(message)
                step = solution.send(replies)
        except StopIteration as stop:
            return str(stop.value)
        except NotFound as stuck:
            return str(stuck)
