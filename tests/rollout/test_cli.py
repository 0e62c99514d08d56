from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ise_env.errors import ConfigError
from ise_env.intents.load import load_intents
from ise_env.rollout.cli import main
from ise_env.traces.fsck import check_run
from ise_env.traces.layout import Layout, read_journal
from ise_env.traces.reader import read_run

COMMANDS = [
    "rollout",
    "eval",
    "stats",
    "show",
    "fsck",
    "merge",
    "schema",
    "doctor",
    "clean",
    "tools",
]


def start(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **options}
    return subprocess.Popen(
        [sys.executable, "-m", "ise_env.rollout.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.fixture
def many(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    path = tmp_path / "many.txt"
    path.write_text("".join(f"Do thing number {n}.\n" for n in range(400)))
    return path


def wait_for_records(run, at_least):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if Layout(run).is_run and sum(1 for _ in read_run(run)) >= at_least:
            return
        time.sleep(0.05)
    raise AssertionError("no episodes were finished")


def rollout(many, run, *more, agent="policies:Works"):
    where = ("--out", run, "--concurrency", 3)
    return start("rollout", "--intents", many, "--agent", agent, "--user", "none", *where, *more)


def descendants(pid):
    """Processes that a collector started, directly or not."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    parent_of = dict(map(int, line.split()) for line in listing.splitlines())
    found = {pid}
    while more := {child for child, parent in parent_of.items() if parent in found} - found:
        found |= more
    return found - {pid}


def all_gone(pids):
    """Whether processes have ended, or do so soon."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def wait_for_line(process, words):
    """Read standard error up to a line; returns what was read."""
    read = ""
    for line in process.stderr:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} was never said: {read}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, ise):
    status, out, _ = ise(command, "--help")
    assert status == 0
    assert "Example" in out
    assert f"ise {command}" in out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["rollout", "--out", "r"], 2, ["--agent is missing"]),
        (["rollout", "--out", "r", "--agent", "nop"], 2, ["--intents is missing"]),
        (["rollout", "--out", "r", "--agent", "nop", "--intents", "no.txt"], 2, ["no.txt"]),
        (["rollout", "--out", "r", "--agent", "nop", "--shard", "2/2"], 2, ["--shard 2/2"]),
        (["rollout", "--resume", "--out", "r"], 2, ["r: not a run"]),
        (["stats", "nowhere"], 2, ["nowhere: no such file"]),
        (["show", "nowhere", "0"], 2, ["nowhere: no such file"]),
        (["fsck", "nowhere"], 2, ["nowhere: not a run"]),
        (["eval", "--agents", "nop,nop", "--intents", "x", "--out", "e"], 2, ["same agent twice"]),
        (["merge", "a", "--out", "b"], 2, ["a: not a run"]),
        (["intents", "sample", "--out", "/proc/none/x"], 1, ["/proc/none"]),
    ],
)
def test_a_mistake_gets_one_line_and_a_status(tmp_path, monkeypatch, arguments, status, words, ise):
    monkeypatch.chdir(tmp_path)
    got, out, err = ise(*arguments)
    assert got == status
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert all(word in err for word in words)
    assert err.startswith("ise: ")
    assert list(tmp_path.iterdir()) == []


