"""Embedders: texts become unit vectors.

Vendi scores and similarity thresholds only mean something beside the name of the embedder:
two embedders put the same texts on different scales.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ise_env.errors import ConfigError
from ise_env.llm.endpoint import Endpoint

Vectors = npt.NDArray[np.float32]
"""Shape (n, dimensions), one unit row for each text."""

DEFAULT = "all-mpnet-base-v2"
"""The model of the published figures."""

_WORD = re.compile(r"\w+")


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    """Goes into every report."""
    comparable: bool
    """Whether figures may be set beside those that others get with a model of this name."""
    identity: str
    """Same identity and text, same vector; empty where vectors cost less than keeping them."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row for each text.

        Raises:
            ConfigError: A vector has NaN, or the wrong size.
        """
        ...


def make_embedder(spec: str) -> Embedder:
    """Make an embedder from its name.

    Args:
        spec: `hashing` or `hashing:512`; `openai:MODEL@URL`; else the name of a
            sentence-transformers model or the path of one.

    Raises:
        ConfigError: The model cannot be loaded, and what to do.
    """
    kind, _, rest = spec.partition(":")
    if kind == "hashing":
        if rest and not rest.isdigit():
            raise ConfigError(f"embedder {spec!r}: expected hashing:DIMENSIONS")
        return HashingEmbedder(int(rest or 512))
    if kind == "openai":
        return EndpointEmbedder(Endpoint.parse(rest))
    return SentenceTransformerEmbedder(spec)


class SentenceTransformerEmbedder:
    """A model of the sentence-transformers library (extra `embeddings`).

    Args:
        model: Name on the hub, or a directory.
        batch: Texts encoded at once.
    """

    comparable = True

    def __init__(self, model: str = DEFAULT, batch: int = 64) -> None:
        try:
            import sentence_transformers  # type: ignore[import-not-found,unused-ignore] # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "embedder: sentence-transformers is not installed; pip install "
                "'ise-env[embeddings]', or use the embedder `hashing`"
            ) from error
        # A directory's own name says little (`.../minilm/model`); its whole path says too much.
        self.name = "/".join(Path(model).parts[-2:]) if Path(model).is_dir() else model
        self._batch = batch
        self._model = _load(model)
        self.identity = _fingerprint(Path(model)) if Path(model).is_dir() else model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Encode in batches; long texts are cut at the model's own limit."""
        vectors = self._model.encode(
            list(texts),
            batch_size=self._batch,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return checked(np.asarray(vectors), len(texts), self.name)


class EndpointEmbedder:
    """An OpenAI-compatible embeddings endpoint.

    Args:
        endpoint: Model and address.
        batch: Texts in a request.
    """

    comparable = True

    def __init__(self, endpoint: Endpoint, batch: int = 128) -> None:
        self.name = endpoint.model
        self.identity = f"{endpoint.model}@{endpoint.base_url}"
        self._endpoint = endpoint
        self._batch = batch

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Send the texts in batches."""
        from ise_env.llm.embeddings import embed

        rows: list[list[float]] = []
        for start in range(0, len(texts), self._batch):
            rows += embed(self._endpoint, texts[start : start + self._batch])
        if len({len(row) for row in rows}) > 1:
            raise ConfigError(f"embedder {self.name}: embeddings of different sizes came back")
        return checked(np.array(rows, dtype=np.float32), len(texts), self.name)


class HashingEmbedder:
    """Signed hashes of words and word pairs: no model, deterministic, lexical only.

    Good for finding near-duplicates and for tests; its scores compare with nothing but itself.

    Args:
        dimensions: Length of the vectors.
    """

    comparable = False
    identity = ""

    def __init__(self, dimensions: int = 512) -> None:
        if dimensions < 2:
            raise ConfigError(f"embedder hashing: needs 2 dimensions or more, got {dimensions}")
        self.name = f"hashing-{dimensions}"
        self._dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Count signed hashes, then normalise."""
        vectors = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            hashes = np.fromiter(_features(text), dtype=np.uint32)
            signs = np.where(hashes & 1, 1.0, -1.0).astype(np.float32)
            np.add.at(row, (hashes >> 1) % self._dimensions, signs)
            if not row.any():
                row[0] = 1.0
        return checked(vectors, len(texts), self.name)


class CachedEmbeddings:
    """Embeddings that were made before, from a `.npy` file.

    Args:
        path: A file with one row for each text.
        name: Of the embedder that made them.
    """

    identity = ""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.comparable = not name.startswith("hashing")
        self._path = path

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the file's rows; they must be as many as the texts."""
        try:
            vectors = np.load(self._path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._path}: no .npy file of embeddings: {error}") from error
        if not np.issubdtype(vectors.dtype, np.floating):
            raise ConfigError(f"{self._path}: holds {vectors.dtype}, not floating-point numbers")
        return checked(vectors, len(texts), str(self._path))


def checked(vectors: npt.NDArray[np.floating], count: int, name: str) -> Vectors:
    """Return unit float32 rows.

    Args:
        vectors: What an embedder or a file gave.
        count: How many rows are expected.
        name: Where they come from, for messages.

    Raises:
        ConfigError: Another shape, NaN or infinity, or a row of zeros.
    """
    if vectors.ndim != 2 or vectors.shape[0] != count or vectors.shape[1] == 0:
        raise ConfigError(
            f"embeddings of {name}: expected {count} rows of equal length, got shape "
            f"{vectors.shape}; embed the same intents again"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    for what, wrong in (
        ("has NaN or infinite values", ~np.isfinite(lengths)),
        ("is all zeros", lengths == 0),
    ):
        if wrong.any():
            raise ConfigError(f"embeddings of {name}: row {int(np.argmax(wrong)) + 1} {what}")
    unit: Vectors = (vectors / lengths[:, None]).astype(np.float32)
    return unit


def _load(model: str) -> Any:
    """Load from a directory or the local cache, and from the hub only where it answers.

    Asked for a model that it does not have, the library asks the hub again and again: more than
    a minute and a page of warnings on a machine without a network.
    """
    from sentence_transformers import (  # type: ignore[import-not-found,unused-ignore]
        SentenceTransformer,
    )
    from transformers.utils.logging import (  # type: ignore[import-not-found,unused-ignore]
        disable_progress_bar,
    )

    # Loading a model is no event worth a progress bar.
    disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    elsewhere = not Path(model).exists()
    try:
        with _silent():
            return SentenceTransformer(model, local_files_only=True)
    except Exception as error:
        if not elsewhere:
            raise _unloadable(model, error) from error
    if not _hub_answers():
        raise ConfigError(
            f"embedder {model!r}: neither a directory nor in the local cache of models, and the "
            "hub of models does not answer; give the path of a model directory, or use the "
            "embedder `hashing`"
        )
    try:
        return SentenceTransformer(model)
    except Exception as error:
        raise _unloadable(model, error) from error


def _fingerprint(folder: Path) -> str:
    """Hash of everything in a model's directory: two of them may have the same name."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            own = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder)} {own}\n".encode())
    return digest.hexdigest()


def _unloadable(model: str, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    return ConfigError(
        f"embedder {model!r}: cannot be loaded ({type(error).__name__}: {reason[:160]}); "
        "give the path of a model directory, or use the embedder `hashing`"
    )


@contextmanager
def _silent() -> Iterator[None]:
    """No warnings from the libraries: what is not there is said once, by us."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _hub_answers() -> bool:
    from huggingface_hub import (  # type: ignore[import-not-found,unused-ignore]
        constants,
        get_session,
    )

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception:  # noqa: BLE001 - of requests or httpx, whichever the hub's client uses
        return False
    return True


def _features(text: str) -> Iterator[int]:
    words = _WORD.findall(text.lower())
    for word in words:
        yield zlib.crc32(word.encode())
    for first, second in itertools.pairwise(words):
        yield zlib.crc32(f"{first} {second}".encode())
