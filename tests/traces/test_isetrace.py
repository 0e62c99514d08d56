from __future__ import annotations

import json

import pytest

from ise_env.errors import ConfigError
from ise_env.traces.importer import import_isetrace
from ise_env.traces.isetrace import differences, from_isetrace, to_isetrace
from ise_env.traces.reader import read_invalid, read_run, read_tools
from ise_env.traces.record import Trajectory


def call(id_, command, **changes):
    arguments = {"command": command}
    function = {"name": "exec", "arguments": json.dumps(arguments)} | changes
    return {"id": id_, "type": "function", "function": function}


def result(id_, content, success=True):
    return {
        "role": "tool",
        "name": "exec",
        "tool_call_id": id_,
        "content": content,
        "success": success,
    }


@pytest.fixture
def published():
    return {
        "status": "completed",
        "session_id": "intent_1__worker__77",
        "intent": "run the tests",
        "total_steps": 3,
        "enable_thinking": True,
        "messages": [
            {"role": "user", "content": "run the tests"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    call("a", "pytest -q"),
                    call("b", "", arguments={"command": "ls", "größe": 1}),
                ],
                "reasoning_content": "first look",
            },
            result("a", "1 failed\n\n(Command exited with code 1)"),
            result("b", "test_a.py"),
            {"role": "assistant", "content": "", "tool_calls": [call("c", "pytest -q")]},
            result("c", "1 passed"),
            {"role": "assistant", "content": "Done."},
        ],
        "tools": [{"type": "function", "function": {"name": "exec"}}],
        "skills": [{"name": "autopilot"}],
        "final_output": "Done.",
        "intent_id": "intent_1",
        "metadata": {"domains": [], "session": {"x": [1, None]}},
    }


def test_a_record_goes_in_and_comes_back_unchanged(published):
    imported = from_isetrace(published, "f:1")
    stored = Trajectory.model_validate_json(imported.trajectory.model_dump_json())
    back = to_isetrace(stored, imported.tools, imported.skills)
    assert json.dumps(back) == json.dumps(published)


def test_labels_are_recomputed_and_recoveries_found(published):
    trajectory = from_isetrace(published, "f:1").trajectory
    tools = [m for m in trajectory.messages if m["role"] == "tool"]
    assert [m["x"]["outcome"]["status"] for m in tools] == ["nonzero_exit", "ok", "ok"]
    assert tools[0]["x"]["outcome"]["recovered_by"] == "c"
    assert [(r.failed, r.recovered) for r in trajectory.recoveries] == [("a", "c")]
    assert [(d.call_id, d.published_success) for d in differences(trajectory)] == [("a", True)]


def test_messages_are_in_the_wire_shape(published):
    trajectory = from_isetrace(published, "f:1").trajectory
    assert trajectory.messages[1]["content"] == ""
    arguments = trajectory.messages[1]["tool_calls"][1]["function"]["arguments"]
    assert json.loads(arguments) == {"command": "ls", "größe": 1}
    assert (trajectory.success, trajectory.reward, trajectory.valid) == (None, None, True)


def test_one_of_ours_is_written_in_the_published_layout(make_trajectory):
    record = to_isetrace(make_trajectory(3), [{"type": "function"}])
    assert record["final_output"] == "0 1 2"
    assert [m["role"] for m in record["messages"]] == ["user", "assistant"]
    assert all("x" not in message for message in record["messages"])
    again = from_isetrace(record, "f:1").trajectory
    assert again.intent.utterance == "count to 3"


def test_import_makes_a_run(tmp_path, published):
    failed = {**published, "status": "error", "session_id": "other"}
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in (published, failed, published)))
    report = import_isetrace([path], tmp_path / "run")
    assert (report.records, report.duplicates, report.invalid) == (2, 1, 1)
    assert (report.published_failed, report.failed) == (0, 2)
    (record,) = read_run(tmp_path / "run")
    assert record.foreign is not None
    assert read_tools(tmp_path / "run", record.provenance.tools_sha256) == published["tools"]
    assert read_tools(tmp_path / "run", record.foreign["skills_sha256"]) == published["skills"]
    (invalid,) = read_invalid(tmp_path / "run", {record.episode_id})
    assert invalid.error.message == "status 'error'"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": "x"}, r"records\.jsonl:1: field messages: expected a list"),
        ({"messages": [{"content": "x"}]}, r"field messages\.0: expected an object with a role"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            r"field messages\.0\.tool_calls: not in the published layout",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\.0\.tool_call_id: missing"),
    ],
)
def test_a_bad_record_is_refused_before_anything_is_written(tmp_path, published, change, message):
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(published | change) + "\n")
    with pytest.raises(ConfigError, match=message):
        import_isetrace([path], tmp_path / "run")
    assert not (tmp_path / "run").exists()
