"""Splitting an utterance with a model, and when its answer is not taken."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ise_env.intents.load import load_intents
from ise_env.intents.model import Intent
from ise_env.llm import Endpoint, client_for
from ise_env.rollout.cli import main
from ise_env.users import make_user
from ise_env.users.misbehaving import MisbehavingModel
from ise_env.users.model_split import Steps, is_faithful, split_with
from ise_env.users.split import split, stored

TEXT = "I run a bakery. I want prices.csv sorted by name, and a note.txt that lists 12 cakes."
GOOD = {
    "context": ["I run a bakery."],
    "steps": [
        {"request": "sort prices.csv by name", "label": "the sorting"},
        {"request": "write a note.txt that lists 12 cakes", "label": "the note"},
    ],
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model whose answers to a split prompt the test decides."""
    with MisbehavingModel(rate=0.0) as model:
        turn, calls = model.answer, []

        def answer(messages: Any) -> str:
            if len(messages) > 1 and messages[0]["role"] == "system":
                return turn(messages)
            calls.append(messages)
            return model.splits

        model.splits, model.calls = "", calls
        monkeypatch.setattr(model, "answer", answer)
        yield model


def test_a_faithful_split_is_used_and_asked_for_once(server: Any) -> None:
    server.splits = json.dumps(GOOD)
    client = client_for(Endpoint.parse(f"once@{server.base_url}"))
    first, second = split_with(client, TEXT), split_with(client, TEXT)
    assert [goal.label for goal in first.subgoals] == ["the sorting", "the note"]
    assert {fact.value for goal in first.subgoals for fact in goal.facts} == {
        "prices.csv", "note.txt", "12",
    }  # fmt: skip
    assert first is second
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "no idea",
        json.dumps({"context": [], "steps": []}),
        json.dumps({"steps": [{"request": "sort prices.csv by name", "label": "the sorting"}]}),
        json.dumps({"steps": [{"request": "delete the database and mail it", "label": "it"}]}),
    ],
)
def test_an_unfaithful_split_gives_way_to_the_rules(server: Any, answer: str) -> None:
    server.splits = answer
    client = client_for(Endpoint.parse(f"bad{hash(answer)}@{server.base_url}"))
    assert split_with(client, TEXT) == split(TEXT)


def test_a_step_that_is_there_twice_is_not_faithful() -> None:
    twice = {**GOOD, "steps": [*GOOD["steps"], GOOD["steps"][0]]}
    assert is_faithful(Steps.model_validate(GOOD), TEXT)
    assert not is_faithful(Steps.model_validate(twice), TEXT)


def test_the_user_of_a_plain_text_follows_the_models_split(server: Any) -> None:
    server.splits = json.dumps(GOOD)
    intent = Intent(id="i", utterance=TEXT, source="text")
    spec = f"llm:user@{server.base_url}"
    user = make_user(spec, intent=intent, subgoals=(), rng=np.random.default_rng(0))
    user.open()
    assert [g["request"] for g in user.ledger()["subgoals"]] == [
        "sort prices.csv by name",
        "write a note.txt that lists 12 cakes",
    ]


def test_a_split_is_stored_with_its_intent_and_used_again(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the model gone, episodes still ask for the steps that it found."""
    server.splits = json.dumps(GOOD)
    source, out = tmp_path / "mine.txt", tmp_path / "mine.jsonl"
    source.write_text(TEXT.replace("\n", " ") + "\n")
    model = f"stored@{server.base_url}"
    arguments = ["ise", "intents", "split", str(source), "--model", model, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    (intent,) = load_intents(out)
    assert intent.pieces is not None
    assert intent.pieces.model == "stored"
    calls = len(server.calls)
    for spec in ("rule", f"llm:other@{server.base_url}"):
        user = make_user(spec, intent=intent, subgoals=[], rng=np.random.default_rng(0))
        assert [g["label"] for g in user.ledger()["subgoals"]] == ["the sorting", "the note"]
    assert len(server.calls) == calls


def test_without_a_model_the_rules_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "mine.txt", tmp_path / "mine.jsonl"
    source.write_text("Sort prices.csv by name. Then write a note.txt that lists 12 cakes.\n")
    arguments = ["ise", "intents", "split", str(source), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        main()
    (intent,) = load_intents(out)
    assert intent.pieces is not None
    assert intent.pieces.model is None
    assert stored(intent) == split(intent.utterance)
