"""A start that fails leaves nothing behind and says what is wrong; nor do starts meet."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces import channel as channels
from ise_env.workspaces import make_backend
from ise_env.workspaces.docker import build, places, streams
from ise_env.workspaces.docker.backend import DockerBackend
from ise_env.workspaces.docker.engine import Engine
from ise_env.workspaces.docker.keeper import Keeper
from ise_env.workspaces.docker.tunnel import Tunnel
from ise_env.workspaces.inside import wire
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.protocol import Backend, Completed, Limits, SeedFile

pytestmark = pytest.mark.docker
IMAGE = os.environ.get("ISE_TEST_IMAGE", "")


@pytest.fixture
def cold(backend: Backend) -> Iterator[DockerBackend]:
    """A backend of the test's own, with nothing that stands ready."""
    made = DockerBackend(IMAGE, warm=0)
    yield made
    made.close()


def sockets() -> int:
    """Count this process's open sockets."""
    count = 0
    for entry in os.scandir("/proc/self/fd"):
        try:
            count += stat.S_ISSOCK(os.stat(entry.path).st_mode)
        except OSError:  # the descriptor of the scan itself
            continue
    return count


def test_stream_of_a_container_that_does_not_start_is_closed(
    cold: DockerBackend, weak: tuple[str, ...]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(WorkspaceError, match="starting a container"):
            cold.create(allow_degraded=weak, limits=Limits(open_files=10**9))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_place_comes_back_when_its_tree_cannot_be_made(
    cold: DockerBackend, weak: tuple[str, ...]
) -> None:
    for _ in range(places.PER_KEEPER + 1):
        with pytest.raises(WorkspaceError, match=r"could not be set up: No space.*inodes"):
            cold.create(allow_degraded=weak, limits=Limits(inodes=3))
    (keeper,) = cold._ready().places._keepers
    deadline = time.monotonic() + 30
    while len(keeper.free) < places.PER_KEEPER and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(keeper.free) == places.PER_KEEPER


def test_template_larger_than_the_disk(cold: DockerBackend, weak: tuple[str, ...]) -> None:
    files = [SeedFile("big", bytes(range(256)) * 2**13)]
    with pytest.raises(WorkspaceError, match="disk_bytes") as caught:
        cold.create(allow_degraded=weak, limits=Limits(disk_bytes=2**20), template=files)
    assert places.PLACES not in str(caught.value)


def test_more_processors_than_the_engine_has(cold: DockerBackend, weak: tuple[str, ...]) -> None:
    with cold.create(allow_degraded=weak, limits=Limits(cpus=4096.0)) as workspace:
        assert isinstance(workspace.run("true"), Completed)


def test_backends_of_one_process_are_set_up_at_once(
    cold: DockerBackend, weak: tuple[str, ...]
) -> None:
    other = streams.Landing(roots.state_directory(), "probe")
    try:
        cold.create(allow_degraded=weak).close()
    finally:
        other.close()


def test_pool_that_is_being_closed_sets_nothing_up(
    cold: DockerBackend, weak: tuple[str, ...]
) -> None:
    cold.create(allow_degraded=weak).close()
    setup, cold._setup = cold._setup, None  # the first half of `close`
    assert setup is not None
    made = setup.pool._make(Limits())
    assert cold._setup is None
    cold._setup = setup
    cold._discard(made)


def test_keeper_outlives_a_request_that_it_cannot_answer(
    cold: DockerBackend, weak: tuple[str, ...]
) -> None:
    with cold.create(allow_degraded=weak) as workspace:
        workspace.checkpoint()
        with pytest.raises(OSError, match="KeyError"):
            workspace._place.call("no such operation")
        assert workspace.diff() == []


def test_keeper_tells_that_it_lives_while_it_works() -> None:
    ours, theirs = socket.socketpair()
    keeper = Keeper(SimpleNamespace(requests=theirs.fileno(), replies=theirs.fileno()))  # type: ignore[arg-type]
    work = threading.Event()
    keeper._operations["work"] = work.wait
    serving = threading.Thread(target=keeper.serve, daemon=True)
    serving.start()
    ours.settimeout(30)
    reader = wire.FrameReader()
    with ours, theirs:
        ours.sendall(wire.encode({"op": "work", "id": 1}) + wire.encode({"op": "ping", "id": 0}))
        (answer,) = reader.feed(ours.recv(1 << 16))
        assert answer == {"id": 0, "ok": None}
        work.set()
        (answer,) = reader.feed(ours.recv(1 << 16))
        assert isinstance(answer, dict)
        assert answer["id"] == 1
        ours.shutdown(socket.SHUT_RDWR)
        serving.join(30)
    assert not serving.is_alive()


def test_stopped_keeper_is_given_up_and_replaced(
    cold: DockerBackend, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = cold.create(allow_degraded=weak)
    first = workspace._place.keeper._container.first
    if first < 0:
        pytest.skip("the engine's processes are not this machine's")
    monkeypatch.setattr(channels, "SILENCE_S", 0.2)
    signal.pidfd_send_signal(first, signal.SIGSTOP)
    with pytest.raises(WorkspaceError, match="keeps the trees of workspaces failed") as caught:
        workspace.diff()
    assert caught.value.retryable
    workspace.close()
    monkeypatch.undo()
    cold.create(allow_degraded=weak).close()


def test_stored_template_is_no_path(backend: Backend, weak: tuple[str, ...]) -> None:
    for kind in ("local", f"docker:{IMAGE}"):
        for name in (".", "..", "../..", "/etc"):
            with pytest.raises(ConfigError, match="is stored here"):
                make_backend(kind).create(allow_degraded=weak, template=name)


def test_options_that_are_no_numbers_of_anything() -> None:
    for text in ("warm=-1", "timeout_s=0", "timeout_s=-1", "timeout_s=nan", "timeout_s=inf"):
        with pytest.raises(ConfigError, match=f"no option '{text}'"):
            make_backend(f"docker,{text}")


def test_address_that_nobody_answers_at_leaves_no_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "dead.sock"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
        before = sockets()
        with pytest.raises(WorkspaceError, match="not running") as caught:
            Engine().call("asking its version", "version")
        assert sockets() == before
        assert caught.value.retryable


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:99999", "ssh://host.example:99999"])
def test_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(ConfigError, match=f"DOCKER_HOST={address} is no address"):
        Engine().call("asking its version", "version")


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("mine", "mine", "latest"),
        ("mine:2", "mine", "2"),
        ("localhost:5000/mine", "localhost:5000/mine", "latest"),
        ("localhost:5000/mine:2", "localhost:5000/mine", "2"),
    ],
)
def test_tag_of_an_image_that_is_built(name: str, repository: str, tag: str) -> None:
    assert build._parted(name) == (repository, tag)


# --- the way to an engine behind ssh, with a program in ssh's place that leads nowhere ---------


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("ISE_STATE_DIR", str(tmp_path / "state"))
    return "ssh://user@host.example"


def test_tunnels_of_one_process_have_a_socket_each(ssh: str, tmp_path: Path) -> None:
    first, second = Tunnel(ssh, tmp_path), Tunnel(ssh, tmp_path)
    assert first.path != second.path
    first.close()
    assert second.path.parent.is_dir()
    second.close()
    assert not second.path.parent.exists()


def test_tunnel_to_nothing_is_closed(ssh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", ssh)
    engine = Engine()
    with pytest.raises(WorkspaceError):
        engine.call("asking its version", "version")
    assert engine._tunnel is None
    assert list((roots.state_directory() / "links").iterdir()) == []


def test_forked_child_leaves_the_tunnel_alone(ssh: str, tmp_path: Path) -> None:
    engine = Engine()
    engine._tunnel = tunnel = Tunnel(ssh, tmp_path)
    child = os.fork()
    if child == 0:
        engine.forget_in_child()
        engine.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert tunnel.path.parent.is_dir()
    assert tunnel._process.poll() is None
    engine.close()
    assert not tunnel.path.parent.exists()
