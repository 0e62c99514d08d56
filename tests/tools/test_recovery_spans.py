"""Which later call made a failure good."""

import pytest

from ise_env.tools.base import Outcome
from ise_env.tools.outcome import CallRecord, label_recoveries


def call(step, tool, arguments, status="ok", *, error=None, exit_code=None):
    code = exit_code
    if tool == "exec" and code is None:
        code = {"ok": 0, "truncated": 0, "nonzero_exit": 1}.get(status)
    return tool, arguments, step, Outcome(status=status, error=error, exit_code=code)


def spans(*calls):
    records = [
        CallRecord(step, f"c{number}", tool, arguments, outcome)
        for number, (tool, arguments, step, outcome) in enumerate(calls)
    ]
    return [(r.failed, r.recovered, r.calls_between) for r in label_recoveries(records)]


def run(step, command, status="ok", **more):
    return call(step, "exec", {"command": command}, status, **more)


def test_retry_of_the_same_line():
    assert spans(run(0, "make", "nonzero_exit"), run(1, "vi x"), run(2, "make")) == [
        ("c0", "c2", 1)
    ]


def test_one_call_may_recover_several_failures():
    assert spans(
        run(0, "pytest -q", "nonzero_exit"), run(1, "pytest -q", "timeout"), run(2, "pytest -q")
    ) == [("c0", "c2", 1), ("c1", "c2", 0)]


def test_the_earliest_success_counts_and_only_once():
    assert spans(run(0, "make", "nonzero_exit"), run(1, "make"), run(2, "make")) == [
        ("c0", "c1", 0)
    ]


@pytest.mark.parametrize(
    ("failed", "later"),
    [
        ("pip install -r requirements.txt", "pip3 install -r requirements.txt"),
        ("pip install flask", "python3 -m pip install --user flask"),
        ("python3 -m pytest", "python3 -m pytest -q tests"),
        ("pytest tests/test_a.py", "pytest -x tests/test_a.py -k total"),
        ("git commit -m 'a'", "git config user.name A && git commit -m 'a'"),
        ("git clone git@h:a/tool.git tool", "git clone https://h/a/tool.git tool"),
        ("python load.py in.csv", "python3 load.py in.csv --encoding latin-1"),
        ("cat reports/q1.csv", "cat old/q1.csv"),
        ("jq . data.json", "jq '.rows' data.json"),
    ],
)
def test_same_family_and_target(failed, later):
    assert spans(run(0, failed, "nonzero_exit"), run(1, later)) == [("c0", "c1", 0)]


@pytest.mark.parametrize(
    ("failed", "later"),
    [
        ("ls /data", "ls"),
        ("ls /data", "ls src"),
        ("pip install flask", "pip install numpy"),
        ("git merge a", "git merge b"),
        ("git push", "git pull"),
        ("pytest tests/test_a.py", "pytest tests/test_b.py"),
        ("python3 -c 'import a'", "python3 -c 'print(1)'"),
        ("grep -i smt list.txt | head -5", "find . | head -5"),
        ("make install", "make clean"),
    ],
)
def test_another_target_is_no_recovery(failed, later):
    assert spans(run(0, failed, "nonzero_exit"), run(1, later)) == []


def test_a_parallel_success_is_no_recovery():
    assert spans(run(3, "make", "nonzero_exit"), run(3, "make")) == []


def test_a_command_that_went_to_the_background_is_not_known_to_have_succeeded():
    waiting = ("exec", {"command": "make"}, 1, Outcome(status="ok"))
    assert spans(run(0, "make", "nonzero_exit"), waiting) == []


def test_failures_of_the_harness_are_not_the_agents():
    assert spans(run(0, "make", "harness_error"), run(1, "make")) == []


PATH = {"path": "src/a.py"}


@pytest.mark.parametrize(
    ("failed", "later", "recovered"),
    [
        (("edit", PATH), ("edit", {"path": "/workspace/src/a.py"}), True),
        (("edit", PATH), ("write", {"path": "./src/a.py"}), True),
        (("edit", PATH), ("read", PATH), False),
        (("edit", PATH), ("edit", {"path": "src/b.py"}), False),
        (("write", PATH), ("edit", PATH), False),
        (("read", PATH), ("write", PATH), False),
        (("read", PATH), ("read", {"path": "lib/a.py"}), False),
    ],
)
def test_files(failed, later, recovered):
    found = spans(call(0, *failed, "tool_error", error="no_match"), call(1, *later))
    assert bool(found) is recovered


