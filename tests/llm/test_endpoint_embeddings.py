"""Embeddings go through the same client: same retries, same one-line errors."""

from __future__ import annotations

from typing import Any

import pytest

from ise_env.errors import ModelEndpointError
from ise_env.llm import Endpoint
from ise_env.llm.embeddings import embed


def answer(wire: Any, *items: dict[str, Any]) -> Any:
    return wire.Reply(200, {"object": "list", "data": list(items), "model": "e"})


def test_vectors_come_in_the_order_of_the_texts(server: Any, wire: Any) -> None:
    items = [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": [1.0, 2.0]}]
    server.says(wire.error(503, "warming up"), answer(wire, *items))
    client = server.client(extra_body={"dimensions": 2})
    assert client.embed(["a", "b"]) == [[1.0, 2.0], [3, 4.5]]
    seen = server.seen[-1]
    assert seen.path == "/v1/embeddings"
    assert seen.body == {
        "model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"index": 0, "embedding": [1.0]}], "1 embeddings for 2 texts"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}], "place 1"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 7, "embedding": [1.0]}], "place 1"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AAAA"}], "place 1"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}], "place 1"),
    ],
)
def test_what_is_no_embedding(server: Any, wire: Any, items: list[Any], words: str) -> None:
    server.says(answer(wire, *items))
    with pytest.raises(ModelEndpointError, match=words) as caught:
        embed(Endpoint("m", server.base_url, attempts=1), ["a", "b"])
    assert "\n" not in str(caught.value)


def test_an_endpoint_without_embeddings(server: Any, wire: Any) -> None:
    server.says(wire.error(404, "no such route"))
    with pytest.raises(ModelEndpointError, match="no such route"):
        embed(Endpoint("m", server.base_url), ["a"])
