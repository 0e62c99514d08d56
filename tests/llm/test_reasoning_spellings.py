"""Reasoning in three spellings: told apart, and nothing of it lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.llm import reasoning


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_keys_stay_as_they_came(server: Any, wire: Any, key: str) -> None:
    server.says(wire.chat("answer", **{key: "because"}))
    got = server.client().complete([{"role": "user", "content": "?"}])
    assert got.message == {"role": "assistant", "content": "answer", key: "because"}
    assert got.reasoning_spelling == key
    assert reasoning.text(got.message) == "because"


@pytest.mark.parametrize(
    ("sent", "thought", "said", "spelling"),
    [
        ("<think>because</think>\n\nanswer", "because", "\n\nanswer", "<think>"),
        ("\n<think>\nb\n</think>answer", "\nb\n", "answer", "<think>"),
        ("because</think>answer", "because", "answer", "</think>"),
        ("<think>cut off in the mid", "cut off in the mid", "", "<think>"),
    ],
)
def test_thoughts_are_split_from_the_content(
    server: Any, wire: Any, sent: str, thought: str, said: str, spelling: str
) -> None:
    server.says(wire.chat(sent))
    got = server.client().complete([{"role": "user", "content": "?"}])
    assert got.message["reasoning_content"] == thought
    assert got.content == said
    assert got.reasoning_spelling == spelling


@pytest.mark.parametrize("plain", ["answer", "", "write <think> in the file", "a < b"])
def test_no_reasoning_is_made_up(plain: str) -> None:
    message = {"role": "assistant", "content": plain}
    assert reasoning.split(message) == (message, None)


@given(st.text().filter(lambda t: "think>" not in t), st.text())
def test_what_was_split_can_be_joined(thought: str, said: str) -> None:
    for sent in (f"<think>{thought}</think>{said}", f"{thought}</think>{said}"):
        message, spelling = reasoning.split({"role": "assistant", "content": sent})
        assert spelling is not None
        if thought:
            assert reasoning.joined(message, spelling)["content"] == sent
