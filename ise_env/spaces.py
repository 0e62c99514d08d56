"""The three spaces: a history of messages, a list of tools, an assistant message.

They judge envelopes only. What is inside a tool call's `arguments` is the agent's business and
has to reach `step`, where a mistake costs the agent and not the run.

No shared-memory handlers are registered for them on purpose: without, Gymnasium's
`AsyncVectorEnv(shared_memory=True)` fails loudly; with, it would return stale data silently.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

Message = dict[str, Any]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_SMALL_TALK = (
    "Okay.",
    "One moment, please.",
    "I am looking into it.",
    "Could you tell me a little more?",
    "That is all I have so far.",
)


class JsonSpace(spaces.Space[Any]):
    """Base of the spaces here: elements are JSON values, not arrays.

    Args:
        seed: Seed or generator for `sample`.
    """

    def __init__(self, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Always False: conversations are no vectors."""
        return False

    def to_jsonable(self, sample_n: Iterable[Any]) -> list[Any]:
        """Return the samples as plain JSON values (a deep copy)."""
        return copy.deepcopy(list(sample_n))

    def from_jsonable(self, sample_n: list[Any]) -> list[Any]:
        """Invert `to_jsonable`."""
        return copy.deepcopy(sample_n)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Messages(JsonSpace):
    """Histories in the OpenAI wire shape: lists of messages with a known role.

    Example:
        >>> [{"role": "user", "content": "Good morning."}] in Messages()
        True
        >>> [{"role": "narrator", "content": "Meanwhile ..."}] in Messages()
        False
    """

    def contains(self, x: Any) -> bool:
        """Whether `x` is a list of message envelopes."""
        return isinstance(x, list) and all(_is_message(message) for message in x)

    def sample(self, mask: Any = None, probability: Any = None) -> list[Message]:
        """Return a short history: a user's line, and sometimes an answer to it."""
        _reject(mask=mask, probability=probability)
        history = [{"role": "user", "content": _small_talk(self.np_random)}]
        if self.np_random.random() < 0.5:
            history.append({"role": "assistant", "content": _small_talk(self.np_random)})
        return history


class Tools(JsonSpace):
    """Lists of function schemas in the OpenAI wire shape.

    Example:
        >>> [{"type": "function", "function": {"name": "read", "parameters": {}}}] in Tools()
        True
    """

    def contains(self, x: Any) -> bool:
        """Whether `x` is a list of function schemas."""
        return isinstance(x, list) and all(_is_tool(tool) for tool in x)

    def sample(self, mask: Any = None, probability: Any = None) -> list[dict[str, Any]]:
        """Return a list with one parameterless function."""
        _reject(mask=mask, probability=probability)
        name = f"tool_{int(self.np_random.integers(100))}"
        parameters = {"type": "object", "properties": {}}
        return [{"type": "function", "function": {"name": name, "parameters": parameters}}]


class AssistantMessage(JsonSpace):
    """Actions: an assistant message, or a plain string as shorthand for one.

    A message has `content` (a string, null, or content parts) and may have several
    `tool_calls`. `sample()` gives harmless text, because `check_env` steps what it samples
    against a live operating system; `sample(mask=tools)`, with a list of function schemas,
    may give a schema-shaped tool call as well.

    Example:
        >>> "Done." in AssistantMessage()
        True
        >>> {"role": "user", "content": "Done."} in AssistantMessage()
        False
    """

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string or an assistant message's envelope."""
        if isinstance(x, str):
            return True
        return isinstance(x, dict) and x.get("role") == "assistant" and _is_message(x)

    def sample(self, mask: Any = None, probability: Any = None) -> Message:
        """Return an assistant message.

        Args:
            mask: None, or the function schemas from which a call may be drawn.
            probability: Not supported.
        """
        _reject(probability=probability)
        message: Message = {"role": "assistant", "content": _small_talk(self.np_random)}
        if mask and self.np_random.random() < 0.75:
            message["tool_calls"] = [_sample_call(list(mask), self.np_random)]
        return message


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
        return False
    content = message.get("content")
    if not (content is None or isinstance(content, str | list)):
        return False
    calls = message.get("tool_calls")
    return calls is None or isinstance(calls, list)


def _is_tool(tool: Any) -> bool:
    if not isinstance(tool, Mapping) or tool.get("type") != "function":
        return False
    function = tool.get("function")
    return isinstance(function, Mapping) and isinstance(function.get("name"), str)


def _reject(**unsupported: Any) -> None:
    for name, value in unsupported.items():
        if value is not None:
            raise ValueError(f"{name} is not supported by this space")


def _small_talk(rng: np.random.Generator) -> str:
    return str(rng.choice(_SMALL_TALK))


def _sample_call(tools: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> dict[str, Any]:
    function = tools[int(rng.integers(len(tools)))]["function"]
    arguments = SchemaSampler(rng).sample(function.get("parameters", {}))
    return {
        "id": f"call_{int(rng.integers(16**12)):012x}",
        "type": "function",
        "function": {"name": function["name"], "arguments": json.dumps(arguments)},
    }


class SchemaSampler:
    """Draws values that fit a (simple) JSON schema.

    Args:
        rng: Source of randomness.
    """

    words: ClassVar[tuple[str, ...]] = ("notes.txt", "report", "data", "ls", "pwd", "echo hello")

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def sample(self, schema: Mapping[str, Any]) -> Any:
        """Return a value for `schema`: required properties always, optional ones sometimes."""
        if "enum" in schema:
            return schema["enum"][int(self.rng.integers(len(schema["enum"])))]
        if "anyOf" in schema:
            return self.sample(schema["anyOf"][0])
        match schema.get("type", "object"):
            case "object":
                required = set(schema.get("required", ()))
                return {
                    name: self.sample(sub)
                    for name, sub in schema.get("properties", {}).items()
                    if name in required or self.rng.random() < 0.2
                }
            case "array":
                return [self.sample(schema.get("items", {"type": "string"}))]
            case "integer" | "number":
                low = int(schema.get("minimum", 1))
                return int(self.rng.integers(low, min(int(schema.get("maximum", 100)), 10_000) + 1))
            case "boolean":
                return bool(self.rng.integers(2))
            case _:
                return str(self.rng.choice(self.words))
