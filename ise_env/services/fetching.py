"""Asking a server on a workspace's loopback, from the host's side."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import quote, urlsplit

from ise_env.services.access import Fetched, Unreachable

OWN = ("localhost", "127.0.0.1")

Connect = Callable[[int], socket.socket]
"""Opens a connection to a port inside."""


def fetch(
    url: str,
    hosts: Collection[str],
    connect: Connect,
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    max_bytes: int,
    timeout_s: float,
) -> Fetched:
    """See `ServiceAccess.fetch`."""
    host, port, target = _parts(url)
    if host not in hosts and host not in OWN:
        raise Unreachable(f"{host}: no such host")
    name = host if port == 80 else f"{host}:{port}"
    with connect(port) as connection, deadline(connection, timeout_s):
        client = http.client.HTTPConnection(host, port)
        client.sock = connection
        try:
            sent = {"Host": name, "Connection": "close", "Accept": "*/*", **headers}
            client.request(method, target, body=body or None, headers=sent)
            answer = client.getresponse()
            content = answer.read(max_bytes + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{name}: no answer: {error or type(error).__name__}") from error
    return Fetched(
        url,
        answer.status,
        {key.lower(): value for key, value in answer.getheaders()},
        content[:max_bytes],
        len(content) > max_bytes,
    )


@contextlib.contextmanager
def deadline(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after that long, however steadily something drips out of it."""

    def end() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    connection.settimeout(seconds)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _parts(url: str) -> tuple[str, int, str]:
    """Host, port and target of an address."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port or 80
    except ValueError as error:
        raise Unreachable(f"{url[:200]}: not an address: {error}") from error
    if parts.scheme != "http":
        raise Unreachable(f"{url[:200]}: only http:// is served here")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + re.sub(r"[^\x21-\x7e]", lambda m: quote(m[0]), parts.query)
    return host, port, target
