"""Nothing leaks: whatever becomes of the host process, and at whatever moment."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces import channel as channels
from ise_env.workspaces import make_backend
from ise_env.workspaces.census import census
from ise_env.workspaces.local import cgroups, owners, templates
from ise_env.workspaces.local.backend import LocalBackend
from ise_env.workspaces.local.workspace import LocalWorkspace
from ise_env.workspaces.protocol import Backend, Completed, Limits, Running, SeedFile, Workspace

STAGES = {
    "spawner": "b.create(allow_degraded=weak).close()",
    "created": "w = b.create(allow_degraded=weak)",
    "template": "w = b.create(allow_degraded=weak, template=[SeedFile('a', b'x')])",
    "running": "w = b.create(allow_degraded=weak)\n"
    "import threading\n"
    "threading.Thread(target=w.run, args=('sleep 1000',), daemon=True).start()\n"
    "while b'sleep 1000' not in w.run('ps ax').output: pass",
    "session": "w = b.create(allow_degraded=weak); w.run('setsid yes', yield_after_s=0)",
    "frozen": "w = b.create(allow_degraded=weak); w.freeze()",
    "checking": "w = b.create(allow_degraded=weak); f = w.freeze()\n"
    "import threading\n"
    "threading.Thread(target=f.run, args=(['sleep', '1000'],), daemon=True).start()\n"
    "import time; time.sleep(0.5)",
    "many": "w = [b.create(allow_degraded=weak) for _ in range(5)]",
}

PROGRAM = """
import sys
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import SeedFile
b = make_backend("local")
weak = {weak!r}
{stage}
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _local_works(probe: object) -> None:
    """Skip where it does not."""


