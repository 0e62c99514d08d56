"""What counts as handed to a sub-agent."""

import pytest

from ise_env.rewards.checks import Delegated
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.traces.record import SubagentRecord


def child(task, *, label="", status="done", outcome="ok", messages=1):
    said = [{"role": "user", "content": task, "x": {}} for _ in range(messages)]
    if outcome:
        said.append({"role": "tool", "content": "", "x": {"outcome": {"status": outcome}}})
    return SubagentRecord(
        session_key="agent:main:subagent:1",
        run_id="1",
        begun_by="sessions_spawn",
        begun_in_step=1,
        label=label,
        task=task,
        status=status,
        result="",
        messages=said,
        tools=[],
        steps=1,
    )


def judge(check, *children):
    return Delegated(id="x", **check).judge(Evidence(frozen=None, subagents=children))


def test_each_name_needs_one_of_its_own():
    both = child("sum north and south")
    assert judge({"about": ("north", "south")}, both, child("sum north"))
    with pytest.raises(Unmet, match="no sub-agent of its own for south"):
        judge({"about": ("north", "south")}, both)


@pytest.mark.parametrize("status", ["running", "failed", "timeout", "killed"])
def test_one_that_did_not_end_well_does_not_count(status):
    with pytest.raises(Unmet, match="no sub-agent came to its end"):
        judge({}, child("x", status=status))


@pytest.mark.parametrize("outcome", ["", "nonzero_exit", "tool_error"])
def test_one_that_did_nothing_does_not_count(outcome):
    with pytest.raises(Unmet):
        judge({}, child("x", outcome=outcome))


def test_label_and_number_of_messages():
    assert judge({"label": "Scans", "messages": 2}, child("x", label="scans", messages=2))
    with pytest.raises(Unmet, match="labelled scans came to its end that was sent 2 messages"):
        judge({"label": "scans", "messages": 2}, child("x", label="scans"))
    with pytest.raises(Unmet, match="labelled scans"):
        judge({"label": "scans"}, child("x", label="other"))
