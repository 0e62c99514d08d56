"""A sub-agent: the same policy, at work on a task of its own in the same workspace.

It is played one message at a time, by whoever holds the episode, so that parent and sub-agents
advance side by side and the same seed gives the same order of events. It ends with its first
message without tool calls, which is its result.
"""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from ise_env.action import text_of, to_message
from ise_env.errors import AgentError, BudgetExceeded, ContextOverflow
from ise_env.spaces import Message
from ise_env.tools.base import Outcome, Tool, ToolContext
from ise_env.tools.dispatch import dispatch
from ise_env.tools.outcome import CallRecord, label_recoveries
from ise_env.traces.record import SubagentRecord, SubagentStatus

Act = Callable[[dict[str, Any]], Any]
"""A policy: an observation in, an assistant message (or a string) out."""


@dataclass(frozen=True)
class Brief:
    """What a policy is told before it plays a sub-agent."""

    session_key: str
    task: str
    """The message that begins its work; also in its history."""
    label: str
    seed: int
    """For a scripted policy's own randomness."""


SubagentPolicy = Callable[[Brief], Act]
"""Gives a fresh policy for each sub-agent."""


@dataclass(frozen=True)
class SubagentLimits:
    """What sub-agents may use up."""

    at_once: int = 5
    in_all: int = 16
    """Runs in one episode."""
    steps: int = 40
    """Assistant messages of one run."""
    calls: int = 100
    seconds: float = 600.0
    """Of its own turns, policy and tools together; `runTimeoutSeconds` may ask for less."""


@functools.cache
def subagent_prompt() -> str:
    """The packaged system prompt of sub-agents."""
    return resources.files("ise_env.tools").joinpath("subagent_prompt.v1.md").read_text("utf-8")


@dataclass
class Subagent:
    """One run.

    Attributes:
        brief: What it is to do.
        run_id: As the parent knows it.
        begun_by: The tool that began it.
        begun_in_step: The parent's message during which it began, from 1.
        messages: Its history; it is also what the session's history shows.
        announces: Whether the parent is to be told when it ends.
        forgotten_after: Whether its session is no longer listed after that.
    """

    brief: Brief
    run_id: str
    begun_by: Literal["sessions_spawn", "sessions_send"]
    begun_in_step: int
    messages: list[Message]
    context: ToolContext
    tools: Mapping[str, Tool[Any]]
    limits: SubagentLimits
    act: Act = field(repr=False)
    announces: bool = True
    forgotten_after: bool = False
    status: SubagentStatus = "running"
    result: str = ""
    steps: int = 0
    seconds: float = 0.0
    usage: dict[str, Any] | None = None
    calls: list[CallRecord] = field(default_factory=list)
    _notes: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Begin with the task; what the session held before stays where it is."""
        if not self.messages or self.messages[0]["role"] != "system":
            self.messages.insert(0, {"role": "system", "content": subagent_prompt()})
        self._notes = [{"step": 0}, *({"step": 0, "earlier": True} for _ in self.messages[1:])]
        self.hear(self.brief.task)

    def hear(self, text: str) -> None:
        """Take a message of the parent's; one that had ended goes on."""
        self._append({"role": "user", "content": text})
        self.status, self.result = "running", ""

    def play(self) -> bool:
        """Play one message and its tool calls.

        Returns:
            Whether the workspace's processes ended during it.

        Raises:
            IseError: Infrastructure failed.
        """
        began = time.perf_counter()
        gone = False
        try:
            message, annotations = to_message(self.act(self._observation()))
        except (ContextOverflow, BudgetExceeded, AgentError) as error:
            self.end("failed", str(error))
            return False
        self.steps += 1
        self._append(message, annotations)
        self._add_usage(annotations.get("usage"))
        if "tool_calls" in message:
            gone = self._run_tools(message)
        else:
            self.end("done", text_of(message))
        self.seconds += time.perf_counter() - began
        if self.status == "running":
            self._enforce_limits()
        return gone

    def end(self, status: SubagentStatus, result: str) -> None:
        """Let it end, with its last words or the reason."""
        self.status, self.result = status, result

    def record(self) -> SubagentRecord:
        """What the trace keeps of it."""
        recoveries = label_recoveries(self.calls)  # marks the outcomes in the notes, too
        return SubagentRecord(
            session_key=self.brief.session_key,
            run_id=self.run_id,
            begun_by=self.begun_by,
            begun_in_step=self.begun_in_step,
            label=self.brief.label,
            task=self.brief.task,
            status=self.status,
            result=self.result,
            messages=[
                {**message, "x": _plain(note)}
                for message, note in zip(self.messages, self._notes, strict=True)
            ],
            tools=list(self.tools),
            steps=self.steps,
            recoveries=recoveries,
            usage=self.usage,
        )

    def _observation(self) -> dict[str, Any]:
        return {
            "messages": copy.deepcopy(self.messages),
            "tools": [tool.schema() for tool in self.tools.values()],
        }

    def _append(self, message: Message, note: Mapping[str, Any] | None = None) -> None:
        self.messages.append(message)
        self._notes.append({**(note or {}), "step": self.steps})

    def _run_tools(self, message: Message) -> bool:
        answered = dispatch(
            message,
            self.tools,
            self.context,
            budget=self.limits.calls - len(self.calls),
            time_budget_s=self.limits.seconds - self.seconds,
        )
        for done in answered:
            self.calls.append(done.call)
            self._append(done.message, {"outcome": done.outcome})
        if answered.failure is not None:
            raise answered.failure
        if answered.gone is not None:
            self.end("killed", "the workspace's processes have ended")
        elif answered.over_budget:
            self.end("failed", f"it used up its {self.limits.calls} tool calls")
        return answered.gone is not None

    def _enforce_limits(self) -> None:
        if self.seconds >= self.limits.seconds:
            self.end("timeout", f"it did not end within {self.limits.seconds:g} seconds")
        elif self.steps >= self.limits.steps:
            self.end("failed", f"it did not end within {self.limits.steps} messages")

    def _add_usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        self.usage = self.usage or {}
        for key, value in usage.items():
            # What an endpoint says may be anything; sums must stay numbers that JSON can hold.
            if type(value) in (int, float) and 0 <= value < math.inf:
                self.usage[key] = self.usage.get(key, 0) + value


def _plain(note: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.model_dump(exclude_none=True) if isinstance(value, Outcome) else value
        for key, value in note.items()
    }
