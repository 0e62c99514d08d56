"""What crosses the border of a workspace, for every backend: descriptors, and paths as given."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from ise_env.workspaces.protocol import Completed, Workspace

Make = Callable[..., Workspace]
LIST = ["python3", "-c", "import os; print(*sorted(map(int, os.listdir('/proc/self/fd'))))"]
STANDARD = b"0 1 2 3\n"  # and the directory that is being listed


def test_commands_get_their_standard_streams_and_nothing_else(workspace: Workspace) -> None:
    """No way to the host's end of the conversation, nor to control groups, from inside."""
    workspace.run("sleep 1000", yield_after_s=0)
    for options in ({}, {"pty": True}, {"stdin": b"x"}):
        result = workspace.run(LIST, **options)  # type: ignore[arg-type]
        assert isinstance(result, Completed)
        assert result.output.replace(b"\r", b"") == STANDARD
    assert workspace.freeze().run(LIST).output == STANDARD


def test_zero_byte_in_a_path_harms_nobody(make: Make) -> None:
    neighbour, workspace = make(), make()
    neighbour.checkpoint()
    frozen = workspace.freeze()
    for look in (frozen.read, frozen.stat, frozen.walk):
        with pytest.raises(OSError, match="zero byte") as caught:
            look("a\0b")
        assert caught.value.errno == errno.EINVAL
    assert frozen.walk() == {}
    assert neighbour.diff() == []


def test_processes_are_told_with_what_they_are_children_of(workspace: Workspace) -> None:
    parent = ["bash", "-c", "sleep 1001; true"]
    workspace.run(parent, yield_after_s=0)
    workspace.run("setsid sleep 1002 > /dev/null &")
    workspace.run("until [ $(pgrep -c sleep) = 2 ]; do :; done", timeout_s=30)
    told = {process.argv: process.parent for process in workspace.freeze().processes()}
    assert told == {
        tuple(parent): (),
        ("sleep", "1001"): tuple(parent),
        ("sleep", "1002"): (),  # its own parent has ended
    }
