"""Function schemas in the OpenAI wire shape, from pydantic parameters.

Pydantic's own JSON schema is written for validators: titles, `$defs`, `anyOf` with null for
whatever is optional. Models read the schema as prose, and chat templates print it, so what is
left here is what a person would write: required names first, then each property once.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from pydantic import BaseModel

_NOISE = frozenset({"title", "$defs"})


def function_schema(name: str, description: str, params: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of one tool.

    Args:
        name: What the model calls.
        description: What the model reads about it.
        params: The parameters' model.

    Returns:
        `{"type": "function", "function": {"name", "description", "parameters"}}`, a fresh
        object on every call, with `parameters` holding `type`, `required` (when there is any)
        and `properties`, in this order.
    """
    function = {"name": name, "description": description, "parameters": _parameters(params)}
    return {"type": "function", "function": function}


def _parameters(params: type[BaseModel]) -> dict[str, Any]:
    parameters: dict[str, Any] = json.loads(_parameters_json(params))
    return parameters


@functools.cache  # pydantic takes a millisecond for a model, and every episode asks for all
def _parameters_json(params: type[BaseModel]) -> str:
    schema = params.model_json_schema(by_alias=True)
    clean = _clean(schema, schema.get("$defs", {}))
    parameters: dict[str, Any] = {"type": "object"}
    if clean.get("required"):
        parameters["required"] = clean["required"]
    parameters["properties"] = clean.get("properties", {})
    return json.dumps(parameters)


def _clean(node: Any, definitions: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    if isinstance(node, list):
        return [_clean(item, definitions, within) for item in node]
    if not isinstance(node, dict):
        return node
    node = _without_null(node)
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        if name in within:  # a model that contains itself
            return {"type": "object", **rest}
        return _clean({**definitions[name], **rest}, definitions, (*within, name))
    cleaned: dict[str, Any] = {}
    for key, value in sorted(node.items(), key=lambda item: item[0] == "properties"):
        if key == "properties":  # its keys are names, and a parameter may be called `title`
            cleaned[key] = {name: _clean(v, definitions, within) for name, v in value.items()}
        elif key not in _NOISE and not (key == "default" and value is None):
            cleaned[key] = _clean(value, definitions, within)
    return cleaned


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """Fold `anyOf: [X, null]` into X: an optional parameter is one that may be left out."""
    if "anyOf" not in node:
        return node
    kept = [each for each in node["anyOf"] if each != {"type": "null"}]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}
