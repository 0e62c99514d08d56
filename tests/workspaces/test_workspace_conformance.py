"""What every backend must do; written against the protocol alone."""

from __future__ import annotations

import io
import signal
import tarfile
import threading
import time
from collections.abc import Callable

import pytest

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces.protocol import (
    Backend,
    Completed,
    Limits,
    Running,
    SeedFile,
    SessionView,
    Workspace,
    WorkspaceGone,
)

Make = Callable[..., Workspace]


def done(result: Completed | Running) -> Completed:
    assert isinstance(result, Completed)
    return result


def started(result: Completed | Running) -> Running:
    assert isinstance(result, Running)
    return result


def shell(workspace: Workspace, command: str, **options: object) -> str:
    return done(workspace.run(command, **options)).output.decode()  # type: ignore[arg-type]


def await_end(workspace: Workspace, session: int, within_s: float = 20.0) -> SessionView:
    deadline = time.monotonic() + within_s
    output = b""
    while time.monotonic() < deadline:
        view = workspace.poll(session, wait_s=1.0)
        output += view.output
        if not view.running:
            return SessionView(**{**view.__dict__, "output": output})
    raise AssertionError(f"session {session} did not end: {output!r}")


# --- where a command finds itself -------------------------------------------------------------


def test_identity_and_places(workspace: Workspace) -> None:
    assert shell(workspace, "id -un; id -u; id -g; pwd; echo $HOME; hostname").split() == [
        *("agent", "1000", "1000", "/workspace", "/home/agent", "workspace")
    ]


