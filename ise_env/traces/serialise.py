"""A record to one line of JSON, and a line back to a record."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from ise_env.errors import ConfigError
from ise_env.traces.layout import Damaged, first_problem
from ise_env.traces.record import SCHEMA_VERSION, Trajectory

M = TypeVar("M", bound=BaseModel)

_VERSION = re.compile(rb'\{\s*"schema_version"\s*:\s*(\d+)')


def to_line(record: BaseModel) -> bytes:
    """Serialise a record as one line, without its newline.

    Half surrogate pairs, which models do write as escapes, cannot be stored as UTF-8
    and are refused by strict readers: each becomes U+FFFD.
    """
    try:
        return record.model_dump_json().encode()
    except PydanticSerializationError:
        whole = _without_surrogates(record.model_dump())
        return type(record).model_validate(whole).model_dump_json().encode()


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_surrogates(v) for v in value)
    return value


def parse_trajectory(line: bytes, where: str) -> Trajectory:
    """Read one record.

    Args:
        line: One line of JSON.
        where: `file:line`, for the message.

    Raises:
        Damaged: It is not a record.
        ConfigError: It is one of a newer schema.
    """
    found = _VERSION.match(line)
    if found and int(found[1]) > SCHEMA_VERSION:
        raise ConfigError(
            f"{where}: a record of schema version {int(found[1])}, written by a newer ise-env "
            f"(this one reads up to {SCHEMA_VERSION}); upgrade ise-env"
        )
    return parse(Trajectory, line, where)


def parse(model: type[M], line: bytes, where: str) -> M:
    """Read one line as a record of the given kind.

    Raises:
        Damaged: It is not one; names file, line and field.
    """
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise Damaged(f"{where}: {first_problem(error)}") from error


def canonical(value: Any) -> bytes:
    """Canonical JSON (sorted keys, no blanks, UTF-8): what hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
