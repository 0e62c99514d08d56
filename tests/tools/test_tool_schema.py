"""Function schemas as models read them."""

import json

import pytest
from pydantic import BaseModel, Field

from ise_env.tools.base import Params
from ise_env.tools.registry import get, names
from ise_env.tools.schema import function_schema

UPSTREAM = {
    "exec": (["command"], {"workdir", "env", "yieldMs", "background", "timeout", "pty"}),
    "process": (
        ["action"],
        {
            *("sessionId", "data", "keys", "hex", "literal", "text", "bracketed"),
            *("eof", "offset", "limit", "timeout"),
        },
    ),
    "read": (["path"], {"offset", "limit"}),
    "write": (["path", "content"], set()),
    "edit": (["path", "oldText", "newText"], set()),
    "apply_patch": (["input"], set()),
}
BUILTIN = [name for name in names() if name in UPSTREAM]


def test_every_builtin_tool_is_listed_here():
    assert set(UPSTREAM) <= set(names())


@pytest.mark.parametrize("name", BUILTIN)
def test_parameters_have_the_reference_names(name):
    required, optional = UPSTREAM[name]
    parameters = get(name).schema()["function"]["parameters"]
    assert parameters["required"] == required
    assert set(parameters["properties"]) == {*required, *optional}


@pytest.mark.parametrize("name", BUILTIN)
def test_schema_is_clean(name):
    schema = get(name).schema()
    text = json.dumps(schema)
    assert schema["type"] == "function"
    assert schema["function"]["name"] == name
    assert len(schema["function"]["description"]) > 40
    for noise in ('"title"', "$defs", "$ref", '"null"', '"default": null', "anyOf"):
        assert noise not in text
    for each in schema["function"]["parameters"]["properties"].values():
        assert each["description"]
        assert "type" in each


def test_required_comes_before_properties():
    assert list(get("edit").schema()["function"]["parameters"]) == [
        "type",
        "required",
        "properties",
    ]


def test_every_call_returns_a_fresh_schema():
    get("read").schema()["function"]["parameters"]["properties"].clear()
    assert get("read").schema()["function"]["parameters"]["properties"]


def test_nested_models_are_inlined_and_a_parameter_may_be_called_title():
    class Row(BaseModel):
        amount: float

    class Table(Params):
        title: str
        rows: list[Row]
        best: Row | None = Field(None, description="The best of them.")
        either: int | str | None = None

    properties = function_schema("t", "d", Table)["function"]["parameters"]["properties"]
    row = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}
    assert properties["title"] == {"type": "string"}
    assert properties["rows"]["items"] == row
    assert properties["best"] == {**row, "description": "The best of them."}
    assert properties["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}


class Tree(Params):
    label: str
    children: list["Tree"] = Field(default_factory=list)


def test_a_model_that_contains_itself_ends_somewhere():
    text = json.dumps(function_schema("t", "d", Tree))
    assert "$ref" not in text
    assert text.count("children") < 4


def test_no_parameters_at_all():
    assert function_schema("t", "d", Params)["function"]["parameters"] == {
        "type": "object",
        "properties": {},
    }
