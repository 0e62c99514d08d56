"""From what an agent sent as `arguments` to a tool's parameters, or one clear complaint.

Everything here is the agent's doing: whatever is wrong becomes a `ToolFailure` whose message
says which field, what was expected and what came.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ise_env.tools.base import Params, ToolFailure

MAX_ARGUMENT_CHARS = 8 * 2**20
"""Longer `arguments` are refused unread; a workspace could not hold much more anyway."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 60
"""Characters of a wrong value that the complaint repeats."""
_MAX_LINES = 8
"""Complaints shown of one call."""

P = TypeVar("P", bound=Params)


def well_formed(text: str) -> str:
    """Return the text as it would survive UTF-8: pairs joined, lone surrogates U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_object(arguments: Any) -> dict[str, Any]:
    """Read the `arguments` of a call.

    Args:
        arguments: The JSON text of the wire; an object that is already parsed is accepted too
            (published records hold such), and None or blank text means no arguments.

    Raises:
        ToolFailure: `bad_json` or `bad_arguments`.
    """
    if arguments is None:
        return {}
    if not isinstance(arguments, str | dict):
        raise ToolFailure(
            f"arguments must be a JSON object in a string, got {_kind(arguments)}",
            error="bad_arguments",
        )
    if isinstance(arguments, str) and not arguments.strip():
        return {}
    try:
        return _repaired(arguments, _loads(arguments) if isinstance(arguments, str) else arguments)
    except RecursionError:
        raise ToolFailure("arguments are nested too deeply", error="bad_json") from None


def validate(name: str, params: type[P], given: dict[str, Any]) -> P:
    """Check and coerce arguments; null for an optional parameter means that it is left out.

    Args:
        name: Of the tool, for the complaint.
        params: Its parameters' model.
        given: What `parse_object` returned.

    Raises:
        ToolFailure: `bad_arguments`, one line for each field.
    """
    fields = {field.alias or key: field for key, field in params.model_fields.items()}
    present = {
        key: value
        for key, value in given.items()
        if value is not None or key not in fields or fields[key].is_required()
    }
    try:
        return params.model_validate(present)
    except ValidationError as error:
        lines = [_line(each) for each in error.errors(include_url=False, include_context=True)]
        shown = lines[:_MAX_LINES]
        if len(lines) > len(shown):
            shown.append(f"... and {len(lines) - len(shown)} more")
        unknown = [_short(key) for key in given if key not in fields][:_MAX_LINES]
        if unknown:
            shown.append(f"not parameters of {name}: {', '.join(unknown)}")
        required = [key for key, field in fields.items() if field.is_required()]
        optional = [key for key, field in fields.items() if not field.is_required()]
        shown.append(
            f"{name} takes {', '.join([*(f'{key} (required)' for key in required), *optional])}"
        )
        raise ToolFailure(
            f"invalid arguments for {name}:\n- " + "\n- ".join(shown), error="bad_arguments"
        ) from None


def _loads(text: str) -> Any:
    if len(text) > MAX_ARGUMENT_CHARS:
        raise ToolFailure(
            f"arguments are {len(text):,} characters long, the limit is {MAX_ARGUMENT_CHARS:,}: "
            "split the call",
            error="bad_arguments",
        )
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 20) : error.pos + 20]
        raise ToolFailure(
            f"arguments are not valid JSON: {error.msg} at line {error.lineno} column "
            f"{error.colno}, near {near!r}",
            error="bad_json",
        ) from None
    except ValueError as error:  # NaN and Infinity, or an integer of thousands of digits
        raise ToolFailure(f"arguments are not valid JSON: {error}", error="bad_json") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _repaired(raw: str | dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the object with well-formed strings; only looks where `raw` may hold others."""
    if not isinstance(value, dict):
        raise ToolFailure(
            f"arguments must be a JSON object, got {_kind(value)}", error="bad_arguments"
        )
    if isinstance(raw, str) and not (_SURROGATE_ESCAPE.search(raw) or _SURROGATE.search(raw)):
        return value
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ToolFailure(f"arguments are not JSON: {error}", error="bad_json") from None
    repaired: dict[str, Any] = json.loads(well_formed(text))
    return repaired


def _line(error: ErrorDetails) -> str:
    where = ".".join(_short(part) for part in error["loc"]) or "arguments"
    if error["type"] == "missing":
        return f"{where}: required, but missing"
    message = error["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input should be ").replace(
        "a valid integer, unable to parse string as an integer", "an integer"
    )
    message = message.replace("a valid number, unable to parse string as a number", "a number")
    return f"{where}: must be {message}, got {_shown(error['input'])}"


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{_kind(value)}"
    return _short(value, quote=True)


def _short(value: Any, quote: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False) if quote else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _kind(value: Any) -> str:
    names = {list: "an array", dict: "an object", str: "a string", bool: "a boolean"}
    names |= {int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
