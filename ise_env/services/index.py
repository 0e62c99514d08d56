"""The full-text index over an episode's sites: SQLite FTS5, ranked by bm25."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable
from datetime import date
from html.parser import HTMLParser

from ise_env.services.access import SearchHit
from ise_env.services.spec import Page, SiteSeed

_INVISIBLE = {"script", "style", "template", "noscript", "head"}
MOST_WORDS = 32
SNIPPET_WORDS = 40


class SiteIndex:
    """Searches the pages of some sites; made when the first search asks for it.

    Args:
        sites: Those that want to be found.
    """

    def __init__(self, sites: Iterable[SiteSeed]) -> None:
        self._sites = [site for site in sites if site.indexed]
        self._lock = threading.Lock()
        self._base: sqlite3.Connection | None = None

    def search(
        self, query: str, *, count: int = 5, after: date | None = None, before: date | None = None
    ) -> list[SearchHit]:
        """See `ServiceAccess.search`; pages that have all words come before those with some."""
        words = re.findall(r"\w+", query.lower())[:MOST_WORDS]
        if not words:
            return []
        with self._lock:
            base = self._base = self._base or self._made()
            quoted = [f'"{word}"' for word in words]
            found: dict[str, SearchHit] = {}
            for expression in (" AND ".join(quoted), " OR ".join(quoted)):
                for hit in _query(base, expression, count, after, before):
                    found.setdefault(hit.url, hit)
        return list(found.values())[:count]

    def close(self) -> None:
        """Let go of the index."""
        with self._lock:
            if self._base is not None:
                self._base.close()
            self._base, self._sites = None, []

    def _made(self) -> sqlite3.Connection:
        base = sqlite3.connect(":memory:", check_same_thread=False)
        base.execute(
            "CREATE VIRTUAL TABLE page USING fts5(title, text, url UNINDEXED, published UNINDEXED,"
            " tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        base.executemany(
            "INSERT INTO page VALUES (?, ?, ?, ?)",
            (
                (*_text_of(page), f"http://{site.host}{page.path}", _day(page))
                for site in self._sites
                for page in site.pages
                if page.status == 200 and not page.redirect and "text" in page.media_type
            ),
        )
        return base


def _query(
    base: sqlite3.Connection,
    expression: str,
    count: int,
    after: date | None,
    before: date | None,
) -> list[SearchHit]:
    rows = base.execute(
        f"SELECT url, title, snippet(page, 1, '', '', ' … ', {SNIPPET_WORDS}), published "
        "FROM page WHERE page MATCH ? AND (? IS NULL OR published >= ?) "
        "AND (? IS NULL OR (published <> '' AND published <= ?)) "
        "ORDER BY bm25(page, 4.0, 1.0), url LIMIT ?",
        (expression, _iso(after), _iso(after), _iso(before), _iso(before), count),
    )
    return [
        SearchHit(url, title, " ".join(text.split()), date.fromisoformat(day) if day else None)
        for url, title, text, day in rows
    ]


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(page: Page) -> str:
    return page.published.date().isoformat() if page.published else ""


class _Reader(HTMLParser):
    """Collects what a person would see of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter what is invisible, or the title."""
        if tag in _INVISIBLE or tag == "title":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave it again."""
        if tag in self._open:
            del self._open[self._open.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Keep what is visible."""
        if self._open and self._open[-1] == "title":
            self.title += data
        elif not self._open:
            self.words.append(data)


def _text_of(page: Page) -> tuple[str, str]:
    """Title and visible text."""
    body = page.body if isinstance(page.body, str) else page.body.decode("utf-8", "replace")
    if "html" not in page.media_type:
        return page.title or page.path.rsplit("/", 1)[-1], body
    reader = _Reader()
    reader.feed(body)
    reader.close()
    return page.title or " ".join(reader.title.split()), " ".join(reader.words)
