"""Single rules of the role lock, where the corpus cannot show the edge."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.users.language import language_of
from ise_env.users.lock import broken, corpus, judge
from ise_env.users.lock.grounding import invented
from ise_env.users.lock.scene import Scene
from ise_env.users.protocol import Act, UserTurn


def rules(message: str, scene: Scene, act: Act | None = None, **fields: list[str]) -> set[str]:
    turn = UserTurn(act=act or scene.act, subgoal=scene.goal.id, message=message, **fields)
    return {violation.rule for violation in judge(turn, scene)}


def test_the_users_own_request_may_say_anything() -> None:
    scene = corpus.scene_of("branch", "next")
    request = "run `git push`, exit code 1 is fine; I have merged it"
    goal = replace(scene.goal, request=request, facts=())
    assert rules(f"Now {goal.request}.", replace(scene, goal=goal)) == set()


def test_what_the_agent_said_may_be_referred_to() -> None:
    scene = corpus.scene_of("branch", "trouble")
    assert rules("What does exit code 1 mean there?", scene) == set()
    assert "perspective.verifier" in rules("What does exit code 128 mean there?", scene)


def test_observations_have_to_be_real() -> None:
    scene = corpus.scene_of("logs", "lookedat")
    message = "What about the first hour?"
    assert rules(message, scene, observed=["reports/timeouts.csv"]) == set()
    assert "conditioning.observation" in rules(message, scene, observed=["reports/other.csv"])


def test_an_answer_has_to_hold_what_the_user_knows() -> None:
    scene = corpus.scene_of("model", "answer")
    assert rules("The dry one, it was a sunny day.", scene) == set()
    assert "conditioning.unanswered" in rules("Whatever you think is best.", scene)


def test_figures_need_a_source_but_times_and_small_numbers_do_not() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    assert rules("Why 14? I have a call in 20 minutes, and two coffees.", scene) == set()
    assert "conditioning.entity" in rules("Why 15 of them?", scene)


def test_what_is_made_up_about_the_person_has_to_be_declared() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    message = "Why 14? My colleague Anselm calls me about it at 10:30."
    assert "conditioning.entity" in rules(message, scene)
    assert rules(message, scene, new_facts=["Anselm calls at 10:30"]) == set()


def test_a_count_of_the_machine_needs_a_source_however_it_is_written() -> None:
    scene = corpus.scene_of("thesis", "lookedat")
    assert rules("Are those six citations all new ones?", scene) == set()
    assert "conditioning.entity" in rules("Why are there eleven lines in it?", scene)


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        ("I opened it. Is the second line right?", True),
        ("I saved it there last week, where did it go?", True),
        ("I'm putting the kettle on, go ahead. Is it long?", True),
        ("I need to send it before I leave, can you check?", True),
        ("I went over it and cleaned it up. Is it better?", False),
        ("Transposed the columns for you, is that better?", False),
        ("I'll anonymise it now. Is that fine?", False),
        ("I could anonymise it for you. Is that fine?", False),
    ],
)
def test_work_on_the_machine_is_not_the_users(message: str, allowed: bool) -> None:
    scene = corpus.scene_of("inventory", "lookedat")
    assert ("perspective.solution" in rules(message, scene)) != allowed


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Please have a look at the file and tell me what you see.", "en"),
        ("Kannst du bitte noch einmal nachsehen, ob die Datei da ist?", "de"),
        ("¿Puedes revisar el archivo otra vez, por favor? No está.", "es"),
        ("我看了文件，请再检查一遍。", "zh"),
        ("これで全部ですか？", "ja"),
        ("ok", ""),
        ("out/summary.md", ""),
    ],
)
def test_languages_are_told_apart_only_when_certain(text: str, language: str) -> None:
    assert language_of(text) == language


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=2_000), st.sampled_from(["open", "answer", "lookedat", "missing"]))
def test_any_text_is_judged(text: str, situation: str) -> None:
    rules(text, corpus.scene_of("menu", situation))


@pytest.mark.parametrize(
    "piece", ["a", "7", "a ", "I've ", "<|", "(thinking ", "for x in ", "```", "1/", "@."]
)
def test_of_a_message_that_is_far_too_long_nothing_else_is_said(piece: str) -> None:
    long = piece * (30_000 // len(piece))
    assert rules(long, corpus.scene_of("ledger", "lookedat")) == {"register.length"}


@pytest.mark.parametrize("piece", ["a ", "I've ", "<|", "(thinking ", "7", "```", "1/", "@."])
def test_no_text_of_the_agents_makes_a_detector_crawl(piece: str) -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    digest = replace(scene.digest, agent_text=piece * (30_000 // len(piece)))
    assert rules("Is the first row right?", replace(scene, digest=digest)) <= {
        "conditioning.unanswered"
    }
    assert rules(piece * (600 // len(piece)), scene)


def test_a_figure_of_thousands_of_digits_is_a_figure_from_nowhere() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    turn = UserTurn(act="status", subgoal=scene.goal.id, message=f"Is row {'7' * 5_000} right?")
    certain, _ = invented(turn, scene)
    assert certain == ["7" * 5_000]


@pytest.mark.parametrize("message", ["???", "the.", "not that"])
def test_what_says_nothing_is_no_answer(message: str) -> None:
    scene = replace(corpus.scene_of("ledger", "answer"), answer="gcc, the course uses gcc")
    assert "conditioning.unanswered" in rules(message, scene)
    assert rules("gcc please", scene) == set()


def test_a_file_whose_name_begins_like_a_report_of_work_is_none() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    scene = replace(scene, seen=("saved-shop/offers.csv",))
    assert rules("I have saved-shop/offers.csv before me. Is it complete?", scene) == set()
    saved = UserTurn(act="status", subgoal=scene.goal.id, message="I have saved the offers.")
    assert "perspective.solution" in {violation.rule for violation in broken(saved, scene)}
    assert "perspective.solution" in rules(saved.message, corpus.scene_of("ledger", "lookedat"))


def test_a_quotation_to_reply_to_is_no_copy_but_most_of_a_message_is() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    heard = "The totals are in jobs/per-customer.csv."
    scene = replace(scene, digest=replace(scene.digest, agent_text=heard))
    quoted = (
        "You say the totals are in jobs/per-customer.csv but I cannot open it here. Where is it?"
    )
    assert "perspective.copy" not in rules(quoted, scene)
    assert "perspective.copy" in rules(f"Well. {heard}", scene)


def test_the_row_before_a_known_one_may_be_asked_about_but_not_another_amount() -> None:
    scene = corpus.scene_of("ledger", "trouble")
    heard = "Error in row 61: empty number."
    scene = replace(scene, digest=replace(scene.digest, agent_text=heard))
    assert rules("What is in row 60 then?", scene) == set()
    assert "conditioning.entity" in rules("Why are 60 of them empty?", scene)
    assert "conditioning.entity" in rules("What is in row 75 then?", scene)


def test_dates_and_standards_are_read_whole() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    head = (("a.csv", "due 15.12.2026 after 12.5 years"),)
    scene = replace(scene, digest=replace(scene.digest, heads=head))
    assert rules("Is 15.12.2026 the last one?", scene) == set()
    assert rules("Why does it say 12.5 years there?", scene) == set()
    assert rules("Can you read it as latin-1 then?", scene) == set()
    assert "conditioning.entity" in rules("It says error 0x80070057 there. Why?", scene)


def test_an_order_without_a_subject_is_no_report_of_work() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    assert "perspective.solution" not in rules("Put them together please.", scene)
