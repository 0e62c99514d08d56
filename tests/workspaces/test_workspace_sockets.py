"""Sockets that the host opens in a workspace's network, and names that mean itself."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

import pytest

from ise_env.workspaces.protocol import Completed, Probe, Workspace, WorkspaceGone

Make = Callable[..., Workspace]


def shell(workspace: Workspace, command: str) -> str:
    done = workspace.run(command, timeout_s=30)
    assert isinstance(done, Completed)
    return done.output.decode()


def answer_once(listener: socket.socket, text: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(text)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


ASK = (
    "import socket,sys; s=socket.create_connection(({!r}, {})); s.sendall(b'x'); print(s.recv(99))"
)


def test_names_resolve_to_the_workspace_itself(make: Make) -> None:
    workspace = make(names=("shop.example", "mail.office.example"))
    assert shell(workspace, "getent hosts shop.example").split()[0] == "127.0.0.1"
    assert "localhost" in shell(workspace, "cat /etc/hosts")
    assert "No such" in shell(workspace, "ls /nothing; getent hosts other.example")
    assert "cannot" in shell(
        workspace, "(echo x >> /etc/hosts) 2>&1 && echo written || echo cannot"
    )


@pytest.fixture
def lends(probe: Probe) -> None:
    """Skip where sockets cannot be handed out, which is said there."""
    for requirement in probe.requirements:
        if requirement.name == "sockets" and requirement.status != "enforced":
            pytest.skip(requirement.how)


@pytest.mark.usefixtures("lends")
@pytest.mark.parametrize("port", [80, 8080])
def test_the_host_serves_a_port_inside(make: Make, port: int) -> None:
    workspace = make(names=("shop.example",))
    with workspace.listen([port])[port] as listener:
        listener.settimeout(10)
        thread = answer_once(listener, b"from the host")
        said = shell(workspace, f'python3 -c "{ASK.format("shop.example", port)}"')
        thread.join()
    assert "from the host" in said


@pytest.mark.usefixtures("lends")
def test_two_workspaces_may_have_the_same_port(make: Make) -> None:
    first, second = make(), make()
    listeners = [workspace.listen([80])[80] for workspace in (first, second)]
    threads = [answer_once(item, b"number %d" % n) for n, item in enumerate(listeners)]
    ask = f'python3 -c "{ASK.format("127.0.0.1", 80)}"'
    assert "number 1" in shell(second, ask)
    assert "number 0" in shell(first, ask)
    for thread, item in zip(threads, listeners, strict=True):
        thread.join()
        item.close()


@pytest.mark.usefixtures("lends")
def test_the_port_is_not_open_on_the_host(make: Make) -> None:
    with (
        make().listen([47_113])[47_113],
        socket.socket() as outside,
    ):
        assert outside.connect_ex(("127.0.0.1", 47_113)) == errno.ECONNREFUSED


@pytest.mark.usefixtures("lends")
def test_a_port_that_is_taken(workspace: Workspace) -> None:
    with workspace.listen([8081])[8081], pytest.raises(OSError, match="8081") as caught:
        workspace.listen([8081])
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.usefixtures("lends")
def test_connecting_to_a_server_inside(workspace: Workspace) -> None:
    with pytest.raises(ConnectionRefusedError):
        workspace.connect(8082)
    serve = (
        "import socket; l=socket.create_server(('127.0.0.1', 8082)); print('up', flush=True); "
        "c,_=l.accept(); c.sendall(b'from inside'); c.close()"
    )
    running = workspace.run(["python3", "-c", serve], yield_after_s=0)
    workspace.poll(running.session, wait_s=10)  # type: ignore[union-attr]
    with workspace.connect(8082) as connection:
        connection.settimeout(10)
        assert connection.recv(99) == b"from inside"


def test_after_the_end_there_are_no_sockets(workspace: Workspace) -> None:
    workspace.freeze()
    with pytest.raises(WorkspaceGone):
        workspace.listen([80])
    with pytest.raises(WorkspaceGone):
        workspace.connect(80)
