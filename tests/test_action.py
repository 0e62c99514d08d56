"""What `step` accepts, and what it keeps verbatim."""

import pytest
from gymnasium.error import InvalidAction
from openai.types.chat import ChatCompletionMessage

from ise_env.action import text_of, to_message


def test_a_string_is_an_assistant_message():
    assert to_message("Done.") == ({"role": "assistant", "content": "Done."}, {})


def test_ids_raw_arguments_reasoning_and_unknown_keys_are_kept():
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{ bad"}}
    given = {
        "role": "assistant",
        "content": None,
        "tool_calls": [call],
        "reasoning_content": "hm",
        "vendor": {"a": 1},
    }
    message, notes = to_message(given)
    assert message == {**given, "content": ""}
    assert notes == {}


def test_the_action_is_copied():
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    given = {"role": "assistant", "content": "", "tool_calls": [call]}
    message, _ = to_message(given)
    call["function"]["arguments"] = "changed"
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_annotations_leave_the_message():
    message, notes = to_message({"content": "hi", "x": {"usage": {"total_tokens": 3}}})
    assert message == {"role": "assistant", "content": "hi"}
    assert notes == {"usage": {"total_tokens": 3}}


def test_the_sdk_s_message_is_taken_as_it_is():
    sdk = ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "first look",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "exec", "arguments": '{"command":"ls"}'},
                }
            ],
        }
    )
    message, _ = to_message(sdk)
    assert message["role"] == "assistant"
    assert message["content"] == ""
    assert message["reasoning_content"] == "first look"
    assert message["tool_calls"][0]["id"] == "call_1"
    assert message["tool_calls"][0]["function"]["arguments"] == '{"command":"ls"}'


@pytest.mark.parametrize("calls", [None, []])
def test_no_tool_calls_means_no_key(calls):
    message, _ = to_message({"role": "assistant", "content": "hi", "tool_calls": calls})
    assert "tool_calls" not in message


@pytest.mark.parametrize(
    "action", [None, 5, ["hi"], {"role": "user", "content": "x"}, {"content": 5}]
)
def test_what_is_no_message_is_the_caller_s_mistake(action):
    with pytest.raises(InvalidAction):
        to_message(action)


def test_text_of_joins_content_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}, 7]
    assert text_of({"role": "assistant", "content": parts}) == "ab"
    assert text_of({"role": "assistant", "content": None}) == ""
