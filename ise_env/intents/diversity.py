"""Diversity of a pool of texts: Vendi scores, distinct n-grams, coverage.

The Vendi score (Friedman and Dieng, 2023) is the exponential of the Renyi entropy of the
eigenvalues of K / n, K being the kernel matrix. For a cosine kernel K / n = X X^T / n shares
its non-zero eigenvalues with X^T X / n, which is only d x d, adds up over blocks and shards,
and is what is computed here, in float64.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ise_env.errors import ConfigError
from ise_env.intents.embedders import Vectors

_BLOCK = 2048
_WORD = re.compile(r"\w+")


def check_order(q: float) -> None:
    """Refuse what is no order of a Vendi score.

    Raises:
        ConfigError: It is not positive.
    """
    if not q > 0:
        raise ConfigError(f"q: the order of a Vendi score must be above 0, got {q}")


class Covariance:
    """Sum of outer products of unit rows; adds up over blocks and shards.

    Args:
        dimensions: Length of a row.

    Example:
        >>> covariance = Covariance(2)
        >>> covariance.add(np.eye(2, dtype=np.float32))
        >>> round(covariance.vendi(), 6)
        2.0
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self._sum = np.zeros((dimensions, dimensions))

    def add(self, vectors: Vectors) -> None:
        """Add rows, in blocks so that little of them is in float64 at once.

        Raises:
            ConfigError: Rows of another length.
        """
        if vectors.shape[1] != len(self._sum):
            raise ConfigError(
                f"embeddings have {vectors.shape[1]} dimensions, expected {len(self._sum)}"
            )
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float64)
            self._sum += block.T @ block
        self.count += len(vectors)

    def merge(self, other: Covariance) -> None:
        """Add what another shard has summed."""
        self._sum += other._sum
        self.count += other.count

    def eigenvalues(self) -> npt.NDArray[np.float64]:
        """Of X^T X / n, descending, rounding noise left out; they sum to 1.

        Raises:
            ConfigError: Nothing was added.
        """
        if not self.count:
            raise ConfigError("diversity: there are no intents to measure")
        values = np.asarray(np.linalg.eigvalsh(self._sum / self.count)[::-1], dtype=np.float64)
        return values[values > 1e-13]

    def vendi(self, q: float = 1.0) -> float:
        """Vendi score of order q: the effective number of different texts.

        Args:
            q: Above 0, infinity allowed; 1 is the usual score, small orders count the rare.

        Raises:
            ConfigError: Nothing was added, or q is not positive.
        """
        check_order(q)
        values = self.eigenvalues()
        if q == 1:
            return float(np.exp(-(values * np.log(values)).sum()))
        if np.isinf(q):
            return float(1 / values.max())
        return float(np.exp(np.log((values**q).sum()) / (1 - q)))


def vendi(vectors: Vectors, q: float = 1.0) -> float:
    """Vendi score of unit rows with the cosine kernel."""
    covariance = Covariance(vectors.shape[1])
    covariance.add(vectors)
    return covariance.vendi(q)


def scaling_curve(
    vectors: Vectors, sizes: Sequence[int], seed: int = 0, q: float = 1.0
) -> dict[int, float]:
    """Vendi score of the first n rows in a seeded random order, for each n that there is.

    One pass: each size continues where the one before it ended.
    """
    order = np.random.default_rng(seed).permutation(len(vectors))
    wanted = sorted({size for size in sizes if 0 < size <= len(vectors)})
    covariance = Covariance(vectors.shape[1])
    curve = {}
    for size in wanted:
        covariance.add(vectors[order[covariance.count : size]])
        curve[size] = covariance.vendi(q)
    return curve


class NGrams:
    """Words of many texts as numbers, for counting what they share.

    Args:
        texts: The texts; only numbers are kept of them.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._vocabulary: dict[str, int] = {}
        self._texts: list[npt.NDArray[np.uint32]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Take in one more text."""
        words = _WORD.findall(text.lower())
        numbers = [self._vocabulary.setdefault(w, len(self._vocabulary) + 1) for w in words]
        self._texts.append(np.array(numbers, dtype=np.uint32))

    @property
    def types(self) -> int:
        """Different words."""
        return len(self._vocabulary)

    @property
    def tokens(self) -> int:
        """Words."""
        return sum(map(len, self._texts))

    def distinct(self, n: int) -> float:
        """Distinct-n: different n-grams over all n-grams; 0 where there is none."""
        hashes = [_hashes(numbers, n) for numbers in self._texts]
        joined = np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint64)
        return len(np.unique(joined)) / len(joined) if len(joined) else 0.0

    def mean_type_token_ratio(self) -> float:
        """Mean over the texts of different words over words; does not fall with their number."""
        ratios = [len(np.unique(t)) / len(t) for t in self._texts if len(t)]
        return float(np.mean(ratios)) if ratios else 0.0

    def most_shared(self, n: int, top: int = 20) -> list[tuple[str, float]]:
        """The n-grams that occur in the largest share of texts, with that share."""
        counts: Counter[int] = Counter()
        for numbers in self._texts:
            counts.update(np.unique(_hashes(numbers, n)).tolist())
        wanted = dict(counts.most_common(top))
        words = list(self._vocabulary)
        found: dict[int, str] = {}
        for numbers in self._texts:
            if len(found) == len(wanted):
                break
            for place, value in enumerate(_hashes(numbers, n).tolist()):
                if value in wanted and value not in found:
                    found[value] = " ".join(words[i - 1] for i in numbers[place : place + n])
        return [(found[value], count / len(self._texts)) for value, count in wanted.items()]


def _hashes(numbers: npt.NDArray[np.uint32], n: int) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each n-gram; collisions are as rare as n^2 / 2^65."""
    count = max(0, len(numbers) - n + 1)
    value = np.zeros(count, dtype=np.uint64)
    for offset in range(n):
        value ^= numbers[offset : offset + count]
        # splitmix64, so that every word reaches every bit
        value += np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return value


@dataclass(frozen=True)
class Coverage:
    """How often each value of one dimension occurs."""

    dimension: str
    counts: dict[str, int]

    @property
    def evenness(self) -> float:
        """Entropy of the counts over that of an even spread over the same values; in [0, 1]."""
        shares = np.array(list(self.counts.values()), dtype=np.float64)
        if len(shares) < 2:
            return 1.0
        shares /= shares.sum()
        return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
