"""exec, in a live workspace."""

import json

import pytest

SLOW = "read -t 60 line < <(tail -f /dev/null)"
"""Waits for a minute without a program that the workspace may lack."""


def test_output_is_merged_and_trimmed(call):
    assert call.text("exec", command="echo out; echo err >&2; echo") == "out\nerr"


def test_no_output(call):
    done = call("exec", command="true")
    assert done.message["content"] == "(no output)"
    assert (done.outcome.status, done.outcome.exit_code) == ("ok", 0)
    assert done.outcome.duration_s > 0
    assert done.outcome.bytes == len("(no output)")


def test_nonzero_exit(call):
    done = call("exec", command="echo seen; exit 3")
    assert done.message["content"] == "seen\n\n(Command exited with code 3)"
    assert (done.outcome.status, done.outcome.exit_code) == ("nonzero_exit", 3)


def test_nonzero_exit_without_output(call):
    assert call("exec", command="false").message["content"] == "(Command exited with code 1)"


def test_command_not_found(call):
    message, error = call.error("exec", command="no-such-program --help")
    assert message.endswith("no-such-program: command not found\n\nCommand not found")
    assert error == "command_not_found"


def test_not_executable(call):
    call("write", path="plain.txt", content="x")
    done = call("exec", command="./plain.txt")
    value = json.loads(done.message["content"])
    assert value["error"].endswith("\n\nCommand not executable (permission denied)")
    assert (done.outcome.status, done.outcome.exit_code) == ("nonzero_exit", 126)


def test_error_text_has_the_reference_layout(call):
    text = call("exec", command="exit 127").message["content"]
    assert text == ('{\n  "status": "error",\n  "tool": "exec",\n  "error": "Command not found"\n}')


def test_timeout(call):
    done = call("exec", command=f"echo begun; {SLOW}", timeout=0.3)
    assert json.loads(done.message["content"])["error"] == (
        "begun\n\nCommand timed out after 0.3 seconds. If this command is expected to take "
        "longer, re-run with a higher timeout (e.g., exec timeout=300)."
    )
    assert (done.outcome.status, done.outcome.error) == ("timeout", "timeout")
    assert done.outcome.duration_s > 0.2


def test_signal(call):
    done = call("exec", command="kill -KILL $$")
    assert json.loads(done.message["content"])["error"] == "Command aborted by signal SIGKILL"
    assert (done.outcome.status, done.outcome.signal) == ("killed", 9)


def test_starts_in_the_workspace_with_its_own_environment(call):
    assert call.text("exec", command="pwd; echo $HOME; whoami") == "/workspace\n/home/agent\nagent"


def test_workdir_and_env(call):
    call("exec", command="mkdir -p deep/er ~/own")
    assert call.text("exec", command="pwd", workdir="deep/er") == "/workspace/deep/er"
    assert call.text("exec", command="pwd", workdir="~/own") == "/home/agent/own"
    assert call.text("exec", command="echo $A$B", env={"A": "x", "B": 2}) == "x2"


@pytest.mark.parametrize("workdir", ["nowhere", "/etc/passwd", "a" * 300])
def test_an_unavailable_workdir_is_said_and_replaced(call, workdir):
    text = call.text("exec", command="pwd", workdir=workdir)
    warning, _, rest = text.partition("\n\n")
    assert warning.startswith('Warning: workdir "/')
    assert warning.endswith('is unavailable; using "/workspace".')
    assert rest == "/workspace"


def test_bytes_that_are_no_text(call):
    assert call.text("exec", command=r"printf 'a\377b\000c'") == "a\ufffdb\0c"


def test_long_output_is_cut_in_the_middle_and_said_to_be(call):
    done = call("exec", command="seq 1 200000")
    text = done.message["content"]
    assert done.outcome.status == "truncated"
    assert text.startswith("1\n2\n")
    assert text.endswith("\n200000")
    total = sum(len(str(n)) + 1 for n in range(1, 200_001))
    head, rest = text.split("\n\n[... ")
    count, tail = rest.split(" bytes of output left out ...]\n\n")
    assert int(count.replace(",", "")) == total - len(head) - len(tail) - 1
    assert 150_000 < done.outcome.bytes < 210_000
    numbers = [int(n) for n in head.split("\n")[:-1]], [int(n) for n in tail.split("\n")[1:]]
    for each in numbers:  # the cut is where it is said to be
        assert each == list(range(each[0], each[0] + len(each)))


def test_long_output_of_a_failing_command_is_a_failure(call):
    done = call("exec", command="seq 1 200000; exit 2")
    assert (done.outcome.status, done.outcome.exit_code) == ("nonzero_exit", 2)
    assert done.message["content"].endswith("\n200000\n\n(Command exited with code 2)")


def test_a_command_longer_than_the_system_takes(call):
    message, error = call.error("exec", command="echo " + "x" * 200_000)
    assert "write a script" in message
    assert error == "too_large"
    assert call.text("exec", command="echo " + "x" * 120_000) == "x" * 120_000


def test_stdin_is_empty(call):
    assert call.text("exec", command="cat; echo end") == "end"


def test_pty(call):
    assert call.text("exec", command="test -t 1 && echo terminal", pty=True) == "terminal"
    assert call.text("exec", command="test -t 1 || echo pipe") == "pipe"


def test_background(call):
    text = call.text("exec", command=SLOW, background=True)
    name = text.split("session ")[1].split(",")[0]
    assert text.startswith("Command still running (session ")
    assert text.endswith("Use process (list/poll/log/write/kill/clear/remove) for follow-up.")
    adjective, noun = name.split("-")
    assert adjective.isalpha()
    assert noun.isalpha()
    call.text("process", action="remove", sessionId=name)


def test_yields_after_a_while(call):
    done = call("exec", command=f"echo early; {SLOW}", yieldMs=50)
    assert done.message["content"].startswith("Command still running")
    assert (done.outcome.status, done.outcome.exit_code) == ("ok", None)
    name = done.message["content"].split("session ")[1].split(",")[0]
    call.text("process", action="remove", sessionId=name)


def test_a_quick_command_does_not_yield(call):
    assert call.text("exec", command="echo done", yieldMs=5_000) == "done"


@pytest.mark.parametrize(
    ("arguments", "timeout_s", "yield_s"),
    [
        ({}, 1800.0, 10.0),
        ({"timeout": 5}, 5.0, 10.0),
        ({"timeout": 0}, None, 10.0),
        ({"timeout": 1e300}, 7 * 86_400.0, 10.0),
        ({"yieldMs": 1}, None, 0.01),
        ({"yieldMs": 10**9}, None, 120.0),
        ({"yieldMs": 200, "timeout": 3}, 3.0, 0.2),
        ({"background": True}, None, 0.0),
        ({"background": True, "timeout": 9}, 9.0, 0.0),
        ({"background": False}, 1800.0, 10.0),
    ],
)
def test_timeout_and_yield_rules(arguments, timeout_s, yield_s):
    from ise_env.tools import exec as module

    p = module.ExecParams.model_validate({"command": "true", **arguments})
    assert (module._timeout_s(p), module._yield_s(p)) == (timeout_s, yield_s)
