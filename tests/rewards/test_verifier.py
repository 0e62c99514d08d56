"""From verdicts of single checks to a reward."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.errors import VerifierError
from ise_env.rewards.checks import Absent, Exists
from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.rewards.spec import Check
from ise_env.rewards.verifier import verify


class Fixed(Kind):
    """A check whose outcome is known."""

    kind: Literal["fixed"] = "fixed"
    holds: bool

    def judge(self, evidence: Evidence) -> str:
        if not self.holds:
            raise Unmet("it does not")
        return "it does"


class Broken(Kind):
    kind: Literal["broken"] = "broken"

    def judge(self, evidence: Evidence) -> str:
        raise ZeroDivisionError("a bug of ours")


NOTHING: Any = None
UNSEEN = Evidence(NOTHING)


def test_weights_share_and_parts_by_subgoal() -> None:
    checks = [
        Fixed(id="a", subgoal="one", weight=3, holds=True),
        Fixed(id="b", subgoal="two", weight=1, holds=False, failure="the table is wrong"),
        Fixed(id="g", weight=0, holds=True),
    ]
    verdict = verify(checks, UNSEEN)
    assert (verdict.reward, verdict.success, verdict.judged) == (0.75, False, True)
    assert verdict.parts["subgoals"] == {"one": 1.0, "two": 0.0}
    assert verdict.checks[1].evidence == "the table is wrong: it does not"


def test_a_failed_guard_takes_success_and_not_the_share() -> None:
    checks = [Fixed(id="a", holds=True), Fixed(id="g", weight=0, holds=False)]
    verdict = verify(checks, UNSEEN)
    assert (verdict.reward, verdict.success) == (1.0, False)


def test_a_forbidden_event_takes_everything() -> None:
    event = Fixed(id="f", weight=0, forbidden=True, required=False, holds=False)
    verdict = verify([Fixed(id="a", holds=True), event], UNSEEN)
    assert (verdict.reward, verdict.success, verdict.parts["safety"]) == (0.0, False, 0.0)


def test_an_optional_check_only_counts_for_the_share() -> None:
    checks = [Fixed(id="a", holds=True), Fixed(id="b", required=False, holds=False)]
    verdict = verify(checks, UNSEEN)
    assert (verdict.reward, verdict.success) == (0.5, True)


@pytest.mark.parametrize("checks", [[], [Fixed(id="g", weight=0, holds=True)]])
def test_without_weight_nothing_is_judged(checks: list[Check]) -> None:
    verdict = verify(checks, UNSEEN)
    assert (verdict.judged, verdict.success, verdict.reward) == (False, None, None)


@pytest.mark.parametrize("check", [Broken(id="b"), Check(kind="from elsewhere", id="c")])
def test_what_cannot_be_evaluated_is_the_verifier_s_failure(check: Check) -> None:
    with pytest.raises(VerifierError, match=r"'[bc]'"):
        verify([check], UNSEEN)


specs = st.builds(
    Fixed,
    id=st.text(min_size=1),
    weight=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    required=st.booleans(),
    forbidden=st.booleans(),
    holds=st.booleans(),
)


@given(st.lists(specs))
def test_reward_and_success_agree(checks: list[Fixed]) -> None:
    verdict = verify(checks, UNSEEN)
    if not verdict.judged:
        assert verdict.reward is None
        return
    assert verdict.reward is not None
    assert 0.0 <= verdict.reward <= 1.0
    if verdict.success and all(c.required for c in checks):
        assert verdict.reward == 1.0
    if not any(c.holds and c.weight for c in checks):
        assert verdict.reward == 0.0


def test_a_real_tree_judged_twice(left: Any) -> None:
    checks = [Exists(id="made", path="a"), Absent(id="gone", path="b", weight=2)]
    evidence = left({"b": "1"}, "touch a")
    first = verify(checks, evidence)
    assert first == verify(checks, evidence)
    assert first.reward == pytest.approx(1 / 3)
