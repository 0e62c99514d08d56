"""Auditing a run's users: what they said, held against the dialogue as it was recorded.

Works from trajectories alone, so it judges users of any kind, the ones without a role lock
included. Detectors that approve their own output prove nothing: the rates here say what was
rejected on the way and what an independent second look at the record still finds; how many bad
turns such detectors miss is measured elsewhere, against a model that misbehaves with labels.
Every rate comes with its n and a Wilson interval.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.tasks.bind import bind
from ise_env.tasks.kit import SubGoal
from ise_env.traces.record import Trajectory
from ise_env.users.agent_move import classify
from ise_env.users.digest import shorten
from ise_env.users.ledger import answer_of, asked_as
from ise_env.users.lock import Register, Scene, judge
from ise_env.users.lock.scene import ngrams, words
from ise_env.users.protocol import Digest, UserTurn
from ise_env.users.split import split, step
from ise_env.users.wilson import wilson

LATE_TURNS = 3
"""Closing so many turns after the check of the result was asked for counts as late."""

_SEEN_BY_THE_USER = frozenset(
    {"conditioning.praise", "conditioning.observation", "conditioning.confirm", "register.length"}
)
"""Rules that need what the user observed, which a record does not keep."""
_TOOL_TEXT = 20_000
_REPEATED = 0.85


MEANING = {
    "drift_before_lock": "turns of a model whose first attempt broke a perspective rule",
    "rejected_before_lock": "turns of a model whose first attempt broke any rule",
    "drift_after_lock": "turns said, second look: a perspective rule broken",
    "broken_after_lock": "turns said, second look: any rule broken",
    "ungrounded": "turns said, second look: a detail that comes from nowhere",
    "fallback": "turns of a model that were said in the template's words",
    "reasks": "re-asks for turns of a model (can exceed 1)",
    "first_turn_disclosure": "details of the intent told in the opening",
    "premature_stop": "episodes that the user closed with a step not asked for or a question open",
    "late_stop": f"episodes closed {LATE_TURNS} or more turns after the check was asked for",
    "repetition": "turns said in nearly the words of an earlier one of the episode",
    "false_accept": "episodes judged as failed that the user was satisfied with",
    "false_reject": "episodes judged as successful that the user was not satisfied with",
}
"""Every rate: what its trials are and when one counts."""


@dataclass
class Rate:
    """Events in trials."""

    hits: int = 0
    n: int = 0

    def add(self, hit: bool) -> None:
        """Count one trial."""
        self.hits += hit
        self.n += 1

    def as_json(self) -> dict[str, float | int | None]:
        """Hits, n, the rate, and its 95 % Wilson interval."""
        low, high = wilson(self.hits, self.n)
        rate = self.hits / self.n if self.n else None
        return {"hits": self.hits, "n": self.n, "rate": rate, "low": low, "high": high}


@dataclass
class Audit:
    """What was found.

    Attributes:
        rates: By name; each says in `MEANING` what its trials are.
        rules: How often each rule rejected an attempt, and how often the second look found it
            in what was said.
        by_act: Turns on which the second look finds a rule broken, by act.
        by_style: The same by communication style.
        false_accepts: Failed episodes that the user was satisfied with, by how closely they look.
        false_rejects: Successful episodes that they were not satisfied with, the same.
        turns: Number of user turns of each valid episode.
        disclosure: Share of the intent's details told by turn 1, 2, 3, ...: mean over episodes.
        examples: A few turns for each rule that the second look found.
    """

    rates: dict[str, Rate] = field(default_factory=lambda: {name: Rate() for name in MEANING})
    rejected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    by_act: dict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    by_style: dict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    false_accepts: dict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    false_rejects: dict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    turns: list[int] = field(default_factory=list)
    disclosure: list[float] = field(default_factory=list)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    users: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        turns = sorted(self.turns)
        return {
            "episodes": len(turns),
            "users": dict(self.users),
            "user_turns": {
                "mean": sum(turns) / len(turns) if turns else None,
                "median": turns[len(turns) // 2] if turns else None,
                "max": turns[-1] if turns else None,
                "within_6_10": _share(6 <= n <= 10 for n in turns).as_json(),
            },
            "rates": {
                name: {"of": MEANING[name], **rate.as_json()} for name, rate in self.rates.items()
            },
            "disclosure_curve": self.disclosure,
            "rules": {
                rule: {"rejected_attempts": self.rejected[rule], "found_in_said": self.found[rule]}
                for rule in sorted({*self.rejected, *self.found})
            },
            "by_act": {act: rate.as_json() for act, rate in sorted(self.by_act.items())},
            "false_accepts": {k: rate.as_json() for k, rate in sorted(self.false_accepts.items())},
            "false_rejects": {k: rate.as_json() for k, rate in sorted(self.false_rejects.items())},
            "by_style": {style: rate.as_json() for style, rate in sorted(self.by_style.items())},
            "examples": dict(self.examples),
        }


def audit(trajectories: Iterable[Trajectory], *, examples: int = 3) -> Audit:
    """Audit the valid episodes of a run.

    Args:
        trajectories: Read one after the other; nothing is kept but counts.
        examples: How many turns to keep for each rule.
    """
    report, curves = Audit(), _Curves()
    for trajectory in trajectories:
        turns = list(_turns(trajectory))
        if not trajectory.valid or trajectory.provenance.user is None or not turns:
            continue
        report.users[trajectory.provenance.user.name] += 1
        report.turns.append(len(turns))
        _said(report, trajectory, turns, examples)
        _ending(report, trajectory, turns)
        told = _disclosed(trajectory)
        if told:
            curves.add(told, len(turns))
            for turn in told:
                report.rates["first_turn_disclosure"].add(turn == 1)
    report.disclosure = curves.mean()
    return report


def _turns(trajectory: Trajectory) -> Iterator[tuple[int, UserTurn]]:
    """Position in the messages and structured turn of everything that the user said."""
    for position, message in enumerate(trajectory.messages):
        note = (message.get("x") or {}).get("user")
        if message.get("role") == "user" and note:
            yield position, UserTurn.model_validate({**note, "message": message["content"]})


def _said(
    report: Audit, trajectory: Trajectory, turns: list[tuple[int, UserTurn]], examples: int
) -> None:
    """Every turn: what was rejected on the way to it, and what a second look finds."""
    rates, persona = report.rates, trajectory.intent.persona
    style = persona.communication_style if persona else ""
    record = _Record(trajectory)
    earlier: list[str] = []
    for position, turn in turns:
        _on_the_way(report, turn)
        scene = record.scene(position, turn, earlier)
        broken = {v.rule for v in judge(turn, scene)} - _SEEN_BY_THE_USER if scene else set()
        report.found.update(broken)
        for rule in broken:
            if len(report.examples[rule]) < examples:
                report.examples[rule].append(turn.message[:300])
        rates["drift_after_lock"].add(any(rule.startswith("perspective.") for rule in broken))
        rates["broken_after_lock"].add(bool(broken))
        rates["ungrounded"].add("conditioning.entity" in broken)
        rates["repetition"].add(any(_same(turn.message, before) for before in earlier))
        report.by_act[turn.act].add(bool(broken))
        report.by_style[style or "(none)"].add(bool(broken))
        earlier.append(turn.message)


def _on_the_way(report: Audit, turn: UserTurn) -> None:
    attempts = [a for a in turn.attempts if a.get("source") == "model"]
    if not attempts:
        return
    first = attempts[0].get("rules", [])
    report.rates["rejected_before_lock"].add(bool(first))
    report.rates["drift_before_lock"].add(any(r.startswith("perspective.") for r in first))
    report.rates["fallback"].add(turn.attempts[-1].get("source") == "template")
    report.rates["reasks"].hits += len(attempts) - 1
    report.rates["reasks"].n += 1
    for attempt in attempts:
        report.rejected.update(attempt.get("rules", []))


def _ending(report: Audit, trajectory: Trajectory, turns: list[tuple[int, UserTurn]]) -> None:
    last = turns[-1][1]
    ledger = trajectory.ledger or {}
    if last.act == "close":
        unasked = any(g.get("believed") == "pending" for g in ledger.get("subgoals", []))
        moves = ledger.get("agent_moves") or [""]
        waiting = moves[-1] in ("asked", "asked_to_confirm")
        report.rates["premature_stop"].add(unasked or waiting)
        checked = ledger.get("verification_at")
        report.rates["late_stop"].add(checked is not None and len(turns) - checked >= LATE_TURNS)
    verdict = trajectory.user_verdict
    if verdict is not None and trajectory.success is not None:
        looks = str(ledger.get("attentiveness") or "(not known)")
        if trajectory.success:
            report.rates["false_reject"].add(not verdict.satisfied)
            report.false_rejects[looks].add(not verdict.satisfied)
        else:
            report.rates["false_accept"].add(verdict.satisfied)
            report.false_accepts[looks].add(verdict.satisfied)


class _Record:
    """One trajectory as a series of scenes, rebuilt from what was recorded."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        intent = trajectory.intent
        self._goals = {goal.id: goal for goal in _subgoals(intent, trajectory.ledger or {})}
        self._context = "" if intent.tasks else " ".join(split(intent.utterance).context)
        self._asked: list[str] = []
        changes = trajectory.workspace.diff if trajectory.workspace else []
        self._seen = [change.path for change in changes]

    def scene(self, position: int, turn: UserTurn, earlier: list[str]) -> Scene | None:
        """The scene of the turn at that position; None when its step is not known."""
        goal = self._goals.get(turn.subgoal or "")
        if goal is None:
            return None
        told = asked_as(goal, turn.act)
        before = self._trajectory.messages[:position]
        said = [str(m.get("content") or "") for m in before if m.get("role") == "assistant"]
        tools = [str(m.get("content") or "")[:_TOOL_TEXT] for m in before if m["role"] == "tool"]
        last = said[-1] if said else ""
        asked = [self._goals[i] for i in self._asked if i != goal.id]
        if goal.id not in self._asked:
            self._asked.append(goal.id)
        persona = self._trajectory.intent.persona
        return Scene(
            utterance=self._trajectory.intent.utterance,
            digest=Digest(shorten(last), tool_calls=1),
            move=classify(last) if said else None,
            act=turn.act,
            goal=told,
            others=[g for i, g in self._goals.items() if i not in self._asked],
            asked=asked,
            earlier=list(earlier),
            heard=[*tools, *said[:-1]],
            seen=self._seen,
            observed=turn.observed,
            persona=" ".join(map(str, persona.model_dump().values())) if persona else "",
            context=self._context,
            register=Register(language=self._trajectory.intent.language, lists=True, emoji=True),
            answer=goal.answer if answer_of(goal).id in turn.facts_used else "",
            content=True,
        )