def descendants(pid: int) -> dict[int, int]:
    """Map every process below `pid` to its start time."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found: dict[int, int] = {}
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh}
        found.update({child: owners.started(child) or 0 for child in fresh})
    return found


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(processes: dict[int, int]) -> list[int]:
    return [pid for pid, started in processes.items() if owners.started(pid) == started]


def groups_of(pid: int) -> list[Path]:
    found = []
    for parent in set(cgroups.place().parents.values()):
        found += list(parent.glob(f"ise-{owners.boot()}-{pid}-*"))
    return found


def mounted() -> set[str]:
    """What is mounted on the host, without what a Docker engine does meanwhile."""
    engine = ("/overlay2/", "/containers/", "/volumes/", "/netns/")
    lines = Path("/proc/mounts").read_text().splitlines()
    return {line for line in lines if not any(part in line for part in engine)}


def start_host(stage: str, weak: tuple[str, ...]) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(weak=weak, stage=STAGES[stage])
    host = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    assert host.stdout.readline() == b"ready\n"
    return host


def end(host: subprocess.Popen[bytes], number: int) -> None:
    host.send_signal(number)
    host.wait(20)
    for pipe in (host.stdin, host.stdout):
        assert pipe is not None
        pipe.close()


@pytest.mark.parametrize(
    ("stage", "number"),
    [*((stage, signal.SIGKILL) for stage in STAGES), ("running", signal.SIGTERM)],
)
def test_death_of_the_host_leaves_nothing(stage: str, number: int, weak: tuple[str, ...]) -> None:
    mounts = mounted()
    host = start_host(stage, weak)
    below = descendants(host.pid)
    assert len(below) >= (1 if stage in ("spawner", "frozen") else 3)
    end(host, number)
    deadline = time.monotonic() + 5
    while (alive(below) or groups_of(host.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive(below) == []
    assert groups_of(host.pid) == []
    assert mounted() <= mounts


def test_death_of_host_and_spawner_leaves_what_the_reaper_removes(
    weak: tuple[str, ...], backend: Backend
) -> None:
    host = start_host("session", weak)
    below = descendants(host.pid)
    spawner = next(pid for pid in below if b"spawner" in command_line(pid))
    os.kill(spawner, signal.SIGKILL)
    end(host, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive(below) == []
    left = groups_of(host.pid)
    announced = backend.reap(dry_run=True)
    assert all(any(str(path) in line for line in announced) for path in left)
    assert groups_of(host.pid) == left
    backend.reap()
    assert groups_of(host.pid) == []


def test_normal_end_leaves_nothing(weak: tuple[str, ...]) -> None:
    host = start_host("many", weak)
    below = descendants(host.pid)
    assert host.stdin is not None
    host.stdin.close()
    assert host.wait(20) == 0
    assert host.stdout is not None
    host.stdout.close()
    assert alive(below) == []
    assert groups_of(host.pid) == []


def test_forks_do_not_keep_workspaces_alive(weak: tuple[str, ...]) -> None:
    script = (
        "import os\nw = b.create(allow_degraded=weak)\n"
        "if os.fork() == 0:\n    os.execvp('sleep', ['sleep', '30'])"
    )
    STAGES["forked"] = script
    try:
        host = start_host("forked", weak)
    finally:
        del STAGES["forked"]
    below = descendants(host.pid)
    sleeper = next(pid for pid in below if b"sleep" in command_line(pid))
    end(host, signal.SIGKILL)
    del below[sleeper]
    deadline = time.monotonic() + 5
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        assert alive(below) == []
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_backend_in_a_forked_child_is_its_own(weak: tuple[str, ...], workspace: Workspace) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            made = make_backend("local").create(allow_degraded=weak)
            result = made.run("echo child")
            assert isinstance(result, Completed)
            os.write(write, result.output)
            made.close()
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        assert pipe.read() == b"child\n"
    os.waitpid(child, 0)
    result = workspace.run("echo parent")
    assert isinstance(result, Completed)
    assert result.output == b"parent\n"


@pytest.fixture
def own_backend(probe: object) -> Iterator[LocalBackend]:
    made = LocalBackend()
    yield made
    made.close()


def open_descriptors() -> int:
    gc.collect()  # what earlier tests left for the collector does not count
    return len(os.listdir("/proc/self/fd"))


def test_descriptors_do_not_add_up(own_backend: LocalBackend, weak: tuple[str, ...]) -> None:
    def episode() -> None:
        with own_backend.create(allow_degraded=weak) as workspace:
            workspace.run("sleep 100", yield_after_s=0)
            workspace.freeze().run(["true"])

    episode()
    before = open_descriptors()
    for _ in range(5):
        episode()
    assert open_descriptors() == before


def test_dropped_workspace_is_closed(own_backend: LocalBackend, weak: tuple[str, ...]) -> None:
    own_backend.create(allow_degraded=weak).close()
    before = open_descriptors()
    workspace = own_backend.create(allow_degraded=weak)
    del workspace
    assert open_descriptors() == before


def test_lost_spawner_is_replaced(own_backend: LocalBackend, weak: tuple[str, ...]) -> None:
    first = own_backend.create(allow_degraded=weak)
    assert own_backend._machine is not None
    own_backend._machine.spawner._process.kill()
    own_backend._machine.spawner._process.wait()
    assert first.read("/etc/hostname") == b"workspace\n"
    own_backend.create(allow_degraded=weak).close()
    first.close()


def test_stopped_first_process_is_given_up(
    own_backend: LocalBackend, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "SILENCE_S", 0.2)
    workspace = own_backend.create(allow_degraded=weak)
    workspace.write("proof", b"x")
    signal.pidfd_send_signal(workspace._sandbox.first, signal.SIGSTOP)
    with pytest.raises(WorkspaceError, match="does not answer"):
        workspace.run("true", timeout_s=None)
    assert workspace.freeze().read("proof") == b"x"
    workspace.close()


def test_limits_that_contradict_each_other(own_backend: LocalBackend) -> None:
    with pytest.raises(ConfigError, match=r"memory_bytes is 1048576.*at least"):
        own_backend.create(limits=Limits(memory_bytes=2**20))
    for field in ("disk_bytes", "pids", "open_files", "cpus"):
        with pytest.raises(ConfigError, match=field):
            own_backend.create(limits=Limits(**{field: 0}))


def test_what_cannot_be_enforced_is_an_error_unless_allowed(
    own_backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = cgroups.Placement({}, 1, dict.fromkeys(cgroups.CONTROLLERS, "no cgroups"))
    monkeypatch.setattr(cgroups, "place", lambda base=None: nowhere)
    with pytest.raises(WorkspaceError, match=r"memory.*no cgroups.*allow_degraded=\['memory'"):
        own_backend.create()
    with pytest.raises(WorkspaceError, match="memory"):
        own_backend.create(allow_degraded=["cpu"])
    workspace = own_backend.create(allow_degraded=["memory", "cpu", "pids"])
    assert set(workspace.degraded) >= {"memory", "cpu"}
    result = workspace.run("ulimit -u; ulimit -d")
    assert isinstance(result, Completed)
    assert result.output.split() == [
        str(Limits().pids + cgroups.SPARE_PIDS).encode(),
        str(Limits().memory_bytes // 1024).encode(),
    ]
    workspace.close()


def test_rlimit_contains_a_fork_bomb_without_cgroups(
    own_backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = cgroups.Placement({}, 1, dict.fromkeys(cgroups.CONTROLLERS, "no cgroups"))
    monkeypatch.setattr(cgroups, "place", lambda base=None: nowhere)
    limits = Limits(pids=30)
    allowed = ["memory", "cpu", "pids"]
    one, two = (own_backend.create(limits=limits, allow_degraded=allowed) for _ in range(2))
    running = one.run("for i in $(seq 100); do sleep 100 & done; wait", yield_after_s=0)
    assert isinstance(running, Running)
    assert b"Resource temporarily unavailable" in one.poll(running.session, wait_s=20).output
    result = two.run("for i in $(seq 20); do sleep 0.1 & done; wait; echo fine")
    assert isinstance(result, Completed)
    assert result.output == b"fine\n"  # counted apart: a neighbour has its own allowance
    one.close()
    two.close()


def test_the_control_group_knows_whoever_left_its_session(workspace: LocalWorkspace) -> None:
    if workspace._group.processes() is None:
        pytest.skip("no control groups here")
    result = workspace.run("(setsid sleep 600 &) ; (sleep 601 & sleep 602 & wait) & sleep 0.1")
    assert isinstance(result, Completed | Running)
    first = workspace._sandbox.first
    everywhere = census(first, ())
    assert {view.argv for view in everywhere} >= {("sleep", str(n)) for n in (600, 601, 602)}
    assert census(first, (), workspace._group.processes()) == everywhere


# --- labels and the reaper --------------------------------------------------------------------


def test_labels_name_one_process_for_ever() -> None:
    mine = owners.label("7")
    assert owners.is_label(mine)
    assert owners.alive(mine)
    assert not owners.alive(mine.replace(owners.boot(), "00000000"))
    _, boot, pid, started, name = mine.split("-")
    assert not owners.alive(f"ise-{boot}-{pid}-{int(started) + 1}-{name}")
    assert not owners.is_label("ise-something")


def test_reaper_leaves_the_living_alone(
    own_backend: LocalBackend, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISE_STATE_DIR", str(tmp_path))
    kept = templates.prepare(_store(tmp_path), templates.of_files([SeedFile("a", b"")])[0], None)
    broken = _store(tmp_path) / f"ise-{owners.boot()}-1-1-x"
    broken.mkdir()
    lines = [line for line in own_backend.reap(dry_run=True) if str(tmp_path) in line]
    assert lines == [f"directory {broken}"]
    assert broken.is_dir()
    own_backend.reap()
    assert os.listdir(_store(tmp_path)) == [kept]
    assert isinstance(workspace.run("true"), Completed)


def _store(state: Path) -> Path:
    store = state / "templates" / "1000"
    store.mkdir(parents=True, exist_ok=True)
    return store


def test_one_copy_of_a_template_for_many_workspaces(
    tmp_path: Path, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISE_STATE_DIR", str(tmp_path))
    tmp_path.chmod(0o755)
    made = LocalBackend()
    try:
        files = [SeedFile("big", os.urandom(2_000_000)), SeedFile("d/small", b"1")]
        workspaces = [made.create(template=files, allow_degraded=weak) for _ in range(4)]
        stored = list((tmp_path / "templates").glob("*/*"))
        assert len(stored) == 1
        before = _fingerprint(stored[0])
        for workspace in workspaces:
            workspace.run("echo changed >> big; rm -r d; mkdir d; chmod 0 big")
        assert _fingerprint(stored[0]) == before
    finally:
        made.close()


def _fingerprint(folder: Path) -> list[tuple[str, int, int, bytes]]:
    return [
        (str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def test_however_deep_a_tree_is_it_is_removed(tmp_path: Path) -> None:
    deep = tmp_path / "left"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1_500):  # more than Python calls
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    owners.discard(deep)
    assert os.listdir(tmp_path) == []
