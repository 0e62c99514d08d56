"""Sealing finished shards with zstd, and reading them.

Python has zstd from 3.14 on (`compression.zstd`); `backports.zstd`, the `zstd` extra, is the
same module for older ones. Without either, shards stay plain, which every reader takes.
"""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, cast

from ise_env.errors import ConfigError
from ise_env.traces.layout import fsync_directory

LEVEL = 6


class DamagedFrame(Exception):
    """A sealed file does not decompress."""


def zstd() -> ModuleType | None:
    """The zstd module, or None where there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def available() -> bool:
    """Whether shards can be sealed here."""
    return zstd() is not None


def open_sealed(path: Path) -> IO[bytes]:
    """Open a sealed file for reading; several frames are read as one stream.

    Raises:
        ConfigError: No zstd is installed.
        OSError: It cannot be opened.
    """
    module = zstd()
    if module is None:
        raise ConfigError(f"{path}: sealed with zstd; install it: pip install 'ise-env[zstd]'")
    return cast("IO[bytes]", _Decompressed(module, path))


class _Decompressed:
    """A zstd file whose errors are of one kind, whatever the module calls them."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        self._error = module.ZstdError
        self._file = module.open(path, "rb")

    def __iter__(self) -> _Decompressed:
        return self

    def __next__(self) -> bytes:
        try:
            return cast(bytes, next(self._file))
        except self._error as error:
            raise DamagedFrame(str(error)) from error

    def __enter__(self) -> _Decompressed:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def seal(path: Path) -> Path:
    """Compress a shard into `<path>.zst` beside it and remove the plain one.

    The sealed file is written under another name, read back and compared, and renamed; a crash
    at any instant leaves the plain shard, the sealed one, or both.

    Returns:
        The sealed path, or `path` itself where no zstd is installed or the shard is empty.
    """
    module = zstd()
    if module is None or not path.stat().st_size:
        return path
    sealed = path.with_name(path.name + ".zst")
    temporary = path.with_name(f".{sealed.name}.tmp")
    try:
        with path.open("rb") as source, temporary.open("wb") as raw:
            options = {
                module.CompressionParameter.compression_level: LEVEL,
                module.CompressionParameter.checksum_flag: 1,
            }
            with module.open(raw, "wb", options=options) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            raw.flush()
            os.fsync(raw.fileno())
        if not _same(module, path, temporary):
            raise OSError("what was compressed does not read back")
        temporary.replace(sealed)
        fsync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    path.unlink()
    return sealed


def _same(module: ModuleType, plain: Path, compressed: Path) -> bool:
    with plain.open("rb") as a, module.open(compressed, "rb") as b:
        while True:
            left, right = a.read(1 << 20), b.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True
