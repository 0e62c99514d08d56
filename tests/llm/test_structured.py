"""Structured output: the strictest form that the server takes, a repair, or an honest error."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from ise_env.errors import ModelEndpointError
from ise_env.llm import structured
from ise_env.llm.structured import NotStructured, extract, strict_schema

ASK = [{"role": "system", "content": "You are a user."}, {"role": "user", "content": "Speak."}]


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    act: Literal["request", "close"]
    message: str
    facts: list[str] = []


GOOD = json.dumps({"act": "request", "message": "Please begin.", "facts": ["a"]})


def refusing(wire: Any, *kinds: str) -> Any:
    """A server that refuses these kinds of response_format."""

    def behave(seen: Any) -> Any:
        kind = seen.body.get("response_format", {}).get("type")
        if kind in kinds:
            return wire.error(400, f"response_format of type {kind} is not supported")
        return wire.chat(GOOD)

    return behave


def test_json_schema_first(server: Any, wire: Any) -> None:
    server.says(wire.chat(GOOD))
    got = structured(server.client(), ASK, Turn, role="user")
    assert got.value == Turn(act="request", message="Please begin.", facts=["a"])
    assert (got.rung, got.form, got.errors) == ("json_schema", "json_schema", ())
    sent = server.seen[0].body
    schema = sent["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False
    assert set(schema["schema"]["required"]) == {"act", "message", "facts"}
    assert sent["messages"] == ASK


@pytest.mark.parametrize(
    ("refused", "rung"),
    [(("json_schema",), "json_object"), (("json_schema", "json_object"), "text")],
)
def test_the_ladder_goes_down_once(
    server: Any, wire: Any, refused: tuple[str, ...], rung: str
) -> None:
    server.behave = refusing(wire, *refused)
    client = server.client()
    first = structured(client, ASK, Turn, role="user")
    asked = len(server.seen)
    second = structured(client, ASK, Turn, role="user")
    assert (first.rung, second.rung) == (rung, rung)
    assert len(server.seen) == asked + 1
    # Where the server enforces nothing, the model is told what is wanted.
    assert '"required"' in server.seen[-1].body["messages"][0]["content"]


@pytest.mark.parametrize(
    "wrapped",
    [
        f"```json\n{GOOD}\n```",
        f"Here you are:\n{GOOD}\nI hope that helps.",
        f"<think>They want {{a turn}}.</think>\n\n{GOOD}",
        f"  \n{GOOD}\n",
    ],
)
def test_wrapping_is_seen_through(server: Any, wire: Any, wrapped: str) -> None:
    server.says(wire.chat(wrapped))
    assert structured(server.client(), ASK, Turn, role="user").rung == "json_schema"


def test_an_invalid_answer_is_shown_to_the_model(server: Any, wire: Any) -> None:
    server.says(wire.chat('{"act": "dance", "message": "hi"}'), wire.chat(GOOD))
    got = structured(server.client(), ASK, Turn, role="user")
    assert got.rung == "repair"
    assert "act" in got.errors[0]
    assert len(got.completions) == 2
    retold = server.seen[1].body["messages"]
    assert retold[:2] == ASK
    assert retold[2] == {"role": "assistant", "content": '{"act": "dance", "message": "hi"}'}
    assert "act" in retold[3]["content"]


def test_a_model_that_cannot_is_an_error_with_its_answers(server: Any, wire: Any) -> None:
    server.says(wire.chat("I would rather not."))
    with pytest.raises(NotStructured, match="no valid Turn in 3 answers") as caught:
        structured(server.client(), ASK, Turn, role="user")
    assert len(caught.value.completions) == 3
    assert len(server.seen) == 3


def test_an_answer_cut_off_says_so(server: Any, wire: Any) -> None:
    message = {"role": "assistant", "content": GOOD[:20]}
    server.says(wire.completion(message, finish="length"))
    with pytest.raises(NotStructured, match="max_tokens"):
        structured(server.client(), ASK, Turn, role="user", repairs=0)


def test_a_refusal_of_everything_is_the_endpoints_error(server: Any, wire: Any) -> None:
    server.says(wire.error(400, "I do not like you"))
    with pytest.raises(ModelEndpointError, match="do not like"):
        structured(server.client(), ASK, Turn, role="user")


def test_a_wrong_key_is_not_taken_for_a_refused_form(server: Any, wire: Any) -> None:
    server.says(wire.error(401, "who are you"))
    with pytest.raises(ModelEndpointError, match="401"):
        structured(server.client(), ASK, Turn, role="user")
    assert len(server.seen) == 1


@pytest.mark.parametrize("text", ["", "no json", "[1]", "{broken", "42", "```json\n[]\n```"])
def test_what_holds_no_object(text: str) -> None:
    with pytest.raises(ValueError, match="answer"):
        extract(text)


def test_the_strict_schema_forbids_and_requires_all_the_way_down() -> None:
    class Inner(BaseModel):
        n: int | None = None

    class Outer(BaseModel):
        inner: Inner

    schema = strict_schema(Outer)
    inner = schema["$defs"]["Inner"]
    assert inner["additionalProperties"] is False
    assert inner["required"] == ["n"]
