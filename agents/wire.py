"""The OpenAI chat completions protocol, as a server speaks it: answers, streams, errors.

Shapes follow the public API reference. Usage is null: nothing here counts tokens, so nothing
reports any.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ise_env.agents.scripted import Message

FINGERPRINT = "ise-scripted"
"""What answers here is a script: clients of ours put that into their records."""


class ApiError(Exception):
    """What a request is refused with.

    Args:
        status: HTTP status.
        message: One line.
        code: Machine-readable reason.
        param: The field that is wrong.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def completion(request: Mapping[str, Any], message: Message, identity: str) -> dict[str, Any]:
    """A chat completion; its id is a function of `identity`."""
    return {
        **_envelope(request, identity, "chat.completion"),
        "choices": [
            {
                "index": 0,
                "message": {**_plain(message), "refusal": None},
                "logprobs": None,
                "finish_reason": _finish(message),
            }
        ],
        "usage": None,
    }


def events(request: Mapping[str, Any], message: Message, identity: str) -> Iterator[bytes]:
    """The same completion as server-sent events."""
    envelope = _envelope(request, identity, "chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if message["content"]:
        words = message["content"].split(" ")
        deltas += [
            {"content": word if index == 0 else f" {word}"} for index, word in enumerate(words)
        ]
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        head = {**call, "index": index, "function": {**function, "arguments": ""}}
        rest = {"index": index, "function": {"arguments": function["arguments"]}}
        deltas += [{"tool_calls": [head]}, {"tool_calls": [rest]}]
    for delta in deltas:
        yield _event(envelope, delta, None)
    yield _event(envelope, {}, _finish(message))
    yield b"data: [DONE]\n\n"


def models(names: Mapping[str, str]) -> dict[str, Any]:
    """The list of models; `names` maps each to its owner."""
    return {"object": "list", "data": [model(name, owner) for name, owner in names.items()]}


def model(name: str, owner: str) -> dict[str, Any]:
    """One entry of that list."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def checked(body: bytes) -> dict[str, Any]:
    """Read a request for a chat completion.

    Raises:
        ApiError: It is none, with the field that is wrong.
    """
    try:
        request = json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(request, dict):
        raise ApiError(400, "the body is not a JSON object")
    if not isinstance(request.get("model"), str):
        raise ApiError(400, "you must provide a model parameter", param="model")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages must be a list with at least one message", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ApiError(400, "a message needs a role", param=f"messages.{index}.role")
    tools = request.setdefault("tools", [])
    if not isinstance(tools, list) or not all(map(_is_function, tools)):
        raise ApiError(400, "tools must be a list of function schemas", param="tools")
    return request


def _is_function(tool: Any) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _envelope(request: Mapping[str, Any], identity: str, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
    return {
        "id": f"chatcmpl-{digest}",
        "object": kind,
        "created": int(time.time()),
        "model": request["model"],
        "system_fingerprint": FINGERPRINT,
    }


def _plain(message: Message) -> Message:
    return {key: value for key, value in message.items() if key != "x"}


def _finish(message: Message) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _event(envelope: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return b"data: " + json.dumps({**envelope, "choices": [choice]}).encode() + b"\n\n"
