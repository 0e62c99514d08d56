"""Embeddings kept in pieces, so that a long embedding can be cut off and go on later.

A folder of `.npz` files, each with some texts' keys and their vectors. A key is the hash of the
model and the text, so a folder serves any selection of texts and any number of models, and a
pool that grew is embedded only where it is new. Knows no intents.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from ise_env.errors import ConfigError
from ise_env.intents.embedders import Embedder, Vectors, checked

PIECE = 256
"""Texts in a file: what a cut-off run has to do again."""

_KEY_BYTES = 16


class EmbeddingCache:
    """An embedder that looks in a folder first, and leaves there what it had to make.

    Args:
        folder: Made when there is something to keep.
        embedder: Asked for what the folder lacks.
        progress: Called with how many texts are done and how many there are, after each piece.
    """

    def __init__(
        self,
        folder: Path,
        embedder: Embedder,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.name = embedder.name
        self.comparable = embedder.comparable
        self.identity = embedder.identity
        self._folder = folder
        self._embedder = embedder
        self._progress = progress

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row for each text.

        Raises:
            ConfigError: A file of the folder is damaged, or the embedder's vectors are no good.
        """
        keys = [self._key(text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        found = self._read(text_of.keys())
        # Texts of like length together: a batch is as long as its longest text.
        missing = sorted(text_of.keys() - found.keys(), key=lambda key: (len(text_of[key]), key))
        total = len(text_of)
        self._progress(total - len(missing), total)
        for start in range(0, len(missing), PIECE):
            piece = missing[start : start + PIECE]
            vectors = self._embedder.embed([text_of[key] for key in piece])
            self._write(piece, vectors)
            found.update(zip(piece, vectors, strict=True))
            self._progress(total - len(missing) + start + len(piece), total)
        return np.stack([found[key] for key in keys]).astype(np.float32, copy=False)

    def _key(self, text: str) -> bytes:
        whole = f"{self.identity}\0{text}".encode()
        return hashlib.blake2b(whole, digest_size=_KEY_BYTES).digest()

    def _read(self, wanted: Collection[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        if self._folder.exists() and not self._folder.is_dir():
            raise ConfigError(f"{self._folder}: is a file; name a folder to keep embeddings in")
        for path in sorted(self._folder.glob("*.npz")):
            keys, vectors = _read_piece(path)
            found.update(
                (key, row) for key, row in zip(keys, vectors, strict=True) if key in wanted
            )
        if len({len(row) for row in found.values()}) > 1:
            raise ConfigError(
                f"{self._folder}: holds embeddings of different sizes for {self.name}; delete the "
                "folder to embed the texts again"
            )
        return found

    def _write(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Write a piece that appears only once it is whole; the same piece has the same name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b(b"".join(keys), digest_size=_KEY_BYTES).hexdigest()
        temporary = self._folder / f".{name}.tmp"
        table = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        try:
            with temporary.open("wb") as file:
                np.savez(file, keys=table, vectors=vectors)
            temporary.replace(self._folder / f"{name}.npz")
        finally:
            temporary.unlink(missing_ok=True)


def _read_piece(path: Path) -> tuple[list[bytes], Vectors]:
    advice = "delete it, and its texts are embedded again"
    try:
        with np.load(path, allow_pickle=False) as piece:
            keys, vectors = piece["keys"], piece["vectors"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: no file of embeddings ({error}); {advice}") from error
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != _KEY_BYTES:
        raise ConfigError(f"{path}: no file of embeddings (keys of shape {keys.shape}); {advice}")
    if not np.issubdtype(vectors.dtype, np.floating):
        raise ConfigError(f"{path}: holds {vectors.dtype}, not floating-point numbers; {advice}")
    try:
        checked(vectors, len(keys), path.name)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}; {advice}") from error
    # As stored, not made unit length again: a run that was cut off ends with the same numbers.
    return [key.tobytes() for key in keys], vectors
