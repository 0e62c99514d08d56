"""Deduplication: exact copies by hash, near copies by cosine, both exactly.

The first of several copies in the file's order is kept. Cosines are computed in tiles against
what has been kept so far, so nothing of size n x n ever exists.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from ise_env.errors import ConfigError
from ise_env.intents.embedders import Vectors

_BLOCK = 1024
_TILE = 8192
_NOT_WORD = re.compile(r"\W+")


class Removed(BaseModel):
    """Why an intent is no longer there; one line of `removed.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    duplicate_of: str
    """A kept intent."""
    stage: Literal["exact", "near"]
    similarity: float


@dataclass(frozen=True)
class Deduplicated:
    """Which positions are kept, in order, and what became of the others."""

    kept: tuple[int, ...]
    removed: tuple[Removed, ...]


def normalised(text: str) -> str:
    """What two exact copies share: compatibility form, no case, single blanks for the rest."""
    return _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def exact(ids: Sequence[str], texts: Sequence[str]) -> Deduplicated:
    """Remove texts that are the same once normalised."""
    first: dict[bytes, int] = {}
    kept, removed = [], []
    for position, text in enumerate(texts):
        digest = hashlib.blake2b(normalised(text).encode(), digest_size=16).digest()
        original = first.setdefault(digest, position)
        if original == position:
            kept.append(position)
        else:
            removed.append(
                Removed(id=ids[position], duplicate_of=ids[original], stage="exact", similarity=1.0)
            )
    return Deduplicated(tuple(kept), tuple(removed))


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is no cosine to stop at, before anything is embedded for it.

    Raises:
        ConfigError: It is outside (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold: must be above 0 and at most 1, got {threshold}")


def near(ids: Sequence[str], vectors: Vectors, threshold: float) -> Deduplicated:
    """Remove rows whose cosine with an earlier kept row reaches the threshold.

    Afterwards no two kept rows have a cosine of `threshold` or more, and each removed one
    names the kept row that is closest to it among those before it.

    Args:
        ids: One for each row.
        vectors: Unit rows.
        threshold: In (0, 1].

    Raises:
        ConfigError: The threshold is outside (0, 1].
    """
    check_threshold(threshold)
    # float32 products of unit rows miss 1 by a few 1e-7.
    limit = np.float32(threshold - 1e-6)
    store = np.empty_like(vectors)
    kept: list[int] = []
    removed = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        best, where = _closest(block, store[: len(kept)])
        own = block @ block.T
        fresh: list[int] = []
        for row in range(len(block)):
            score, original = best[row], where[row]
            if fresh:
                nearest = int(np.argmax(own[row, fresh]))
                if own[row, fresh[nearest]] > score:
                    score, original = own[row, fresh[nearest]], len(kept) + nearest
            if score >= limit:
                twin = (kept + [start + f for f in fresh])[original]
                removed.append(
                    Removed(
                        id=ids[start + row],
                        duplicate_of=ids[twin],
                        stage="near",
                        similarity=round(min(1.0, float(score)), 6),
                    )
                )
            else:
                fresh.append(row)
        store[len(kept) : len(kept) + len(fresh)] = block[fresh]
        kept += [start + row for row in fresh]
    return Deduplicated(tuple(kept), tuple(removed))


def _closest(block: Vectors, kept: Vectors) -> tuple[Vectors, np.ndarray]:
    """Highest cosine of each row with a kept one, and which; -1 where none is kept."""
    best = np.full(len(block), -1, dtype=np.float32)
    where = np.zeros(len(block), dtype=np.int64)
    for start in range(0, len(kept), _TILE):
        cosines = block @ kept[start : start + _TILE].T
        nearest = cosines.argmax(axis=1)
        score = cosines[np.arange(len(block)), nearest]
        higher = score > best
        best[higher] = score[higher]
        where[higher] = nearest[higher] + start
    return best, where
