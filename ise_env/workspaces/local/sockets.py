"""Sockets in the network of a workspace, opened for the host.

Runs in a child of the spawner, which may enter what its sandboxes live in; a socket belongs
to the network that it was opened in, whoever holds it then.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from ..inside import wire
from . import syscalls

LOOPBACK = "127.0.0.1"
BACKLOG = 1024
CONNECT_S = 5.0


def reach(request: dict[str, Any], answers: int, first: int) -> None:
    """Open what is asked for and send it off; never returns.

    Args:
        request: `listen`, a list of ports; `connect`, a port or 0.
        answers: Descriptor of the socket that takes the answer.
        first: Descriptor of the workspace's first process.
    """
    sender = socket.socket(fileno=answers)
    opened: list[socket.socket] = []
    try:
        syscalls.setns(first, syscalls.CLONE_NEWNET)
        for port in request["listen"]:
            opened.append(_listening(port))
        if request["connect"]:
            opened.append(socket.create_connection((LOOPBACK, request["connect"]), CONNECT_S))
        socket.send_fds(sender, [wire.encode({})], [item.fileno() for item in opened])
    except OSError as error:
        answer = {"errno": error.errno or 0, "error": error.strerror or str(error)}
        sender.sendall(wire.encode(answer))
    finally:
        os._exit(0)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        raise OSError(error.errno, f"port {port}: {error.strerror}") from None
    listener.listen(BACKLOG)
    return listener
