"""Comparing agents on a fixed suite of intents over several trials."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.rollout.costs import cost_of, sum_of
from ise_env.rollout.metrics import Estimate, IntentScores, Summary, difference, summarise
from ise_env.rollout.stats import called_tools
from ise_env.tools.base import FAILED
from ise_env.traces.layout import Layout
from ise_env.traces.reader import read_last_failures, read_lines, read_run
from ise_env.traces.record import Trajectory, is_users_turn
from ise_env.traces.serialise import parse

Groups = dict[str, dict[str, Summary]]
"""`domain`, `tier`, `persona` -> name -> figures."""


@dataclass(frozen=True)
class AgentReport:
    """One agent's figures."""

    agent: str
    run: Path
    overall: Summary
    groups: Groups


@dataclass(frozen=True)
class Comparison:
    """Every agent's figures, and the differences from the first."""

    reports: list[AgentReport]
    differences: dict[str, Estimate]
    """Agent -> its success minus that of the first, paired by intent."""
    trials: int

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "trials": self.trials,
            "agents": [
                {
                    "agent": r.agent,
                    "run": str(r.run),
                    "overall": asdict(r.overall),
                    "groups": {
                        kind: {name: asdict(s) for name, s in members.items()}
                        for kind, members in r.groups.items()
                    },
                }
                for r in self.reports
            ],
            "difference_from_first": {a: asdict(e) for a, e in self.differences.items()},
        }


def run_name(agent: str) -> str:
    """Folder in which an agent's run is kept."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", agent).strip("_") or "agent"


def score_run(run: Path) -> list[IntentScores]:
    """Read a run into one entry an intent.

    Raises:
        ConfigError: The run cannot be read, or holds nothing.
    """
    scores: dict[str, IntentScores] = {}
    finished: set[str] = set()
    for trajectory in read_run(run):
        finished.add(trajectory.episode_id)
        intent, sha256 = trajectory.intent, trajectory.intent_sha256
        _add(_entry(scores, intent, sha256), trajectory)
    if Layout(run).is_run:
        for intent in _never_valid(run, finished):
            _entry(scores, intent, intent.sha256()).invalid += 1
    if not scores:
        raise ConfigError(f"{run}: holds no episodes to evaluate")
    return list(scores.values())


def _never_valid(run: Path, finished: set[str]) -> Iterator[Intent]:
    """Yield the intent of every episode that never became valid, whether it began or not."""
    unrecorded: Counter[str] = Counter()
    for failure in read_last_failures(run, finished):
        if failure.record is not None:
            yield failure.record.intent
        elif failure.intent_sha256 is not None:
            unrecorded[failure.intent_sha256] += 1
    if unrecorded:
        for line in read_lines(Layout(run).intents):
            intent = parse(Intent, line.data, line.where)
            yield from [intent] * unrecorded[intent.sha256()]


def _entry(scores: dict[str, IntentScores], intent: Intent, sha256: str) -> IntentScores:
    persona = intent.persona.role if intent.persona else None
    return scores.setdefault(
        sha256, IntentScores(sha256, intent.domains, intent.complexity, persona)
    )


def _add(entry: IntentScores, t: Trajectory) -> None:
    entry.cost_usd = sum_of(entry.cost_usd, cost_of(t))
    if t.success is None:
        entry.unjudged += 1
        return
    entry.successes.append(t.success)
    entry.completion.append(_part(t, "share"))
    entry.safety.append(_part(t, "safety"))
    entry.reward.append(t.reward or 0.0)
    entry.failed_calls += sum(
        ((m.get("x") or {}).get("outcome") or {}).get("status") in FAILED for m in t.messages
    )
    entry.recovered_calls += len(t.recoveries)
    entry.user_turns += sum(is_users_turn(m) for m in t.messages)
    entry.tool_calls += sum(1 for m in t.messages for _ in called_tools(m))


def _part(t: Trajectory, name: str) -> float:
    value = t.reward_parts.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def compare(runs: Mapping[str, Path], trials: int) -> Comparison:
    """Compute and compare the figures of several runs.

    Args:
        runs: Agent -> run directory.
        trials: Largest k.
    """
    ks = sorted({1, trials})
    all_scores = {agent: score_run(run) for agent, run in runs.items()}
    first, *others = all_scores
    return Comparison(
        reports=[
            AgentReport(agent, runs[agent], summarise(scores, ks), _groups(scores, ks))
            for agent, scores in all_scores.items()
        ],
        differences={a: difference(all_scores[a], all_scores[first]) for a in others},
        trials=trials,
    )


def _groups(scores: Sequence[IntentScores], ks: Sequence[int]) -> Groups:
    def by(names: Iterable[tuple[str, IntentScores]]) -> dict[str, Summary]:
        members: dict[str, list[IntentScores]] = {}
        for name, entry in names:
            members.setdefault(name, []).append(entry)
        return {name: summarise(members[name], ks) for name in sorted(members)}

    return {
        "domain": by((d, s) for s in scores for d in s.domains),
        "tier": by((s.tier, s) for s in scores if s.tier),
        "persona": by((s.persona, s) for s in scores if s.persona),
    }
