"""Spaces judge envelopes, sample harmlessly, and survive JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.spaces import AssistantMessage, Messages, SchemaSampler, Tools

SPACES = [Messages, Tools, AssistantMessage]
TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
READ = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 5},
                "mode": {"enum": ["a", "b"]},
            },
            "required": ["path"],
        },
    },
}


@pytest.mark.parametrize("space_type", SPACES)
@pytest.mark.parametrize("seed", range(20))
def test_a_sample_is_contained_and_seeded(space_type, seed):
    sample = space_type(seed=seed).sample()
    assert sample in space_type()
    assert sample == space_type(seed=seed).sample()


@pytest.mark.parametrize("space_type", SPACES)
def test_equality_is_by_kind(space_type):
    assert space_type() == space_type(seed=3)
    assert all(space_type() != other() for other in SPACES if other is not space_type)
    assert repr(space_type()) == f"{space_type.__name__}()"
    assert not space_type().is_np_flattenable


@pytest.mark.parametrize("space_type", SPACES)
def test_jsonable_round_trip(space_type):
    space = space_type(seed=1)
    samples = [space.sample() for _ in range(5)]
    wire = json.loads(json.dumps(space.to_jsonable(samples)))
    assert space.from_jsonable(wire) == samples


def test_to_jsonable_shares_nothing_with_the_samples():
    sample = [{"role": "user", "content": "hi"}]
    (copied,) = Messages().to_jsonable([sample])
    copied[0]["content"] = "changed"
    assert sample[0]["content"] == "hi"


@given(JSON)
def test_contains_never_raises(value):
    for space_type in SPACES:
        assert isinstance(space_type().contains(value), bool)


@given(arguments=JSON, content=st.none() | TEXT, extra=st.dictionaries(TEXT, JSON, max_size=2))
def test_what_is_inside_a_call_is_not_the_space_s_business(arguments, content, extra):
    call = {"id": arguments, "type": "function", "function": {"name": 5, "arguments": arguments}}
    message = {**extra, "role": "assistant", "content": content, "tool_calls": [call, arguments]}
    assert message in AssistantMessage()


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        [],
        {},
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": 5},
        {"role": "assistant", "tool_calls": {}},
        {"role": "assistant", "tool_calls": "read"},
    ],
)
def test_what_is_no_assistant_message(message):
    assert message not in AssistantMessage()


def test_sampling_with_a_mask_draws_calls_that_fit_the_schema():
    space = AssistantMessage(seed=0)
    messages = [space.sample(mask=[READ]) for _ in range(60)]
    calls = [call for m in messages for call in m.get("tool_calls", [])]
    assert 20 < len(calls) < 60
    for call in calls:
        arguments = json.loads(call["function"]["arguments"])
        assert isinstance(arguments["path"], str)
        assert set(arguments) <= {"path", "limit", "mode"}
        assert 1 <= arguments.get("limit", 1) <= 5
        assert arguments.get("mode", "a") in {"a", "b"}
    assert all("tool_calls" not in space.sample() for _ in range(20))


def test_schema_sampler_covers_the_types():
    schema = {
        "type": "object",
        "required": ["n", "flag", "list", "either"],
        "properties": {
            "n": {"type": "number"},
            "flag": {"type": "boolean"},
            "list": {"type": "array", "items": {"type": "integer"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    value = SchemaSampler(np.random.default_rng(0)).sample(schema)
    assert isinstance(value["flag"], bool)
    assert isinstance(value["list"][0], int)
    assert isinstance(value["either"], str)
