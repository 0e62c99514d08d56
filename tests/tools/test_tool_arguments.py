"""What agents send as arguments, and what they are told about it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.tools.arguments import MAX_ARGUMENT_CHARS, parse_object, validate, well_formed
from ise_env.tools.base import ToolFailure
from ise_env.tools.registry import get

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def complaint(name, given_):
    with pytest.raises(ToolFailure) as caught:
        validate(name, get(name).params, parse_object(given_))
    assert caught.value.outcome.status == "tool_error"
    return str(caught.value)


@pytest.mark.parametrize("nothing", [None, "", "  \n", "{}", {}])
def test_no_arguments(nothing):
    assert parse_object(nothing) == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("{", "not valid JSON"),
        ("{'command': 'ls'}", "not valid JSON"),
        ('{"command": "ls"} trailing', "Extra data"),
        ('{"timeout": NaN}', "NaN is not a JSON value"),
        ('{"timeout": -Infinity}', "-Infinity is not a JSON value"),
        ('{"timeout": ' + "9" * 5_000 + "}", "not valid JSON"),
        ("[1]", "must be a JSON object, got an array"),
        ('"ls"', "must be a JSON object, got a string"),
        ("null", "must be a JSON object, got null"),
        ("7", "must be a JSON object, got a number"),
        ([1], "in a string, got an array"),
        (7, "in a string, got a number"),
        (True, "in a string, got a boolean"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("x" * (MAX_ARGUMENT_CHARS + 1), "the limit is"),
        ({"command": {1, 2}}, "not JSON"),
    ],
)
def test_unusable_arguments(arguments, says):
    with pytest.raises(ToolFailure, match=says) as caught:
        parse_object(arguments)
    assert caught.value.outcome.error in ("bad_json", "bad_arguments")
    assert len(str(caught.value)) < 300


def test_the_position_of_a_syntax_error_is_shown():
    with pytest.raises(ToolFailure, match=r"line 2 column 3, near .*path\W+x"):
        parse_object('{"content": "a",\n  path: "x"}')


def test_lone_surrogates_become_replacement_characters_and_pairs_are_joined():
    assert parse_object('{"a\\ud800": "x\\udc00y", "b": "\\ud83d\\ude00"}') == {
        "a\ufffd": "x\ufffdy",
        "b": "\U0001f600",
    }
    assert parse_object({"a": "\ud83d\ude00\ud83d"}) == {"a": "\U0001f600\ufffd"}


def test_an_escaped_backslash_before_u_is_left_alone():
    assert parse_object('{"a": "\\\\ud800"}') == {"a": "\\ud800"}


@given(ANY_TEXT)
def test_well_formed_text_survives_utf8(text):
    text = well_formed(text)
    assert text.encode().decode() == text
    assert well_formed(text) == text


@given(st.dictionaries(ANY_TEXT, JSON_VALUES, max_size=4), st.booleans())
def test_any_json_object_is_read_or_refused(value, as_text):
    try:
        read = parse_object(json.dumps(value) if as_text else value)
    except ToolFailure:
        return
    json.dumps(read, ensure_ascii=False).encode()


@given(
    st.sampled_from(["exec", "process", "read", "write", "edit", "apply_patch"]),
    st.dictionaries(
        ANY_TEXT | st.sampled_from(["command", "path", "env", "timeout", "action", "limit"]),
        JSON_VALUES,
        max_size=5,
    ),
)
def test_validation_raises_nothing_but_tool_failures(name, value):
    with contextlib.suppress(ToolFailure):
        validate(name, get(name).params, parse_object(json.dumps(value)))


def test_one_line_for_each_field():
    told = complaint("edit", {"file_path": "a.py", "oldText": 3, "new_string": "x"})
    assert told == (
        "invalid arguments for edit:\n"
        "- path: required, but missing\n"
        "- oldText: must be a valid string, got 3\n"
        "- newText: required, but missing\n"
        "- not parameters of edit: file_path, new_string\n"
        "- edit takes path (required), oldText (required), newText (required)"
    )


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("exec", {"command": ""}, "command: must be"),
        ("exec", {"command": ["ls", "-l"]}, "command: must be a valid string, got an array"),
        ("exec", {"command": "ls", "timeout": "soon"}, 'timeout: must be a number, got "soon"'),
        ("exec", {"command": "ls", "timeout": "nan"}, "timeout: must be a finite number"),
        ("exec", {"command": "ls", "background": "maybe"}, "background: must be a valid boolean"),
        ("exec", {"command": "a\0b"}, "command: must be text without NUL"),
        ("exec", {"command": "ls", "env": {"A=B": "1"}}, "names of environment variables"),
        ("exec", {"command": "ls", "env": {"A": {}}}, "env.A: must be a valid string"),
        ("exec", {"command": "ls", "env": "A=1"}, "env: must be"),
        ("process", {"action": "stop"}, "action: must be 'list', 'poll'"),
        ("read", {"path": "a", "offset": 1.5}, "offset: must be"),
        ("read", {"path": "a", "limit": 0}, "limit: must be greater than or equal to 1, got 0"),
        ("read", {"path": ""}, "path: "),
        ("read", {"path": "a\0"}, "path: must be text without NUL"),
    ],
)
def test_complaints_name_field_expectation_and_value(name, arguments, says):
    assert says in complaint(name, arguments)


def test_complaints_stay_short():
    told = complaint("exec", {"command": {}, "env": {f"K{i}": [] for i in range(500)}})
    assert "... and 493 more" in told
    assert len(told) < 2_000
    assert len(complaint("read", {"path": "a", "limit": "9" * 10_000})) < 600


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "ls", "timeout": "30"},
        {"command": "ls", "timeout": 30},
        {"command": "ls", "timeout": 30.0, "workdir": None, "nonsense": {"a": 1}},
    ],
)
def test_coercion_null_and_unknown_keys_are_forgiven(arguments):
    read = validate("exec", get("exec").params, arguments)
    assert (read.command, read.timeout, read.workdir) == ("ls", 30.0, None)


def test_numbers_in_env_are_text():
    read = validate("exec", get("exec").params, {"command": "ls", "env": {"PORT": 8080}})
    assert read.env == {"PORT": "8080"}
