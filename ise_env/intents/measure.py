"""Measuring a pool of intents: one pass over a file, then numbers.

What is kept of each intent is its text and a few labels, not the record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ise_env.intents.diversity import Coverage, NGrams, scaling_curve, vendi
from ise_env.intents.embedders import Embedder, Vectors
from ise_env.intents.model import Intent

SIZES = (200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 43_956, 50_000)
"""Where the published scaling curve was read, and our own full size."""

PUBLISHED_CURVE = {
    200: 40.7,
    500: 51.3,
    1_000: 56.0,
    2_000: 59.0,
    5_000: 60.5,
    10_000: 61.3,
    20_000: 61.35,
    43_956: 61.57,
}
"""Vendi (all-mpnet-base-v2, cosine, q = 1) of the ISETrace intents, arXiv 2606.11520."""


@dataclass
class Sketch:
    """What is measured of a pool."""

    texts: list[str] = field(default_factory=list)
    domains: list[tuple[str, ...]] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    tasks: int = 0

    @classmethod
    def of(cls, intents: Iterable[Intent]) -> Sketch:
        """Sketch a pool in one pass."""
        sketch = cls()
        for intent in intents:
            sketch.add(intent)
        return sketch

    def add(self, intent: Intent) -> None:
        """Note one more intent."""
        self.texts.append(intent.utterance)
        self.domains.append(intent.domains)
        self.tasks += len(intent.tasks)
        persona = intent.persona
        self._count("tier", intent.complexity or "none")
        for domain in intent.domains:
            self._count("domain", domain)
            self._count("domain x tier", f"{domain}, {intent.complexity or 'none'}")
        for pair in combinations(sorted(intent.domains), 2):
            self._count("domain pair", " + ".join(pair))
        for task in intent.tasks:
            self._count("task", task.kit or task.title)
        if persona is not None:
            self._count("persona", persona.id)
            self._count("industry", persona.industry)
            self._count("role", persona.role)
            self._count("level", persona.experience_level)
            self._count("style", persona.communication_style)

    def coverage(self) -> list[Coverage]:
        """Counts of every dimension, most frequent value first."""
        return [Coverage(name, dict(c.most_common())) for name, c in self.counts.items()]

    def _count(self, dimension: str, value: str) -> None:
        self.counts.setdefault(dimension, Counter())[value] += 1


class Measures(BaseModel):
    """The numbers of a pool; JSON-able."""

    model_config = ConfigDict(extra="forbid")

    intents: int
    mean_domains: float
    mean_tasks: float
    embedder: str
    comparable: bool
    vendi: dict[str, float]
    """Score by order q."""
    curve: dict[int, float]
    """Vendi of order 1 by number of intents."""
    distinct: dict[int, float]
    type_token_ratio: float
    """Mean over the utterances."""
    words: int
    """Different words over the whole pool."""
    mean_words: float
    shared_six: list[tuple[str, float]]
    """Six-word sequences that most utterances share, with the share."""
    evenness: dict[str, float]
    """Of each dimension's counts, in [0, 1]."""
    values: dict[str, int]
    """How many different values each dimension takes."""


def measure(
    sketch: Sketch, vectors: Vectors, embedder: Embedder, orders: Sequence[float] = (0.5, 1, 2)
) -> Measures:
    """Compute everything that a report shows in numbers.

    Args:
        sketch: The pool.
        vectors: Embeddings of `sketch.texts`.
        embedder: Where they come from.
        orders: Orders q of the Vendi scores.
    """
    grams = NGrams(sketch.texts)
    count = len(sketch.texts)
    coverage = sketch.coverage()
    return Measures(
        intents=count,
        mean_domains=float(np.mean([len(domains) for domains in sketch.domains])),
        mean_tasks=sketch.tasks / count,
        embedder=embedder.name,
        comparable=embedder.comparable,
        vendi={f"{q:g}": vendi(vectors, q) for q in orders},
        curve=scaling_curve(vectors, (*SIZES, count)),
        distinct={n: grams.distinct(n) for n in (1, 2, 3, 4)},
        type_token_ratio=grams.mean_type_token_ratio(),
        words=grams.types,
        mean_words=grams.tokens / count,
        shared_six=grams.most_shared(6, 10),
        evenness={item.dimension: item.evenness for item in coverage},
        values={item.dimension: len(item.counts) for item in coverage},
    )


def projection(vectors: Vectors, seed: int = 0, at_most: int = 5_000) -> npt.NDArray[np.float64]:
    """t-SNE of a seeded sample in the plane (extra `report`).

    Returns:
        Shape (m, 3): position in `vectors`, x, y.
    """
    from sklearn.decomposition import PCA  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from sklearn.manifold import TSNE  # type: ignore[import-untyped,import-not-found,unused-ignore]

    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:at_most])
    rows = vectors[chosen]
    if min(rows.shape) > 50:
        rows = PCA(50, random_state=seed).fit_transform(rows)
    perplexity = min(30.0, max(1.0, (len(rows) - 1) / 3))
    plane = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(rows)
    return np.column_stack([chosen, plane]).astype(np.float64)
