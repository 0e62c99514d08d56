"""The space that intents are drawn from, as numbers.

Every selection of tasks has a rank, and a keyed permutation visits the ranks in an order that
looks random. Walking it draws without repetition in constant memory: no set of what was drawn
before is kept, and the end of the space is known. Knows no personas, pools or kits.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, combinations
from math import comb, prod


class Selections:
    """All ways to take `n_tasks` tasks from exactly `n_domains` domains, at least one of each.

    Args:
        tasks: Names of the tasks of each domain.
        n_domains: How many domains a selection touches.
        n_tasks: How many tasks it holds.
    """

    def __init__(self, tasks: Mapping[str, Sequence[str]], n_domains: int, n_tasks: int) -> None:
        self._blocks: list[tuple[tuple[Sequence[str], ...], tuple[int, ...]]] = []
        sizes = []
        for chosen in combinations(sorted(tasks), n_domains):
            pools = tuple(tasks[domain] for domain in chosen)
            for counts in _compositions(n_tasks, n_domains):
                ways = prod(comb(len(p), k) for p, k in zip(pools, counts, strict=True))
                if ways:
                    self._blocks.append((pools, counts))
                    sizes.append(ways)
        self._ends = list(accumulate(sizes))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, rank: int) -> tuple[str, ...]:
        """The selection of that rank, as task names."""
        block = bisect_right(self._ends, rank)
        pools, counts = self._blocks[block]
        rest = rank - (self._ends[block - 1] if block else 0)
        picked: list[str] = []
        for pool, count in zip(pools, counts, strict=True):
            rest, own = divmod(rest, comb(len(pool), count))
            picked += (pool[i] for i in _combination(own, len(pool), count))
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
        self._keyed = hashlib.blake2b(key=key[:64], digest_size=16)

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
    """Draws without repetition from range(size), likelier items earlier.

    The first pass over the permutation takes an item with a probability that is its weight;
    the next one takes those whose lot lies one weight further on, and so on, so that every
    item of positive weight is taken exactly once in all.

    Args:
        size: How many items there are.
        key: Same key, same walk.
        weight: Of an item, in [0, 1]; 0 is never taken.
    """

    def __init__(self, size: int, key: bytes, weight: Callable[[int], float]) -> None:
        self._size = size
        self._permutation = Permutation(max(size, 1), key)
        self._weight = weight
        self._position = 0
        self._lots = Permutation(2**32, b"lots" + key)

    def next(self) -> int | None:
        """The next item, or None when every one was taken."""
        while self._position < self._size * _MOST_PASSES:
            turn, position = divmod(self._position, self._size)
            self._position += 1
            item = self._permutation(position)
            weight = self._weight(item)
            if weight > 0 and self._turn_of(item, weight) == turn:
                return item
        return None

    def _turn_of(self, item: int, weight: float) -> int:
        lot = self._lots(item % 2**32) / 2**32
        return min(int(lot / weight), _MOST_PASSES - 1)


_MOST_PASSES = 64


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
