"""What stands behind the web tools where an episode may reach the real net."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ise_env.services.access import Fetched, SearchHit


@dataclass(frozen=True)
class SearchRequest:
    """What `web_search` was asked for, read and checked."""

    query: str
    count: int
    freshness: str | None = None
    """`day`, `week`, `month` or `year`."""
    after: date | None = None
    before: date | None = None
    language: str | None = None
    country: str | None = None


class WebProvider(Protocol):
    """Searches and fetches."""

    name: str
    filters: frozenset[str]
    """Of `freshness`, `date`, `language` and `country`, those that it can apply."""

    def search(self, request: SearchRequest) -> list[SearchHit]:
        """Find pages, best first.

        Raises:
            Unreachable: The provider does not answer, refuses, or answers something else.
        """
        ...

    def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> Fetched:
        """Get one address; redirects are not followed.

        Raises:
            Unreachable: Nobody answers, or the host is not on the public net.
        """
        ...
