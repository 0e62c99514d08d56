"""The ledger that decides what a user may say."""

from __future__ import annotations

from ise_env.rewards.spec import CheckVerdict
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.agent_move import AgentMove
from ise_env.users.ledger import Ledger, with_truth


def ledger() -> Ledger:
    facts = (Fact("t1.f", "a.csv"),)
    return Ledger((SubGoal("t1.a", "sort a.csv", "the sorting", facts), SubGoal("t1.b", "b", "b")))


def test_closing_is_legal_only_when_nothing_is_open() -> None:
    book = ledger()
    assert "open" in book.may_close()
    for state in book.goals.values():
        state.believed = "done"
    assert "check" in book.may_close()
    book.verification_at = 3
    assert book.may_close() == ""
    for kind in ("asked", "asked_to_confirm", "promised"):
        book.moves.append(AgentMove(kind))  # type: ignore[arg-type]
        assert "agent" in book.may_close()


def test_facts_are_told_once() -> None:
    book = ledger()
    facts = book.goals["t1.a"].goal.facts
    assert book.reveal(facts) == (["t1.f"], ["t1.f"])
    assert book.reveal(facts) == (["t1.f"], [])


def test_truth_is_added_for_the_trace_only() -> None:
    verdict = CheckVerdict(
        id="c", kind="k", subgoal="t1.a", verdict="failed", weight=1, required=True,
        forbidden=False, evidence="",
    )  # fmt: skip
    dumped = ledger().dump()
    assert "true" not in dumped["subgoals"][0]
    judged = with_truth(dumped, [verdict])["subgoals"]
    assert [goal["true"] for goal in judged] == ["failed", "not judged"]
