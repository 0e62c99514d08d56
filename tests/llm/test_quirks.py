"""A refusal that names a field teaches something, once; any other refusal teaches nothing."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ise_env.errors import ModelEndpointError
from ise_env.llm.quirks import Quirk, diagnose

ASK = [{"role": "user", "content": "hi"}]


def test_a_refused_temperature_is_left_out_from_then_on(
    server: Any, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said = (
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the "
        "default (1) value is supported."
    )

    def picky(seen: Any) -> Any:
        if "temperature" in seen.body:
            return wire.error(400, said, param="temperature", code="unsupported_value")
        return wire.chat()

    server.behave = picky
    client = server.client(sampling={"temperature": 0.2, "top_p": 0.9})
    with caplog.at_level(logging.WARNING, "ise_env.llm"):
        got = [client.complete(ASK) for _ in range(3)]
    assert [g.quirks for g in got] == [("-temperature",)] * 3
    assert [g.failures for g in got] == [()] * 3
    assert len(server.seen) == 4
    assert server.seen[-1].body["top_p"] == 0.9
    assert len(caplog.records) == 1
    assert "temperature" in caplog.text


def test_max_tokens_is_renamed_and_keeps_its_value(server: Any, wire: Any) -> None:
    said = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead."
    )

    def picky(seen: Any) -> Any:
        if "max_tokens" in seen.body:
            return wire.error(400, said, param="max_tokens", code="unsupported_parameter")
        return wire.chat()

    server.behave = picky
    client = server.client(sampling={"max_tokens": 77})
    client.complete(ASK)
    assert server.seen[-1].body["max_completion_tokens"] == 77
    assert "max_tokens" not in server.seen[-1].body


def test_several_quirks_in_one_call(server: Any, wire: Any) -> None:
    refused = ["seed", "logprobs", "top_logprobs", "parallel_tool_calls"]

    def picky(seen: Any) -> Any:
        for name in refused:
            if name in seen.body:
                return wire.error(400, f"Unrecognized request argument supplied: {name}")
        return wire.chat()

    server.behave = picky
    params = {"seed": 1, "logprobs": True, "top_logprobs": 2, "parallel_tool_calls": False}
    got = server.client(sampling=params).complete(ASK)
    assert sorted(got.quirks) == sorted(f"-{name}" for name in refused)


def test_reasoning_in_the_history_can_be_refused(server: Any, wire: Any) -> None:
    def picky(seen: Any) -> Any:
        if any("reasoning_content" in m for m in seen.body["messages"]):
            return wire.error(400, "The reasoning_content field is not allowed in input messages")
        return wire.chat()

    server.behave = picky
    history = [*ASK, {"role": "assistant", "content": "a", "reasoning_content": "b"}, *ASK]
    got = server.client().complete(history)
    assert got.quirks == ("-messages.reasoning",)
    assert history[1]["reasoning_content"] == "b"


def test_threads_learn_together(server: Any, wire: Any) -> None:
    def picky(seen: Any) -> Any:
        if "seed" in seen.body:
            return wire.error(400, "unknown field: seed")
        return wire.chat()

    server.behave = picky
    client = server.client(sampling={"seed": 3})
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: client.complete(ASK), range(32)))
    assert all(g.quirks == ("-seed",) for g in got)


def test_a_server_that_refuses_both_names_is_not_asked_for_ever(server: Any, wire: Any) -> None:
    def impossible(seen: Any) -> Any:
        name = next(n for n in ("max_tokens", "max_completion_tokens") if n in seen.body)
        return wire.error(400, f"Unsupported parameter: '{name}'", param=name)

    server.behave = impossible
    with pytest.raises(ModelEndpointError):
        server.client(sampling={"max_tokens": 5}).complete(ASK)
    assert len(server.seen) < 10


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ("Invalid value for 'temperature': must be at most 2", {"temperature": 9}),
        ("'messages' must not be empty; the field top_p is fine", {"top_p": 1}),
        ("Unsupported parameter: 'tools'", {"tools": [], "temperature": 1}),
        ("unknown model", {"seed": 1}),
        ("", {"temperature": 1}),
    ],
)
def test_other_refusals_teach_nothing(said: str, body: dict[str, Any]) -> None:
    assert diagnose({"message": said}, {"messages": ASK, **body}) is None


@pytest.mark.parametrize(
    ("refusal", "body", "quirk"),
    [
        ({"message": "Extra inputs are not permitted: top_logprobs"},
         {"logprobs": True, "top_logprobs": 1}, Quirk("top_logprobs")),
        ({"message": "`temperature` is deprecated for this model"},
         {"temperature": 1}, Quirk("temperature")),
        ({"message": "not supported", "param": "reasoning_effort"},
         {"reasoning_effort": "high"}, Quirk("reasoning_effort")),
        ({"message": "unknown field 'max_completion_tokens', expected max_tokens"},
         {"max_completion_tokens": 1}, Quirk("max_completion_tokens", "max_tokens")),
    ],
)  # fmt: skip
def test_diagnosis(refusal: dict[str, Any], body: dict[str, Any], quirk: Quirk) -> None:
    assert diagnose(refusal, {"messages": ASK, **body}) == quirk
