"""Admission: kits on a live workspace, and what admission would catch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ise_env.rewards.checks import Exists, Text, TextMatch
from ise_env.tasks import admission, registry, tricks
from ise_env.tasks.admission import NOBODY, Row, validate
from ise_env.tasks.kit import Kit, SubGoal, WrongSolution
from ise_env.tasks.stage import Stage
from ise_env.tasks.steps import sh
from ise_env.workspaces import make_backend

ONE_A_DOMAIN = tuple({name.split("/")[0]: name for name in reversed(registry.names())}.values())
"""A sample that grows with the domains, not with the kits; all of them are marked `full`."""

EACH_KIND = pytest.mark.parametrize(
    "kind",
    ["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.slow])],
    indirect=True,
)


def bad(rows: list[Row]) -> list[str]:
    return [f"{r.kit} {r.seed} {r.case}: {r.detail}" for r in rows if not r.passed]


@EACH_KIND
@pytest.mark.parametrize("name", ONE_A_DOMAIN)
def test_one_kit_of_each_domain(name: str, kind: str) -> None:
    seed = sum(name.encode()) % 3
    rows = list(validate([name], [seed], backend=kind, with_tricks=False))
    assert not bad(rows)
    assert [r.case for r in rows[:3]] == ["reset", "claims done", "oracle"]
    assert len(rows) > 3


@pytest.mark.usefixtures("local_backend")
def test_a_step_too_many_fails_where_the_first_alone_was_asked_for() -> None:
    rows = {r.case: r for r in validate(["file-io/sync-folders"], [0], with_tricks=False)}
    assert not bad(list(rows.values()))
    assert rows["only: plan"].reward == 1.0
    assert rows["too far: sync"].reward == 0.0


@EACH_KIND
def test_tricks_on_a_sample(kind: str) -> None:
    rows = list(validate(["file-io/remove-duplicates"], [0], backend=kind))
    assert not bad(rows)
    assert sum(r.case.startswith("trick") for r in rows) == len(tricks.TRICKS)


@pytest.mark.full
@pytest.mark.usefixtures("local_backend")
@pytest.mark.parametrize("name", registry.names())
def test_every_kit_on_five_seeds_with_all_tricks(name: str) -> None:
    assert not bad(list(validate([name])))


@pytest.mark.usefixtures("local_backend")
@pytest.mark.parametrize("name", ["code-runtime/fix-failing-test", "source-chain/merge-branch"])
def test_traps_do_not_spoil_an_honest_solution(name: str) -> None:
    """Start-up files that an agent leaves behind change nothing for the better or the worse."""
    kit = registry.get(name)
    params = kit.draw(np.random.default_rng(1), NOBODY, "simple")
    with Stage(kit, params, make_backend("local")) as stage:
        for goal in kit.subgoals(params):
            stage.play(kit.solve(params, goal.id))
        stage.shell(
            "mkdir -p ~/bin; for t in python3 git bash; do echo 'exit 1' > ~/bin/$t; chmod +x "
            "~/bin/$t; done; for f in .profile .bashrc .bash_profile .gitconfig .sqliterc; do "
            "echo 'exit 1' > ~/$f; done; for r in */.git/config; do [ -e $r ] && "
            "printf '[core]\\n\\tfsmonitor = false\\n\\thooksPath = /nowhere\\n' >> $r; done; true"
        )
        first, second = stage.verdicts()
    assert first == second
    assert first.success, [c for c in first.checks if c.verdict != "passed"]


class Sloppy(Kit[Any]):
    """A kit with every fault that admission looks for."""

    name = "file-io/sloppy"
    title = description = "Sloppy"
    folders = ("sloppy", "careless")

    def __init__(self, real: Kit[Any]) -> None:
        self._real = real
        self.params = real.params
        self.draw = real.draw  # type: ignore[method-assign]
        self.seed = real.seed  # type: ignore[method-assign]
        self.review = real.review  # type: ignore[method-assign]

    def draw(self, rng: Any, persona: Any, complexity: Any) -> Any: ...

    def seed(self, p: Any) -> Any: ...

    def review(self, p: Any, subgoal: str) -> Any: ...

    def subgoals(self, p: Any) -> tuple[SubGoal, ...]:
        first = self._real.subgoals(p)[0]
        return (replace(first, request="do something"),)

    def checks(self, p: Any) -> Any:
        notes = f"{p.folder}/notes.md"
        return (
            Exists(id="there", path=notes),
            Text(id="never", path=notes, text=TextMatch(contains=("nowhere",))),
            Exists(id="guard", path=f"{p.folder}/missing", weight=0),
        )

    def solve(self, p: Any, subgoal: str) -> Any:
        (seen,) = yield sh(f"cat {p.folder}/notes.md")
        return seen.text

    def wrong(self, p: Any) -> Any:
        return (WrongSolution("fails by a bug", self._crash()),)

    def _crash(self) -> Any:
        yield sh("true")
        raise KeyError("oops")


@pytest.mark.usefixtures("local_backend")
def test_a_sloppy_kit_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    sloppy = Sloppy(registry.get("intelligence-core/reconcile-ledger"))
    monkeypatch.setattr(admission.registry, "get", lambda name: sloppy)
    rows = {r.case: r for r in validate(["file-io/sloppy"], [0], with_tricks=False)}
    assert not any(r.passed for r in rows.values())
    assert "carries weight and holds at reset" in rows["reset"].detail
    assert "reward 0.5" in rows["claims done"].detail
    assert "never" in rows["oracle"].detail
    assert "KeyError in the kit" in rows["wrong: fails by a bug"].detail


@pytest.mark.usefixtures("local_backend")
def test_a_kit_whose_program_is_missing_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = registry.get("file-io/sync-folders")
    monkeypatch.setattr(type(kit), "requires", ("no-such-program",))
    (row,) = validate([kit.name], [0, 1])
    assert not row.passed
    assert "needs no-such-program, not found in the workspace" in row.detail
