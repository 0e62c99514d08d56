"""One web site of an episode: pages, a JSON API over collections, forms, seeded failures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import JsonValue

from ise_env.services.httpd import Request, Response, json_object
from ise_env.services.records import HttpRequest
from ise_env.services.spec import Collection, Page, SiteSeed

JSON = "application/json; charset=utf-8"
MOST_RECORDS = 2_000
"""That a collection takes from the agent."""

Log = Callable[[HttpRequest], bool]
"""Takes what a site was asked and answered; False when no more is taken."""


class Site:
    """Answers for one host.

    Args:
        seed: What it holds.
        log: Where requests are recorded.
        clock: For the rate limit; seconds.
    """

    def __init__(
        self, seed: SiteSeed, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seed = seed
        self._log = log
        self._pages = {page.path: page for page in seed.pages}
        self._failures = {(f.method, f.path): f.times for f in seed.failures}
        self._statuses = {(f.method, f.path): f.status for f in seed.failures}
        self._limit = _Limit(seed.rate.requests, seed.rate.pause_s, clock) if seed.rate else None
        self._receipt = seed.first_receipt
        self.collections = {c.path: Records(c) for c in seed.collections}

    async def __call__(self, request: Request) -> Response:
        """Answer, and record what was asked."""
        answer = self._answer(request)
        kept = self._log(
            HttpRequest(
                host=request.host,
                method=request.method,
                path=request.path,
                query=request.query,
                body=request.body,
                status=answer.status,
            )
        )
        return answer if kept else Response(503, b"too many requests were made\n")

    def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        left = self._failures.get((method, request.path), 0)
        if left:
            self._failures[method, request.path] = left - 1
            status = self._statuses[method, request.path]
            return Response(status, b"the server had a problem, try again\n")
        for path, records in self.collections.items():
            if request.path == path or request.path.startswith(f"{path}/"):
                refused = self._refused(request)
                return refused or records.answer(method, request.path[len(path) + 1 :], request)
        if method == "POST" and request.path in self._seed.forms:
            self._receipt += 1
            return _json(200, {"received": True, "receipt": self._receipt - 1})
        page = self._pages.get(request.target) or self._pages.get(request.path)
        if page is None:
            return Response(404, b"there is no such page\n")
        if method != "GET":
            return Response(405, b"this page can only be read\n", headers=(("Allow", "GET"),))
        return _page(page)

    def _refused(self, request: Request) -> Response | None:
        """Why the API does not answer; None where it does."""
        if self._seed.token and request.headers.get("authorization") != (
            f"Bearer {self._seed.token}"
        ):
            return _json(
                401,
                {"error": "a bearer token is needed"},
                (("WWW-Authenticate", "Bearer"),),
            )
        wait = self._limit.ask() if self._limit else 0
        if wait:
            return _json(429, {"error": "too many requests"}, (("Retry-After", str(wait)),))
        return None


class Records:
    """The records of a collection, as they change."""

    def __init__(self, seed: Collection) -> None:
        self._seed = seed
        self.items: list[dict[str, JsonValue]] = [dict(item) for item in seed.items]

    def answer(self, method: str, key: str, request: Request) -> Response:
        """Answer a request for the collection, or for the record with a key."""
        allowed = [m for m in self._seed.writable if (m == "POST") != bool(key)]
        if method == "GET":
            return self._one(key) if key else self._listing(request)
        if method not in allowed:
            allow = ", ".join(["GET", *allowed])
            return _json(405, {"error": f"{method} is not allowed here"}, (("Allow", allow),))
        if method == "DELETE":
            return self._delete(key)
        sent = json_object(request.body)
        if sent is None:
            return _json(400, {"error": "the body is not a JSON object"})
        return self._add(sent) if method == "POST" else self._change(key, sent)

    def _find(self, key: object) -> dict[str, JsonValue] | None:
        same = (item for item in self.items if str(item.get(self._seed.key)) == str(key))
        return next(same, None)

    def _one(self, key: str) -> Response:
        found = self._find(key)
        return _json(404, {"error": f"there is no {key}"}) if found is None else _json(200, found)

    def _listing(self, request: Request) -> Response:
        filters = [(k, v) for k, v in request.query if k != "page"]
        number = dict(request.query).get("page", "1")
        if not number.isdecimal() or len(number) > 6 or int(number) < 1:
            return _json(400, {"error": "page is a number from 1"})
        fitting = [i for i in self.items if all(_text(i.get(k)) == v for k, v in filters)]
        size, page = self._seed.page_size, int(number)
        pages = max(1, math.ceil(len(fitting) / size))
        following = urlencode([*filters, ("page", page + 1)])
        return _json(
            200,
            {
                "items": list(fitting[(page - 1) * size : page * size]),
                "page": page,
                "pages": pages,
                "total": len(fitting),
                "next": f"{self._seed.path}?{following}" if page < pages else None,
            },
        )

    def _add(self, sent: dict[str, JsonValue]) -> Response:
        key = self._seed.key
        wrong = self._misfit(set(sent) - {key}, whole=True)
        if wrong:
            return _json(422, {"error": wrong})
        if len(self.items) >= len(self._seed.items) + MOST_RECORDS:
            return _json(507, {"error": "the collection is full"})
        if key in sent:
            if self._find(sent[key]) is not None:
                return _json(409, {"error": f"{key} {sent[key]} is taken"})
        else:
            numbers = [n for i in self.items if isinstance(n := i.get(key), int)]
            sent = {key: max(numbers, default=0) + 1, **sent}
        self.items.append(sent)
        return _json(201, sent, (("Location", f"{self._seed.path}/{_header(sent[key])}"),))

    def _change(self, key: str, sent: dict[str, JsonValue]) -> Response:
        found = self._find(key)
        if found is None:
            return _json(404, {"error": f"there is no {key}"})
        wrong = self._misfit(set(sent), whole=False)
        if wrong or self._seed.key in sent:
            return _json(422, {"error": wrong or f"{self._seed.key} cannot be changed"})
        found.update(sent)
        return _json(200, found)

    def _delete(self, key: str) -> Response:
        found = self._find(key)
        if found is None:
            return _json(404, {"error": f"there is no {key}"})
        self.items.remove(found)
        return Response(204, b"", JSON)

    def _misfit(self, names: set[str], *, whole: bool) -> str:
        if not self._seed.fields:
            return ""
        missing = [name for name in self._seed.fields if name not in names]
        unknown = sorted(names - set(self._seed.fields))
        if whole and missing:
            return f"missing: {', '.join(missing)}"
        return f"unknown: {', '.join(unknown)[:200]}" if unknown else ""


class _Limit:
    """So many requests, then a pause; a request during the pause does not lengthen it."""

    def __init__(self, requests: int, pause_s: int, clock: Callable[[], float]) -> None:
        self._most, self._pause_s, self._clock = requests, pause_s, clock
        self._used, self._closed_until = 0, 0.0

    def ask(self) -> int:
        """Seconds to wait; 0 when the request is let in."""
        now = self._clock()
        if now < self._closed_until:
            return math.ceil(self._closed_until - now)
        if self._used >= self._most:
            self._used, self._closed_until = 0, now + self._pause_s
            return self._pause_s
        self._used += 1
        return 0


def _page(page: Page) -> Response:
    body = page.body.encode() if isinstance(page.body, str) else page.body
    if page.redirect:
        status = page.status if 300 <= page.status < 400 else 302
        return Response(status, body, page.media_type, (("Location", page.redirect),))
    return Response(page.status, body, page.media_type)


def _json(status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, json.dumps(value).encode() + b"\n", JSON, headers)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _header(value: JsonValue) -> str:
    """A value fit for a header, whatever the agent has sent."""
    return urlsplit(urlencode([("k", _text(value)[:200])])).path.removeprefix("k=")
