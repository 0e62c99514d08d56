"""Binding: an intent's tasks meet the kits that make them real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent, Task
from ise_env.rewards.spec import Check
from ise_env.tasks import registry
from ise_env.tasks.kit import Kit, KitParams, Seed, Solution, SubGoal, WrongSolution


@dataclass(frozen=True)
class BoundTask:
    """A task with its kit and typed parameters; ids are those of the episode.

    Sub-goal, fact and check ids carry the task's id in front (`t1.reconcile`), so that two
    tasks of one intent never share one.
    """

    task: Task
    kit: Kit[Any]
    params: KitParams

    def seed(self) -> Seed:
        """What this task puts into the workspace."""
        with self._making():
            return self.kit.seed(self.params)

    def _asked(self) -> tuple[SubGoal, ...]:
        """The kit's own sub-goals that this task asks for: the first `task.steps`, or all."""
        with self._making():
            goals = self.kit.subgoals(self.params)
        if (self.task.steps or 0) > len(goals):
            raise ConfigError(
                f"task {self.task.id}: steps is {self.task.steps}, but {self.kit.name} has only "
                f"{len(goals)}"
            )
        return goals[: self.task.steps]

    @contextmanager
    def _making(self) -> Iterator[None]:
        """Name the task whose parameters are each in range, but make nothing together."""
        try:
            yield
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ConfigError(
                f"task {self.task.id}: {self.kit.name} makes nothing of its parameters "
                f"{self.params.model_dump(mode='json')}: {type(error).__name__}: {error}"
            ) from error

    def subgoals(self) -> tuple[SubGoal, ...]:
        """What the user asks for, with the episode's ids."""
        return tuple(
            replace(
                goal,
                id=self._full(goal.id),
                facts=tuple(replace(fact, id=self._full(fact.id)) for fact in goal.facts),
            )
            for goal in self._asked()
        )

    def checks(self) -> tuple[Check, ...]:
        """What decides this task, with the episode's ids; nothing that nobody asks for."""
        asked = {goal.id for goal in self._asked()}
        with self._making():
            made = self.kit.checks_of(self.params, asked)
        return tuple(
            check.model_copy(
                update={
                    "id": self._full(check.id),
                    "subgoal": self._full(check.subgoal) if check.subgoal else None,
                    "until": self._full(check.until) if check.until else None,
                }
            )
            for check in made
        )

    def solve(self, subgoal: str) -> Solution:
        """The oracle's steps for a sub-goal, by either id."""
        return self.kit.solve(self.params, self._own(subgoal))

    def solve_at_first(self, subgoal: str) -> Solution:
        """The oracle's steps for what a sub-goal's user asks for at first, by either id."""
        return self.kit.solve_at_first(self.params, self._own(subgoal))

    def review(self, subgoal: str) -> Solution:
        """The oracle's look at a finished sub-goal, by either id."""
        return self.kit.review(self.params, self._own(subgoal))

    def delegate(self, task: str) -> Solution | None:
        """The oracle's steps for what its own solution handed to a sub-agent, if it did."""
        return self.kit.delegate(self.params, task)

    def wrong(self, subgoal: str) -> tuple[WrongSolution, ...]:
        """Plausible wrong solutions of a sub-goal, by either id; often none."""
        own, first = self._own(subgoal), self._asked()[0].id
        return tuple(w for w in self.kit.wrong(self.params) if (w.subgoal or first) == own)

    def _full(self, own: str) -> str:
        return f"{self.task.id}.{own}"

    def _own(self, subgoal: str) -> str:
        own = subgoal.removeprefix(f"{self.task.id}.")
        known = [goal.id for goal in self._asked()]
        if own not in known:
            raise KeyError(f"{self.kit.name} has no sub-goal {subgoal!r}, only {known}")
        return own


def bind(intent: Intent, allow_kit_drift: bool = False) -> tuple[BoundTask, ...]:
    """Give every task of an intent that names a kit its kit.

    Args:
        intent: Sampled, published or text; tasks without a kit are left out.
        allow_kit_drift: Accept a kit of another version than the one that drew the parameters.

    Returns:
        One bound task for each task with a kit, in the intent's order.

    Raises:
        ConfigError: An unknown kit, another version, parameters that the kit refuses, or two
            tasks that would share a folder.
    """
    bound = tuple(_bind(intent, task, allow_kit_drift) for task in intent.tasks if task.kit)
    owners: dict[str, str] = {}
    for item in bound:
        folder = item.params.folder
        if folder in owners:
            raise ConfigError(
                f"intent {intent.id}: tasks {owners[folder]} and {item.task.id} share the folder "
                f"{folder!r}; draw one of them again"
            )
        owners[folder] = item.task.id
    return bound


def _bind(intent: Intent, task: Task, allow_kit_drift: bool) -> BoundTask:
    where = f"intent {intent.id}, task {task.id}"
    try:
        kit = registry.get(str(task.kit))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if task.version != kit.version and not allow_kit_drift:
        raise ConfigError(
            f"{where}: drawn by {kit.name} version {task.version}, installed is version "
            f"{kit.version}; sample it again, or accept it with --allow-kit-drift"
        )
    try:
        params = kit.params.model_validate(task.params)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "params"
        raise ConfigError(f"{where}: {kit.name}: {field}: {first['msg']}") from error
    return BoundTask(task, kit, params)