def _subgoals(intent: Intent, ledger: dict[str, Any]) -> tuple[SubGoal, ...]:
    if not any(task.kit for task in intent.tasks):
        return tuple(
            step(number, str(goal["request"]), str(goal["label"]))
            for number, goal in enumerate(ledger.get("subgoals", []), 1)
        )
    try:
        return tuple(g for task in bind(intent, allow_kit_drift=True) for g in task.subgoals())
    except ConfigError:
        return ()  # kits of another version: what only needs the words is still audited


def _disclosed(trajectory: Trajectory) -> list[int]:
    """For every detail of the intent, the turn that told it (0 for never)."""
    facts = (trajectory.ledger or {}).get("facts", [])
    return [
        int(fact.get("revealed_at") or 0)
        for fact in facts
        if fact.get("source") == "intent" and not str(fact.get("id", "")).endswith(".answer")
    ]


class _Curves:
    """The mean share of details told by each turn."""

    def __init__(self) -> None:
        self._sums: list[float] = []
        self._episodes = 0

    def add(self, told: list[int], turns: int) -> None:
        curve = [sum(0 < t <= n for t in told) / len(told) for n in range(1, turns + 1)]
        longest = max(len(curve), len(self._sums))
        # An episode that is over stays where it ended.
        held = self._sums + [self._sums[-1] if self._sums else 0.0] * (longest - len(self._sums))
        curve += [curve[-1]] * (longest - len(curve))
        self._sums = [a + b for a, b in zip(held, curve, strict=True)]
        self._episodes += 1

    def mean(self) -> list[float]:
        return [round(total / self._episodes, 4) for total in self._sums]


def _same(message: str, before: str) -> bool:
    if words(message) == words(before):
        return True
    ours, theirs = ngrams(message, 3), ngrams(before, 3)
    return len(words(before)) > 5 and len(ours & theirs) >= _REPEATED * max(len(ours | theirs), 1)


def _share(events: Iterable[bool]) -> Rate:
    rate = Rate()
    for event in events:
        rate.add(event)
    return rate
