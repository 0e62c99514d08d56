"""The shape of tool use: which tool follows which, and how varied that is.

An episode's *topology* is the set of its steps from one tool to the next. Entropies are
Shannon's, in bits, without a correction for small samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Topology:
    """Counts over episodes; `add` takes one at a time."""

    follows: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Tool, next tool in the same episode."""
    graphs: Counter[frozenset[tuple[str, str]]] = field(default_factory=Counter)
    """Episodes of each topology."""

    def add(self, tools: Sequence[str]) -> None:
        """Take in the tools that an episode called, in order."""
        steps = list(pairwise(tools))
        self.follows.update(steps)
        self.graphs[frozenset(steps)] += 1

    @property
    def next_tool_entropy(self) -> float | None:
        """Bits of surprise in the next tool once the present one is known, H(next | present).

        0: always the same next tool; log2 of the number of tools: no pattern. None of nothing.
        """
        present: Counter[str] = Counter()
        for (tool, _), count in self.follows.items():
            present[tool] += count
        if not present:
            return None
        return entropy(self.follows.values()) - entropy(present.values())

    @property
    def graph_entropy(self) -> float | None:
        """Bits of the distribution of topologies over episodes; at most log2 of their number."""
        return entropy(self.graphs.values()) if self.graphs else None

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "next_tool_entropy_bits": self.next_tool_entropy,
            "graphs": len(self.graphs),
            "graph_entropy_bits": self.graph_entropy,
            "follows": {f"{a}>{b}": n for (a, b), n in self.follows.most_common()},
        }


def entropy(counts: Iterable[int]) -> float:
    """Shannon entropy of a distribution given as counts, in bits."""
    held = [count for count in counts if count]
    total = sum(held)
    return -sum(n / total * math.log2(n / total) for n in held) if total else 0.0
