"""The detectors against the shared corpus."""

from __future__ import annotations

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