def test_environment_holds_nothing_of_the_host(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {line.partition("=")[0] for line in shell(workspace, "env").splitlines()}
    assert names <= {
        *("HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "TZ", "USER", "_")
    }


@pytest.mark.parametrize(
    "command",
    [
        "python3 -c 'import json, sqlite3, ssl; print(1)'",
        "awk 'BEGIN { print 1 }'",
        "touch a && tar cf a.tar a && tar tf a.tar",
        "git init -q . && git commit -q --allow-empty -m x && git log --format=%an | grep Agent",
        "mktemp && touch /run/x /dev/shm/x ~/x",
        "getent passwd agent && getent hosts localhost",
        "test -w /workspace && ! test -w /usr && ! test -w /etc",
        "python3 -c 'import multiprocessing as m; m.Lock(); m.Queue()'",
    ],
)
def test_ordinary_programs_work(workspace: Workspace, command: str) -> None:
    result = done(workspace.run(command))
    assert result.exit_code == 0, result.output


def test_loopback_works_inside(workspace: Workspace) -> None:
    script = (
        "import socket, threading\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "c = socket.create_connection(s.getsockname()); c.sendall(b'x')\n"
        "print(s.accept()[0].recv(1))\n"
    )
    assert done(workspace.run(["python3", "-c", script])).output == b"b'x'\n"


# --- running ----------------------------------------------------------------------------------


def test_exit_codes_and_signals(workspace: Workspace) -> None:
    assert done(workspace.run("exit 3")).exit_code == 3
    killed = done(workspace.run("kill -TERM $$"))
    assert (killed.exit_code, killed.signal) == (None, signal.SIGTERM)


def test_streams_are_merged_in_order(workspace: Workspace) -> None:
    result = done(workspace.run("echo a; echo b >&2; echo c"))
    assert (result.output, result.omitted, result.total) == (b"a\nb\nc\n", 0, 6)


def test_missing_and_forbidden_programs(workspace: Workspace) -> None:
    workspace.write("plain", b"text")
    assert done(workspace.run(["no-such-program"])).exit_code == 127
    refused = done(workspace.run(["./plain"]))
    assert refused.exit_code == 126
    assert b"ermission denied" in refused.output
    assert done(workspace.run(["./missing/program"])).exit_code == 127


def test_cwd_env_and_stdin(workspace: Workspace) -> None:
    shell(workspace, "mkdir -p sub/dir")
    assert shell(workspace, "pwd", cwd="sub/dir") == "/workspace/sub/dir\n"
    assert shell(workspace, "pwd", cwd="/tmp") == "/tmp\n"
    assert shell(workspace, "echo $A-$HOME", env={"A": "1", "HOME": "/x"}) == "1-/x\n"
    assert done(workspace.run("cat", stdin=b"\x00\xff")).output == b"\x00\xff"
    assert done(workspace.run("cat")).output == b""
    with pytest.raises(FileNotFoundError):
        workspace.run("true", cwd="nowhere")


def test_large_stdin_to_a_program_that_does_not_read(workspace: Workspace) -> None:
    assert done(workspace.run("true", stdin=b"x" * 4_000_000)).exit_code == 0
    counted = done(workspace.run("wc -c", stdin=b"x" * 4_000_000))
    assert counted.output.split() == [b"4000000"]


def test_head_and_tail_of_long_output(make: Make) -> None:
    workspace = make(limits=Limits(output_bytes=1_000))
    result = done(workspace.run("seq 1 100000"))
    assert len(result.output) == 1_000
    assert result.output.startswith(b"1\n2\n")
    assert result.output.endswith(b"99999\n100000\n")
    assert result.omitted + 1_000 == result.total == 588_895
    assert result.gap == 500


def test_timeout_kills_and_says_so(workspace: Workspace) -> None:
    result = done(workspace.run("echo before; sleep 100; echo after", timeout_s=1.0))
    assert result.timed_out
    assert result.output == b"before\n"
    assert result.signal == signal.SIGKILL


def test_daemon_does_not_hold_its_command(workspace: Workspace) -> None:
    result = done(workspace.run("(sleep 77; echo late) & echo started", timeout_s=20))
    assert result.output == b"started\n"
    assert result.duration_s < 10
    assert "sleep 77" in shell(workspace, "ps ax")


def test_daemon_may_go_on_printing(workspace: Workspace) -> None:
    shell(workspace, "(for i in 1 2 3 4 5 6; do echo x; sleep 0.05; done; touch survived) &")
    deadline = time.monotonic() + 20
    while "survived" not in workspace.listdir() and time.monotonic() < deadline:
        shell(workspace, "sleep 0.05")
    assert "survived" in workspace.listdir()


def test_terminal(workspace: Workspace) -> None:
    text = shell(workspace, "tty; stty size; test -t 1 && echo yes", pty=True)
    assert text.split() == ["/dev/pts/0", "24", "80", "yes"]
    session = started(workspace.run("cat", pty=True, yield_after_s=0)).session
    workspace.write_stdin(session, b"hello\n")
    workspace.write_stdin(session, b"", eof=True)
    view = await_end(workspace, session)
    assert view.exit_code == 0
    assert view.output == b"hello\r\nhello\r\n"


def test_odd_arguments(workspace: Workspace) -> None:
    assert done(workspace.run(["printf", "%s|", "a b", "", "\udcff", "ü"])).output == (
        b"a b||\xff|\xc3\xbc|"
    )
    with pytest.raises(OSError, match="zero byte"):
        workspace.run(["echo", "a\0b"])


# --- sessions ---------------------------------------------------------------------------------


def test_background_session(workspace: Workspace) -> None:
    running = started(workspace.run("read line; echo got $line; exit 4", yield_after_s=0))
    assert running.session == 1
    view = workspace.poll(1)
    assert (view.running, view.stdin_open, view.pid) == (True, True, running.pid)
    workspace.write_stdin(1, b"it\n", eof=True)
    view = await_end(workspace, 1)
    assert (view.output, view.exit_code, view.running) == (b"got it\n", 4, False)
    assert workspace.poll(1).output == b""
    with pytest.raises(BrokenPipeError):
        workspace.write_stdin(1, b"more")
    assert [view.session for view in workspace.sessions()] == [1]
    workspace.forget(1)
    assert workspace.sessions() == []
    with pytest.raises(KeyError):
        workspace.poll(1)


def test_command_goes_to_the_background_after_a_while(workspace: Workspace) -> None:
    running = started(workspace.run("echo early; sleep 2; echo late", yield_after_s=1.0))
    assert running.output == b"early\n"
    assert await_end(workspace, running.session).output == b"late\n"


def test_sessions_do_not_consume_output(workspace: Workspace) -> None:
    session = started(workspace.run("echo hi", yield_after_s=0)).session
    await_no_longer_running(workspace, session)
    assert workspace.sessions()[0].output == b"hi\n"
    assert workspace.poll(session).output == b"hi\n"


def await_no_longer_running(workspace: Workspace, session: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not next(v for v in workspace.sessions() if v.session == session).running:
            return
    raise AssertionError("still running")


def test_signals_reach_everything_of_a_session(workspace: Workspace) -> None:
    session = started(
        workspace.run("trap 'echo caught; exit 9' TERM; setsid sleep 55 & wait", yield_after_s=0)
    ).session
    deadline = time.monotonic() + 20
    while "sleep 55" not in shell(workspace, "ps ax") and time.monotonic() < deadline:
        pass
    workspace.signal(session, signal.SIGTERM)
    view = await_end(workspace, session)
    assert (view.output, view.exit_code) == (b"caught\n", 9)
    assert "sleep 55" not in shell(workspace, "ps ax")


def test_timeout_of_a_session(workspace: Workspace) -> None:
    session = started(workspace.run("sleep 100", yield_after_s=0, timeout_s=0.3)).session
    view = await_end(workspace, session)
    assert view.timed_out
    assert view.signal == signal.SIGKILL


def test_session_keeps_the_newest_output(make: Make) -> None:
    workspace = make(limits=Limits(output_bytes=1_000))
    session = started(workspace.run("seq 1 100000", yield_after_s=0)).session
    await_no_longer_running(workspace, session)
    view = workspace.poll(session)
    assert view.output.endswith(b"100000\n")
    assert view.omitted + len(view.output) == 588_895
    assert len(view.output) <= 1_000


def test_timeouts_spare_sessions_and_earlier_daemons(workspace: Workspace) -> None:
    session = started(workspace.run("(setsid sleep 61 &) ; sleep 62", yield_after_s=0)).session
    shell(workspace, "setsid sleep 63 & ")
    result = done(
        workspace.run("setsid sleep 71 & (sleep 72 &) ; nohup sleep 73 & sleep 74", timeout_s=1.0)
    )
    assert result.timed_out
    listed = shell(workspace, "ps ax -o args")
    assert {"sleep 61", "sleep 62", "sleep 63"} <= set(listed.splitlines())
    assert "sleep 7" not in listed
    assert workspace.poll(session).running


def test_threads_share_a_workspace(workspace: Workspace) -> None:
    results: list[bytes] = []

    def work(number: int) -> None:
        for _ in range(5):
            results.append(done(workspace.run(f"sleep 0.02; echo {number}")).output)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    slow = done(workspace.run("sleep 0.3; echo slow"))
    for thread in threads:
        thread.join(60)
    assert slow.output == b"slow\n"
    assert sorted(results) == sorted(f"{n}\n".encode() for n in range(6) for _ in range(5))


# --- files ------------------------------------------------------------------------------------


def test_write_and_read(workspace: Workspace) -> None:
    content = bytes(range(256)) * 100
    workspace.write("a/b/c.bin", content)
    assert workspace.read("/workspace/a/b/c.bin") == content
    assert shell(workspace, "stat -c '%U %a' a/b/c.bin a/b") == "agent 644\nagent 755\n"
    workspace.write("a/b/c.bin", b"short", mode=0o600)
    workspace.write("a/b/c.bin", b"again")
    found = workspace.stat("a/b/c.bin")
    assert (found.kind, found.size, found.mode) == ("file", 5, 0o600)
    assert list(workspace.listdir("a/b")) == ["c.bin"]


def test_write_follows_links_like_any_editor(workspace: Workspace) -> None:
    shell(workspace, "mkdir d; echo old > d/real; ln -s d/real link")
    workspace.write("link", b"new")
    assert workspace.stat("link").kind == "link"
    assert workspace.stat("link").target == "d/real"
    assert workspace.read("d/real") == b"new"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", FileNotFoundError),
        ("folder", IsADirectoryError),
        ("file/below", NotADirectoryError),
        ("", FileNotFoundError),
        ("a\0b", OSError),
        ("locked", PermissionError),
        ("x" * 300, OSError),
    ],
)
def test_reading_what_cannot_be_read(
    workspace: Workspace, path: str, error: type[Exception]
) -> None:
    shell(workspace, "mkdir folder; touch file locked; chmod 0 locked")
    with pytest.raises(error):
        workspace.read(path)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("folder", IsADirectoryError),
        ("file/below", NotADirectoryError),
        ("/usr/x", OSError),
        ("/etc/passwd", OSError),
        ("/", OSError),
        ("readonly", PermissionError),
    ],
)
def test_writing_where_nothing_can_be_written(
    workspace: Workspace, path: str, error: type[Exception]
) -> None:
    shell(workspace, "mkdir folder; touch file readonly; chmod 444 readonly")
    with pytest.raises(error):
        workspace.write(path, b"x")
    assert set(workspace.listdir()) == {"folder", "file", "readonly"}


