"""Slips go wrong in the real workspace, and are made good because of what it says."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest

from ise_env.agents import slips
from ise_env.agents.scripted import SlippedCall, arguments_of
from ise_env.tasks.kit import ToolCall, ToolReply
from ise_env.tools.base import ToolContext
from ise_env.tools.dispatch import dispatch
from ise_env.tools.registry import resolve
from ise_env.workspaces.protocol import SeedFile

MEANT = {
    "read": ToolCall("read", {"path": "data/report.txt"}),
    "edit": ToolCall(
        "edit", {"path": "data/report.txt", "oldText": "second line", "newText": "2nd line"}
    ),
    "write": ToolCall("write", {"path": "data/new.txt", "content": "new\n"}),
    "exec": ToolCall("exec", {"command": "grep -c line data/report.txt"}),
    "git": ToolCall("exec", {"command": "git status --short", "workdir": "data"}),
    "workdir": ToolCall("exec", {"command": "wc -l report.txt", "workdir": "data"}),
}
FITTING = {
    slips.broken_json: list(MEANT),
    slips.wrong_parameter: list(MEANT),
    slips.missing_parameter: ["edit", "write"],
    slips.unknown_tool: list(MEANT),
    slips.misspelt_command: ["exec", "git"],
    slips.misspelt_subcommand: ["git"],
    slips.forgotten_workdir: ["git", "workdir"],
    slips.wrong_workdir: ["git", "workdir"],
    slips.wrong_path: ["read", "edit"],
    slips.wrong_path_in_command: ["exec"],
    slips.folder_for_file: ["read"],
    slips.stale_text: ["edit"],
    slips.endless_command: ["read"],
}


@pytest.fixture
def context(local_backend: Any) -> Iterator[ToolContext]:
    workspace = local_backend.create()
    workspace.populate([SeedFile("data/report.txt", b"first line\nsecond line\n")])
    workspace.populate([SeedFile("data/reports.txt", b"another\n")])
    workspace.run("git init -q data")
    workspace.checkpoint()
    yield ToolContext(workspace, np.random.default_rng(0))
    workspace.close()


def play(
    steps: Generator[Any, list[ToolReply], Any], context: ToolContext
) -> tuple[list[ToolCall], list[Any], Any]:
    """Run steps in the workspace; returns the calls, their outcomes, and what was returned."""
    made, outcomes = [], []
    try:
        call = next(steps)
        while True:
            function = {"name": call.tool, "arguments": arguments_of(call)}
            wire = {"id": f"c{len(made)}", "type": "function", "function": function}
            (done,) = dispatch({"tool_calls": [wire]}, resolve(None), context)
            made.append(call)
            outcomes.append(done.outcome)
            call = steps.send([ToolReply(done.message["content"])])
    except StopIteration as stop:
        return made, outcomes, stop.value


@pytest.mark.parametrize(
    ("make", "kind"),
    [(make, kind) for make, kinds in FITTING.items() for kind in kinds],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_slip_fails_really_and_is_made_good(
    make: slips.MakeSlip, kind: str, context: ToolContext
) -> None:
    slip = make(MEANT[kind], np.random.default_rng(5))
    assert slip is not None
    made, outcomes, replies = play(slip, context)
    assert isinstance(made[0], SlippedCall)
    assert outcomes[0].status not in ("ok", "harness_error")
    assert made[-1] == MEANT[kind]
    assert outcomes[-1].status == "ok"
    assert len(replies) == 1
    assert not replies[0].failed


def test_every_slip_has_a_test_and_words() -> None:
    from ise_env.agents.phrases import say

    assert set(FITTING) == set(slips.SLIPS)
    for make in slips.SLIPS:
        assert say(np.random.default_rng(0), "slips", make.__name__)


@pytest.mark.parametrize(
    "command",
    ["rm -f a; ls", "cat > x <<E\nE", "ls & wait", "echo $(date)", "ls\nrm x", "sort a > b"],
)
def test_what_would_still_run_in_part_is_not_misspelt(command: str) -> None:
    call = ToolCall("exec", {"command": command})
    assert slips.misspelt_command(call, np.random.default_rng(0)) is None
    assert slips.wrong_path_in_command(call, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    "command", ["python3 make.py > out.csv", "python3 - <<'E'\nE", "mkdir -p out", "ls", "cp a b"]
)
def test_what_would_run_elsewhere_keeps_its_folder(command: str) -> None:
    call = ToolCall("exec", {"command": command, "workdir": "data"})
    assert slips.wrong_workdir(call, np.random.default_rng(0)) is None
    assert slips.forgotten_workdir(call, np.random.default_rng(0)) is None


def test_parallel_calls_are_left_alone() -> None:
    def solution() -> Generator[Any, list[ToolReply], str]:
        replies = yield [MEANT["read"], MEANT["exec"]]
        return f"{len(replies)} replies"

    steps = slips.with_slips(solution(), np.random.default_rng(0), rate=1.0)
    assert next(steps) == [MEANT["read"], MEANT["exec"]]
    with pytest.raises(StopIteration) as stopped:
        steps.send([ToolReply("a"), ToolReply("b")])
    assert stopped.value.value == "2 replies"


def test_the_rate_is_kept() -> None:
    def solution() -> Generator[Any, list[ToolReply], str]:
        for _ in range(400):
            yield MEANT["write"]
        return "done"

    steps = slips.with_slips(solution(), np.random.default_rng(0), rate=0.2)
    slipped = 0
    try:
        call = next(steps)
        while True:
            slipped += isinstance(call, SlippedCall)
            call = steps.send([ToolReply("")])
    except StopIteration:
        assert 50 < slipped < 110
