"""Deduplication: what is removed, what must not be left, and bad thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.dedup import exact, near, normalised
from ise_env.intents.embedders import HashingEmbedder, Vectors
from ise_env.intents.sampler import sample


def _rows(count: int, dimensions: int, seed: int, spread: float = 1.0) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, count // 5), dimensions))
    rows = centres[rng.integers(len(centres), size=count)]
    rows = rows + spread * rng.standard_normal((count, dimensions)) / np.sqrt(dimensions)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_exact_copies_differ_in_case_blanks_and_marks_only() -> None:
    texts = ["Sort the inbox.", "sort  THE inbox", "Sort the outbox.", "ＳＯＲＴ the inbox!"]
    result = exact(list("abcd"), texts)
    assert result.kept == (0, 2)
    assert [(r.id, r.duplicate_of) for r in result.removed] == [("b", "a"), ("d", "a")]


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3000), st.integers(2, 24), st.floats(0.3, 1.0), st.integers(0, 9))
def test_near_agrees_with_brute_force(count: int, size: int, threshold: float, seed: int) -> None:
    vectors = _rows(min(count, 400), size, seed, spread=0.4)
    ids = [str(i) for i in range(len(vectors))]
    result = near(ids, vectors, threshold)
    cosines = vectors @ vectors.T
    kept: list[int] = []
    for row in range(len(vectors)):
        if not any(cosines[row, other] >= threshold - 1e-6 for other in kept):
            kept.append(row)
    assert result.kept == tuple(kept)
    for removed in result.removed:
        row, twin = int(removed.id), int(removed.duplicate_of)
        assert twin in kept
        assert twin < row
        assert cosines[row, twin] == pytest.approx(removed.similarity, abs=1e-5)


def test_no_pair_above_the_threshold_is_left_across_blocks() -> None:
    vectors = _rows(5000, 32, 1, spread=0.3)
    kept = vectors[list(near([str(i) for i in range(5000)], vectors, 0.9).kept)]
    cosines = kept @ kept.T
    np.fill_diagonal(cosines, 0)
    assert 500 < len(kept) < 4500
    assert cosines.max() < 0.9


def test_an_edited_copy_is_found_by_the_hashing_embedder() -> None:
    text = "please unpack the archive, sort its letters by year and tell me how many there are"
    texts = [text, text.replace("letters", "papers"), "tag the release and push nothing yet"]
    assert near(list("abc"), HashingEmbedder().embed(texts), 0.8).kept == (0, 2)


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold: must be above 0 and at most 1"):
        near(["a"], _rows(1, 4, 0), threshold)


@pytest.mark.slow
def test_no_pair_of_a_sampled_pool_is_left_above_the_threshold() -> None:
    """By brute force: all cosines of what stays of 5,000 utterances, some of them repeated."""
    texts = [intent.utterance for intent in sample(4500, 0)]
    # Repeats with a few words changed, as a pool of several runs would have them.
    texts += [text.replace(" and ", " & ").replace("the ", "") for text in texts[:500]]
    vectors = HashingEmbedder(512).embed(texts)
    ids = [str(number) for number in range(len(texts))]
    for threshold in (0.95, 0.9, 0.85):
        found = near(ids, vectors, threshold)
        left = vectors[list(found.kept)]
        cosines = left @ left.T
        np.fill_diagonal(cosines, -1)
        assert cosines.max() < threshold
        assert len(found.kept) + len(found.removed) == len(texts)
        for removed in found.removed:
            twin = vectors[int(removed.id)] @ vectors[int(removed.duplicate_of)]
            assert twin >= threshold - 1e-5
            assert int(removed.duplicate_of) in found.kept
    assert len(near(ids, vectors, 0.85).removed) > 300