def test_read_refuses_more_than_asked_for(workspace: Workspace) -> None:
    workspace.write("ten", b"0123456789")
    assert workspace.read("ten", max_bytes=10) == b"0123456789"
    with pytest.raises(OSError, match="most"):
        workspace.read("ten", max_bytes=9)
    with pytest.raises(OSError, match="more than 9 bytes"):
        workspace.read("/proc/self/maps", max_bytes=9)


def test_populate_is_reproducible(make: Make) -> None:
    files = [
        SeedFile("bin/tool", b"#!/bin/sh\necho run\n", mode=0o755),
        SeedFile("notes/ä.txt", b"x"),
        SeedFile("/home/agent/.profile", b"y"),
    ]
    archives = []
    for _ in range(2):
        workspace = make()
        workspace.populate(files)
        assert shell(workspace, "bin/tool; cat ~/.profile") == "run\ny"
        archives.append(workspace.archive())
    assert archives[0] == archives[1]
    assert workspace.stat("notes/ä.txt").mtime == 1_767_225_600


# --- what changed -----------------------------------------------------------------------------


def test_diff(workspace: Workspace) -> None:
    workspace.populate(
        [SeedFile(name, b"one") for name in ("keep", "edit", "gone", "touched", "mode", "dir/a")]
    )
    workspace.checkpoint()
    assert workspace.diff() == []
    shell(
        workspace,
        "echo two > edit; rm gone; touch touched; chmod 700 mode; mv dir/a dir/b; mkdir new;"
        "ln -s /etc/passwd new/link; mkfifo new/pipe",
    )
    live = {c.path: (c.change, c.kind) for c in workspace.diff()}
    assert live == {
        "dir/a": ("deleted", "file"),
        "dir/b": ("added", "file"),
        "edit": ("modified", "file"),
        "gone": ("deleted", "file"),
        "mode": ("modified", "file"),
        "new": ("added", "directory"),
        "new/link": ("added", "link"),
        "new/pipe": ("added", "other"),
    }
    frozen = {c.path: c for c in workspace.freeze().diff()}
    assert {p: (c.change, c.kind) for p, c in frozen.items()} == live
    assert frozen["edit"].sha256 == (
        "27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a"
    )


