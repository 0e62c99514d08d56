"""How messages are put for a trainer: chat templates disagree, so each point is an option.

What every export leaves out is the key `x`, which is ours. An assistant's arguments that are no
JSON object stay the text that the model wrote, whatever the option says: they are data, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Message = dict[str, Any]

_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True)
class Shape:
    """How messages are put.

    Attributes:
        arguments: Of tool calls: the JSON text as the model wrote it, or the parsed object
            (templates that apply `tojson` to a string escape it a second time).
        reasoning: Kept in its own key, dropped, or put in front of the content in
            `<think>` tags (stock Qwen3 templates drop the key before the last user turn).
        parallel: Calls of one message kept together, or each in a message of its own that is
            followed by its result (some templates take one call only).
        users: Consecutive user messages kept, or merged into one (some templates refuse them).
        empty: Content of an assistant that only calls tools: `""`, or null.
        system: Whether the system prompt is kept.
        holds: Whether the target can hold arguments as an object; where not, they stay text.
    """

    arguments: Literal["string", "object"] = "string"
    reasoning: Literal["keep", "drop", "inline"] = "keep"
    parallel: Literal["keep", "split"] = "keep"
    users: Literal["keep", "merge"] = "keep"
    empty: Literal["string", "null"] = "string"
    system: bool = True
    holds: Callable[[dict[str, Any]], bool] | None = None

    def chat(self, messages: Iterable[Message]) -> list[Message]:
        """Put the messages of a record; those handed in are not changed."""
        shown = [_plain(m) for m in messages if self.system or m["role"] != "system"]
        if self.parallel == "split":
            shown = list(_one_call_each(shown))
        if self.users == "merge":
            shown = list(_merged_users(shown))
        return [self._assistant(m) if m["role"] == "assistant" else m for m in shown]

    def _assistant(self, message: Message) -> Message:
        reasoning = reasoning_of(message)
        if self.reasoning != "keep":
            message = {k: v for k, v in message.items() if k not in _REASONING}
        if self.reasoning == "inline" and reasoning:
            message["content"] = _behind(f"<think>\n{reasoning}\n</think>\n\n", message["content"])
        if self.empty == "null" and message.get("tool_calls") and not message["content"]:
            message["content"] = None
        if self.arguments == "object" and message.get("tool_calls"):
            message["tool_calls"] = [self._with_object(call) for call in message["tool_calls"]]
        return message

    def _with_object(self, call: Any) -> Any:
        arguments = parsed_arguments(call)
        if arguments is None or (self.holds is not None and not self.holds(arguments)):
            return call
        return {**call, "function": {**call["function"], "arguments": arguments}}


@dataclass(frozen=True)
class Call:
    """One tool call, as far as it can be read: a model may put anything into `tool_calls`.

    Attributes:
        id: Its own, or the one under which it was answered.
        name: Of the tool; empty where it names none.
        arguments: As an object; None where they are none.
        raw: What the model wrote.
    """

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw: Any


def calls_of(message: Message) -> list[Call]:
    """The calls of an assistant message."""
    given = message.get("tool_calls") or []
    ids = [call.get("id") if isinstance(call, dict) else None for call in given]
    calls = []
    for position, (call, id_) in enumerate(zip(given, ids, strict=True)):
        if not (isinstance(id_, str) and id_):
            id_ = f"call_{position}"  # as `tools.dispatch` answers a call that has none
            while id_ in ids:
                id_ += "_"
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        named = name if isinstance(name, str) else ""
        calls.append(Call(id_, named, parsed_arguments(call), call))
    return calls


def reasoning_of(message: Message) -> str | None:
    """What a model thought before it spoke, under whichever key its server gives it."""
    return next((message[key] for key in _REASONING if message.get(key)), None)


def _behind(text: str, content: Any) -> Any:
    """Put a text in front of a content, which may be a list of parts."""
    if isinstance(content, list):
        return [{"type": "text", "text": text}, *content]
    return f"{text}{content}"


def parsed_arguments(call: Any) -> dict[str, Any] | None:
    """The arguments of a call as an object; None where they are none."""
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, dict):
        return arguments
    if not isinstance(arguments, str) or _HALF_PAIR.search(arguments):
        return None
    try:
        value = json.loads(arguments, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_HALF_PAIR = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""Half of a surrogate pair: parsed, it could not be written as UTF-8 again."""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _plain(message: Message) -> Message:
    plain = {key: value for key, value in message.items() if key != "x"}
    if plain.get("content") is None:
        plain["content"] = ""
    return plain


def _one_call_each(messages: list[Message]) -> Iterator[Message]:
    """Give each call a message of its own, followed by its result."""
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        calls = message.get("tool_calls") or ()
        if len(calls) < 2:
            yield message
            continue
        results = []
        while position < len(messages) and messages[position]["role"] == "tool":
            results.append(messages[position])
            position += 1
        for number, call in enumerate(calls_of(message)):
            first = message if number == 0 else {"role": "assistant", "content": ""}
            yield {**first, "tool_calls": [call.raw]}
            yield from _results_of(call, results, last=number == len(calls) - 1)


def _results_of(call: Call, results: list[Message], *, last: bool) -> Iterator[Message]:
    """Take the first result with the call's id; the last call also gets what belongs to none."""
    found = next((r for r in results if r.get("tool_call_id") == call.id), None)
    if found is not None:
        results.remove(found)
        yield found
    if last:
        yield from results


def _merged_users(messages: list[Message]) -> Iterator[Message]:
    held: Message | None = None
    for message in messages:
        if held is not None and message["role"] == held["role"] == "user":
            held = {**held, "content": f"{held['content']}\n\n{message['content']}"}
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held
