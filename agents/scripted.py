"""What every scripted policy shares: a conversation written as a generator.

A policy is a generator that yields assistant messages and is sent the messages that came
since. `act` feeds it the new part of the history, so the same policy plays an episode step by
step; `replayed` rebuilds it from a whole history, which is how a stateless server plays it.
All randomness and all ids come from the context's seed.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from ise_env.agents.protocol import AgentContext, AgentProvenance
from ise_env.errors import AgentError
from ise_env.tasks.kit import ToolCall, ToolReply

Message = dict[str, Any]

Conversation = Generator[Message, list[Message], None]
"""Yields assistant messages; is sent what came after each."""


class ScriptedAgent(ABC):
    """Base of policies without a model.

    Args:
        name: As in `make_agent`.
        options: What of its options differs from the defaults, for the record.
        privileged: Whether it reads the intent's own solutions.
    """

    version = "1"

    def __init__(
        self, name: str, *, options: Mapping[str, Any] | None = None, privileged: bool = False
    ) -> None:
        self.provenance = AgentProvenance(
            name=name,
            version=self.version,
            scripted=True,
            privileged=privileged,
            sampling=dict(options or {}),
        )
        self._conversation: Conversation | None = None
        self._seen = 0
        self._calls = 0
        self.tools: list[dict[str, Any]] = []

    def reset(self, context: AgentContext) -> None:
        """Get ready for a new episode."""
        self.context = context
        self.rng = np.random.default_rng([context.seed, _number(self.provenance.name)])
        self._seen = self._calls = 0
        self._conversation = None

    def act(self, observation: dict[str, Any]) -> Message:
        """Answer with the policy's next message.

        Raises:
            AgentError: The history is shorter than what was seen of it already.
        """
        messages, self.tools = observation["messages"], observation["tools"]
        if len(messages) < self._seen:
            raise AgentError(
                f"{self.provenance.name}: the history shrank from {self._seen} to {len(messages)} "
                "messages; scripted agents need the whole history in every observation"
            )
        new = messages[self._seen :]
        self._seen = len(messages) + 1
        if self._conversation is None:
            self._conversation = self.converse(new)
            return next(self._conversation)
        return self._conversation.send(new)

    def close(self) -> None:  # noqa: B027
        """Nothing is held."""

    @abstractmethod
    def converse(self, first: list[Message]) -> Conversation:
        """Play an episode, given the messages before the first turn; never returns."""

    def text(self, content: str, **x: Any) -> Message:
        """An assistant message without tool calls."""
        message: Message = {"role": "assistant", "content": content}
        return {**message, "x": x} if x else message

    def calls(self, calls: Sequence[ToolCall], content: str = "") -> Message:
        """An assistant message with tool calls; ids are a function of seed and position."""
        wire = [
            {
                "id": self._call_id(),
                "type": "function",
                "function": {"name": call.tool, "arguments": arguments_of(call)},
            }
            for call in calls
        ]
        message: Message = {"role": "assistant", "content": content, "tool_calls": wire}
        slips = [call.slip for call in calls if isinstance(call, SlippedCall)]
        return {**message, "x": {"slip": slips[0]}} if slips else message

    def _call_id(self) -> str:
        self._calls += 1
        name = f"{self.context.intent.id}/{self.context.seed}/{self._calls}"
        return "call_" + hashlib.sha256(name.encode()).hexdigest()[:24]


class SlippedCall(ToolCall):
    """A call with a mistake in it.

    Args:
        tool: Name as written, which may be no tool's name.
        arguments: As written.
        slip: Name of the mistake, for the trace.
        raw: The arguments string, where it is not the JSON of `arguments`.
    """

    def __init__(
        self, tool: str, arguments: Mapping[str, Any], slip: str, raw: str | None = None
    ) -> None:
        super().__init__(tool, arguments)
        object.__setattr__(self, "slip", slip)
        object.__setattr__(self, "raw", raw)

    slip: str
    raw: str | None


def arguments_of(call: ToolCall) -> str:
    """The arguments string of a call."""
    if isinstance(call, SlippedCall) and call.raw is not None:
        return call.raw
    return json.dumps(dict(call.arguments), ensure_ascii=False)


def replies_to(message: Message, new: Sequence[Message]) -> list[ToolReply]:
    """What came back for each call of a message, in the order of the calls."""
    texts = {m.get("tool_call_id"): m.get("content") for m in new if m.get("role") == "tool"}
    return [ToolReply(str(texts.get(call["id"]) or "")) for call in message["tool_calls"]]


def user_text(new: Sequence[Message]) -> str:
    """What the user said in the new part of a history."""
    return "\n".join(str(m.get("content") or "") for m in new if m.get("role") == "user")


def latest_task(new: Sequence[Message]) -> str:
    """What a sub-agent was told last in the new part of its history."""
    return user_text([m for m in new if m.get("role") == "user"][-1:])


def replayed(
    make: Callable[[], ScriptedAgent], context: AgentContext, request: dict[str, Any]
) -> Message:
    """Answer a whole history with a fresh agent, as a stateless server has to.

    The agent is led through every earlier turn; what it said then must be what the history
    says, or the history is not one that this policy wrote.

    Raises:
        AgentError: It is not.
    """
    agent = make()
    agent.reset(context)
    messages = request["messages"]
    for index, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        again = agent.act({"messages": messages[:index], "tools": request["tools"]})
        if _ids(again) != _ids(message):
            raise AgentError(
                f"{agent.provenance.name}: message {index} of the history was not written by this "
                "policy with this seed; scripted policies cannot take over a conversation"
            )
    return agent.act(request)


def _ids(message: Mapping[str, Any]) -> list[str]:
    return [str(call.get("id")) for call in message.get("tool_calls") or ()]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