def test_diff_sees_content_behind_a_restored_time(workspace: Workspace) -> None:
    workspace.populate([SeedFile("a", b"one"), SeedFile("b", b"x" * 200_000)])
    workspace.checkpoint()
    shell(
        workspace, "cp -p a /tmp/a; cp -p b /tmp/b; printf two > a; printf y | dd of=b conv=notrunc"
    )
    shell(workspace, "touch -r /tmp/a a; touch -r /tmp/b b")
    assert [(c.path, c.change) for c in workspace.diff()] == [("a", "modified"), ("b", "modified")]


def test_archive_and_restore(make: Make) -> None:
    workspace = make()
    shell(
        workspace,
        "mkdir -p d/e; echo hi > d/e/f; chmod 750 d/e/f; ln -s ../f d/l; ln -s /workspace/d abs;"
        r"touch $'bad\xff name'; mkdir empty; ln d/e/f hard",
    )
    archive = workspace.archive()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {member.name: member for member in tar}
    assert {m.uname for m in members.values()} == {"agent"}
    assert {m.uid for m in members.values()} == {1000}
    again = make(template=archive)
    assert again.archive() == archive
    assert shell(again, "cat abs/e/f; stat -c %a d/e/f; readlink d/l; id -un") == (
        "hi\n750\n../f\nagent\n"
    )
    shell(again, "echo more >> d/e/f; rm -r empty; mkdir empty; echo x > empty/y")
    assert make(template=archive).archive() == archive


def test_templates_are_shared_and_never_written(backend: Backend, make: Make) -> None:
    files = [SeedFile(f"d{n % 3}/f{n}", b"x" * 1000) for n in range(50)]
    name = backend.prepare(files)
    first, second = make(template=name), make(template=files)
    assert first.image == second.image
    before = second.archive()
    shell(first, "rm -rf d0; mkdir d0; for f in d1/*; do echo y > $f; done; mv d2 e; chmod 0 e/*")
    assert second.archive() == before
    assert make(template=name).archive() == before
    with pytest.raises(ConfigError):
        make(template="no-such-template")
    with pytest.raises(ConfigError):
        make(template=[SeedFile("../up", b"")])
    with pytest.raises(ConfigError):
        make(template=b"not a tar")


# --- afterwards -------------------------------------------------------------------------------


