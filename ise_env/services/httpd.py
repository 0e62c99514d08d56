"""A small HTTP/1.1 server on h11: every limit that a hostile client needs, nothing else.

It knows hosts and their handlers, not what they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
from pydantic import JsonValue

HEADER_S = 10.0
"""For the head of a request, from its first byte; and between requests."""
REQUEST_S = 60.0
"""For the whole of a request, and again for the whole of an answer."""
CONNECTIONS = 64
"""Of one episode at a time; more are closed at once."""
HEAD_BYTES = 32 * 1024
IN_FLIGHT_BYTES = 64 * 2**20
"""Of all request bodies of one episode at a time."""
_CHUNK = 1 << 16
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What came in.

    Attributes:
        method: Upper case.
        host: Lower case, without the port.
        path: Decoded, without the query; starts with `/`.
        target: Path and query as they were sent.
        query: Decoded pairs, in order.
        headers: Lower-case names; of several alike, the last.
        body: Whole; unpacked where it came as gzip.
    """

    method: str
    host: str
    path: str
    target: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """What goes out."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Response]]


def json_object(body: bytes) -> dict[str, JsonValue] | None:
    """The JSON object that was sent; None for everything else, lone surrogates included."""
    try:
        value = json.loads(body)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class Host:
    """A name that is served."""

    handler: Handler
    most_body: int = 4 * 2**20
    """Bytes, packed and unpacked."""


class BadRequest(Exception):
    """The request is refused before anybody handles it.

    Args:
        status: Of the answer.
        reason: Its text.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class _Held:
    """Bytes of one request that count as in flight."""

    size: int = 0


@dataclass
class HttpServer:
    """Serves the connections of one episode.

    Args:
        hosts: By name.
    """

    hosts: Mapping[str, Host]
    _open: int = field(default=0, init=False)
    _held: int = field(default=0, init=False)
    """Bytes of bodies that are being received or handled."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        if self._open >= CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            with contextlib.suppress(OSError, TimeoutError, h11.ProtocolError):
                await self._converse(reader, writer)
        finally:
            self._open -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        while True:
            head_only, held = False, _Held()
            try:
                async with asyncio.timeout(REQUEST_S):
                    head = await self._head(link, reader)
                    if head is None:
                        return
                    head_only = head.method == b"HEAD"
                    request = await self._whole(link, head, reader, writer, held)
                answer = await self._handled(request)
            except BadRequest as refusal:
                answer = Response(refusal.status, f"{refusal}\n".encode())
            except h11.RemoteProtocolError as error:
                answer = Response(error.error_status_hint, b"bad request\n")
            finally:
                self._held -= held.size
            async with asyncio.timeout(REQUEST_S):
                await _send(link, writer, answer, head_only)
            if link.our_state is not h11.DONE or link.their_state is not h11.DONE:
                return
            link.start_next_cycle()

    async def _handled(self, request: Request) -> Response:
        try:
            return await self.hosts[request.host].handler(request)
        except Exception:  # noqa: BLE001 - our bug: the agent gets an answer, we a log entry
            _LOG.exception("%s %s", request.method, request.host)
            return Response(500, b"the server had a problem\n")

    async def _head(self, link: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
        async with asyncio.timeout(HEADER_S):
            while True:
                event = link.next_event()
                if event is h11.NEED_DATA:
                    link.receive_data(await reader.read(_CHUNK))
                elif isinstance(event, h11.Request):
                    return event
                else:
                    return None

    async def _whole(
        self,
        link: h11.Connection,
        head: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        held: _Held,
    ) -> Request:
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}
        name = headers.get("host", "").lower().partition(":")[0]
        host = self.hosts.get(name)
        if host is None:
            raise BadRequest(421, f"no site called {name[:100]!r} is served here")
        if headers.get("content-length", "0").isdecimal() and (
            int(headers.get("content-length", "0")) > host.most_body
        ):
            raise BadRequest(413, f"a request may have {host.most_body} bytes")
        if link.they_are_waiting_for_100_continue:
            writer.write(link.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        body = await self._body(link, reader, host.most_body, held)
        if headers.get("content-encoding", "") in ("gzip", "x-gzip"):
            body = _unpacked(body, host.most_body)
        target = head.target.decode("latin-1")
        try:
            parts = urlsplit(target)
        except ValueError:
            raise BadRequest(400, "the address cannot be read") from None
        return Request(
            method=head.method.decode("ascii"),
            host=name,
            path=unquote(parts.path) or "/",
            target=target,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=None)[:200]),
            headers=headers,
            body=body,
        )

    async def _body(
        self, link: h11.Connection, reader: asyncio.StreamReader, most: int, held: _Held
    ) -> bytes:
        body = bytearray()
        while True:
            event = link.next_event()
            if event is h11.NEED_DATA:
                link.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Data):
                body += event.data
                held.size += len(event.data)
                self._held += len(event.data)
                if len(body) > most:
                    raise BadRequest(413, f"a request may have {most} bytes")
                if self._held > IN_FLIGHT_BYTES:
                    raise BadRequest(503, "too much is being sent at once")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)
            else:
                raise BadRequest(400, "the request ended too early")


def _unpacked(body: bytes, most: int) -> bytes:
    """Unpack gzip, never to more than `most` bytes."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise BadRequest(400, "the body is not gzip") from None
    if len(whole) > most:
        raise BadRequest(413, f"a request may have {most} bytes")
    return whole


async def _send(
    link: h11.Connection, writer: asyncio.StreamWriter, answer: Response, head_only: bool
) -> None:
    if link.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    headers = [
        ("Content-Type", answer.media_type),
        ("Content-Length", str(len(answer.body))),
        *answer.headers,
    ]
    out = link.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    if answer.body and not head_only and answer.status not in (204, 304):
        out += link.send(h11.Data(data=answer.body)) or b""
    out += link.send(h11.EndOfMessage()) or b""
    writer.write(out)
    await writer.drain()
