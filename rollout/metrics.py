"""Figures of an evaluation, and how sure one may be of them.

*pass@k* is the unbiased estimator `1 - C(n-c, k) / C(n, k)` of at least one success in k trials
(Chen et al. 2021, arXiv 2107.03374), *pass^k* the probability `C(c, k) / C(n, k)` that all k
succeed (Yao et al. 2024, arXiv 2406.12045); both are means over intents with at least k trials.
Intervals are 95 %: Wilson's for a share of independent trials, otherwise a percentile bootstrap
that resamples intents, because trials of one intent are not independent (and Wilson's again,
one trial an intent, where all intents are at 0 or all at 1 and resampling tells nothing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ise_env.users.wilson import wilson

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where there is nothing to estimate it from."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Trials, or intents, that it rests on."""


@dataclass
class IntentScores:
    """What became of all trials of one intent."""

    intent: str
    domains: tuple[str, ...] = ()
    tier: str | None = None
    persona: str | None = None
    successes: list[bool] = field(default_factory=list)
    """One entry for each valid, judged trial."""
    completion: list[float] = field(default_factory=list)
    """Weighted share of checks that passed."""
    safety: list[float] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    failed_calls: int = 0
    recovered_calls: int = 0
    invalid: int = 0
    unjudged: int = 0
    user_turns: int = 0
    tool_calls: int = 0
    cost_usd: float | None = None


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """Probability that at least one of k trials succeeds; None when n < k.

    Args:
        n: Valid, judged trials.
        c: Successes among them.
        k: Trials allowed.
    """
    if n < k:
        return None
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float | None:
    """Probability that all of k trials succeed; None when n < k."""
    if n < k:
        return None
    return math.comb(c, k) / math.comb(n, k)


def share_of(successes: int, n: int) -> Estimate:
    """Share with Wilson's score interval."""
    if n == 0:
        return Estimate(None)
    return Estimate(successes / n, *wilson(successes, n), n)


def bootstrap_mean(values: Sequence[float], seed: int = 0) -> Estimate:
    """Mean over intents with a percentile bootstrap interval; the same seed, the same interval."""
    return bootstrap_ratio(values, [1.0] * len(values), seed)


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0
) -> Estimate:
    """Ratio of sums, intents resampled."""
    total = sum(denominators)
    if not total:
        return Estimate(None)
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    value = float(above.sum() / total)
    if len(above) < 2:
        return Estimate(value, n=len(above))
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(above), size=(_RESAMPLES, len(above)))
    sums = below[picks].sum(axis=1)
    ratios = above[picks].sum(axis=1)[sums > 0] / sums[sums > 0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(above))


def share_over_intents(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0
) -> Estimate:
    """Like `bootstrap_ratio`, for a share in [0, 1].

    Where every intent is at 0, or every one at 1, resampling them tells nothing: the interval is
    then Wilson's for as many trials as there are intents.
    """
    estimate = bootstrap_ratio(numerators, denominators, seed)
    if estimate.value not in (0.0, 1.0):
        return estimate
    n = sum(1 for d in denominators if d)
    return Estimate(estimate.value, *wilson(n if estimate.value else 0, n), n)


@dataclass(frozen=True)
class Summary:
    """An agent's figures over a set of intents."""

    intents: int
    trials: int
    """Valid, judged."""
    invalid: int
    unjudged: int
    success: Estimate
    """Share of valid, judged trials."""
    success_invalid_as_failure: Estimate
    pass_at: dict[int, Estimate]
    pass_hat: dict[int, Estimate]
    completion: Estimate
    safety: Estimate
    reward: Estimate
    robustness: Estimate
    """Share of failed tool calls that were made good; None where none failed."""
    tool_calls: float | None
    """Mean a trial."""
    user_turns: float | None
    cost_usd: float | None


def summarise(scores: Sequence[IntentScores], ks: Sequence[int]) -> Summary:
    """Compute every figure over a set of intents.

    Args:
        scores: One entry an intent.
        ks: The k of pass@k and pass^k.
    """
    wins = sum(sum(s.successes) for s in scores)
    trials = sum(len(s.successes) for s in scores)
    invalid = sum(s.invalid for s in scores)
    judged = [s for s in scores if s.successes]
    costs = [s.cost_usd for s in scores if s.cost_usd is not None]
    return Summary(
        intents=len(scores),
        trials=trials,
        invalid=invalid,
        unjudged=sum(s.unjudged for s in scores),
        success=_success(judged, wins, trials, [float(len(s.successes)) for s in judged]),
        success_invalid_as_failure=_success(
            [s for s in scores if s.successes or s.invalid],
            wins,
            trials + invalid,
            [float(len(s.successes) + s.invalid) for s in scores if s.successes or s.invalid],
        ),
        pass_at={k: _over_intents(judged, pass_at_k, k) for k in ks},
        pass_hat={k: _over_intents(judged, pass_hat_k, k) for k in ks},
        completion=_mean_of(judged, lambda s: s.completion),
        safety=_mean_of(judged, lambda s: s.safety),
        reward=_mean_of(judged, lambda s: s.reward),
        robustness=share_over_intents(
            [s.recovered_calls for s in scores], [s.failed_calls for s in scores]
        ),
        tool_calls=sum(s.tool_calls for s in scores) / trials if trials else None,
        user_turns=sum(s.user_turns for s in scores) / trials if trials else None,
        cost_usd=sum(costs) if costs else None,
    )


def _success(
    scores: Sequence[IntentScores], wins: int, n: int, denominators: list[float]
) -> Estimate:
    if all(d <= 1 for d in denominators):
        return share_of(wins, n)
    return share_over_intents([float(sum(s.successes)) for s in scores], denominators)


def _over_intents(
    scores: Sequence[IntentScores], figure: Callable[[int, int, int], float | None], k: int
) -> Estimate:
    values = [figure(len(s.successes), sum(s.successes), k) for s in scores]
    known = [v for v in values if v is not None]
    return share_over_intents(known, [1.0] * len(known))


def _mean_of(
    scores: Sequence[IntentScores], pick: Callable[[IntentScores], list[float]]
) -> Estimate:
    lists = [pick(s) for s in scores if pick(s)]
    return share_over_intents([sum(v) for v in lists], [float(len(v)) for v in lists])


def difference(a: Sequence[IntentScores], b: Sequence[IntentScores], seed: int = 0) -> Estimate:
    """Success of `a` minus success of `b`, paired by intent."""
    rates_b = {s.intent: np.mean(s.successes) for s in b if s.successes}
    deltas = [
        float(np.mean(s.successes) - rates_b[s.intent])
        for s in a
        if s.successes and s.intent in rates_b
    ]
    return bootstrap_mean(deltas, seed) if deltas else Estimate(None)
