"""Vendi scores against their definition and the reference package; n-grams by counting."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.diversity import Covariance, Coverage, NGrams, scaling_curve, vendi
from ise_env.intents.embedders import Vectors


def _unit(count: int, dimensions: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)) + 0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _by_definition(vectors: Vectors, q: float) -> float:
    kernel = vectors.astype(np.float64) @ vectors.astype(np.float64).T / len(vectors)
    values = np.linalg.eigvalsh(kernel)
    values = values[values > 1e-13]
    if q == 1:
        return float(np.exp(-(values * np.log(values)).sum()))
    if np.isinf(q):
        return float(1 / values.max())
    return float((values**q).sum() ** (1 / (1 - q)))


@pytest.mark.parametrize("q", [0.1, 0.5, 1, 2, 7, float("inf")])
def test_vendi_is_that_of_the_kernel_matrix(q: float) -> None:
    for count, dimensions in ((40, 7), (7, 40), (300, 30)):
        vectors = _unit(count, dimensions)
        assert vendi(vectors, q) == pytest.approx(_by_definition(vectors, q), rel=1e-6)


def test_vendi_agrees_with_the_reference_package() -> None:
    reference = pytest.importorskip("vendi_score.vendi", reason="vendi-score is not installed")
    vectors = _unit(3000, 96)
    for q in (0.5, 1, 2):
        expected = reference.score_dual(vectors.astype(np.float64), q=q, normalize=False)
        assert vendi(vectors, q) == pytest.approx(expected, rel=1e-4)


def test_copies_count_once_and_orthogonal_texts_fully() -> None:
    assert vendi(np.ones((50, 1), dtype=np.float32)) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(9, dtype=np.float32), 4, axis=0)) == pytest.approx(9)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6).filter(any))
def test_shards_merge_to_the_whole(sizes: list[int]) -> None:
    vectors = _unit(sum(sizes), 12)
    whole, merged = Covariance(12), Covariance(12)
    whole.add(vectors)
    start = 0
    for size in sizes:
        shard = Covariance(12)
        shard.add(vectors[start : start + size])
        merged.merge(shard)
        start += size
    assert merged.count == whole.count
    assert merged.vendi() == pytest.approx(whole.vendi(), rel=1e-9)


def test_scaling_curve_ends_at_the_whole_pool() -> None:
    vectors = _unit(900, 20)
    curve = scaling_curve(vectors, (100, 500, 900, 10_000))
    assert list(curve) == [100, 500, 900]
    assert curve[900] == pytest.approx(vendi(vectors), rel=1e-9)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="no intents to measure"):
        Covariance(3).vendi()
    for q in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="must be above 0"):
            vendi(_unit(3, 3), q)
    with pytest.raises(ConfigError, match="have 4 dimensions, expected 3"):
        Covariance(3).add(_unit(2, 4))


@settings(deadline=None)
@given(st.lists(st.text("ab c", max_size=30), max_size=8), st.integers(1, 4))
def test_distinct_counts_n_grams(texts: list[str], n: int) -> None:
    grams = [
        tuple(words[i : i + n])
        for words in (text.split() for text in texts)
        for i in range(len(words) - n + 1)
    ]
    expected = len(set(grams)) / len(grams) if grams else 0.0
    assert NGrams(texts).distinct(n) == pytest.approx(expected)


def test_most_shared_counts_texts_not_occurrences() -> None:
    grams = NGrams(["a b a b a b", "a b c", "c a"])
    assert grams.most_shared(2, 1) == [("a b", 2 / 3)]


def test_evenness_of_counts() -> None:
    assert Coverage("d", dict(Counter("abcd"))).evenness == pytest.approx(1)
    assert Coverage("d", {"a": 1000, "b": 1}).evenness < 0.02
    assert Coverage("d", {"a": 3}).evenness == 1
