"""How the process inside is connected to the host: the socket it was given, or one it opens.

Where the engine runs on the host's own kernel, the host listens on a unix socket in a folder
that it shares with the container. Two connections are made there before anything else runs:
one for requests and replies, one for descriptors of sockets that the host asks for. Elsewhere
requests come in on standard input, replies go out on standard output, and no descriptor can
travel.
"""

import posix
from errno import EOPNOTSUPP, ETIMEDOUT

STDIO = "stdio"

_CONNECT_S = 2.0
_BACKLOG = 128
_LOOPBACK = "127.0.0.1"

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest
if TYPE_CHECKING:
    from _socket import socket as Socket


class Link:
    """The descriptors of the conversation with the host.

    Args:
        where: Path of the host's socket; `stdio`; empty for a socket that is standard input.
    """

    def __init__(self, where: str) -> None:
        self._rights: Socket | None = None
        if where in ("", STDIO):
            self.requests = _kept(0)
            self.replies = _kept(1) if where else self.requests
            return
        # A millisecond to load, which those with a socket need not pay.
        from _socket import AF_UNIX, SOCK_STREAM
        from _socket import socket as new_socket

        self._control = new_socket(AF_UNIX, SOCK_STREAM)
        self._control.connect(where)
        self.requests = self.replies = self._control.fileno()
        self._rights = new_socket(AF_UNIX, SOCK_STREAM)
        self._rights.connect(where)

    def lend(self, listen: "list[int]", connect: int) -> int:
        """Open sockets here and send them to the host; return how many.

        Args:
            listen: Ports of 127.0.0.1 to listen at.
            connect: Port to connect to, or 0.
        """
        if self._rights is None:
            raise OSError(EOPNOTSUPP, "descriptors cannot travel to the host", "")
        from _socket import SCM_RIGHTS, SOL_SOCKET
        from _struct import pack

        opened: list[Socket] = []
        try:
            for port in listen:
                opened.append(_listening(port))
            if connect:
                opened.append(_connected(connect))
            numbers = pack(f"{len(opened)}i", *(item.fileno() for item in opened))
            self._rights.sendmsg([b"."], [(SOL_SOCKET, SCM_RIGHTS, numbers)])
        finally:
            for item in opened:
                item.close()
        return len(opened)


def _kept(number: int) -> int:
    copy = posix.dup(number)
    posix.set_inheritable(copy, False)
    return copy


def _listening(port: int) -> "Socket":
    from _socket import AF_INET, SOCK_STREAM
    from _socket import socket as new_socket

    listener = new_socket(AF_INET, SOCK_STREAM)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"port {port}: {error.strerror}", "") from None
    listener.listen(_BACKLOG)
    return listener


def _connected(port: int) -> "Socket":
    from _socket import AF_INET, SOCK_STREAM
    from _socket import socket as new_socket

    connection = new_socket(AF_INET, SOCK_STREAM)
    connection.settimeout(_CONNECT_S)
    try:
        connection.connect((_LOOPBACK, port))
    except OSError as error:
        connection.close()
        raise OSError(error.errno or ETIMEDOUT, error.strerror or str(error), "") from None
    connection.settimeout(None)
    return connection
