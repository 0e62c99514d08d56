"""Putting a streamed answer together again: server-sent events to one chat completion."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ise_env.llm.completion import NotAChatCompletion

CONTENT_TYPE = "text/event-stream"


def assemble(body: bytes) -> dict[str, Any]:
    """Merge the chunks of a stream into the completion that they are parts of.

    Texts are joined, tool calls merged by their index, log-probabilities and token ids appended;
    anything else keeps its last value.

    Args:
        body: The whole stream.

    Returns:
        A chat completion, or the error object that the server broke off with.

    Raises:
        NotAChatCompletion: A chunk is not valid, or the stream ended before the answer did.
    """
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: dict[int, dict[str, Any]] = {}
    choice: dict[str, Any] = {"index": 0, "finish_reason": None}
    for chunk in _chunks(body):
        if chunk.get("error"):
            return chunk
        whole.update((k, v) for k, v in chunk.items() if k != "choices" and v is not None)
        for part in chunk.get("choices") or ():
            _merge_choice(choice, part)
            delta = dict(part.get("delta") or {})
            for call in delta.pop("tool_calls", None) or ():
                _merge_call(calls.setdefault(call.get("index", len(calls)), {}), call)
            _merge_delta(message, delta)
    if choice["finish_reason"] is None:
        raise NotAChatCompletion("a stream that broke off")
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {**whole, "object": "chat.completion", "choices": [{**choice, "message": message}]}


def _chunks(body: bytes) -> Iterator[dict[str, Any]]:
    # Not str.splitlines: U+2028 and its kin are line ends there, and text here.
    for line in body.replace(b"\r", b"\n").split(b"\n"):
        name, _, data = line.decode("utf-8", "replace").partition(":")
        data = data.strip()
        if name != "data" or not data:
            continue
        if data == "[DONE]":
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            raise NotAChatCompletion("a stream with a chunk that is not JSON") from None
        if not isinstance(chunk, dict):
            raise NotAChatCompletion("a stream with a chunk that is no object")
        yield chunk


def _merge_choice(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    if part.get("finish_reason"):
        choice["finish_reason"] = part["finish_reason"]
    if isinstance(part.get("token_ids"), list):
        choice.setdefault("token_ids", []).extend(part["token_ids"])
    logprobs = part.get("logprobs")
    if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
        choice.setdefault("logprobs", {"content": []})["content"].extend(logprobs["content"])


def _merge_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        before = message.get(key)
        if key != "role" and isinstance(value, str) and isinstance(before, str):
            message[key] = before + value
        elif value is not None:
            message[key] = value


def _merge_call(call: dict[str, Any], part: Mapping[str, Any]) -> None:
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for key, value in (part.get("function") or {}).items():
        if key == "arguments" and isinstance(value, str):
            function["arguments"] += value
        elif value:
            function[key] = value
    call.update((k, v) for k, v in part.items() if k not in ("function", "index") and v)
