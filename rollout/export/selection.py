"""Which episodes of a run are exported."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ise_env.errors import ConfigError
from ise_env.intents.splits import Split, split_of
from ise_env.rollout.export.shape import reasoning_of
from ise_env.rollout.stats import called_tools
from ise_env.tools.base import FAILED
from ise_env.traces.record import Trajectory, is_users_turn
from ise_env.traces.serialise import canonical

Who = Literal["model", "scripted", "all"]


@dataclass
class Selection:
    """What an episode must be like; every condition given must hold.

    Attributes:
        success: Only successes, or only failures; None for both and for what nobody judged.
        drift_free: Only episodes in which no user turn that was said broke a rule of the lock.
        tiers: Complexity is one of these; empty for any.
        domains: At least one of the intent's domains is one of these; empty for any.
        turns: Fewest and most user turns.
        max_messages: Most messages, the system prompt included.
        max_failed: Largest share of tool calls that failed.
        min_recovered: Smallest share of failed calls that were made good; an episode without
            failures passes.
        who: Episodes of agents that are models, of scripts, or both. None takes whichever the
            run holds, and refuses a mixture.
        split: Only intents of this split (`ise_env.intents.splits`).
        unique: Leave out episodes whose messages are the same as an earlier one's.
        per_intent: Most episodes of one intent.
        left_out: Counts by reason, filled while selecting.
        held_out: How many of those taken are of intents of a held-out suite; counted likewise.
    """

    success: bool | None = None
    drift_free: bool = False
    tiers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    turns: tuple[int, int | None] = (0, None)
    max_messages: int | None = None
    max_failed: float | None = None
    min_recovered: float | None = None
    who: Who | None = None
    split: Split | None = None
    unique: bool = True
    per_intent: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    held_out: int = 0

    def of(self, trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """Yield the episodes that are taken, in constant memory but for a hash of each.

        Raises:
            ConfigError: Agents that are models and scripts are mixed and `who` is None.
        """
        seen: set[bytes] = set()
        of_intent: Counter[str] = Counter()
        scripted: bool | None = None
        for trajectory in trajectories:
            reason = self._why_not(trajectory) or self._why_not_again(trajectory, seen, of_intent)
            if reason:
                self.left_out[reason] += 1
                continue
            of_intent[trajectory.intent_sha256] += 1
            is_script = trajectory.provenance.agent.scripted
            if self.who is None and scripted not in (None, is_script):
                raise ConfigError(
                    "the run mixes episodes of models and of scripts; say which are meant: "
                    "--who model, --who scripted or --who all"
                )
            scripted = is_script
            self.held_out += split_of(trajectory.intent) != "train"
            yield trajectory

    def _why_not(self, t: Trajectory) -> str:
        """Why an episode is not taken; empty when it is."""
        wanted_script = {"model": False, "scripted": True}.get(self.who or "all")
        failed, calls = _calls_of(t)
        share_recovered = len(t.recoveries) / failed if failed else 1.0
        low, high = self.turns
        users = sum(is_users_turn(m) for m in t.messages)
        conditions = {
            "invalid": t.valid,
            "agent of the other kind": wanted_script in (None, t.provenance.agent.scripted),
            "not judged": self.success is None or t.success is not None,
            "of the other success": self.success in (None, t.success),
            "a turn broke the role lock": not self.drift_free or not _drifted(t.messages),
            "of another tier": not self.tiers or t.intent.complexity in self.tiers,
            "of another domain": not self.domains or bool({*self.domains} & {*t.intent.domains}),
            "too few or too many user turns": low <= users and (high is None or users <= high),
            "too long": self.max_messages is None or len(t.messages) <= self.max_messages,
            "too many failed calls": self.max_failed is None
            or not failed
            or failed / max(calls, 1) <= self.max_failed,
            "too few failures made good": self.min_recovered is None
            or share_recovered >= self.min_recovered,
            "of another split": self.split is None or split_of(t.intent) == self.split,
        }
        return next((reason for reason, holds in conditions.items() if not holds), "")

    def _why_not_again(self, t: Trajectory, seen: set[bytes], of_intent: Counter[str]) -> str:
        if self.per_intent is not None and of_intent[t.intent_sha256] >= self.per_intent:
            return "more than asked for of its intent"
        if self.unique:
            key = hashlib.sha256(canonical([_without_ids(m) for m in t.messages])).digest()
            if key in seen:
                return "duplicate"
            seen.add(key)
        return ""


def _calls_of(t: Trajectory) -> tuple[int, int]:
    """Failed calls, and calls."""
    outcomes = (((m.get("x") or {}).get("outcome") or {}).get("status") for m in t.messages)
    failed = sum(status in FAILED for status in outcomes)
    return failed, sum(1 for m in t.messages for _ in called_tools(m))


def _drifted(messages: Iterable[dict[str, Any]]) -> bool:
    """Whether something was said although a rule of the lock rejected it (an ablation)."""
    attempts = (((m.get("x") or {}).get("user") or {}).get("attempts") for m in messages)
    return any(tried[-1].get("rules") for tried in attempts if tried)


def _without_ids(message: dict[str, Any]) -> list[Any]:
    """What a message says, whatever ids its calls have."""
    functions = [
        call.get("function") if isinstance(call, dict) else call
        for call in message.get("tool_calls") or ()
    ]
    return [message["role"], message.get("content"), reasoning_of(message), functions]
