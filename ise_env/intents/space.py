"""The space that intents are drawn from, as numbers.

Every selection of tasks has a rank, and keyed permutations visit the ranks in an order that
looks random. Walking it draws without repetition in constant memory: no set of what was drawn
before is kept, and the end of the space is known. Knows no personas, pools or kits.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import comb, prod


class Selections:
    """All ways to take so many tasks from some domains, at least one of each.

    Args:
        domains: The tasks of each domain.
        n_tasks: How many to take.
    """

    def __init__(self, domains: Sequence[Sequence[str]], n_tasks: int) -> None:
        self._domains = domains
        self._counts = list(_compositions(n_tasks, len(domains)))
        ways = (
            prod(comb(len(tasks), k) for tasks, k in zip(domains, counts, strict=True))
            for counts in self._counts
        )
        self._ends = list(accumulate(ways))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, rank: int) -> tuple[str, ...]:
        """The selection of that rank."""
        block = bisect_right(self._ends, rank)
        rest = rank - (self._ends[block - 1] if block else 0)
        picked: list[str] = []
        for tasks, count in zip(self._domains, self._counts[block], strict=True):
            rest, own = divmod(rest, comb(len(tasks), count))
            picked += (tasks[i] for i in _combination(own, len(tasks), count))
        return tuple(picked)


class Permutation:
    """A keyed bijection of range(size): four Feistel rounds, walked until inside the range.

    Args:
        size: At least 1.
        key: Same key, same permutation.
    """

    def __init__(self, size: int, key: bytes) -> None:
        self._size = size
        self._half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half) - 1
        self._keyed = hashlib.blake2b(key, digest_size=16)

    def __call__(self, index: int) -> int:
        """Where `index` goes."""
        while True:
            index = self._rounds(index)
            if index < self._size:
                return index

    def _rounds(self, value: int) -> int:
        left, right = value >> self._half, value & self._mask
        for number in range(4):
            digest = self._keyed.copy()
            digest.update(bytes((number,)) + right.to_bytes(16, "big"))
            left, right = right, left ^ (int.from_bytes(digest.digest(), "big") & self._mask)
        return left << self._half | right


class Walk:
    """Draws pairs (stratum, rank) without repetition, strata in proportion to their weights.

    The walk goes round the strata, in another order each time. A stratum of weight w takes
    part in a share w of the rounds, evenly spread, and gives its next rank then, which is a
    permutation of its ranks; an exhausted one is passed over.

    Args:
        sizes: How many ranks each stratum has.
        weights: Of the strata; 0 is never drawn.
        key: Same key, same walk.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], key: bytes) -> None:
        # The sequences are shared between walks, of which there are many.
        self._sizes = sizes
        self._weights = weights
        self._heaviest = max(weights, default=0) or 1
        self._key = key
        self._position = 0
        rounds = (n / w for n, w in zip(sizes, weights, strict=True) if w > 0)
        self._end = len(sizes) * (int(self._heaviest * max(rounds, default=0)) + 2)
        self._round = (-1, Permutation(1, key))

    def next(self) -> tuple[int, int] | None:
        """The next pair, or None when every one was drawn."""
        while self._position < self._end:
            number, place = divmod(self._position, len(self._sizes))
            self._position += 1
            stratum = self._order(number)(place)
            weight = self._weights[stratum] / self._heaviest
            offset = self._permutation(b"offset", stratum, 2**16)(0) / 2**16
            drawn, after = int(number * weight + offset), int((number + 1) * weight + offset)
            if after > drawn and drawn < self._sizes[stratum]:
                return stratum, self._permutation(b"ranks", stratum, self._sizes[stratum])(drawn)
        return None

    def _order(self, number: int) -> Permutation:
        if self._round[0] != number:
            self._round = number, self._permutation(b"round", number, len(self._sizes))
        return self._round[1]

    def _permutation(self, kind: bytes, number: int, size: int) -> Permutation:
        return Permutation(size, self._key + kind + str(number).encode())


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as an ordered sum of `parts` positive numbers."""
    if parts == 1:
        yield (total,)
        return
    for first in range(1, total - parts + 2):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _combination(rank: int, n: int, k: int) -> list[int]:
    """The k-subset of range(n) of that rank in the combinatorial number system."""
    picked = []
    for size in range(k, 0, -1):
        n -= 1
        while comb(n, size) > rank:
            n -= 1
        rank -= comb(n, size)
        picked.append(n)
    return picked
