"""The list of requests that an episode's sites have answered, bounded."""

from __future__ import annotations

import threading

from ise_env.services.records import HttpRequest

MOST_REQUESTS = 20_000
MOST_BYTES = 32 * 2**20
"""Of all recorded bodies together."""


class Journal:
    """Requests in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[HttpRequest] = []
        self._size = 0

    def take(self, request: HttpRequest) -> bool:
        """Record a request; False when no more is taken."""
        with self._lock:
            size = self._size + len(request.body)
            if len(self._requests) >= MOST_REQUESTS or size > MOST_BYTES:
                return False
            self._size = size
            self._requests.append(request)
            return True

    def requests(self) -> list[HttpRequest]:
        """Everything so far."""
        with self._lock:
            return list(self._requests)
