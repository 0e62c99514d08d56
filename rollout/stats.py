"""Statistics of a corpus of trajectories, gathered in one pass and constant memory.

Definitions, as far as possible those of the ISE paper: *turns* are all messages but the system
prompt; a *failed* tool call is one whose true outcome is non-zero exit, tool error, timeout or
killed, whatever its text says; it is *recovered* when a later call made it good. Rates of
success are given twice: among judged valid episodes, and with invalid ones as failures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ise_env.intents.diversity import NGrams
from ise_env.rollout.topology import Topology
from ise_env.tools.base import FAILED
from ise_env.traces.layout import Layout
from ise_env.traces.reader import read_last_failures, read_run
from ise_env.traces.record import ErrorRecord, SubagentRecord, Trajectory, is_users_turn


@dataclass
class Distribution:
    """Whole numbers, kept as how often each occurred."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        """Count one value."""
        self.counts[value] += 1

    @property
    def n(self) -> int:
        """How many values."""
        return self.counts.total()

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None of nothing."""
        return sum(v * c for v, c in self.counts.items()) / self.n if self.n else None

    def quantile(self, q: float) -> float | None:
        """Quantile, the mean of the two middle values where it falls between them."""
        if not self.n:
            return None
        position = q * (self.n - 1)
        low, high = self._at(math.floor(position)), self._at(math.ceil(position))
        return low + (high - low) * (position - math.floor(position))

    def _at(self, index: int) -> int:
        for value in sorted(self.counts):
            index -= self.counts[value]
            if index < 0:
                return value
        raise IndexError(index)

    @property
    def maximum(self) -> int | None:
        """Largest value; None of nothing."""
        return max(self.counts, default=None)

    def share(self, low: int, high: int) -> float | None:
        """Share of values from `low` to `high`, both included."""
        hits = sum(c for v, c in self.counts.items() if low <= v <= high)
        return hits / self.n if self.n else None

    def as_dict(self) -> dict[str, float | None]:
        """Mean, median, 95th percentile and maximum."""
        return {
            "mean": self.mean,
            "median": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "maximum": self.maximum,
        }


