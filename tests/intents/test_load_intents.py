"""Intents from files: what is accepted, and how what is not is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.load import as_intent, load_intents
from ise_env.intents.model import Intent
from ise_env.intents.published import to_published

PUBLISHED = {
    "id": "intent_00c0ffee",
    "natural_language_intent": "Please tidy the scans and mail me the list.",
    "domains": ["7f1c"],
    "tasks": ["a", "b"],
    "persona_id": "77aa",
    "tools_used": ["x"],
    "skills_used": ["y"],
    "complexity": "medium",
    "metadata": {
        "persona": {
            "name": "Ada Byron",
            "role": "Archivist",
            "industry": "Museums",
            "expertise": ["Scanning"],
            "experience_level": "Senior",
            "communication_style": "Analytical",
            "work_context": "A county archive.",
        },
        "domains": [
            {
                "name": "file-io",
                "description": "Files.",
                "selected_tasks": [
                    {"name": "Sort Scans", "description": "Sort them."},
                    {"name": "List Files", "description": "List them."},
                ],
            }
        ],
    },
}


def _file(tmp_path: Path, content: str | bytes, name: str = "intents.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        list(load_intents(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_published_record_is_read_and_kept_whole(tmp_path: Path) -> None:
    (intent,) = load_intents(_file(tmp_path, json.dumps(PUBLISHED)))
    assert intent.source == "published"
    assert intent.id == PUBLISHED["id"]
    assert [task.title for task in intent.tasks] == ["Sort Scans", "List Files"]
    assert all(task.kit is None for task in intent.tasks)
    assert not intent.checked
    assert intent.domains == ("file-io",)
    assert intent.persona is not None
    assert intent.persona.id == "77aa"
    assert to_published(intent, {}) == PUBLISHED


def test_published_record_survives_our_own_format(tmp_path: Path) -> None:
    intent = as_intent(PUBLISHED)
    again = list(load_intents(_file(tmp_path, intent.model_dump_json() + "\n")))
    assert again == [intent]


def test_published_trajectory_names_its_intent(tmp_path: Path) -> None:
    record = {
        "intent_id": "intent_1",
        "intent": "Do it.",
        "messages": [{"role": "user", "content": "Do it."}],
        "metadata": {**PUBLISHED["metadata"], "session": {"huge": 1}},
    }
    (intent,) = load_intents(_file(tmp_path, json.dumps(record, indent=1), "t.json"))
    assert (intent.id, intent.utterance) == ("intent_1", "Do it.")
    assert intent.original is not None
    assert "messages" not in intent.original


def test_plain_text_skips_blank_lines_and_comments(tmp_path: Path) -> None:
    path = _file(tmp_path, "# mine\n\n  Sort the inbox.  \r\nFix the build.\n", "list.txt")
    intents = list(load_intents(path))
    assert [intent.utterance for intent in intents] == ["Sort the inbox.", "Fix the build."]
    assert intents[0].id == as_intent("Sort the inbox.").id
    assert {intent.source for intent in intents} == {"text"}


def test_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (intent,) = load_intents(_file(tmp_path, "\ufeffSort the inbox.", "list.txt"))
    assert intent.utterance == "Sort the inbox."


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_text_becomes_the_same_intent_each_time(text: str) -> None:
    assert as_intent(text) == as_intent(text)
    assert as_intent(text).utterance == text.strip()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"id": "a", "utterance": "x"}\n{"id": ', ":2: not JSON"),
        ('["a"]', ":1: each line must be a JSON object, not an array"),
        ('{"id": "a", "utterance": "x", "colour": 1}', ":1: field colour: unknown field; remove"),
        ('{"id": "a", "utterance": ""}', ":1: field utterance:"),
        ('{"id": "a", "text": "x"}', ":1: field utterance: missing"),
        ('{"id": "a", "utterance": "x", "complexity": "hard"}', ":1: field complexity:"),
        (
            '{"id": "a", "utterance": "x"}\n\n{"id": "a", "utterance": "y"}',
            ":3: field id: 'a' is already used at",
        ),
        (
            '{"id": "a", "utterance": "x", "tasks": [{"id": "t1", "domain": "d", "title": "t",'
            ' "kit": "d/k"}]}',
            "field tasks.0: kit and version go together",
        ),
        ('{"id": "a", "natural_language_intent": "  "}', "field natural_language_intent:"),
        ("\n \n", "holds no intent"),
        ("", "holds no intent"),
        (b'{"id": "a", "utterance": "caf\xe9"}', ":1: byte 0xe9 at position"),
        ("x".encode("utf-16"), "this is UTF-16"),
        (b"\x1f\x8b\x08\x00", "this is gzip"),
    ],
)
def test_bad_file_is_refused_in_one_line(tmp_path: Path, content: str | bytes, says: str) -> None:
    assert says in _refusal(_file(tmp_path, content))


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    assert "No such file" in _refusal(tmp_path / "nowhere.jsonl")
    assert "is a directory" in _refusal(tmp_path)


def test_records_of_a_json_list_are_counted(tmp_path: Path) -> None:
    path = _file(tmp_path, '[{"id": "a", "utterance": "x"}, {"id": "b"}]', "some.json")
    assert "record 2: field utterance: missing" in _refusal(path)


def test_good_lines_before_a_bad_one_are_yielded(tmp_path: Path) -> None:
    intents = load_intents(_file(tmp_path, '{"id": "a", "utterance": "x"}\nnot json\n'))
    assert next(intents).id == "a"
    with pytest.raises(ConfigError, match=":2: not JSON"):
        next(intents)


def test_intent_is_returned_as_it_is() -> None:
    intent = Intent(id="a", utterance="x")
    assert as_intent(intent) is intent
    with pytest.raises(ConfigError, match="expected an Intent, a dict or a string, not int"):
        as_intent(3)  # type: ignore[arg-type]
