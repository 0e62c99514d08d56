"""What a user's words ask for."""

from __future__ import annotations

import pytest

from ise_env.agents import matching
from ise_env.tasks.kit import Fact, SubGoal

COMPARE = SubGoal(
    id="t1.compare",
    request="compare book.csv with bank.csv and write the differences to out/report.csv",
    label="the reconciliation",
    facts=(Fact("a", "book.csv"), Fact("b", "bank.csv"), Fact("c", "out/report.csv")),
    artifacts=("out/report.csv",),
)
SUM = SubGoal(
    id="t1.sum",
    request="add up the differences in out/report.csv",
    label="the net difference",
    facts=(Fact("c", "out/report.csv"),),
    artifacts=("notes.md",),
)
PORT = SubGoal(
    id="t2.port", request="set the port to 80", label="the port", facts=(Fact("p", "80"),)
)
GOALS = [COMPARE, SUM, PORT]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Please compare book.csv with bank.csv and write the differences to out/report.csv.",
         [COMPARE]),
        ("Hi! Take bank.csv and book.csv; out/report.csv is where the result goes.", [COMPARE]),
        ("And now: Add up the  differences in out/report.csv, please.", [SUM]),
        ("Could you sum out/report.csv?", [SUM]),
        ("With book.csv, bank.csv and out/report.csv: I need the net difference, too.",
         [COMPARE, SUM]),
        ("Set the port to 80.", [PORT]),
        ("Set the port to 80. Then take book.csv and bank.csv for out/report.csv.",
         [COMPARE, PORT]),
        ("Is 8080 free?", []),
        ("I saw my-book.csv, bank.csv.bak and out/report.csv2.", []),
        ("Thank you.", []),
        ("", []),
    ],
)  # fmt: skip
def test_asked_for(text: str, asked: list[SubGoal]) -> None:
    assert matching.asked_for(text, GOALS) == asked


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("May I ask what out/report.csv holds at present?", []),
        ("Why is out/report.csv so short?", []),
        ("Next, please sum the differences in out/report.csv.", [SUM]),
        ("I need the net difference of out/report.csv.", [SUM]),
    ],
)
def test_a_question_about_a_result_asks_for_nothing_new(text: str, asked: list[SubGoal]) -> None:
    assert matching.asked_for(text, [SUM, PORT], [COMPARE]) == asked


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("I cannot find out/report.csv.", True),
        ("The reconciliation looks odd.", True),
        ("What about the port?", False),
    ],
)
def test_mentions(text: str, about: bool) -> None:
    assert matching.mentions(text, COMPARE) == about


def test_a_folder_is_meant_by_what_is_in_it() -> None:
    goal = SubGoal(id="g", request="sort it", label="l", facts=(Fact("f", "pad/topics"),))
    assert matching.asked_for("Put it into pad/topics/<tag>.md.", [goal]) == [goal]
    assert matching.asked_for("Put it into notepad/topics/<tag>.md.", [goal]) == []


def test_touches() -> None:
    assert matching.touches("There is something wrong with bank.csv.", COMPARE)
    assert not matching.touches("There is something wrong with bank.csv.", SUM)
    assert not matching.touches("I have 80 reasons to doubt it.", PORT)


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("There is no out/report.csv here. Please check what happened.", True),
        ("Hmm, I don't have notes/a.md here. Did it end up somewhere else?", True),
        ("No out/report.csv here.", True),
        ("out/report.csv is empty.", True),
        ("Where's out/report.csv?", True),
        ("What did you leave out of out/report.csv?", False),
        ("Please re-open out/report.csv and verify the report.", False),
        ("How do I run bin/watch.sh?", False),
    ],
)
def test_reports_absence(text: str, absent: bool) -> None:
    assert matching.reports_absence(text) == absent


def test_a_request_in_other_words_goes_to_the_closest_goal() -> None:
    goals = [_goal("a", "in/a.csv", "out/a.csv"), _goal("b", "in/b.csv", "out/b.csv", "main")]
    assert matching.closest("Put it into out/b.csv, from in/b.csv.", goals) is goals[1]
    assert matching.closest("How are duplicates handled?", goals) is None


def test_what_finished_work_shares_asks_for_nothing() -> None:
    done, following = _goal("a", "in/a.csv", "out/a.csv"), _goal("b", "out/a.csv", "main")
    assert matching.closest("Are there duplicates in out/a.csv?", [following], [done]) is None


def _goal(name: str, *values: str) -> SubGoal:
    facts = tuple(Fact(f"{name}.{n}", value) for n, value in enumerate(values))
    return SubGoal(name, " ".join(values), f"the work {name}", facts)
