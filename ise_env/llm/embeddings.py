"""Embeddings from an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ise_env.llm.endpoint import Endpoint


def embed(endpoint: Endpoint, texts: Sequence[str]) -> list[list[float]]:
    """Ask for the embedding of each text, in one request.

    Raises:
        ModelEndpointError: The endpoint failed, or answered another number of embeddings.
    """
    from ise_env.llm.client import client_for

    return client_for(endpoint).embed(texts)


def read_vectors(data: Any, count: int) -> list[list[float]]:
    """Read the answer of an embeddings endpoint, in the order of the texts.

    Raises:
        ValueError: It is not one, or holds another number of embeddings than were asked for.
    """
    items = data.get("data") if isinstance(data, Mapping) else None
    if not isinstance(items, list):
        raise ValueError("an object without embeddings")
    if len(items) != count:
        raise ValueError(f"{len(items)} embeddings for {count} texts")
    vectors: list[list[float]] = [[] for _ in items]
    for place, item in enumerate(items):
        vector = item.get("embedding") if isinstance(item, Mapping) else None
        index = item.get("index", place) if isinstance(item, Mapping) else place
        numbers = isinstance(vector, list) and all(isinstance(x, int | float) for x in vector)
        if not vector or not numbers or index not in range(count) or vectors[index]:
            raise ValueError(f"an unusable embedding at place {place}")
        vectors[index] = vector
    return vectors
