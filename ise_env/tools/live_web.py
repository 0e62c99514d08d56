"""The real net for web_search and web_fetch: Brave, Tavily or a SearXNG server.

Off unless asked for (`web="brave"`): results then change from day to day, so such episodes
cannot be executed again. Formats: api-dashboard.search.brave.com, docs.tavily.com,
docs.searxng.org (`format=json` must be enabled in the server's settings).
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from ise_env.errors import ConfigError
from ise_env.services.access import Fetched, SearchHit, Unreachable
from ise_env.tools.web_page import is_private
from ise_env.tools.web_provider import SearchRequest

TIMEOUT_S = 30.0
_MAX_ANSWER = 4 * 2**20
_SAFE = "%/?&=:;,+~@!$'()*[]"
"""What an address may hold as it is; everything else is escaped."""
_USER_AGENT = "Mozilla/5.0 (compatible; ise-env)"


@dataclass(frozen=True)
class _Api:
    """One provider's way to be asked and to answer."""

    address: str
    key_variable: str
    filters: frozenset[str]
    ask: Callable[[str, str, SearchRequest], Request]
    """From address, key and what is asked for."""
    hits: Callable[[Any], list[SearchHit]]
    """Raises KeyError, TypeError and their like for anything but an answer."""


def make_web(spec: str) -> LiveWeb:
    """Make a provider of its name: `brave`, `tavily`, `searxng@<url>`; `<name>@<url>` for a proxy.

    Raises:
        ConfigError: Unknown name, no address, or the variable with the key is not set.
    """
    name, _, address = spec.partition("@")
    api = _APIS.get(name)
    if api is None:
        raise ConfigError(f"web {spec!r}: unknown provider; known: {', '.join(_APIS)}")
    address = address or api.address
    if urlsplit(address).scheme not in ("http", "https"):
        raise ConfigError(f"web {spec!r}: name the server, {name}@https://...")
    key = os.environ.get(api.key_variable, "") if api.key_variable else ""
    if api.key_variable and not key:
        raise ConfigError(f"web {spec!r}: put the API key into {api.key_variable}")
    return LiveWeb(name, address.rstrip("/"), key)


class LiveWeb:
    """A `WebProvider` on the real net.

    Args:
        name: `brave`, `tavily` or `searxng`.
        address: Of its API.
        key: Its API key.
        public_only: Refuse to fetch from private networks and this machine.
    """

    def __init__(self, name: str, address: str, key: str = "", *, public_only: bool = True) -> None:
        self.name = name
        self._api = _APIS[name]
        self.filters = self._api.filters
        self._address, self._key = address, key
        self._public_only = public_only

    def search(self, request: SearchRequest) -> list[SearchHit]:
        """See `WebProvider.search`."""
        try:
            with urlopen(
                self._api.ask(self._address, self._key, request), timeout=TIMEOUT_S
            ) as got:
                answer = json.loads(got.read(_MAX_ANSWER))
            return self._api.hits(answer)[: request.count]
        except HTTPError as error:
            raise Unreachable(f"{self.name} answered {error.code}: {error.reason}") from error
        except (URLError, OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.name} does not answer: {error}") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unreachable(f"{self.name} answered something that is no result list") from error

    def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> Fetched:
        """See `WebProvider.fetch`."""
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port, timeout_s)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), _SAFE)
        try:
            connection.connect()
            if self._public_only and is_private(connection.sock.getpeername()[0]):
                raise Unreachable(f"{parts.hostname} lies on a private network")
            connection.request("GET", target, headers={"User-Agent": _USER_AGENT, "Accept": "*/*"})
            answer = connection.getresponse()
            body = answer.read(max_bytes + 1)
        except Unreachable:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{parts.hostname} does not answer: {error}") from error
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Fetched(url, answer.status, headers, body[:max_bytes], len(body) > max_bytes)

    @staticmethod
    def _connection(
        scheme: str, host: str, port: int | None, timeout_s: float
    ) -> http.client.HTTPConnection:
        if scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)


# -- the providers ---------------------------------------------------------------------------


def _get(address: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    asked = urlencode({key: value for key, value in query.items() if value})
    return Request(
        f"{address}?{asked}",
        headers={"Accept": "application/json", "User-Agent": _USER_AGENT, **headers},
    )


def _ask_brave(address: str, key: str, asked: SearchRequest) -> Request:
    freshness = {"day": "pd", "week": "pw", "month": "pm", "year": "py"}.get(asked.freshness or "")
    if asked.after or asked.before:
        freshness = f"{asked.after or date(1970, 1, 1)}to{asked.before or date.today()}"
    query = {
        "q": asked.query,
        "count": asked.count,
        "country": asked.country,
        "search_lang": asked.language,
        "freshness": freshness,
    }
    return _get(f"{address}/res/v1/web/search", query, {"X-Subscription-Token": key})


def _ask_tavily(address: str, key: str, asked: SearchRequest) -> Request:
    wanted = {
        "query": asked.query,
        "max_results": asked.count,
        "time_range": asked.freshness,
        "start_date": asked.after and asked.after.isoformat(),
        "end_date": asked.before and asked.before.isoformat(),
    }
    body = json.dumps({name: value for name, value in wanted.items() if value}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return Request(f"{address}/search", data=body, headers={**headers, "User-Agent": _USER_AGENT})


def _ask_searxng(address: str, key: str, asked: SearchRequest) -> Request:
    query = {
        "q": asked.query,
        "format": "json",
        "language": asked.language,
        "time_range": asked.freshness,
    }
    return _get(f"{address}/search", query, {})


def _hits(rows: Any, snippet: str, published: str) -> list[SearchHit]:
    return [
        SearchHit(
            str(row["url"]),
            str(row.get("title") or ""),
            " ".join(str(row.get(snippet) or "").split()),
            _day(row.get(published)),
        )
        for row in rows
    ]


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


_APIS: dict[str, _Api] = {
    "brave": _Api(
        "https://api.search.brave.com",
        "BRAVE_API_KEY",
        frozenset({"freshness", "date", "language", "country"}),
        _ask_brave,
        lambda got: _hits(got.get("web", {}).get("results", []), "description", "page_age"),
    ),
    "tavily": _Api(
        "https://api.tavily.com",
        "TAVILY_API_KEY",
        frozenset({"freshness", "date"}),
        _ask_tavily,
        lambda got: _hits(got["results"], "content", "published_date"),
    ),
    "searxng": _Api(
        "",
        "",
        frozenset({"freshness", "language"}),
        _ask_searxng,
        lambda got: _hits(got["results"], "content", "publishedDate"),
    ),
}
