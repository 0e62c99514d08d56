"""The wordings of the rule user and who uses them."""

from __future__ import annotations

import numpy as np
import pytest

from ise_env.errors import UserSimulatorError
from ise_env.intents.model import Persona
from ise_env.users.phrasing import (
    Phrasebook,
    _slots,
    capital,
    introduction,
    voice_for,
    voices,
)

EXEMPT = ("answer", "close", "ack", "give_up")


def persona(style: str, context: str = "", role: str = "nurse") -> Persona:
    return Persona(
        id="p", name="A", role=role, industry="Health", communication_style=style,
        work_context=context,
    )  # fmt: skip


def book(voice: str = "casual") -> Phrasebook:
    return Phrasebook(voices()[voice], np.random.default_rng(0))


FALLS_BACK = frozenset(
    {
        *("tell.goal", "declined.goal", "ack.changed", "challenge.column", "challenge.bare"),
        *("challenge.ragged", "challenge.prefix", "challenge.order", "challenge.lacking"),
        "challenge.count",
        *("challenge.value", "challenge.cell", "challenge.twice", "challenge.twins"),
        "challenge.too_many",
        *("challenge.upset", "challenge.gone", "challenge.all_there"),
        "checkin.share",
        "checkin.mail",
    }
)
"""Wordings that only English requests call for, or that others stand in for."""
ENGLISH = sorted(name for name, voice in voices().items() if voice.language == "en")


@pytest.mark.parametrize("name", ENGLISH)
def test_every_turn_about_a_step_names_it_or_its_result(name: str) -> None:
    naming = {"label", "label_cap", "path", "request", "ask", "short", "clause", "clause_cap"}
    for key, templates in voices()[name].wordings.items():
        assert len(set(templates)) == len(templates)
        for template in templates:
            if not key.startswith(EXEMPT):
                assert _slots(template) & naming, (key, template)


@pytest.mark.parametrize("name", sorted(set(voices()) - {"common"}))
def test_every_voice_can_say_everything(name: str) -> None:
    slots = dict.fromkeys(
        ["clause", "clause_cap", "label", "label_cap", "path", "answer", "facts", "figure"], "x"
    )
    slots |= dict.fromkeys(["claimed", "counted", "share", "sender"], "3")
    if name in ENGLISH:
        slots |= dict.fromkeys(["wanted", "what", "line", "column", "asked", "other"], "x")
    phrases = Phrasebook(voices()[name], np.random.default_rng(0))
    for key in voices()["common"].wordings:
        if not key.startswith("open") and (name in ENGLISH or key not in FALLS_BACK):
            assert phrases.say(key, **slots)
    assert phrases.say("open.straight", clause="x")


@pytest.mark.parametrize(
    ("language", "voice"), [("es", "spanish"), ("de", "german"), ("zh", "chinese"), ("xx", None)]
)
def test_a_language_calls_for_its_voice(language: str, voice: str | None) -> None:
    found = voice_for(persona("Casual"), language, np.random.default_rng(0))
    assert found.name == (voice or "casual")


def test_a_wording_comes_back_only_when_all_are_used_up() -> None:
    phrases = book()
    said = [phrases.say("close.done") for _ in range(8)]
    assert len(set(said)) == 8


def test_verbs_agree_with_the_label() -> None:
    said = {book().say("checkin.folder", path="x", label="the clean records")}
    phrases = book("formal")
    said = {phrases.say("partial.goal", label="the changes of the page", label_cap="x")}
    many = [
        book(v).say("vague.goal", label="the totals of the parts")
        for v in voices()
        if v != "common"
    ]
    assert not any(" totals of the parts is" in text or "Is the totals" in text for text in many)
    one = [
        book(v).say("vague.goal", label="the removal of the copies")
        for v in voices()
        if v != "common"
    ]
    assert not any(" copies are" in text or "Are the removal" in text for text in one)
    assert said
    warm = book("warm")
    asked = [warm.say("verify.path", label="the hours", path="h.csv") for _ in range(2)]
    assert not any("as it should be" in text for text in asked)


@pytest.mark.parametrize(
    ("style", "voice"),
    [
        ("blunt and impatient", "terse"),
        ("Casual", "casual"),
        ("courteous and formal", "formal"),
        ("Analytical", "analytical"),
        ("upbeat and encouraging", "warm"),
    ],
)
def test_a_style_calls_for_its_voice(style: str, voice: str) -> None:
    assert voice_for(persona(style), "en", np.random.default_rng(0)).name == voice


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ("a small clinic in Turku", "I work for a small clinic in Turku."),
        ("Assessing loans for a bank.", "I'm assessing loans for a bank."),
        ("I run a shop", "I run a shop."),
        ("Fintech office in Hue", "About my work: Fintech office in Hue."),
    ],
)
def test_people_introduce_themselves(context: str, sentence: str) -> None:
    slots = introduction(persona("", context, "auditor"))
    assert slots["role"] == "an auditor"
    assert slots["context_sentence"] == sentence


def test_a_missing_wording_is_the_users_failure() -> None:
    with pytest.raises(UserSimulatorError):
        book().say("challenge.missing")


def test_a_file_name_keeps_its_case_at_the_start_of_a_sentence() -> None:
    assert capital("people.md has them.") == "people.md has them."
    assert capital("src/app.py counts.") == "src/app.py counts."
    assert capital("yes, both of them.") == "Yes, both of them."