def test_a_file_that_was_elsewhere():
    assert spans(
        call(0, "read", {"path": "config.yaml"}, "tool_error", error="not_found"),
        run(1, "find . -name config.yaml"),
        call(2, "read", {"path": "etc/config.yaml"}),
    ) == [("c0", "c2", 1)]


def test_sessions_need_the_same_action_and_name():
    kill = {"action": "kill", "sessionId": "calm-elk"}
    assert spans(call(0, "process", kill, "tool_error"), call(1, "process", kill))
    poll = {**kill, "action": "poll"}
    assert not spans(call(0, "process", kill, "tool_error"), call(1, "process", poll))


def test_searches_need_a_similar_query():
    first = {"query": "ISO 10218 collaborative robots", "freshness": "year"}
    assert spans(
        call(0, "web_search", first, "tool_error"),
        call(1, "web_search", {"query": "lunch menu"}),
        call(2, "web_search", {"query": "robots ISO 10218 safety"}),
    ) == [("c0", "c2", 1)]


def test_other_tools_need_the_same_first_argument():
    page = {"url": "http://a.test/x"}
    assert spans(call(0, "web_fetch", page, "tool_error"), call(1, "web_fetch", page))
    other = {"url": "http://a.test/y"}
    assert not spans(call(0, "web_fetch", page, "tool_error"), call(1, "web_fetch", other))


def test_unreadable_arguments_are_made_good_by_the_next_success_of_the_tool():
    assert spans(
        call(0, "exec", None, "tool_error", error="bad_json"), run(1, "false", "nonzero_exit"),
        run(2, "ls"),
    ) == [("c0", "c2", 1)]  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "later", "recovered"),
    [
        (("bash", {"command": "ls -a"}), ("exec", {"command": "ls -a"}), True),
        (("bash", {"cmd": "ls -a"}), ("exec", {"command": "ls -a"}), True),
        (("bash", {"command": "ls -a"}), ("exec", {"command": "pwd"}), False),
        (("create_file", {"path": "a.md", "content": "x"}), ("write", {"path": "a.md"}), True),
        (("create_file", {"path": "a.md"}), ("write", {"path": "b.md"}), False),
        (("view_file", {"file_path": "a.md"}), ("read", {"path": "a.md"}), True),
        (("str_replace", {"path": "a.md", "old_str": "x"}), ("edit", {"path": "a.md"}), True),
        (("lookup", {"name": "Ada Lovelace"}), ("search", {"name": "Ada Lovelace"}), True),
        (("lookup", {"name": "Ada Lovelace"}), ("exec", {"command": "ls"}), False),
    ],
)
def test_an_unknown_tool_is_made_good_by_the_tool_it_stood_for(failed, later, recovered):
    found = spans(call(0, *failed, "tool_error", error="unknown_tool"), call(1, *later))
    assert bool(found) is recovered


def test_a_parameter_by_another_name():
    bad = {"status": "tool_error", "error": "bad_arguments"}
    assert spans(call(0, "exec", {"cmd": "ls -a"}, **bad), run(1, "pwd"), run(2, "ls -a")) == [
        ("c0", "c2", 1)
    ]
    assert spans(call(0, "read", {"file": "a.md"}, **bad), call(1, "read", {"path": "a.md"}))
    assert not spans(call(0, "read", {"file": "a.md"}, **bad), call(1, "read", {"path": "b.md"}))


@pytest.mark.parametrize(
    ("failed", "later", "recovered"),
    [
        ("ptyhon3 clean.py", "python3 clean.py", True),
        ("grpe -c x a.log", "grep -c x a.log", True),
        ("igt status", "git status", True),
        ("grpe -c x a.log", "grep -c y b.log", False),
        ("ls a.log", "ln a.log b.log", False),
    ],
)
def test_a_mistyped_program(failed, later, recovered):
    assert bool(spans(run(0, failed, "nonzero_exit", exit_code=127), run(1, later))) is recovered


