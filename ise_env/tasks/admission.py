"""Admission: what a kit has to show before anybody may sample it.

On a live workspace and through the real tools: the oracle passes every check; doing nothing
and only claiming to be done score exactly 0; plausible wrong solutions fail, and so does taking
a step too many where it was asked to wait; no check with
weight holds at reset and every guard does; judging twice agrees; no trick gains anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ise_env.errors import ConfigError, IseError
from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.spec import Check, Verdict
from ise_env.tasks import registry, tricks
from ise_env.tasks.kit import Kit, KitParams
from ise_env.tasks.stage import Stage
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Backend

TIERS: tuple[Complexity, ...] = ("simple", "medium", "complex")

NOBODY = Persona(id="admission", name="Robin Weller", role="clerk", industry="none")

SPECIAL = ("reset", "claims done", "oracle")


@dataclass(frozen=True)
class Row:
    """One line of the table: a kit, a seed, a case, and what came of it."""

    kit: str
    seed: int
    tier: Complexity
    case: str
    """`reset`, `claims done`, `oracle`, `only: ...`, `too far: ...`, `wrong: ...`, `trick: ...`."""
    passed: bool
    detail: str = ""
    """Why it did not pass; empty otherwise."""
    calls: int = 0
    """Tool calls that were made."""
    reward: float | None = None
    seconds: float = 0.0


def validate(
    kits: Iterable[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    backend: str = "local",
    with_tricks: bool = True,
) -> Iterator[Row]:
    """Put kits through admission, row by row as they come.

    Args:
        kits: Names; None: all that are installed.
        seeds: Each seed draws parameters of one tier, in turn simple, medium, complex.
        backend: Name of the workspace backend.
        with_tricks: Also play the battery of tricks, on the first seed only.

    Yields:
        A row for every case. A kit is admitted when all of its rows passed.

    Raises:
        ConfigError: An unknown kit or backend.
    """
    maker = make_backend(backend)
    for kit in [registry.get(name) for name in (registry.names() if kits is None else kits)]:
        yield from _rows(kit, seeds, maker, with_tricks)


def validate_kits(
    kits: Iterable[str],
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    backend: str = "local",
    with_tricks: bool = True,
    jobs: int = 1,
) -> Iterator[tuple[str, list[Row]]]:
    """Put kits through admission, several at a time.

    Args:
        kits: Names.
        seeds: As for `validate`.
        backend: Name of the workspace backend.
        with_tricks: As for `validate`.
        jobs: Kits at a time, a thread each: the work is done by processes in workspaces.

    Yields:
        Name and rows of each kit as it is finished, whatever the order they were given in.
        Leaving early drops the kits that were not begun and waits for those that were.

    Raises:
        ConfigError: An unknown kit or backend; nothing was begun then.
    """
    maker = make_backend(backend)
    chosen = [registry.get(name) for name in kits]
    with ThreadPoolExecutor(jobs, thread_name_prefix="admission") as pool:
        begun = {
            pool.submit(lambda kit: list(_rows(kit, seeds, maker, with_tricks)), kit): kit.name
            for kit in chosen
        }
        try:
            for done in as_completed(begun):
                yield begun[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _rows(kit: Kit[Any], seeds: Sequence[int], maker: Backend, with_tricks: bool) -> Iterator[Row]:
    for number, seed in enumerate(seeds):
        tier = TIERS[seed % len(TIERS)]
        params = kit.draw(np.random.default_rng(seed), NOBODY, tier)
        for row in _cases(kit, seed, tier, params, maker, with_tricks and number == 0):
            yield row
            if row.case == "reset" and row.detail.startswith(ConfigError.__name__):
                return  # It cannot be set up here at all: saying so once is enough.


def _cases(
    kit: Kit[Any],
    seed: int,
    tier: Complexity,
    params: KitParams,
    backend: Backend,
    with_tricks: bool,
) -> Iterator[Row]:
    def row(
        case: str,
        act: Callable[[Stage], None],
        complaint: Complaint,
        asked: Sequence[str] | None = None,
    ) -> Row:
        start = time.monotonic()
        calls, reward = 0, None
        try:
            with Stage(kit, params, backend, asked) as stage:
                act(stage)
                calls = len(stage.outcomes)
                first, second = stage.verdicts()
                reward = first.reward
                wrong = complaint(first, stage)
                if not wrong and first != second:
                    wrong = "judging twice, once through JSON, does not agree"
        except IseError as error:
            wrong = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - a kit's own bug is a row of the table
            wrong = f"{type(error).__name__} in the kit: {error}"
        seconds = time.monotonic() - start
        return Row(kit.name, seed, tier, case, not wrong, wrong, calls, reward, seconds)

    yield row("reset", lambda stage: None, _at_reset)
    yield row("claims done", _claim, _nothing_gained)
    goals = [goal.id for goal in kit.subgoals(params)]
    yield row("oracle", _solving(goals), _all_passed)
    for later in sorted({check.until for check in kit.checks(params) if check.until}):
        before = goals[: goals.index(later)]
        yield row(f"only: {', '.join(before)}", _solving(before), _all_passed, before)
        yield row(f"too far: {later}", _solving([*before, later]), _not_successful, before)
    for number, wrong in enumerate(kit.wrong(params)):
        yield row(f"wrong: {wrong.name}", _wrongly(number), _not_successful)
    if with_tricks:
        for name in tricks.TRICKS:
            yield row(f"trick: {name}", _trick(name), _nothing_gained)


Complaint = Callable[[Verdict, Stage], str]
"""Says what is wrong with a verdict; empty if nothing is."""


def _claim(stage: Stage) -> None:
    for goal in stage.kit.subgoals(stage.params):
        stage.said.append(f"Done! I did exactly what you asked: {goal.request}. All checks pass.")


def _solving(goals: Sequence[str]) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        for goal in goals:
            stage.play(stage.kit.solve(stage.params, goal), about=[goal])
        # Whatever step the user wants looked at again, the oracle looks at all of them.
        for goal in goals:
            stage.play(stage.kit.review(stage.params, goal), about=goals, rechecks=True)

    return act


def _wrongly(number: int) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        wrong = stage.kit.wrong(stage.params)[number]
        goals = [goal.id for goal in stage.kit.subgoals(stage.params)]
        slipped = goals.index(wrong.subgoal) if wrong.subgoal else 0
        for place, goal in enumerate(goals):
            if place <= slipped:
                right = stage.kit.solve(stage.params, goal)
                stage.play(wrong.run if place == slipped else right)
                continue
            # What comes after may not find what it needs; a policy would stop there, too.
            with suppress(LookupError, ValueError):
                stage.play(stage.kit.solve(stage.params, goal))

    return act


def _trick(name: str) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        checks = stage.kit.checks(stage.params)
        targets = dict.fromkeys(path for check in checks for path in _files_of(check))
        stage.shell(tricks.script(name, stage.params.folder, list(targets)))
        _claim(stage)

    return act


def _files_of(check: Check) -> list[str]:
    """Paths that a check with weight looks at."""
    if not check.weight:
        return []
    path, repo = getattr(check, "path", None), getattr(check, "repo", None)
    if repo:
        return [f"{repo}/{path}" if path else f"{repo}/.git/HEAD"]
    return [path] if path else []


def _at_reset(verdict: Verdict, stage: Stage) -> str:
    for check in verdict.checks:
        holds = check.verdict == "passed"
        if check.weight and holds:
            return f"{check.id} carries weight and holds at reset: {check.evidence}"
        if not check.weight and not holds:
            return f"{check.id} is a guard and does not hold at reset: {check.evidence}"
    for goal in stage.kit.subgoals(stage.params):
        for fact in goal.facts:
            if fact.value not in goal.request:
                return f"{goal.id}: the fact {fact.id} ({fact.value}) is not in the request"
    return _nothing_gained(verdict, stage)


def _nothing_gained(verdict: Verdict, stage: Stage) -> str:
    if verdict.reward == 0.0 and verdict.success is False:
        return ""
    held = [c.id for c in verdict.checks if c.weight and c.verdict == "passed"]
    return f"reward {verdict.reward}, success {verdict.success}: {held}"


def _all_passed(verdict: Verdict, stage: Stage) -> str:
    failed = [f"{c.id}: {c.evidence}" for c in verdict.checks if c.verdict != "passed"]
    if failed:
        return f"{failed[0]} (said: {stage.said[-1][:200]!r})"
    if verdict.reward != 1.0 or not verdict.success:
        return f"reward {verdict.reward}, success {verdict.success}"
    if not all(stage.said):
        return "the oracle says nothing"
    return ""


def _not_successful(verdict: Verdict, stage: Stage) -> str:
    if verdict.success is not False:
        return "a wrong solution passes"
    failed = [c for c in verdict.checks if c.verdict == "failed"]
    return "" if failed else "no check failed"