@dataclass
class Statistics:
    """What a corpus looks like; `add` takes one trajectory at a time."""

    valid: int = 0
    invalid: int = 0
    judged: int = 0
    succeeded: int = 0
    reward_sum: float = 0.0
    scripted: int = 0
    user_turns: Distribution = field(default_factory=Distribution)
    turns: Distribution = field(default_factory=Distribution)
    tool_calls: Distribution = field(default_factory=Distribution)
    distinct_tools: Distribution = field(default_factory=Distribution)
    domains: Distribution = field(default_factory=Distribution)
    tasks: Distribution = field(default_factory=Distribution)
    using: Counter[str] = field(default_factory=Counter)
    """Trajectories that use a tool."""
    topology: Topology = field(default_factory=Topology)
    wording: NGrams = field(default_factory=NGrams)
    """Of user turns."""
    together: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Trajectories that use both tools (names in order)."""
    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failed_by_tool: Counter[str] = field(default_factory=Counter)
    with_failure: int = 0
    recovered: int = 0
    subagents: Counter[str] = field(default_factory=Counter)
    """How sub-agents ended."""
    subagent_outcomes: Counter[str] = field(default_factory=Counter)
    terminations: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    user_acts: Counter[str] = field(default_factory=Counter)
    user_rejected: int = 0
    """Attempts at a user turn that the role lock rejected."""
    user_drifted: int = 0
    """User turns that were said although the lock rejected them (an ablation)."""
    agents: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)
    user_agrees: int = 0
    """Judged episodes in which the user's verdict and the checks agree."""
    user_judged: int = 0
    redactions: int = 0
    wall_s: float = 0.0
    usage: Counter[str] = field(default_factory=Counter)
    cost_usd: dict[str, float] = field(default_factory=dict)
    """By role, of valid episodes."""

    @property
    def failed(self) -> int:
        """Failed tool calls."""
        return sum(self.outcomes[status] for status in FAILED)

    @property
    def success_of_judged(self) -> float | None:
        """Success among valid, judged episodes."""
        return self.succeeded / self.judged if self.judged else None

    @property
    def success_of_all(self) -> float | None:
        """Success with every invalid episode counted as a failure."""
        everything = self.judged + self.invalid
        return self.succeeded / everything if everything else None

    @property
    def mean_reward(self) -> float | None:
        """Over judged episodes."""
        return self.reward_sum / self.judged if self.judged else None

    def add(self, trajectory: Trajectory) -> None:
        """Take one trajectory in; of an invalid one only that it was and why."""
        if not trajectory.valid:
            self.add_invalid(trajectory.error)
            return
        self.valid += 1
        self._add_verdict(trajectory)
        self._add_messages(trajectory.messages)
        self.recovered += len(trajectory.recoveries)
        self._add_subagents(trajectory.subagents)
        self.terminations[trajectory.termination.reason] += 1
        self._add_provenance(trajectory)
        if trajectory.intent.domains:
            self.domains.add(len(trajectory.intent.domains))
        if trajectory.intent.tasks:
            self.tasks.add(len(trajectory.intent.tasks))
        self.redactions += trajectory.redactions
        self.wall_s += trajectory.wall_s
        for name, value in (trajectory.usage or {}).items():
            if isinstance(value, int | float):
                self.usage[name] += value  # type: ignore[assignment]
        for role, cost in (trajectory.cost_usd or {}).items():
            self.cost_usd[role] = self.cost_usd.get(role, 0.0) + cost

    def add_invalid(self, error: ErrorRecord | None) -> None:
        """Take in an episode that never became valid, recorded or not."""
        self.invalid += 1
        if error:
            self.errors[error.kind] += 1

    def _add_verdict(self, trajectory: Trajectory) -> None:
        if trajectory.success is None:
            return
        self.judged += 1
        self.succeeded += trajectory.success
        self.reward_sum += trajectory.reward or 0.0
        if trajectory.user_verdict is not None:
            self.user_judged += 1
            self.user_agrees += trajectory.user_verdict.satisfied == trajectory.success

    def _add_messages(self, messages: list[dict[str, Any]]) -> None:
        roles = Counter(message["role"] for message in messages)
        names = _names_by_call(messages)
        said = [message for message in messages if is_users_turn(message)]
        self.user_turns.add(len(said))
        for message in said:
            self.wording.add(str(message.get("content") or ""))
        self.turns.add(roles.total() - roles["system"])
        self.tool_calls.add(len(names))
        self.calls.update(name or NO_SUCH_TOOL for _, name in names)
        self.topology.add([name for _, name in names if name])
        used = sorted({name for _, name in names if name})
        self.distinct_tools.add(len(used))
        self.using.update(used)
        self.together.update((a, b) for i, a in enumerate(used) for b in used[i + 1 :])
        self._add_outcomes(messages, dict(names))

    def _add_outcomes(
        self, messages: list[dict[str, Any]], name_of: Mapping[Any, str | None]
    ) -> None:
        failures = 0
        for message in messages:
            annotations = message.get("x") or {}
            if message["role"] == "user" and "user" in annotations:
                self._add_user_turn(annotations["user"])
            if message["role"] == "tool" and "outcome" in annotations:
                status = annotations["outcome"]["status"]
                self.outcomes[status] += 1
                if status in FAILED:
                    failures += 1
                    name = name_of.get(message.get("tool_call_id"))
                    self.failed_by_tool[name or NO_SUCH_TOOL] += 1
        self.with_failure += failures > 0

    def _add_user_turn(self, turn: dict[str, Any]) -> None:
        self.user_acts[turn["act"]] += 1
        attempts = turn.get("attempts") or [{}]
        self.user_drifted += bool(attempts[-1].get("rules"))
        self.user_rejected += sum(bool(attempt.get("rules")) for attempt in attempts[:-1])

    def _add_subagents(self, children: Iterable[SubagentRecord]) -> None:
        """Count them on their own: their calls are in none of the other figures."""
        for child in children:
            self.subagents[child.status] += 1
            for message in child.messages:
                outcome = (message.get("x") or {}).get("outcome")
                if message["role"] == "tool" and outcome is not None:
                    self.subagent_outcomes[outcome["status"]] += 1

    def _add_provenance(self, trajectory: Trajectory) -> None:
        agent, user = trajectory.provenance.agent, trajectory.provenance.user
        self.agents[f"{agent.name} (scripted)" if agent.scripted else agent.name] += 1
        if user is not None:
            self.users[f"{user.name} (scripted)" if user.scripted else user.name] += 1
        self.scripted += agent.scripted

    def as_dict(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return {
            "valid": self.valid,
            "invalid": self.invalid,
            "judged": self.judged,
            "succeeded": self.succeeded,
            "success_of_judged": self.success_of_judged,
            "success_invalid_as_failure": self.success_of_all,
            "mean_reward": self.mean_reward,
            "user_turns": {
                **self.user_turns.as_dict(),
                "share_6_to_10": self.user_turns.share(6, 10),
            },
            "turns": self.turns.as_dict(),
            "tool_calls": self.tool_calls.as_dict(),
            "distinct_tools": self.distinct_tools.as_dict(),
            "mean_domains": self.domains.mean,
            "mean_tasks": self.tasks.mean,
            "calls_by_tool": dict(self.calls.most_common()),
            "trajectories_using": dict(self.using.most_common()),
            "trajectories_using_both": {f"{a}+{b}": c for (a, b), c in self.together.most_common()},
            "outcomes": dict(self.outcomes.most_common()),
            "failed_calls": self.failed,
            "failed_by_tool": dict(self.failed_by_tool.most_common()),
            "trajectories_with_failure": self.with_failure,
            "recovered_failures": self.recovered,
            "subagents": dict(self.subagents.most_common()),
            "subagent_outcomes": dict(self.subagent_outcomes.most_common()),
            "terminations": dict(self.terminations.most_common()),
            "errors": dict(self.errors.most_common()),
            "user_acts": dict(self.user_acts.most_common()),
            "user_attempts_rejected": self.user_rejected,
            "user_turns_drifted": self.user_drifted,
            "user_distinct_n": {str(n): self.wording.distinct(n) for n in (1, 2, 3, 4)},
            "topology": self.topology.as_dict(),
            "agents": dict(self.agents.most_common()),
            "users": dict(self.users.most_common()),
            "user_verdict_agrees": self.user_agrees,
            "user_verdicts_on_judged": self.user_judged,
            "redactions": self.redactions,
            "episode_seconds": round(self.wall_s, 3),
            "usage": dict(self.usage) or None,
            "cost_usd": self.cost_usd or None,
        }


NO_SUCH_TOOL = "(no such tool)"
"""Where calls of tools that do not exist are counted, whatever name the agent made up."""


def _names_by_call(messages: list[dict[str, Any]]) -> list[tuple[Any, str | None]]:
    """Call id and tool of every call in order; None for a tool that does not exist."""
    unknown = {
        message.get("tool_call_id")
        for message in messages
        if ((message.get("x") or {}).get("outcome") or {}).get("error") == "unknown_tool"
    }
    return [
        (call_id, None if call_id in unknown else name)
        for message in messages
        for call, name in zip(message.get("tool_calls") or (), called_tools(message), strict=True)
        for call_id in [call.get("id") if isinstance(call, dict) else None]
    ]


def called_tools(message: dict[str, Any]) -> Iterable[str]:
    """Names of the tools that a message calls, one for each call; a nameless call is `?`."""
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        yield str((function if isinstance(function, dict) else {}).get("name") or "?")


def collect_statistics(source: Path) -> Statistics:
    """Read a run, or files of records, once.

    Raises:
        ConfigError: Something cannot be read.
    """
    statistics, finished = Statistics(), set()
    for trajectory in read_run(source):
        statistics.add(trajectory)
        finished.add(trajectory.episode_id)
    if Layout(source).is_run:
        for failure in read_last_failures(source, finished):
            statistics.add_invalid(failure.error)
    return statistics
