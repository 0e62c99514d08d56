"""Records read from files, each remembering where it came from.

Whatever is wrong with a file is said in one line: `FILE:LINE: field NAME: what is wrong`.
This module knows JSON and pydantic; not what the records mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ise_env.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_FOREIGN_MARKS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
}


@dataclass(frozen=True)
class Located:
    """A value and the line that it stands on."""

    path: Path
    line: int
    """From 1; 0 for the file as a whole."""
    value: Any
    part: str = ""
    """Which part of the file, where lines do not tell: `record 3`."""

    @property
    def where(self) -> str:
        """`FILE:LINE`, as an editor understands it."""
        return f"{self.path}:{self.line or self.part}" if self.line or self.part else str(self.path)


def read_lines(path: Path) -> Iterator[Located]:
    """Yield the lines of a UTF-8 text file that hold something, without their ends.

    Streams: one line is in memory at a time. A leading UTF-8 byte order mark is skipped.

    Raises:
        ConfigError: The file cannot be opened, or is not UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if number == 1:
                    raw = _without_mark(path, raw)
                text = _decode(path, number, raw)
                if text.strip():
                    yield Located(path, number, text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_jsonl(path: Path) -> Iterator[Located]:
    """Yield the objects of a JSON Lines file.

    Raises:
        ConfigError: A line is not JSON, or not an object.
    """
    for line in read_lines(path):
        yield Located(path, line.line, parse_object(line.value, line.where))


def read_json(path: Path) -> Any:
    """Return the value of a file that is one JSON document.

    Raises:
        ConfigError: The file cannot be read or is not JSON.
    """
    text = "\n".join(_keep_numbering(read_lines(path)))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}:{error.lineno}: not JSON: {error.msg} (column {error.colno})"
        ) from error


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Parse one line of JSON that must be an object.

    Raises:
        ConfigError: It is not.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where}: not JSON: {error.msg} (column {error.colno}); "
            "each line must be one JSON object"
        ) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: each line must be a JSON object, not {_kind(value)}")
    return value


def validated(model: type[M], value: Any, where: str) -> M:
    """Validate a value, saying where it stands if it is not valid.

    Raises:
        ConfigError: One line naming the place, the first wrong field and how many more are.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from error


class Unique:
    """Remembers the keys of a file's records and refuses a second one.

    Args:
        field: What the key is called in the file.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._seen: dict[str, str] = {}

    def add(self, key: str, where: str) -> None:
        """Remember a key.

        Raises:
            ConfigError: It was there before; names both places.
        """
        if key in self._seen:
            raise ConfigError(
                f"{where}: field {self._field}: {key!r} is already used at {self._seen[key]}; "
                "remove or rename one of the two"
            )
        self._seen[key] = where


def explain(error: ValidationError) -> str:
    """Put a pydantic error into one line: the first wrong field, and how many more there are."""
    errors = error.errors()
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"]) or "(record)"
    message = _PLAIN.get(first["type"], first["msg"]).removeprefix("Value error, ")
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"field {field}: {message}{more}"


_PLAIN = {
    "extra_forbidden": "unknown field; remove it or correct its name",
    "missing": "missing; add it",
}


def _without_mark(path: Path, raw: bytes) -> bytes:
    for mark, name in _FOREIGN_MARKS.items():
        if raw.startswith(mark):
            raise ConfigError(f"{path}: this is {name}, not UTF-8 text; convert it first")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _decode(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}:{number}: byte 0x{raw[error.start]:02x} at position {error.start + 1} "
            "is not UTF-8; save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise ConfigError(f"{path}:{number}: contains a NUL character; this is not a text file")
    return text.rstrip("\r\n")


def _keep_numbering(lines: Iterator[Located]) -> Iterator[str]:
    next_line = 1
    for line in lines:
        yield from [""] * (line.line - next_line)
        yield line.value
        next_line = line.line + 1


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {list: "an array", str: "a string", bool: "a truth value"}
    return names.get(type(value), "a number")


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Open a file that appears under its name only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
