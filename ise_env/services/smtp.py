"""The mail server of an episode, on aiosmtpd: the user sends, everybody receives."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from ise_env.services.maildir import Mailboxes
from ise_env.services.spec import ADDRESS, MAIL_HOST, USER_ADDRESS

MOST_BYTES = 10 * 2**20
"""Of one mail."""
MOST_MAILS = 200
MOST_STORED = 64 * 2**20
"""Bytes of all mails together."""
MOST_RECIPIENTS = 50
CONNECTIONS = 32
TIMEOUT_S = 30.0
"""Without a word from the client."""

Arrived = Callable[[str, tuple[str, ...], bytes], Awaitable[None]]
"""Told of an accepted mail: sender, recipients, content."""


class MailHandler:
    """Decides what is accepted, and delivers it.

    Args:
        boxes: Where mails go.
        known: Addresses that exist at the domains in which any do.
        bounces: Addresses that refuse mail, and with what words.
        arrived: Told of every accepted mail.
    """

    def __init__(
        self,
        boxes: Mailboxes,
        known: Collection[str],
        bounces: Mapping[str, str],
        arrived: Arrived,
    ) -> None:
        self._boxes, self._arrived = boxes, arrived
        self._known = {USER_ADDRESS, *known}
        self._domains = {address.partition("@")[2] for address in self._known}
        self._bounces = bounces

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the user as sender, nobody else."""
        if address.lower() != USER_ADDRESS:
            return f"553 5.7.1 this server sends for {USER_ADDRESS} only"
        envelope.mail_from = USER_ADDRESS
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take everybody who can exist."""
        address = address.lower()
        if not re.fullmatch(ADDRESS, address) or ".." in address:
            return "553 5.1.3 that is no address"
        if address in self._bounces:
            return f"550 5.1.1 <{address}>: {self._bounces[address]}"
        if address.partition("@")[2] in self._domains and address not in self._known:
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if address not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Deliver."""
        content = bytes(envelope.original_content or b"")
        if len(self._boxes) >= MOST_MAILS or self._boxes.size + len(content) > MOST_STORED:
            return "452 4.3.1 too much mail was sent"
        recipients = tuple(envelope.rcpt_tos)
        self._boxes.deliver(USER_ADDRESS, recipients, content)
        await self._arrived(USER_ADDRESS, recipients, content)
        return f"250 2.0.0 queued as {len(self._boxes)}"


class _Refusal(asyncio.Protocol):
    """Answers a connection too many."""

    def connection_made(self, transport: Any) -> None:
        """Say so, and hang up."""
        transport.write(b"421 4.7.0 too many connections\r\n")
        transport.close()


class _Counted(SMTP):
    """An SMTP conversation that counts as one of its episode's connections."""

    def __init__(self, count: Callable[[int], None], handler: MailHandler) -> None:
        super().__init__(
            handler,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname=MAIL_HOST,
            ident="mail",
            timeout=TIMEOUT_S,
            loop=asyncio.get_running_loop(),
        )
        self._count = count

    def connection_made(self, transport: Any) -> None:
        """Count it."""
        self._count(1)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        self._count(-1)
        super().connection_lost(error)


class MailServer:
    """Makes the protocol of each connection.

    Args:
        handler: Of this episode.
    """

    def __init__(self, handler: MailHandler) -> None:
        self._handler = handler
        self._open = 0

    def __call__(self) -> asyncio.Protocol:
        """For `create_server`."""
        if self._open >= CONNECTIONS:
            return _Refusal()
        return _Counted(self._counted, self._handler)

    def _counted(self, by: int) -> None:
        self._open += by
