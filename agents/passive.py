"""Policies that solve nothing: one does nothing, one does something at random."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ise_env.agents.phrases import say
from ise_env.agents.scripted import Conversation, Message, ScriptedAgent
from ise_env.spaces import SchemaSampler
from ise_env.tasks.kit import ToolCall


class Nop(ScriptedAgent):
    """Says politely that it does nothing: the floor that must score exactly 0."""

    def __init__(self, name: str = "nop", *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options=options)

    def converse(self, first: list[Message]) -> Conversation:
        """Say so, every time."""
        while True:
            yield self.text(say(self.rng, "nop", "say"))


class Random(ScriptedAgent):
    """Calls tools with arguments that fit their schemas and mean nothing.

    Args:
        name: As in `make_agent`.
        talk: Share of the messages that are text.
        options: For the record.
    """

    def __init__(
        self,
        name: str = "random",
        *,
        talk: float = 0.25,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, options=options)
        self._talk = talk

    def converse(self, first: list[Message]) -> Conversation:
        """Talk or call, by chance."""
        while True:
            if not self.tools or self.rng.random() < self._talk:
                yield self.text(say(self.rng, "random", "say"))
            else:
                yield self.calls([self._draw() for _ in range(int(self.rng.integers(1, 3)))])

    def _draw(self) -> ToolCall:
        function = self.tools[int(self.rng.integers(len(self.tools)))]["function"]
        drawn = SchemaSampler(self.rng).sample(function.get("parameters", {}))
        arguments = json.loads(json.dumps(drawn))
        # A wait of minutes is in range of the schemas and only costs time.
        for name, most in (("timeout", 5), ("yieldMs", 500), ("runTimeoutSeconds", 5)):
            if name in arguments:
                arguments[name] = min(arguments[name], most)
        return ToolCall(function["name"], arguments)
