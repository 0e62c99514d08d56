"""What happened so far in one episode: history, annotations, counters, and the record of it.

The history handed out is made of copies; what is kept here is what the trace says. Messages
are append-only and pure wire format; everything of ours about message `i` is in `notes[i]`
and becomes the key `x` of the recorded message.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any, TypeGuard

from ise_env.errors import IseError
from ise_env.intents.model import Intent
from ise_env.rewards.spec import Verdict
from ise_env.spaces import Message
from ise_env.tools.base import Outcome
from ise_env.tools.outcome import CallRecord, label_recoveries
from ise_env.traces.record import (
    AgentProvenance,
    ErrorRecord,
    Provenance,
    SubagentRecord,
    Termination,
    Trajectory,
    UserRecord,
    WorkspaceRecord,
)
from ise_env.users.protocol import UserProvenance, UserTurn, UserVerdict


def sha256_of(value: Any) -> str:
    """Hash a JSON value by its canonical text, or a string as it is."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what shaped the episode."""
    names = ("ise-env", "gymnasium", "pydantic", "numpy", "openai")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass
class Episode:
    """One episode in the making.

    Args:
        intent: What the user wants.
        seed: What the episode's randomness came from; None if the caller gave none.
        system_prompt: The first message.
    """

    intent: Intent
    seed: int | None
    system_prompt: str
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Function schemas offered; constant once the episode has begun."""
    messages: list[Message] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    steps: int = 0
    user_turns: int = 0
    tool_time_s: float = 0.0
    tokens: int = 0
    usage: dict[str, Any] | None = None
    termination: Termination | None = None
    verdict: Verdict | None = None
    user: UserProvenance | None = None
    user_verdict: UserVerdict | None = None
    ledger: dict[str, Any] | None = None
    workspace: WorkspaceRecord | None = None
    subagents: Callable[[], list[SubagentRecord]] = list
    """Gives the records of those that worked for this episode so far."""
    _shown: list[tuple[Message, Callable[[Message], Message]]] = field(
        default_factory=list, repr=False
    )
    _tools_json: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Begin the history with the system message."""
        self.offer(self.tools)
        self._append({"role": "system", "content": self.system_prompt})

    def offer(self, tools: list[dict[str, Any]]) -> None:
        """Fix the function schemas of the episode."""
        self.tools = tools
        self._tools_json = json.dumps(tools)

    def _append(self, message: Message, note: dict[str, Any] | None = None) -> None:
        self.messages.append(message)
        self.notes.append({**(note or {}), "turn": self.user_turns, "step": self.steps})
        # A second copy is what observations are made of: whoever writes into an observation
        # changes neither the history nor the trace.
        self._shown.append((copy.deepcopy(message), _copier(message)))

    def add_user_turn(self, turn: UserTurn) -> None:
        """Append what the user said."""
        self.user_turns += 1
        note = turn.model_dump(mode="json", exclude={"message"}, exclude_none=True)
        self._append({"role": "user", "content": turn.message}, {"user": note})
        if turn.ends:
            self.user_verdict = turn.verdict

    def add_instruction(self, text: str) -> None:
        """Append the single instruction of direct-query mode."""
        self.user_turns += 1
        self._append({"role": "user", "content": text}, {"instruction": True})

    def add_announcement(self, text: str) -> None:
        """Append what the runtime tells the agent of its sub-agents; no turn of the user's."""
        self._append({"role": "user", "content": text}, {"announcement": True})

    def add_assistant(self, message: Message, annotations: dict[str, Any]) -> None:
        """Append what the agent said or called."""
        self.steps += 1
        self._append(message, annotations)
        usage = annotations.get("usage")
        if isinstance(usage, dict):
            self.add_usage(usage)

    def add_usage(self, usage: dict[str, Any]) -> None:
        """Add what the agent's model, or a sub-agent's, used."""
        self.usage = self.usage or {}
        for key, value in usage.items():
            if _is_amount(value):
                self.usage[key] = self.usage.get(key, 0) + value
        completion = usage.get("completion_tokens")
        self.tokens += int(completion) if _is_amount(completion) else 0

    def add_tool_result(self, message: Message, outcome: Outcome, call: CallRecord) -> None:
        """Append one tool message with its true outcome."""
        self.tool_time_s += outcome.duration_s
        self.calls.append(call)
        self._append(message, {"outcome": outcome})

    def calls_since_user(self) -> int:
        """How many tool calls were answered since the user's last turn."""
        count = 0
        for message, note in zip(reversed(self.messages), reversed(self.notes), strict=True):
            if message["role"] == "user" and "announcement" not in note:
                break
            count += message["role"] == "tool"
        return count

    def observation(self) -> dict[str, Any]:
        """Return a fresh observation: `{"messages": [...], "tools": [...]}`."""
        return {
            "messages": [fresh(message) for message, fresh in self._shown],
            "tools": json.loads(self._tools_json),
        }

    def assistant_texts(self) -> list[str]:
        """Everything the agent said to the user, in order."""
        from ise_env.action import text_of

        return [text_of(m) for m in self.messages if m["role"] == "assistant"]

    def texts_by_subgoal(
        self,
    ) -> tuple[dict[str, list[str]] | None, dict[str, list[str]]]:
        """What the agent said, by the sub-goal of the user turn that it answers.

        Returns:
            Answers, and those to turns that ask to look again. The first is None where no user
            turn names a sub-goal (direct-query mode, intents without kits).
        """
        from ise_env.action import text_of

        said: dict[str, list[str]] = {}
        rechecked: dict[str, list[str]] = {}
        about: str | None = None
        again = False
        for message, note in zip(self.messages, self.notes, strict=True):
            if message["role"] == "user":
                turn = note.get("user")
                if turn is not None:  # an announcement of a sub-agent's asks for nothing new
                    about, again = turn.get("subgoal") or about, turn.get("rechecks", False)
            elif message["role"] == "assistant" and about is not None:
                (rechecked if again else said).setdefault(about, []).append(text_of(message))
        return said or None, rechecked

    def trajectory(
        self,
        *,
        episode_id: str,
        run_id: str,
        trial: int,
        agent: AgentProvenance,
        wall_s: float,
        error: BaseException | None,
    ) -> Trajectory:
        """Assemble the record; what is not known is null, never made up."""
        recoveries = label_recoveries(self.calls)  # marks the outcomes in `notes`, too
        failure = _error_record(error) if error else None
        verdict = None if failure else self.verdict
        ended = self.termination or Termination(
            reason="error" if failure else "time_limit", by="harness", truncated=True
        )
        if failure:
            ended = Termination(reason="error", by="harness", truncated=True)
        return Trajectory(
            episode_id=episode_id,
            run_id=run_id,
            intent=self.intent,
            intent_sha256=self.intent.sha256(),
            trial=trial,
            seed=self.seed,
            messages=[_recorded(m, x) for m, x in zip(self.messages, self.notes, strict=True)],
            steps=self.steps,
            reward=verdict.reward if verdict else None,
            success=verdict.success if verdict else None,
            reward_parts=verdict.parts if verdict else {},
            checks=verdict.checks if verdict else [],
            termination=ended,
            valid=failure is None,
            error=failure,
            user_verdict=self.user_verdict,
            ledger=self.ledger,
            recoveries=recoveries,
            subagents=self.subagents(),
            workspace=self.workspace,
            provenance=Provenance(
                agent=agent,
                user=UserRecord(**asdict(self.user)) if self.user else None,
                realiser=self.intent.realiser.model_dump() if self.intent.realiser else None,
                versions=versions(),
                system_prompt_sha256=sha256_of(self.system_prompt),
                tools_sha256=sha256_of(self.tools),
            ),
            usage=self.usage,
            wall_s=wall_s,
        )


