"""The check that asks what was running at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ise_env.rewards.checks import ANY_CHECK, Processes, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.workspaces.protocol import Backend, SeedFile

PROGRAM = "import sys, time\nopen(sys.argv[1], 'w').close()\nwhile True: time.sleep(60)\n"
START = "python3 worker.py {0} </dev/null >/dev/null 2>&1 & until [ -e {0} ]; do :; done"


def worker(name: str, **fields: object) -> Processes:
    command = TextMatch(contains=(f"worker.py {name}",))
    return Processes.model_validate({"id": "p", "command": command, **fields})


@pytest.fixture
def frozen(local_backend: Backend) -> Iterator[Evidence]:
    """Two workers from the start, one of them killed; one more started later, with a link to it."""
    with local_backend.create(owner="tests of checks") as workspace:
        workspace.populate([SeedFile("worker.py", PROGRAM.encode())])
        for name in ("red", "blue"):
            workspace.run(["bash", "-c", START.format(name)])
        workspace.checkpoint()
        workspace.run("pkill -f 'worker.py red'")
        workspace.run(["bash", "-c", START.format("green")])
        workspace.run("exec -a 'python3 worker.py red' true")
        yield Evidence(workspace.freeze())


def test_the_living_and_the_gone(frozen: Evidence) -> None:
    assert worker("blue", since_start=True).judge(frozen)
    assert worker("green").judge(frozen)
    assert worker("red", count=0).judge(frozen)
    assert [p.argv[-1] for p in frozen.frozen.processes()] == ["blue", "green"]


def test_what_does_not_hold_names_who_was_there(frozen: Evidence) -> None:
    with pytest.raises(Unmet, match=r"1 processes.*not 0.*worker.py blue, python3 worker.py green"):
        worker("blue", count=0).judge(frozen)
    with pytest.raises(Unmet, match=r"0 processes with “worker.py green” were running, not 1"):
        worker("green", since_start=True).judge(frozen)


def test_what_starts_just_before_and_just_after_the_checkpoint_is_told_apart(
    local_backend: Backend,
) -> None:
    for _ in range(8):
        with local_backend.create(owner="tests of checks") as workspace:
            workspace.run("sleep 60 >/dev/null 2>&1 </dev/null &")
            workspace.checkpoint()
            workspace.run("sleep 61 >/dev/null 2>&1 </dev/null &")
            workspace.run("until [ $(pgrep -c sleep) = 2 ]; do :; done")  # no shell any more
            running = workspace.freeze().processes()
        assert {p.argv[-1]: p.since_start for p in running} == {"60": True, "61": False}


def test_a_child_of_one_is_not_a_child_of_another(local_backend: Backend) -> None:
    with local_backend.create(owner="tests of checks") as workspace:
        workspace.checkpoint()
        workspace.run("bash -c 'sleep 60 & sleep 61 & wait' >/dev/null 2>&1 </dev/null &")
        workspace.run("sleep 62 >/dev/null 2>&1 </dev/null &")
        workspace.run("until [ $(pgrep -c sleep) = 3 ]; do :; done")
        left = Evidence(workspace.freeze())
    sleeping = TextMatch(matches=(r"^sleep 6\d$",))
    below = TextMatch(matches=("^bash -c sleep 60",))
    check = Processes(id="p", command=sleeping, parent=below, count=2)
    assert check.judge(left)
    assert Processes(id="p", command=sleeping, count=3).judge(left)
    with pytest.raises(Unmet, match=r"2 processes with .* below something like .*, not 3"):
        check.model_copy(update={"count": 3}).judge(left)


def test_it_travels_as_json() -> None:
    check = worker("blue", count=2)
    assert ANY_CHECK.validate_json(check.model_dump_json()) == check


def test_a_workspace_that_ended_by_itself_has_no_processes(local_backend: Backend) -> None:
    with local_backend.create(owner="tests of checks") as workspace:
        workspace.checkpoint()
        assert workspace.freeze().processes() == ()
