"""Getting a page: from the episode's own sites, or, where that was configured, from the net.

At most three redirects, 2 MB, 30 seconds. Addresses of the machine itself and of private
networks are refused, as upstream does: a page must not lead the agent behind a firewall.
"""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ise_env.services.access import Fetched, Unreachable
from ise_env.tools.base import ToolContext, ToolFailure

MAX_REDIRECTS = 3
MAX_BYTES = 2 * 2**20
TIMEOUT_S = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class WebPage:
    """What came back in the end."""

    url: str
    """After redirects."""
    answer: Fetched

    @property
    def media_type(self) -> str:
        """Without parameters, lower case; empty if the server did not say."""
        return self.answer.headers.get("content-type", "").split(";")[0].strip().lower()

    def text(self) -> str:
        """The body, decoded as the server says, or as UTF-8."""
        named = _CHARSET.search(self.answer.headers.get("content-type", ""))
        try:
            return self.answer.body.decode(named[1] if named else "utf-8", "replace")
        except LookupError:
            return self.answer.body.decode("utf-8", "replace")


def get_page(url: str, context: ToolContext) -> WebPage:
    """Get a page, following redirects.

    Raises:
        ToolFailure: The address cannot be used, nobody answers, or there are too many redirects.
    """
    deadline = time.monotonic() + TIMEOUT_S
    for _ in range(MAX_REDIRECTS + 1):
        answer = _get(url, context, max(0.1, deadline - time.monotonic()))
        target = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not target:
            return WebPage(url, answer)
        url = urljoin(url, target)
    raise ToolFailure(f"Too many redirects (limit: {MAX_REDIRECTS})", error="redirects")


def _get(url: str, context: ToolContext, timeout_s: float) -> Fetched:
    host = _host_of(url)
    try:
        if context.services is not None and host in context.services.hosts:
            return context.services.fetch(url, max_bytes=MAX_BYTES, timeout_s=timeout_s)
        if context.web is not None:
            return context.web.fetch(url, max_bytes=MAX_BYTES, timeout_s=timeout_s)
    except Unreachable as error:
        raise ToolFailure(f"Web fetch failed: {error}", error="unreachable") from error
    raise ToolFailure(f"Web fetch failed: cannot resolve {host}", error="unreachable")


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ToolFailure("Invalid URL: must be http or https", error="bad_url")
    if host == "localhost" or host.endswith(".localhost") or is_private(host):
        raise ToolFailure(
            f"Blocked: {host} is this machine or a private network; for a server of your own use "
            "curl with exec",
            error="blocked",
        )
    return host


def is_private(host: str) -> bool:
    """Whether a host is an address that does not lie on the public net."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
