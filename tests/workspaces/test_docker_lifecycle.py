"""Nothing leaks from a Docker engine, and no failure of it makes anybody wait for ever."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ise_env.errors import ConfigError, IseError, WorkspaceError
from ise_env.workspaces import channel as channels
from ise_env.workspaces import make_backend
from ise_env.workspaces.docker import engine as engines
from ise_env.workspaces.docker import labels, places, streams
from ise_env.workspaces.docker.backend import DockerBackend
from ise_env.workspaces.docker.profile import profile
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.protocol import (
    Backend,
    Completed,
    Limits,
    Probe,
    Running,
    SeedFile,
    Workspace,
    WorkspaceGone,
)

from .engines import OwnEngine, own_engine

pytestmark = pytest.mark.docker
IMAGE = os.environ.get("ISE_TEST_IMAGE", "")
Make = Callable[..., Workspace]

STAGES = {
    "ready": "b.create(allow_degraded=weak).close()",
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
    "starting": "import threading\n"
    "for _ in range(6):\n"
    "    threading.Thread(target=b.create, kwargs={'allow_degraded': weak}, daemon=True).start()\n"
    "import time; time.sleep(0.4)",
}

PROGRAM = """
import sys
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import SeedFile
b = make_backend({spec!r})
weak = {weak!r}
{stage}
print("ready", flush=True)
sys.stdin.read()
"""


def start_host(stage: str, weak: tuple[str, ...], warm: int = 0) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(spec=f"docker:{IMAGE},warm={warm}", weak=weak, stage=STAGES[stage])
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


def left_of(backend: DockerBackend, pid: int) -> list[str]:
    """Containers, volumes and folders of a process."""
    engine = backend._engine
    filters = {"label": labels.KIND}
    found = engine.call("listing", "containers", all=True, filters=filters)
    found += engine.call("listing", "volumes", filters=filters)["Volumes"] or []
    mine = [
        str(f["Labels"][labels.OWNER]) for f in found if f"-{pid}-" in f["Labels"][labels.OWNER]
    ]
    folders = (roots.state_directory() / "links").glob(f"ise-*-{pid}-*")
    return mine + [str(path) for path in folders]


def await_nothing_left(backend: DockerBackend, pid: int, within_s: float = 5.0) -> list[str]:
    deadline = time.monotonic() + within_s
    while (left := left_of(backend, pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def docker_backend(backend: Backend) -> DockerBackend:
    assert isinstance(backend, DockerBackend)
    return backend


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "starting"])
def test_death_of_the_host_leaves_nothing(
    stage: str, weak: tuple[str, ...], docker_backend: DockerBackend
) -> None:
    host = start_host(stage, weak)
    assert left_of(docker_backend, host.pid)
    end(host, signal.SIGKILL)
    assert await_nothing_left(docker_backend, host.pid) == []


def test_death_amid_starts_leaves_what_the_reaper_removes(
    weak: tuple[str, ...], docker_backend: DockerBackend
) -> None:
    host = start_host("starting", weak, warm=4)
    end(host, signal.SIGKILL)
    # A container that was created and never started waits for nobody's end.
    if await_nothing_left(docker_backend, host.pid):
        assert docker_backend.reap(dry_run=True)
    docker_backend.reap()
    assert await_nothing_left(docker_backend, host.pid) == []


def test_normal_end_leaves_nothing(weak: tuple[str, ...], docker_backend: DockerBackend) -> None:
    host = start_host("session", weak, warm=2)
    assert host.stdin is not None
    host.stdin.close()
    assert host.wait(60) == 0
    assert host.stdout is not None
    host.stdout.close()
    assert await_nothing_left(docker_backend, host.pid) == []


def test_what_was_never_started_is_reaped_and_the_living_left_alone(
    workspace: Workspace, docker_backend: DockerBackend
) -> None:
    dead = {**labels.of("workspace", "episode-7")}
    dead[labels.OWNER] = dead[labels.OWNER].replace(f"-{os.getpid()}-", "-1-")
    engine = docker_backend._engine
    image = docker_backend._ready().ready.tag
    made = engine.call("making", "create_container", image, ["true"], labels=dead)["Id"]
    elsewhere = {**dead, labels.MACHINE: "another/1"}
    kept = engine.call("making", "create_container", image, ["true"], labels=elsewhere)["Id"]
    volume = engine.call("making", "create_volume", labels=dead)["Name"]
    try:
        announced = docker_backend.reap(dry_run=True)
        assert f"container {made[:12]} of episode-7" in announced
        assert f"volume {volume[:12]}" in announced
        assert not any(kept[:12] in line for line in announced)
        docker_backend.reap()
        left = {c["Id"] for c in engine.call("listing", "containers", all=True)}
        assert made not in left
        assert kept in left
        assert isinstance(workspace.run("true"), Completed)
    finally:
        engine.call("removing", "remove_container", kept)


def test_forked_child_has_a_backend_of_its_own(
    weak: tuple[str, ...], workspace: Workspace, docker_backend: DockerBackend
) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            made = docker_backend.create(allow_degraded=weak)
            result = made.run("echo child")
            assert isinstance(result, Completed)
            os.write(write, result.output)
            made.close()
            docker_backend.close()
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        assert pipe.read() == b"child\n"
    os.waitpid(child, 0)
    result = workspace.run("echo parent")
    assert isinstance(result, Completed)
    assert result.output == b"parent\n"


def test_descriptors_do_not_add_up(docker_backend: DockerBackend, weak: tuple[str, ...]) -> None:
    def episode() -> None:
        with docker_backend.create(allow_degraded=weak) as workspace:
            workspace.run("sleep 100", yield_after_s=0)
            workspace.freeze().run(["true"])

    def settled() -> int:
        """Count when what stands ready is complete again, and keepers are at rest."""
        pool = docker_backend._ready().pool
        deadline = time.monotonic() + 30
        while len(pool._ready) < pool._size and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(os.listdir("/proc/self/fd"))

    episode()
    before = settled()
    for _ in range(4):
        episode()
    # The engine's client may keep a connection or two more; each episode holds ten.
    assert settled() <= before + 6


def test_warm_containers_are_handed_out(weak: tuple[str, ...]) -> None:
    made = DockerBackend(IMAGE, warm=1)
    try:
        made.create(allow_degraded=weak).close()
        pool = made._ready().pool
        deadline = time.monotonic() + 30
        while not pool._ready and time.monotonic() < deadline:
            time.sleep(0.02)
        (waiting,) = pool._ready
        workspace = made.create(
            allow_degraded=weak, template=[SeedFile("a", b"x")], names=("shop.example",)
        )
        assert workspace._container is waiting.container
        assert workspace.read("a") == b"x"
        assert b"shop.example" in workspace.read("/etc/hosts")
        other = made.create(allow_degraded=weak, limits=Limits(pids=50))
        assert other._container not in [p.container for p in pool._ready]
    finally:
        made.close()


def test_first_process_that_does_not_answer_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make()
    workspace.write("proof", b"x")
    first = workspace._container.first  # type: ignore[attr-defined]
    if first < 0:
        pytest.skip("the engine's processes are not this machine's")
    monkeypatch.setattr(channels, "SILENCE_S", 0.2)
    signal.pidfd_send_signal(first, signal.SIGSTOP)
    with pytest.raises(WorkspaceError, match="does not answer"):
        workspace.run("true", timeout_s=None)
    assert workspace.freeze().read("proof") == b"x"


def test_tree_outlives_a_container_that_the_engine_kills(
    make: Make, docker_backend: DockerBackend
) -> None:
    workspace = make()
    workspace.checkpoint()
    workspace.write("proof", b"x")
    docker_backend._engine.call("killing", "kill", workspace._container.id)  # type: ignore[attr-defined]
    with pytest.raises(WorkspaceGone):
        workspace.run("sleep 30")
    frozen = workspace.freeze()
    assert frozen.read("proof") == b"x"
    assert frozen.run(["cat", "proof"]).output == b"x"
    assert [c.path for c in workspace.diff()] == ["proof"]


def test_lost_keeper_is_the_machinerys_fault_and_replaced(
    weak: tuple[str, ...],
) -> None:
    made = DockerBackend(IMAGE, warm=0)
    try:
        workspace = made.create(allow_degraded=weak)
        keeper = workspace._place.keeper
        keeper._container.kill()
        with pytest.raises(WorkspaceError, match="restarted") as caught:
            workspace.diff()
        assert caught.value.retryable
        workspace.close()
        made.create(allow_degraded=weak).close()
    finally:
        made.close()


def test_many_places_take_several_keepers(weak: tuple[str, ...]) -> None:
    made = DockerBackend(IMAGE, warm=0)
    try:
        live = [made.create(allow_degraded=weak) for _ in range(places.PER_KEEPER + 2)]
        assert len(made._ready().places._keepers) == 2
        for number, workspace in enumerate(live):
            workspace.write("mine", str(number).encode())
        assert [w.read("mine") for w in live] == [str(n).encode() for n in range(len(live))]
        for workspace in live:
            workspace.close()
    finally:
        made.close()


# --- what is wrong with the engine, in one line -----------------------------------------------


def refusal(monkeypatch: pytest.MonkeyPatch, address: str, **options: float) -> IseError:
    monkeypatch.setenv("DOCKER_HOST", address)
    made = DockerBackend(IMAGE, **options)  # type: ignore[arg-type]
    with pytest.raises(IseError) as caught:
        made.create()
    assert not made.probe().usable
    assert "\n" not in str(caught.value)
    return caught.value


def test_absent_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = refusal(monkeypatch, f"unix://{tmp_path}/none.sock")
    assert isinstance(error, WorkspaceError)
    assert "there is no Docker engine at unix://" in str(error)
    assert "set DOCKER_HOST" in str(error)


def test_engine_that_is_not_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "dead.sock"))
        assert "not running" in str(refusal(monkeypatch, f"unix://{tmp_path}/dead.sock"))
    assert "not running" in str(refusal(monkeypatch, "tcp://127.0.0.1:9"))


def test_engine_that_never_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "_PING_S", 0.3)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "hung.sock"))
        silent.listen()
        began = time.monotonic()
        error = refusal(monkeypatch, f"unix://{tmp_path}/hung.sock")
    assert "does not answer" in str(error)
    assert error.retryable
    assert time.monotonic() - began < 30


def test_engine_behind_an_ssh_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no way to ssh://nobody@127.0.0.1:9" in str(
        refusal(monkeypatch, "ssh://nobody@127.0.0.1:9")
    )


def test_user_without_permission(docker_backend: DockerBackend) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    script = (
        "import os, sys; os.environ['HOME'] = '/tmp'; "
        "from ise_env.workspaces.docker.backend import DockerBackend; "
        "from ise_env.workspaces.docker import engine; import docker.transport; "
        "os.setgid(65534); os.setuid(65534); print(DockerBackend().probe().requirements[0].how)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "usermod -aG docker" in said.stdout or "no Docker engine" in said.stdout


def test_missing_image_and_image_without_python(docker_backend: DockerBackend) -> None:
    with pytest.raises(ConfigError, match="ise image build --backend docker"):
        DockerBackend("no-such-image:1").create()
    with loaded(docker_backend) as name, pytest.raises(ConfigError, match="python3"):
        DockerBackend(name).create()


def test_image_for_another_architecture(docker_backend: DockerBackend) -> None:
    message = "is for linux/s390x, the Docker engine runs on linux/"
    with loaded(docker_backend, "s390x") as name, pytest.raises(ConfigError, match=message):
        DockerBackend(name).create()


@contextmanager
def loaded(backend: DockerBackend, architecture: str = "") -> Iterator[str]:
    """An image with nothing in it, in the form that `docker save` writes."""
    layer = b"\0" * 10_240
    here = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    name = f"ise-test-{architecture or here}:1"
    config = {
        "architecture": architecture or here,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        "layer.tar": layer,
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for part, content in parts.items():
            member = tarfile.TarInfo(part)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    engine = backend._engine
    list(engine.call("loading", "load_image", archive.getvalue()))
    try:
        yield name
    finally:
        engine.call("removing", "remove_image", name, force=True)


def test_options_of_the_spec() -> None:
    with pytest.raises(ConfigError, match="no option 'speed=9'"):
        make_backend("docker:x,speed=9")
    with pytest.raises(ConfigError, match="no option 'warm=many'"):
        make_backend("docker,warm=many")
    made = make_backend("docker:some/image:tag,runtime=runsc,warm=0")
    assert isinstance(made, DockerBackend)
    assert (made._image, made._runtime, made._warm) == ("some/image:tag", "runsc", 0)


def test_unknown_runtime_is_refused(weak: tuple[str, ...], docker_backend: DockerBackend) -> None:
    with pytest.raises(WorkspaceError, match="no-such-runtime"):
        DockerBackend(IMAGE, runtime="no-such-runtime").create(allow_degraded=weak)


# --- an engine that fails in the middle -------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, probe: Probe) -> Iterator[OwnEngine]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    made = own_engine(tmp_path_factory.mktemp("engine"), port)
    yield made
    made.close()


@pytest.fixture
def own(
    engine: OwnEngine, monkeypatch: pytest.MonkeyPatch, weak: tuple[str, ...]
) -> Iterator[DockerBackend]:
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    made = DockerBackend(IMAGE, warm=0, timeout_s=3.0)
    made.create(allow_degraded=weak).close()
    yield made
    engine.send(signal.SIGCONT)
    made.close()


@pytest.mark.slow
def test_hung_engine_stops_nothing_that_runs(
    own: DockerBackend, engine: OwnEngine, weak: tuple[str, ...]
) -> None:
    workspace = own.create(allow_degraded=weak)
    workspace.checkpoint()
    engine.send(signal.SIGSTOP)
    result = workspace.run("echo still > here; cat here")
    assert isinstance(result, Completed)
    assert result.output == b"still\n"
    assert [c.path for c in workspace.diff()] == ["here"]
    began = time.monotonic()
    with pytest.raises(WorkspaceError, match="does not answer") as caught:
        own.create(allow_degraded=weak)
    assert caught.value.retryable
    assert workspace.freeze().read("here") == b"still\n"
    workspace.close()
    assert time.monotonic() - began < 20
    engine.send(signal.SIGCONT)
    own.create(allow_degraded=weak).close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restarted_engine(
    own: DockerBackend, engine: OwnEngine, weak: tuple[str, ...], number: int
) -> None:
    workspace = own.create(allow_degraded=weak)
    running = workspace.run("sleep 1000", yield_after_s=0)
    assert isinstance(running, Running)
    engine.stop(number)
    with pytest.raises(WorkspaceError):
        own.create(allow_degraded=weak)
    engine.start()
    workspace.close()
    with own.create(allow_degraded=weak) as after:
        assert isinstance(after.run("true"), Completed)
    own.close()
    assert await_nothing_left(own, os.getpid(), within_s=20) == []


@pytest.mark.slow
def test_engine_over_tcp(
    engine: OwnEngine, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine._port}")
    made = DockerBackend(IMAGE, warm=0)
    try:
        assert made.probe()["sockets"].status == "degraded"
        workspace = made.create(allow_degraded=weak, template=[SeedFile("a", b"1")])
        workspace.checkpoint()
        running = workspace.run("sleep 500", yield_after_s=0)
        assert isinstance(running, Running)
        workspace.run("head -c 20M /dev/zero > big; echo 2 > a")
        with pytest.raises(WorkspaceError, match="cannot travel"):
            workspace.listen([80])
        assert len(workspace.archive()) > 20_000_000
        frozen = workspace.freeze()
        assert ("sleep", "500") in [p.argv for p in frozen.processes()]
        assert frozen.run(["cat", "a"]).output == b"2\n"
        workspace.close()
    finally:
        made.close()


def test_frames_of_an_attached_stream_are_cut_anywhere() -> None:
    ours, theirs = socket.socketpair()
    attached = streams.Attached(theirs)
    carried = attached.carry()
    frames = b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\x04oops\x01\0\0\0\0\0\0\x01!"
    for at in range(len(frames)):
        ours.sendall(frames[at : at + 1])
    carried.settimeout(10)
    received = b""
    while len(received) < 6:
        received += carried.recv(10)
    assert received == b"hello!"
    carried.sendall(b"back")
    assert ours.recv(10) == b"back"
    ours.close()
    assert carried.recv(10) == b""
    assert attached.complaint() == "oops"
    attached.close()
    carried.close()


def test_profile_allows_nothing_twice() -> None:
    rules = json.loads(profile())["syscalls"]
    allowed = {n for r in rules if r["action"] == "SCMP_ACT_ALLOW" for n in r["names"]}
    refused = {n for r in rules if r["action"] != "SCMP_ACT_ALLOW" for n in r["names"]}
    assert not allowed & refused
    assert {"mount", "bpf", "clone3"} <= refused