def _copier(message: Message) -> Callable[[Message], Message]:
    """The quickest way to copy a message so that nothing in the copy is shared."""
    nested = {key for key, value in message.items() if isinstance(value, list | dict)}
    if not nested:
        return dict
    if nested == {"tool_calls"} and all(_is_usual(call) for call in message["tool_calls"]):
        return _copy_with_calls
    return copy.deepcopy


def _is_usual(call: Any) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
        return False
    others = [value for key, value in call.items() if key != "function"]
    return all(isinstance(v, str | int | None) for v in (*others, *call["function"].values()))


def _copy_with_calls(message: Message) -> Message:
    calls = [{**call, "function": dict(call["function"])} for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


def _is_amount(value: Any) -> TypeGuard[float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _recorded(message: Message, note: dict[str, Any]) -> dict[str, Any]:
    plain = {
        k: v.model_dump(exclude_none=True) if isinstance(v, Outcome) else v for k, v in note.items()
    }
    return {**message, "x": plain}


def _error_record(error: BaseException) -> ErrorRecord:
    if isinstance(error, IseError):
        return ErrorRecord(
            kind=type(error).__name__,
            blame=error.blame,
            message=str(error),
            retryable=error.retryable,
        )
    return ErrorRecord(
        kind=type(error).__name__, blame="harness", message=str(error), retryable=False
    )
