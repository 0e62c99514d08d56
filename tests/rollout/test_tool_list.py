"""ise tools: every tool, what it needs, and whether it is there."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("local_backend")


def test_the_reference_set_is_listed(ise):
    status, out, _ = ise("tools", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0
    reference = (
        "exec process read write edit web_search web_fetch memory_search memory_get sessions_list "
        "sessions_history sessions_send sessions_spawn session_status subagents agents_list tts"
    ).split()
    assert [name for name, row in rows.items() if row["default"]] == reference
    assert rows["apply_patch"]["default"] is False
    assert rows["web_search"]["missing"] == "the task has no web sites"
    assert rows["exec"]["missing"] == ""
    assert rows["sessions_spawn"]["needs"].startswith("a policy for sub-agents")
    assert rows["read"]["schema"]["function"]["parameters"]["required"] == ["path"]


def test_the_table_says_what_is_missing(ise):
    status, out, _ = ise("tools")
    assert status == 0
    assert "apply_patch" in out
    assert "by name)" in out
    assert "works" in out
