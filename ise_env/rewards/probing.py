"""Looking at what runs in a workspace from outside, before its processes are stopped."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator

from ise_env.errors import VerifierError, WorkspaceError
from ise_env.rewards.evidence import Unmet
from ise_env.workspaces.protocol import Workspace

PATIENCE_S = 5.0
"""For a connection, and for each piece of an answer."""
MOST_BODY = 1 << 20


def get(workspace: Workspace, port: int, route: str) -> tuple[int, bytes]:
    """GET a route of a server inside; `Unmet` where nobody answers in HTTP."""
    where = f"http://127.0.0.1:{port}{route}"
    try:
        with workspace.connect(port) as connection, _at_most(connection, 2 * PATIENCE_S):
            connection.settimeout(PATIENCE_S)
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            client.sock = connection
            client.request("GET", route, headers={"Connection": "close"})
            answer = client.getresponse()
            return answer.status, answer.read(MOST_BODY)
    except (VerifierError, WorkspaceError):
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unmet(f"{where}: no answer: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _at_most(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after that long, however steadily something drips out of it."""

    def end() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
