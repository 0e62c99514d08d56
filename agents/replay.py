"""Plays stored assistant messages again, whatever the tools and the user say this time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ise_env.agents.phrases import say
from ise_env.agents.protocol import AgentContext
from ise_env.agents.scripted import Conversation, Message, ScriptedAgent
from ise_env.errors import ConfigError
from ise_env.traces.reader import read_run


@dataclass(frozen=True)
class Recording:
    """What an agent said in one recorded episode."""

    seed: int | None
    messages: Sequence[Message]
    subagents: Mapping[str, Sequence[Message]]
    """By session key, what its sub-agents said."""


class Replay(ScriptedAgent):
    """Replays the recorded episode of the same intent; of the same seed where there are several.

    Args:
        path: A run directory, a shard, or a file with one or more trajectories.

    Raises:
        ConfigError: Nothing can be read there.
    """

    def __init__(self, path: str) -> None:
        super().__init__("replay", options={"source": Path(path).name})
        self._path = path
        self._recordings = _recorded(path)

    def reset(self, context: AgentContext) -> None:
        """Choose the recording.

        Raises:
            ConfigError: There is none of this intent.
        """
        super().reset(context)
        recorded = self._recordings.get(context.intent.id)
        if not recorded:
            raise ConfigError(f"{self._path}: holds no episode of intent {context.intent.id}")
        same_seed = [recording for recording in recorded if recording.seed == context.seed]
        recording = (same_seed or recorded)[0]
        self._messages = recording.messages
        if context.subagent is not None:
            self._messages = recording.subagents.get(context.subagent, ())

    def converse(self, first: list[Message]) -> Conversation:
        """Repeat message after message, then say that the recording is over."""
        for message in self._messages:
            yield dict(message)
        while True:
            yield self.text(say(self.rng, "replay", "exhausted"))


@cache
def _recorded(path: str) -> dict[str, list[Recording]]:
    """Recordings by intent; only the agent's own words are kept in memory."""
    found: dict[str, list[Recording]] = {}
    for episode in read_run(Path(path)):
        recording = Recording(
            episode.seed,
            _said(episode.messages),
            {child.session_key: _said(child.messages) for child in episode.subagents},
        )
        found.setdefault(episode.intent.id, []).append(recording)
    if not found:
        raise ConfigError(f"{path}: holds no episode to replay")
    return found


def _said(messages: Iterable[Message]) -> list[Message]:
    return [
        {key: value for key, value in message.items() if key != "x"}
        for message in messages
        if message.get("role") == "assistant" and not message.get("x", {}).get("earlier")
    ]
