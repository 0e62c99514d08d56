"""The detectors against the shared corpus."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from ise_env.errors import ConfigError
from ise_env.users.lock import corpus, judge


def test_the_corpus_is_large_and_varied() -> None:
    cases = list(corpus.legitimate())
    assert len(cases) >= 1_000
    assert len({case.turn.message for case in cases}) == len(cases)
    assert {case.turn.act for case in cases} >= {
        "request", "answer", "correct", "challenge", "confirm", "status", "close", "give_up",
    }  # fmt: skip


def test_every_legitimate_turn_passes() -> None:
    rejected = {
        case.turn.message: [v.rule for v in found]
        for case in corpus.legitimate()
        if (found := judge(case.turn, case.scene))
    }
    assert rejected == {}


def test_every_bad_turn_is_caught_by_its_own_rule() -> None:
    cases = list(corpus.collection("to_catch"))
    assert len(cases) >= 60
    missed = [
        (case.turn.message, case.rules)
        for case in cases
        if not {v.rule for v in judge(case.turn, case.scene)} & set(case.rules)
    ]
    assert missed == []


def test_every_rule_has_a_turn_that_it_catches() -> None:
    cases = list(corpus.collection("to_catch"))
    caught = {v.rule for case in cases for v in judge(case.turn, case.scene)}
    named = {rule for case in cases for rule in case.rules}
    assert caught == named
    assert {rule.split(".")[0] for rule in caught} == {
        "perspective", "register", "advancement", "conditioning",
    }  # fmt: skip


def test_a_broken_line_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "own.jsonl").write_text('\n{"scene": "ledger"}\n')
    monkeypatch.setattr(corpus.resources, "files", lambda package: tmp_path)
    with pytest.raises(ConfigError, match=r"own\.jsonl:2"):
        list(corpus.collection("own"))


def test_a_strangers_collection_fares_no_worse_than_at_first_sight() -> None:
    text = resources.files(corpus).joinpath("first_sight.toml").read_text("utf-8")
    for name, first in tomllib.loads(text).items():
        good, bad = first["good_rejected"], first["bad_caught"]
        found = [
            (bool(case.rules), bool(judge(case.turn, case.scene)))
            for case in corpus.collection(name)
        ]
        assert (found.count((False, False)) + found.count((False, True))) == good["of"]
        assert (found.count((True, False)) + found.count((True, True))) == bad["of"]
        assert found.count((False, True)) <= good["hits"], "more good turns are rejected"
        assert found.count((True, True)) >= bad["hits"], "fewer bad turns are caught"


def test_a_collection_brings_scenes_of_its_own() -> None:
    cases = {case.turn.message: case.scene for case in corpus.collection("fourth")}
    seen = cases["where? theres no unpaid.txt"]
    assert seen.digest.claims == ("unpaid.txt: not there",)
    assert [goal.id for goal in seen.others] == ["x.next"]
    knows = cases["due date"]
    assert knows.answer == "due date"
    assert knows.move is not None
    assert knows.move.waits
    table = cases["I see low.csv, 23 items plus the first line. Thank you, is what I wanted."]
    assert table.digest.heads == (("low.csv", "24 lines, head: item,stock"),)


def test_a_line_may_say_what_was_heard_and_seen_before_it() -> None:
    cases = {case.turn.message: case.scene for case in corpus.collection("fourth")}
    scene = cases["Sie schreiben, die Liste sei fertig. Eine Datei offen.txt sehe ich aber nicht."]
    assert scene.digest.agent_text == "Ich habe die Liste in offen.txt geschrieben."
    assert scene.digest.claims == ("offen.txt: not there",)
    assert scene.register.language == "de"