def test_the_error_itself_only_when_asked_for(monkeypatch):
    monkeypatch.setenv("ISE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["ise", "stats", "nowhere"])
    with pytest.raises(ConfigError):
        main()


def test_an_internal_error_is_one_line(ise, monkeypatch, tmp_path):
    monkeypatch.setattr("ise_env.traces.fsck.check_run", lambda run: 1 / 0)
    status, _, err = ise("fsck", tmp_path)
    assert status == 1
    assert err == ("ise: internal error, please report it: ZeroDivisionError: division by zero\n")


def test_sampled_intents_load_and_are_not_overwritten(tmp_path, ise):
    path = tmp_path / "intents.jsonl"
    assert ise("intents", "sample", "-n", 3, "--seed", 1, "--out", path)[0] == 0
    before = path.read_bytes()
    assert len(list(load_intents(path))) == 3
    status, _, err = ise("intents", "sample", "-n", 3, "--seed", 2, "--out", path)
    assert (status, path.read_bytes()) == (2, before)
    assert "--force" in err
    assert ise("intents", "sample", "-n", 4, "--seed", 1, "--out", path, "--force")[0] == 0
    assert path.read_bytes().startswith(before)


def test_from_intents_to_a_transcript(tmp_path, local_backend, ise):
    intents, run = tmp_path / "intents.jsonl", tmp_path / "run"
    assert ise("intents", "sample", "-n", 2, "--seed", 5, "--out", intents)[0] == 0
    arguments = ("--intents", intents, "--agent", "oracle", "--out", run, "--json")
    status, out, err = ise("rollout", *arguments)
    summary = json.loads(out)
    assert (status, summary["finished"], summary["succeeded"]) == (0, 2, 2), err
    status, out, _ = ise("stats", run, "--json")
    assert (status, json.loads(out)["succeeded"]) == (0, 2)
    assert "ISETrace" in ise("stats", run)[1]
    status, transcript, _ = ise("show", run, "0")
    assert status == 0
    assert "Success, reward 1." in transcript
    wanted = json.loads(ise("show", run, "1", "--json")[1])["episode_id"]
    assert wanted in ise("show", run, wanted[:8])[1]
    status, _, err = ise("show", run, "7")
    assert (status, err) == (2, f"ise: {run}: no episode number 7; it holds 2, from 0 on\n")
    status, _, err = ise("rollout", *arguments)
    assert (status, "already holds run" in err) == (2, True)
    assert ise("fsck", run)[0] == 0


def test_one_interrupt_finishes_what_is_played_and_resume_goes_on(
    tmp_path, many, local_backend, ise
):
    run = tmp_path / "run"
    process = rollout(many, run, "-n", 16)
    wait_for_records(run, 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finishing what is being played" in err
    assert "ise rollout --resume" in out
    assert "Traceback" not in err
    checkup = check_run(run)
    assert checkup.sound
    assert 3 <= checkup.records < 16
    assert Layout(run).read_manifest().status == "interrupted"
    status, out, _ = ise("rollout", "--resume", "--out", run, "--json", "--concurrency", 3)
    assert (status, json.loads(out)["finished"]) == (0, 16)
    assert check_run(run).findings == []
    assert len({r.episode_id for r in read_run(run)}) == 16


@pytest.mark.parametrize("last", [signal.SIGINT, signal.SIGTERM])
def test_stopping_at_once_does_not_wait_for_long_commands(tmp_path, many, local_backend, last):
    run = tmp_path / "run"
    process = rollout(many, run, agent="policies:Lingers")
    deadline = time.monotonic() + 60
    # The collector's spawner, and for each episode a sandbox, its first process, the command.
    while time.monotonic() < deadline and len(started := descendants(process.pid)) < 1 + 3 * 3:
        time.sleep(0.05)
    if last == signal.SIGINT:
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "finishing what is being played")
    began = time.monotonic()
    process.send_signal(last)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + last
    assert "stopping at once" in err
    assert "Traceback" not in err
    assert time.monotonic() - began < 60, "the command itself takes 300 s"
    assert all_gone(started)
    assert check_run(run).records == 0


def test_stopping_at_once_does_not_wait_for_a_model(tmp_path, many, local_backend):
    run = tmp_path / "run"
    process = rollout(many, run, agent="policies:Ponders")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(started := descendants(process.pid)) < 1 + 3 * 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err
    assert all_gone(started)
    ended = [e["at"] for e in read_journal(Layout(run)) if e["event"] in ("created", "ended")]
    assert len(ended) == 2, "it came to an orderly end"


def test_a_signal_before_the_first_episode_is_no_traceback(tmp_path, many, local_backend):
    process = rollout(many, tmp_path / "run")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not descendants(process.pid):
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err


def test_a_killed_collector_is_resumed_without_loss_or_duplicate(
    tmp_path, many, local_backend, ise
):
    run, finished = tmp_path / "run", set()
    process = rollout(many, run, "-n", 14)
    for kill_at in (3, 8):
        wait_for_records(run, kill_at)
        finished |= {r.episode_id for r in read_run(run)}
        started = descendants(process.pid)
        process.kill()
        process.communicate()
        assert all_gone(started)
        if kill_at == 3:
            process = start("rollout", "--resume", "--out", run, "--concurrency", 3)
    status, out, err = ise("rollout", "--resume", "--out", run, "--json")
    assert (status, json.loads(out)["finished"]) == (0, 14), err
    ids = [r.episode_id for r in read_run(run)]
    assert len(ids) == len(set(ids)) == 14
    assert finished <= set(ids)
    assert check_run(run).findings == []


def test_a_second_collector_is_kept_out(tmp_path, many, local_backend, ise):
    run = tmp_path / "run"
    process = rollout(many, run)
    wait_for_records(run, 1)
    status, _, err = ise("rollout", "--resume", "--out", run)
    process.kill()
    process.communicate()
    assert status == 2
    assert f"another collector is writing here (pid {process.pid}" in err


def test_output_into_a_closed_pipe_makes_no_noise():
    process = start("schema")
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr.read() == ""


def test_agents_are_split_at_the_right_commas():
    from ise_env.rollout.commands.evaluate import split_agents

    assert split_agents("oracle,faulty:rate=0.3,unnoticed=1,nop") == [
        "oracle",
        "faulty:rate=0.3,unnoticed=1",
        "nop",
    ]
    spec = "openai:m@http://a/v1#temperature=0.1,top_p=1"
    assert split_agents(f"{spec} nop") == [spec, "nop"]


def test_an_imported_run_is_read_but_not_continued(ise, tmp_path):
    record = {
        "intent": "tidy up",
        "intent_id": "i1",
        "messages": [{"role": "user", "content": "x"}],
    }
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    run = tmp_path / "run"
    status, out, _ = ise("import", "isetrace", path, "--out", run)
    assert (status, out.startswith("1 trajectories")) == (0, True)
    assert ise("stats", run)[0] == ise("show", run, "0")[0] == ise("fsck", run)[0] == 0
    status, _, err = ise("rollout", "--resume", "--out", run)
    assert (status, "imported records, which cannot be continued" in err) == (2, True)
    status, out, _ = ise("reexec", run)
    assert (status, "recorded elsewhere" in out) == (1, True)


def test_parts_of_a_job_array_are_merged(ise, many, tmp_path, local_backend):
    parts = [tmp_path / "p0", tmp_path / "p1"]
    for i, part in enumerate(parts):
        arguments = ("--intents", many, "-n", 5, "--agent", "policies:Say", "--user", "none", "-q")
        assert ise("rollout", *arguments, "--shard", f"{i}/2", "--out", part)[0] == 0
    status, out, _ = ise("merge", *parts, "--out", tmp_path / "all")
    assert (status, out) == (0, f"5 of 5 episodes in {tmp_path / 'all'}\n")
    assert ise("rollout", "--resume", "--out", tmp_path / "all", "-n", 6, "-q")[0] == 0
    assert check_run(tmp_path / "all").findings == []
