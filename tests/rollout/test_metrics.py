from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.rollout.metrics import (
    IntentScores,
    bootstrap_mean,
    bootstrap_ratio,
    difference,
    pass_at_k,
    pass_hat_k,
    share_of,
    summarise,
)


@given(
    st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
)
def test_pass_at_k_is_the_share_of_draws_with_a_success(nck):
    n, c, k = nck
    draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(n, c, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_too_few_trials_give_no_figure():
    assert pass_at_k(2, 2, 3) is None
    assert pass_hat_k(2, 2, 3) is None


# Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_tables(successes, n, low, high):
    estimate = share_of(successes, n)
    assert estimate.value == successes / n
    assert (estimate.low, estimate.high) == (
        pytest.approx(low, abs=6e-5),
        pytest.approx(high, abs=6e-5),
    )


def test_nothing_gives_nothing():
    assert share_of(0, 0).value is None
    assert bootstrap_ratio([], []).value is None
    assert bootstrap_ratio([1.0], [0.0]).value is None


def test_the_bootstrap_covers_the_mean_and_repeats_itself():
    values = [0.0, 1.0] * 50
    estimate = bootstrap_mean(values)
    assert estimate == bootstrap_mean(values)
    assert estimate.value == 0.5
    half_width = 1.96 * math.sqrt(0.25 / 100)
    assert estimate.low == pytest.approx(0.5 - half_width, abs=0.03)
    assert estimate.high == pytest.approx(0.5 + half_width, abs=0.03)


def scores(*successes, **fields):
    n = len(successes)
    return IntentScores(
        **{
            "intent": "i",
            "successes": list(successes),
            "completion": [1.0] * n,
            "safety": [1.0] * n,
            "reward": [1.0] * n,
            **fields,
        }
    )


def test_invalid_trials_are_left_out_and_counted_beside():
    summary = summarise([scores(True, True, invalid=2), scores(False, False, intent="j")], [1, 2])
    assert (summary.trials, summary.invalid) == (4, 2)
    assert summary.success.value == 0.5
    assert summary.success_invalid_as_failure.value == pytest.approx(2 / 6)
    assert summary.pass_at[1].value == summary.pass_at[2].value == 0.5


def test_where_nothing_ever_succeeds_the_interval_is_not_empty():
    none = [scores(False, False, intent=str(n)) for n in range(10)]
    estimate = summarise(none, [1]).success
    assert (estimate.value, estimate.low) == (0.0, 0.0)
    assert estimate.high == pytest.approx(share_of(0, 10).high)


def test_robustness_is_nothing_where_nothing_failed():
    assert summarise([scores(True)], [1]).robustness.value is None
    some = summarise([scores(True, failed_calls=4, recovered_calls=3)], [1])
    assert some.robustness.value == 0.75


def test_pass_k_uses_only_intents_with_enough_trials():
    summary = summarise([scores(True, False), scores(True, intent="j")], [1, 2])
    assert (summary.pass_at[1].n, summary.pass_at[2].n) == (2, 1)
    assert summary.pass_hat[2].value == 0.0


def test_the_difference_is_paired():
    a = [scores(True, intent=str(n)) for n in range(10)]
    b = [scores(n < 5, intent=str(n)) for n in range(10)] + [scores(True, intent="other")]
    estimate = difference(a, b)
    assert (estimate.value, estimate.n) == (0.5, 10)
    assert difference(a, []).value is None
