"""process, on live background sessions."""

import time

import numpy as np
import pytest

from ise_env.tools.sessions import Sessions
from ise_env.workspaces.protocol import Running


def start(call, command, **more):
    text = call.text("exec", command=command, background=True, **more)
    return text.split("session ")[1].split(",")[0]


def poll_until(call, name, part, deadline_s=20.0):
    """Poll until the text holds `part`; returns the answer that does."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        done = call("process", action="poll", sessionId=name, timeout=50)
        if part in done.message["content"]:
            return done
    raise AssertionError(f"{part!r} did not come: {done.message['content']}")


def test_poll_gives_only_what_is_new_and_then_the_end(call):
    name = start(call, "echo one; read x; echo got $x; exit 4")
    first = poll_until(call, name, "one")
    assert first.message["content"] == "one\n\nProcess still running."
    assert call.text("process", action="poll", sessionId=name) == (
        "(no new output)\n\nProcess still running."
    )
    assert call.text("process", action="write", sessionId=name, data="tea\n") == (
        f"Wrote 4 bytes to session {name}."
    )
    last = call("process", action="poll", sessionId=name, timeout=20_000)
    assert last.message["content"] == "got tea\n\nProcess exited with code 4."
    assert (last.outcome.status, last.outcome.exit_code) == ("nonzero_exit", 4)
    assert call.text("process", action="log", sessionId=name) == "one\ngot tea"
    assert call.text("process", action="clear", sessionId=name) == f"Cleared session {name}."
    assert call.error("process", action="poll", sessionId=name) == (
        f"No session found for {name}",
        "not_found",
    )


def test_poll_waits_for_the_end(call):
    name = start(call, "for i in 1 2 3; do echo $i; sleep 0.05; done")
    done = call("process", action="poll", sessionId=name, timeout=20_000)
    assert done.message["content"] == "1\n2\n3\n\nProcess exited with code 0."
    assert (done.outcome.status, done.outcome.exit_code) == ("ok", 0)


def test_output_before_the_yield_is_not_lost(call):
    call("exec", command="mkfifo gate")
    text = call.text("exec", command="echo early; cat gate", yieldMs=200)
    name = text.split("session ")[1].split(",")[0]
    assert poll_until(call, name, "early").message["content"].count("early") == 1
    call.text("exec", command="echo late > gate")
    done = poll_until(call, name, "exited")
    assert done.message["content"] == "late\n\nProcess exited with code 0."
    assert call.text("process", action="log", sessionId=name) == "early\nlate"


def test_eof_closes_stdin(call):
    name = start(call, "cat; sleep 30")
    assert call.text("process", action="write", sessionId=name, data="é", eof=True) == (
        f"Wrote 2 bytes to session {name} (stdin closed)."
    )
    assert call.error("process", action="write", sessionId=name, data="more") == (
        f"Session {name} stdin is not writable.",
        "stdin_closed",
    )
    call.text("process", action="remove", sessionId=name)


def test_list(fresh_call):
    call = fresh_call
    assert call.text("process", action="list") == "No running or recent sessions."
    first = start(call, "sleep 60")
    second = start(call, "exit 2")
    poll_until(call, second, "exited")
    lines = call.text("process", action="list").split("\n")
    assert lines[0].startswith(f"{first} running   ")
    assert lines[0].endswith(" :: sleep 60")
    assert lines[1].startswith(f"{second} failed    ")
    assert call.text("process", action="kill", sessionId=first)
    assert call.text("process", action="list").split("\n")[0].split()[1] == "killed"


@pytest.mark.parametrize("command", ["sleep 60", "trap '' TERM; while :; do sleep 0.1; done"])
def test_kill(call, command):
    name = start(call, command)
    assert call.text("process", action="kill", sessionId=name) == (
        f"Termination requested for session {name}."
    )
    done = call("process", action="poll", sessionId=name, timeout=20_000)
    assert "Process exited with signal SIG" in done.message["content"]
    assert done.outcome.status == "ok"  # it ended as it was told to
    assert done.outcome.signal in (9, 15)
    assert call.error("process", action="kill", sessionId=name) == (
        f"No active session found for {name}",
        "not_found",
    )


def test_a_session_that_dies_by_itself_is_a_failure(call):
    name = start(call, "kill -SEGV $$")
    done = poll_until(call, name, "exited")
    assert done.message["content"].endswith("Process exited with signal SIGSEGV.")
    assert (done.outcome.status, done.outcome.signal) == ("killed", 11)


def test_a_session_that_times_out(call):
    name = start(call, "sleep 60", timeout=0.2)
    done = poll_until(call, name, "exited")
    assert done.message["content"].endswith("Process exited with timeout.")
    assert done.outcome.status == "timeout"


def test_clear_is_for_finished_sessions_and_remove_for_all(call):
    name = start(call, "sleep 60")
    assert call.error("process", action="clear", sessionId=name)[0] == (
        f"No finished session found for {name}"
    )
    assert call.text("process", action="remove", sessionId=name) == (
        f"Removed session {name} (termination requested)."
    )
    assert call.error("process", action="remove", sessionId=name)[0] == (
        f"No session found for {name}"
    )


def test_log_windows(call):
    name = start(call, "seq 1 450")
    poll_until(call, name, "exited")
    text = call.text("process", action="log", sessionId=name)
    assert text.startswith("251\n252\n")
    assert text.endswith("\n450\n\n[showing last 200 of 450 lines; pass offset/limit to page]")
    assert call.text("process", action="log", sessionId=name, offset=9, limit=2) == "10\n11"
    assert call.text("process", action="log", sessionId=name, limit=2) == "449\n450"
    assert call.text("process", action="log", sessionId=name, offset=448) == "449\n450"
    assert call.text("process", action="log", sessionId=name, offset=9_000) == (
        "(no output recorded)"
    )


def test_lost_output_is_counted(call):
    name = start(call, "seq 1 500000; echo end")
    done = call("process", action="poll", sessionId=name, timeout=60_000)
    text = done.message["content"]
    total = sum(len(str(n)) + 1 for n in range(1, 500_001)) + 4
    count = int(text.split("[... ")[1].split(" bytes")[0].replace(",", ""))
    shown = text.split("left out ...]\n\n")[1].removesuffix("\n\nProcess exited with code 0.")
    assert done.outcome.status == "truncated"
    assert shown.endswith("500000\nend")
    assert count + len(shown) + 1 == total


def test_terminal_keys(call):
    name = start(call, 'read -r line; echo "[$line]"; sleep 60', pty=True)
    assert call.text("process", action="send-keys", sessionId=name, literal="a", keys=["b"]) == (
        f"Sent 2 bytes to session {name}."
    )
    assert call.text("process", action="submit", sessionId=name) == (
        f"Submitted session {name} (sent CR)."
    )
    poll_until(call, name, "[ab]")
    call.text("process", action="send-keys", sessionId=name, keys=["C-c"])
    done = poll_until(call, name, "exited")
    assert done.outcome.signal == 2 or done.outcome.exit_code == 130


def test_paste(call):
    name = start(call, "head -c 3; sleep 60")
    assert call.text("process", action="paste", sessionId=name, text="xyz", bracketed=False) == (
        f"Pasted 3 chars to session {name}."
    )
    poll_until(call, name, "xyz")
    assert call.error("process", action="paste", sessionId=name)[0] == "No paste text provided."
    assert call.error("process", action="send-keys", sessionId=name)[0] == "No key data provided."
    text = call.text("process", action="send-keys", sessionId=name, hex=["0a", "q"])
    assert text == f"Sent 1 bytes to session {name}.\nWarnings:\n- Invalid hex byte: q"
    call.text("process", action="remove", sessionId=name)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("poll", "No session found for no-such"),
        ("log", "No session found for no-such"),
        ("remove", "No session found for no-such"),
        ("write", "No active session found for no-such"),
        ("submit", "No active session found for no-such"),
        ("paste", "No active session found for no-such"),
        ("send-keys", "No active session found for no-such"),
        ("kill", "No active session found for no-such"),
        ("clear", "No finished session found for no-such"),
    ],
)
def test_unknown_sessions(call, action, message):
    assert call.error("process", action=action, sessionId="no-such") == (message, "not_found")


@pytest.mark.parametrize("arguments", [{}, {"sessionId": ""}, {"sessionId": None}])
def test_missing_session(call, arguments):
    assert call.error("process", action="poll", **arguments)[0] == (
        "sessionId is required for this action."
    )


def test_input_that_is_not_read_is_refused_in_the_end(call):
    name = start(call, "sleep 60")
    flood = "x" * 6_000_000
    for _ in range(2):
        call.text("process", action="write", sessionId=name, data=flood)
    assert call.error("process", action="write", sessionId=name, data=flood) == (
        f"Session {name} does not read its input; nothing was written.",
        "stdin_full",
    )
    call.text("process", action="remove", sessionId=name)


def test_more_sessions_than_the_workspace_keeps(fresh_call):
    names = [start(fresh_call, "true") for _ in range(140)]
    poll_until(fresh_call, names[-1], "exited")
    kept = fresh_call.text("process", action="list").split("\n")
    assert len(kept) >= 100
    assert kept[-1].startswith(names[-1])


def test_same_seed_same_names():
    def names():
        sessions, rng = Sessions(), np.random.default_rng(3)
        return [sessions.add(Running(n, n, b""), "x", rng).name for n in range(200)]

    assert names() == names()
    assert len(set(names())) == 200