@pytest.mark.parametrize(
    ("failed", "later", "recovered"),
    [
        ("git stauts -sb", "git status -sb", True),
        ("git lgo main", "git log main", True),
        ("cat notes/SPEC..md", "cat notes/SPEC.md", True),
        ("wc -l data/nrth.csv", "wc -l data/north.csv", True),
        ("wc -l data/q1.csv", "wc -l data/q2.csv", False),
        ("wc -l data/q1.csv", "wc -l data/q11.csv", False),
        ("find photos -name 'a*'", "find photos -type d", False),
        ("grep total out.log", "grep count out.log", False),
        ("chmod +x steps/*.sh; ./run.sh", "chmod +x go.sh && ./go.sh data", False),
        ("./run.sh", "chmod +x run.sh && ./run.sh", True),
        ("./run.sh", "bash run.sh", True),
        ("cta a.log | grep x", "cat a.log | grep x", True),
        ("pytho3n a.py", "python3 a.py", True),
        ("act a.log | grep x", "cut b.log | grep x", False),
        ("python3 - a.csv <<'E'\nimport a\nE", "python3 - b.csv <<'E'\nimport a\nE", False),
    ],
)
def test_slips_and_what_is_only_near(failed, later, recovered):
    assert bool(spans(run(0, failed, "nonzero_exit"), run(1, later))) is recovered


def test_the_same_line_in_another_folder_is_another_thing():
    def inside(step, folder, status="ok"):
        return call(step, "exec", {"command": "./run.sh", "workdir": folder}, status)

    assert not spans(inside(0, "a", "nonzero_exit"), inside(1, "b"))
    assert spans(inside(0, "depot", "nonzero_exit"), inside(1, "dpot"))


def test_a_conflict_is_made_good_by_the_commit():
    merge = run(0, "git merge feature", "nonzero_exit")
    commit = run(2, "git add a.ini && git commit -q --no-edit")
    assert spans(merge, run(1, "git status"), commit) == [("c0", "c2", 1)]
    assert not spans(merge, run(1, "git merge --abort"), commit)
    picked = run(0, "git cherry-pick abc", "nonzero_exit")
    assert spans(picked, run(1, "git cherry-pick --continue")) == [("c0", "c1", 0)]


def test_a_file_shown_by_other_means():
    timeout = run(0, "tail -n 40 -f a/b.log", "timeout")
    assert spans(timeout, call(1, "read", {"path": "a/b.log"})) == [("c0", "c1", 0)]
    assert not spans(timeout, call(1, "read", {"path": "a/c.log"}))


def test_a_folder_taken_for_a_file():
    folder = call(0, "read", {"path": "notes"}, "tool_error", error="is_directory")
    assert spans(folder, call(1, "read", {"path": "notes/a.md"})) == [("c0", "c1", 0)]
    assert not spans(folder, call(1, "read", {"path": "other/a.md"}))


def test_plain_tuples_will_do():
    ok, bad = Outcome(status="ok", exit_code=0), Outcome(status="nonzero_exit", exit_code=2)
    found = label_recoveries(
        [(0, "a", "exec", {"command": "make"}, bad), (1, "b", "exec", {"command": "make"}, ok)]
    )
    assert [(r.failed, r.recovered, r.tool) for r in found] == [("a", "b", "exec")]


def test_outcomes_are_marked_also_where_ids_come_again():
    failed, other = Outcome(status="nonzero_exit"), Outcome(status="ok", exit_code=0)
    good = Outcome(status="ok", exit_code=0, recovered_by="stale")
    label_recoveries(
        [
            (0, "0", "exec", {"command": "make"}, failed),
            (1, "0", "exec", {"command": "ls"}, other),
            (2, "0", "exec", {"command": "make"}, good),
        ]
    )
    assert [each.recovered_by for each in (failed, other, good)] == ["0", None, None]


@pytest.mark.parametrize(
    ("tool", "failed", "later", "recovers"),
    [
        ("cron", {"action": "add", "job": {"a": 1}}, {"action": "list"}, False),
        ("cron", {"action": "add", "job": {"a": 1}}, {"action": "add", "job": {"b": 2}}, True),
        ("subagents", {"action": "kill", "target": "x"}, {"action": "list"}, False),
        (
            "message",
            {"channel": "chat", "target": "#a", "message": ""},
            {"channel": "chat", "target": "#a", "message": "x"},
            True,
        ),
        (
            "sessions_send",
            {"label": "a", "message": "x"},
            {"message": "x again", "label": "a"},
            True,
        ),
        ("sessions_history", {"sessionKey": "a"}, {"sessionKey": "b"}, False),
    ],
)
def test_tools_with_actions_are_about_the_same_thing(tool, failed, later, recovers):
    calls = [
        (0, "a", tool, failed, Outcome(status="tool_error", error="x")),
        (1, "b", tool, later, Outcome(status="ok")),
    ]
    assert bool(label_recoveries(calls)) is recovers
