"""Embeddings kept in pieces: a cut-off run goes on, and a damaged folder is said to be one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ise_env.errors import ConfigError
from ise_env.intents.embedders import HashingEmbedder, Vectors
from ise_env.intents.embedding_cache import PIECE, EmbeddingCache

TEXTS = [f"text {number} of many" for number in range(2 * PIECE + 10)]


class Counting:
    """The hashing embedder, under the name of a model, that notes what it was asked for."""

    comparable = True

    def __init__(self, model: str = "a model", fails_after: int = 10**9) -> None:
        self.name = self.identity = model
        self.asked: list[str] = []
        self._embedder = HashingEmbedder(16)
        self._fails_after = fails_after

    def embed(self, texts: Sequence[str]) -> Vectors:
        if len(self.asked) >= self._fails_after:
            raise KeyboardInterrupt
        self.asked += texts
        return self._embedder.embed(texts)


def test_a_run_that_was_cut_off_embeds_only_the_rest(tmp_path: Path) -> None:
    first = Counting(fails_after=PIECE)
    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache(tmp_path, first).embed(TEXTS)
    assert len(list(tmp_path.iterdir())) == 1
    second, seen = Counting(), list[tuple[int, int]]()
    vectors = EmbeddingCache(tmp_path, second, lambda *done: seen.append(done)).embed(TEXTS)
    assert np.array_equal(vectors, HashingEmbedder(16).embed(TEXTS))
    assert sorted(first.asked + second.asked) == sorted(TEXTS)
    assert (seen[0], seen[-1]) == ((PIECE, len(TEXTS)), (len(TEXTS), len(TEXTS)))


def test_order_and_selection_do_not_matter_but_the_model_does(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, Counting()).embed(TEXTS[:50])
    again = Counting()
    picked = [TEXTS[7], TEXTS[3], TEXTS[7]]
    vectors = EmbeddingCache(tmp_path, again).embed(picked)
    assert again.asked == []
    assert np.array_equal(vectors, HashingEmbedder(16).embed(picked))
    other = Counting("another model")
    EmbeddingCache(tmp_path, other).embed(picked)
    assert sorted(other.asked) == sorted(set(picked))


def test_a_damaged_piece_is_named_with_what_to_do(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, Counting()).embed(TEXTS[:5])
    (piece,) = tmp_path.iterdir()
    whole = piece.read_bytes()
    keys = np.load(piece)["keys"]
    damages = {
        "no file of embeddings": whole[: len(whole) // 2],
        "row 1 has NaN": _saved(piece, keys, np.full((5, 16), np.nan, np.float32)),
        "expected 5 rows": _saved(piece, keys, np.ones((4, 16), np.float32)),
        "keys of shape": _saved(piece, keys[:, :3], np.ones((5, 16), np.float32)),
        "holds int64": _saved(piece, keys, np.ones((5, 16), np.int64)),
    }
    for says, content in damages.items():
        piece.write_bytes(content)
        with pytest.raises(ConfigError, match=says) as caught:
            EmbeddingCache(tmp_path, Counting()).embed(TEXTS[:5])
        assert str(caught.value).startswith(f"{piece}: ")
        assert "delete it, and its texts are embedded again" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "e").write_text("")
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        EmbeddingCache(tmp_path / "e", Counting()).embed(TEXTS[:5])


def _saved(piece: Path, keys: np.ndarray, vectors: np.ndarray) -> bytes:
    with piece.open("wb") as file:
        np.savez(file, keys=keys, vectors=vectors)
    return piece.read_bytes()
