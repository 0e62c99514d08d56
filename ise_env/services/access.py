"""What a tool may do with an episode's services, from the host's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.message import EmailMessage
from typing import Protocol


@dataclass(frozen=True)
class SearchHit:
    """One page of an episode's sites."""

    url: str
    title: str
    snippet: str
    """Passages around what was asked for, plain text."""
    published: date | None = None


@dataclass(frozen=True)
class Fetched:
    """The answer to an HTTP request."""

    url: str
    """That was asked for; redirects are not followed."""
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names."""
    body: bytes = b""
    truncated: bool = False
    """Whether there was more than was asked for."""


class Unreachable(OSError):
    """No site of that name, or nobody answers there; the message is one line for the agent."""


class ServiceAccess(Protocol):
    """An episode's services, as tools use them.

    Whatever a tool does here is recorded like what the agent does from inside.
    """

    hosts: Sequence[str]
    """Names that resolve inside, sorted."""

    def search(
        self,
        query: str,
        *,
        count: int = 5,
        after: date | None = None,
        before: date | None = None,
    ) -> list[SearchHit]:
        """Find pages of the episode's sites, best first (SQLite FTS5, bm25).

        Args:
            query: Words; whatever syntax is in it is taken as words.
            count: At most so many.
            after: Only pages known to be from that day or later.
            before: Only pages known to be from that day or earlier.
        """
        ...

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_bytes: int = 2 * 2**20,
        timeout_s: float = 30.0,
    ) -> Fetched:
        """Ask a server on the workspace's loopback, a site's or one that the agent started.

        Args:
            url: `http://` with a name of `hosts`, `localhost` or `127.0.0.1`.
            method: Upper case.
            headers: Beside those that every request needs.
            body: To send.
            max_bytes: Of the answer's body.
            timeout_s: For all of it.

        Raises:
            Unreachable: There is no such server, or it does not speak HTTP.
        """
        ...

    def send(self, message: EmailMessage) -> None:
        """Send a mail through the episode's mail server, by SMTP.

        Raises:
            Unreachable: There is no mail server.
            smtplib.SMTPException: It refuses the mail.
        """
        ...