def test_freeze(workspace: Workspace) -> None:
    workspace.populate([SeedFile("a", b"1")])
    workspace.checkpoint()
    session = started(workspace.run("while :; do date > beat; sleep 0.01; done", yield_after_s=0))
    shell(workspace, "ln -s a link; ln -s /workspace/sub/c abs; mkdir sub; echo c > sub/c")
    frozen = workspace.freeze()
    assert workspace.freeze() is frozen
    assert frozen.read("link") == b"1"
    assert frozen.read("/workspace/abs") == b"c\n"
    assert frozen.read("sub/../a") == b"1"
    assert frozen.stat("link").target == "a"
    assert set(frozen.walk()) - {"beat"} == {"a", "abs", "link", "sub", "sub/c"}
    assert set(frozen.walk("sub")) == {"c"}
    with pytest.raises(FileNotFoundError):
        frozen.read("none")
    with pytest.raises(IsADirectoryError):
        frozen.read("sub")
    with pytest.raises(OSError, match="most"):
        frozen.read("sub/c", max_bytes=1)
    with pytest.raises(WorkspaceGone):
        workspace.run("true")
    with pytest.raises(WorkspaceGone):
        workspace.poll(session.session)


def test_commands_over_a_frozen_tree(workspace: Workspace) -> None:
    workspace.write("a", b"1")
    shell(workspace, "echo 'echo trap' > ~/.bashrc; echo evil > ~/.gitconfig; touch /tmp/left")
    frozen = workspace.freeze()
    script = (
        "cat a hidden/test; echo 2 >> a; rm -f hidden/test; touch made; ls; ls -A ~ /tmp;"
        "env | sort | cut -d= -f1 | tr '\\n' ' '; echo oops >&2; cat"
    )
    results = [
        frozen.run(
            ["bash", "-c", script],
            env={"A": "1"},
            stdin=b"in",
            files=[SeedFile("hidden/test", b"h\n")],
        )
        for _ in range(2)
    ]
    assert results[0].output == results[1].output
    assert results[0].output.decode() == (
        "1h\na\nhidden\nmade\n/home/agent:\n\n/tmp:\n"
        "A HOME LANG LOGNAME PATH PWD SHELL SHLVL TERM TZ USER _ in"
    )
    assert results[0].stderr == b"oops\n"
    assert set(frozen.walk()) == {"a"}
    assert frozen.read("a") == b"1"
    slow = frozen.run(["sleep", "60"], timeout_s=0.2)
    assert slow.timed_out


def test_frozen_tree_with_a_template(make: Make) -> None:
    workspace = make(template=[SeedFile("d/a", b"1"), SeedFile("b", b"2")])
    workspace.checkpoint()
    shell(workspace, "rm -r d; mkdir d; echo 3 > d/c; echo 4 > b")
    frozen = workspace.freeze()
    assert [(c.path, c.change) for c in frozen.diff()] == [
        ("b", "modified"),
        ("d/a", "deleted"),
        ("d/c", "added"),
    ]
    assert frozen.run(["bash", "-c", "ls d; cat b; rm -r d; ls"]).output == b"c\n4\nb\n"
    assert frozen.read("d/c") == b"3\n"


def test_close_is_final_and_idempotent(make: Make) -> None:
    workspace = make()
    workspace.run("sleep 100 &")
    workspace.close()
    workspace.close()
    for use in (
        lambda: workspace.run("true"),
        lambda: workspace.read("x"),
        lambda: workspace.freeze(),
        lambda: workspace.diff(),
        lambda: workspace.archive(),
    ):
        with pytest.raises(WorkspaceGone):
            use()


def test_close_while_a_command_runs(make: Make) -> None:
    workspace = make()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            workspace.run("sleep 100")
        except WorkspaceError as error:
            caught.append(error)
        except WorkspaceGone as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not workspace.run("pgrep -f 'sleep 100'").output:  # type: ignore[union-attr]
        pass
    workspace.close()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(caught[0], WorkspaceGone)


def test_sparse_files_are_told_without_reading_terabytes(make: Make) -> None:
    workspace = make()
    workspace.checkpoint()
    done = workspace.run("truncate -s 30G a.bin && truncate -s 30G b.bin && echo small > c.txt")
    assert isinstance(done, Completed)
    assert done.exit_code == 0
    assert {c.path: c.size for c in workspace.diff()}["a.bin"] == 30 * 2**30
    with pytest.raises(OSError, match="more than"):
        workspace.archive()
    frozen = workspace.freeze()
    hashes = {c.path: c.sha256 for c in frozen.diff()}
    assert hashes["a.bin"] is hashes["b.bin"] is None
    assert hashes["c.txt"]
