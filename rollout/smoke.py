"""A few episodes with a live model: does it work, what does it cost, what would a full run."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ise_env.rollout.costs import cost_of
from ise_env.rollout.stats import Statistics, collect_statistics
from ise_env.traces.reader import read_run
from ise_env.traces.record import Trajectory

_UNREADABLE = frozenset({"unknown_tool", "bad_json", "bad_arguments"})


@dataclass(frozen=True)
class Figure:
    """One figure and where it should lie."""

    label: str
    value: float | None
    low: float
    high: float
    hint: str
    share: bool

    @property
    def fine(self) -> bool | None:
        """Whether it lies in its range; None where there is nothing to tell it from."""
        return None if self.value is None else self.low <= self.value <= self.high


@dataclass
class Usage:
    """What the episodes used."""

    episodes: int = 0
    wall_s: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    latencies: list[float] = field(default_factory=list)
    unreadable_calls: int = 0
    with_calls: int = 0
    truncated: int = 0

    def add(self, record: Trajectory) -> None:
        """Take one valid episode in."""
        self.episodes += 1
        self.wall_s += record.wall_s
        self.prompt_tokens = _sum(self.prompt_tokens, record, "prompt_tokens")
        self.completion_tokens = _sum(self.completion_tokens, record, "completion_tokens")
        if (cost := cost_of(record)) is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost
        self.truncated += record.termination.truncated
        self.with_calls += any(message.get("tool_calls") for message in record.messages)
        for message in record.messages:
            note = message.get("x") or {}
            latency = (note.get("timing") or {}).get("latency_s")
            if isinstance(latency, int | float):
                self.latencies.append(float(latency))
            self.unreadable_calls += (note.get("outcome") or {}).get("error") in _UNREADABLE


def _sum(before: int | None, record: Trajectory, name: str) -> int | None:
    """Add what a server reported; None as long as none did."""
    value = (record.usage or {}).get(name)
    return before if not isinstance(value, int | float) else (before or 0) + int(value)


@dataclass(frozen=True)
class SmokeReport:
    """What a smoke run found."""

    figures: list[Figure]
    usage: Usage
    elapsed_s: float
    full_run: int

    @property
    def healthy(self) -> bool:
        """Whether no figure lies outside of its range."""
        return all(figure.fine is not False for figure in self.figures)

    @property
    def full_cost_usd(self) -> float | None:
        """US dollars for a full run."""
        if self.usage.cost_usd is None or not self.usage.episodes:
            return None
        return self.usage.cost_usd / self.usage.episodes * self.full_run

    @property
    def full_hours(self) -> float | None:
        """Hours for a full run at this pace."""
        if not self.usage.episodes:
            return None
        return self.elapsed_s / self.usage.episodes * self.full_run / 3600

    def full_tokens(self, used: int | None) -> float | None:
        """Tokens for a full run, given those that the smoke run used."""
        return None if used is None else used / max(1, self.usage.episodes) * self.full_run

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "healthy": self.healthy,
            "figures": [{**vars(f), "fine": f.fine} for f in self.figures],
            "episodes": self.usage.episodes,
            "seconds": round(self.elapsed_s, 3),
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
            "cost_usd": self.usage.cost_usd,
            "full_run": {
                "episodes": self.full_run,
                "cost_usd": self.full_cost_usd,
                "hours": self.full_hours,
                "prompt_tokens": self.full_tokens(self.usage.prompt_tokens),
                "completion_tokens": self.full_tokens(self.usage.completion_tokens),
            },
        }


@functools.cache
def ranges() -> dict[str, dict[str, Any]]:
    """The written ranges."""
    text = resources.files("ise_env.rollout").joinpath("smoke.toml").read_text("utf-8")
    found: dict[str, dict[str, Any]] = tomllib.loads(text)["range"]
    return found


def examine(run: Path, elapsed_s: float, full_run: int) -> SmokeReport:
    """Judge a run of a few episodes.

    Args:
        run: Where they are.
        elapsed_s: How long collecting them took.
        full_run: Episodes of the run that is being planned.
    """
    statistics, usage = collect_statistics(run), Usage()
    for record in read_run(run):
        usage.add(record)
    values = dict(_values(statistics, usage))
    figures = [
        Figure(r["label"], values.get(name), r["low"], r["high"], r["hint"], r.get("share", False))
        for name, r in ranges().items()
    ]
    return SmokeReport(figures, usage, elapsed_s, full_run)


def _values(s: Statistics, usage: Usage) -> Iterable[tuple[str, float | None]]:
    def share(part: float, whole: float) -> float | None:
        return part / whole if whole else None

    results = s.outcomes.total()
    yield "invalid_share", share(s.invalid, s.valid + s.invalid)
    yield "with_calls", share(usage.with_calls, s.valid)
    yield "unreadable_calls", share(usage.unreadable_calls, results)
    yield "failed_calls", share(s.failed, results)
    yield "tool_calls", s.tool_calls.mean
    yield "user_turns", s.user_turns.mean
    yield "turns", s.turns.mean
    yield "truncated", share(usage.truncated, s.valid)
    yield "success", s.success_of_judged
    yield "latency_s", share(sum(usage.latencies), len(usage.latencies))
