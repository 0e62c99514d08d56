"""What a model answered, checked against the protocol and otherwise verbatim."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ise_env.llm import reasoning


class NotAChatCompletion(ValueError):
    """The answer does not follow the protocol; the text says where it departs."""


@dataclass(frozen=True)
class Completion:
    """One answer of a model.

    Attributes:
        message: The assistant message as the server sent it, unknown keys included, those that
            are null left out; reasoning split from the content (see `ise_env.llm.reasoning`),
            null content made `""`.
        model: Name that the server gave.
        fingerprint: `system_fingerprint`, when given.
        finish_reason: `stop`, `tool_calls`, `length`, ...
        usage: As reported; None when it was not.
        reasoning_spelling: Where the reasoning stood; None without reasoning.
        logprobs: `choices[0].logprobs`, when given.
        token_ids: Ids of the completion's tokens (vLLM's `return_token_ids`), when given.
        prompt_token_ids: Likewise for the prompt.
        mended: Departures from the protocol that were put right (`arguments was an object`).
        latency_s: Of the request that was answered.
        waited_s: Spent on limits, failed requests and pauses before it.
        failures: Labels of the requests that failed before it (`429`, `timeout`, ...).
        quirks: Learnt differences applied to the request.
        cost_usd: None without a price or usage.
    """

    message: dict[str, Any]
    model: str
    finish_reason: str | None
    usage: dict[str, Any] | None
    fingerprint: str | None = None
    reasoning_spelling: reasoning.Spelling | None = None
    logprobs: dict[str, Any] | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None
    mended: tuple[str, ...] = ()
    latency_s: float = 0.0
    waited_s: float = 0.0
    failures: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    cost_usd: float | None = None

    @property
    def content(self) -> str:
        """What is said, without reasoning."""
        content = self.message.get("content")
        return content if isinstance(content, str) else ""

    def annotations(self) -> dict[str, Any]:
        """What the trace keeps beside the message, JSON-able, absent parts left out.

        `usage` is always there: null says that the server reported none.
        """
        parts: dict[str, Any] = {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "finish_reason": self.finish_reason,
            "usage": self.usage,
            "timing": {"latency_s": round(self.latency_s, 4), "waited_s": round(self.waited_s, 4)},
            "reasoning": self.reasoning_spelling,
            "logprobs": self.logprobs,
            "token_ids": self.token_ids,
            "prompt_token_ids": self.prompt_token_ids,
            "mended": list(self.mended),
            "failures": list(self.failures),
            "quirks": list(self.quirks),
            "cost_usd": self.cost_usd,
        }
        return {k: v for k, v in parts.items() if k == "usage" or v not in (None, [], ())}


def parse(data: Any) -> Completion:
    """Read the body of a chat completion.

    Raises:
        NotAChatCompletion: It is not one.
    """
    if not isinstance(data, Mapping):
        raise NotAChatCompletion(f"JSON that is no object but {type(data).__name__}")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise NotAChatCompletion("an object without choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise NotAChatCompletion("a choice without a message")
    given = {key: value for key, value in message.items() if value is not None}
    mended, notes = _mend(given, str(data.get("id", "")))
    mended, spelling = reasoning.split(mended)
    usage = data.get("usage")
    return Completion(
        message=mended,
        model=str(data.get("model") or ""),
        fingerprint=str(data["system_fingerprint"]) if data.get("system_fingerprint") else None,
        finish_reason=choice.get("finish_reason"),
        usage=dict(usage) if isinstance(usage, Mapping) else None,
        reasoning_spelling=spelling,
        logprobs=choice.get("logprobs") or None,
        token_ids=choice.get("token_ids") or None,
        prompt_token_ids=data.get("prompt_token_ids") or choice.get("prompt_token_ids") or None,
        mended=tuple(notes),
    )


def _mend(message: dict[str, Any], completion_id: str) -> tuple[dict[str, Any], list[str]]:
    """Put right what some servers get wrong and a later request would be refused for."""
    notes: list[str] = []
    message["role"] = "assistant"
    content = message.setdefault("content", "")
    if isinstance(content, list):
        texts = [p.get("text", "") for p in content if isinstance(p, Mapping)]
        message["content"] = "".join(map(str, texts))
        notes.append("content was a list of parts")
    elif not isinstance(content, str):
        raise NotAChatCompletion(f"a message whose content is {type(content).__name__}")
    calls = message.get("tool_calls")
    if not calls:
        message.pop("tool_calls", None)
        return message, notes
    if isinstance(calls, Mapping):
        calls = [calls]
        notes.append("tool_calls was an object")
    if not isinstance(calls, list):
        raise NotAChatCompletion(f"a message whose tool_calls is {type(calls).__name__}")
    message["tool_calls"] = [
        _mend_call(call, f"{completion_id}/{index}", notes) for index, call in enumerate(calls)
    ]
    return message, notes


def _mend_call(call: Any, origin: str, notes: list[str]) -> dict[str, Any]:
    """Make a call fit for a later request; what the model got wrong stays the model's mistake.

    A call that names no function keeps what it said as its arguments: the environment answers
    it like any other unknown tool, and the episode goes on.
    """
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        said = function if isinstance(function, Mapping) else {"call": call}
        function = {"name": "", "arguments": json.dumps(said, ensure_ascii=False, default=str)}
        call = call if isinstance(call, Mapping) else {}
        notes.append("a tool call named no function")
    function, call = dict(function), dict(call)
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        kind = "missing" if arguments is None else "an object"
        function["arguments"] = json.dumps(
            {} if arguments is None else arguments, ensure_ascii=False
        )
        notes.append(f"arguments was {kind}")
    if not isinstance(call.get("id"), str) or not call["id"]:
        call["id"] = "call_" + hashlib.sha256(origin.encode()).hexdigest()[:24]
        notes.append("tool call had no id")
    call["type"] = "function"
    call.pop("index", None)
    return {**call, "function": function}
