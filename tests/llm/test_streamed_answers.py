"""A streamed answer is the same answer, and a broken stream is not taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.errors import ModelEndpointError
from ise_env.llm.completion import parse
from ise_env.llm.stream import assemble

ASK = [{"role": "user", "content": "hi"}]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def stream_of(message: dict[str, Any], pieces: int, **last: Any) -> bytes:
    """Cut a message into chunks as servers do."""

    def cut(text: str) -> list[str]:
        size = max(1, -(-len(text) // pieces))
        return [text[i : i + size] for i in range(0, len(text), size)]

    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": part} for part in cut(message.get("reasoning_content", ""))]
    deltas += [{"content": part} for part in cut(message["content"])]
    for index, call in enumerate(message.get("tool_calls", ())):
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
            for part in cut(call["function"]["arguments"])
        ]
    chunks = [{"id": "c", "model": "m", "choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"id": "c", "model": "m", "choices": [{"delta": {}, **last}]})
    chunks.append({"id": "c", "model": "m", "choices": [], "usage": {"total_tokens": 3}})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return (": comment\n\n" + "".join(lines) + "data: [DONE]\n\n").encode()


@given(
    content=texts, thought=texts, arguments=st.lists(texts, max_size=3), pieces=st.integers(1, 9)
)
def test_pieces_make_the_whole(
    content: str, thought: str, arguments: list[str], pieces: int
) -> None:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if thought:
        message["reasoning_content"] = thought
    if arguments:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": text}}
            for n, text in enumerate(arguments)
        ]
    got = parse(assemble(stream_of(message, pieces, finish_reason="stop")))
    whole = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    assert got.message == parse(whole).message
    assert got.usage == {"total_tokens": 3}


def test_over_a_socket(server: Any, wire: Any) -> None:
    body = stream_of({"role": "assistant", "content": "Good day."}, 3, finish_reason="stop")
    server.says(wire.Reply(200, body, {"Content-Type": "text/event-stream; charset=utf-8"}))
    got = server.client(stream=True).complete(ASK)
    assert (got.content, got.finish_reason, got.usage) == ("Good day.", "stop", {"total_tokens": 3})
    assert server.seen[0].body["stream_options"] == {"include_usage": True}


def test_a_server_that_ignores_the_wish_is_understood(server: Any, wire: Any) -> None:
    server.says(wire.chat("whole"))
    assert server.client(stream=True).complete(ASK).content == "whole"


@pytest.mark.parametrize("cut", [40, 150, 300])
def test_a_stream_that_breaks_off_is_no_answer(server: Any, wire: Any, cut: int) -> None:
    body = stream_of({"role": "assistant", "content": "a long answer " * 9}, 9)[:cut]
    server.says(wire.Reply(200, body, {"Content-Type": "text/event-stream"}))
    with pytest.raises(ModelEndpointError, match="stream"):
        server.client(stream=True, attempts=1).complete(ASK)


def test_an_error_in_the_stream_is_the_servers_own_words(server: Any, wire: Any) -> None:
    body = b'data: {"error": {"message": "out of memory", "code": 500}}\n\n'
    server.says(wire.Reply(200, body, {"Content-Type": "text/event-stream"}))
    with pytest.raises(ModelEndpointError, match="out of memory"):
        server.client(stream=True, attempts=1).complete(ASK)
