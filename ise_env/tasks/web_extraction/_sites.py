"""Web sites for kits: pages, others of no use beside them, and steps that search and read."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.services.spec import EPOCH, Page
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Kit, KitParams, ToolCall, ToolReply

NEWS = (
    (
        "{topic} week in {town}",
        "The week of {topic} in {town} begins on day {n}. {person} opens it.",
    ),
    (
        "{company} moves to {town}",
        "{company} leaves its rooms and opens in {town} with {n} people.",
    ),
    ("A word from {person}", "{person} of {company} has written {n} lines about {topic}."),
    ("New rules for {topic}", "From next month {topic} in {town} follows {n} new rules."),
    ("Road works near {town}", "The road to {town} is closed for {n} nights. Ask {person}."),
    ("{person} retires", "After {n} years with {company}, {person} goes home to {town}."),
    ("Found in {town}", "A {product} was found in {town}; {person} keeps it for {n} days."),
    ("Our {product} of the month", "{company} chose a {product}. It took {n} weeks to make."),
    ("{topic}: questions and answers", "{person} answers {n} questions about {topic}."),
    ("Visitors in {town}", "{town} had {n} hundred visitors, most of them for {topic}."),
)
"""Title and text of pages that nobody asks about."""


class SiteParams(KitParams):
    """Parameters of kits whose difficulty is one number."""

    size: int = Field(ge=4, le=120)


class SiteKit(Kit[SiteParams]):
    """A kit whose difficulty is one number."""

    sizes: ClassVar[tuple[int, int, int]]
    """Of a simple, a medium and a complex task."""
    params = SiteParams

    def draw(
        self, rng: np.random.Generator, persona: Persona, complexity: Complexity
    ) -> SiteParams:
        """Harder: more of whatever there is."""
        size = self.sizes[("simple", "medium", "complex").index(complexity)]
        return SiteParams(folder=one(rng, self.folders), content=content_seed(rng), size=size)


def document(title: str, body: str) -> str:
    """An HTML page; `body` is HTML already."""
    name = html.escape(title)
    return (
        f"<!doctype html>\n<html><head><title>{name}</title></head>\n"
        f"<body>\n<h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = [
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    ]
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>"


def news(d: Draw, count: int = 16) -> tuple[Page, ...]:
    """Pages below `/news/` that have nothing to do with the task."""
    pages = []
    for number in range(1, count + 1):
        title, text = d.pick(NEWS)
        words = {
            "topic": d.word("topics"), "town": d.word("towns"), "person": d.person(),
            "company": d.word("companies"), "product": d.word("products"), "n": d.integer(2, 29),
        }  # fmt: skip
        title, text = title.format(**words), text.format(**words)
        body = document(title[0].upper() + title[1:], f"<p>{html.escape(text)}</p>")
        when = EPOCH - timedelta(days=d.integer(3, 300))
        pages.append(Page(path=f"/news/{number}.html", body=body, published=when))
    return tuple(pages)


def links(addresses: Iterable[tuple[str, str]]) -> str:
    """A list of links: address and words."""
    items = [f'<li><a href="{at}">{html.escape(words)}</a></li>' for at, words in addresses]
    return "<ul>\n" + "\n".join(items) + "\n</ul>"


def search(query: str, count: int = 10) -> ToolCall:
    """Search the web."""
    return ToolCall("web_search", {"query": query, "count": count})


def fetch(url: str) -> ToolCall:
    """Read a page."""
    return ToolCall("web_fetch", {"url": url})


def text_of(reply: ToolReply) -> str:
    """What a page says, or why it could not be read."""
    try:
        value = json.loads(reply.text)
    except ValueError:
        return reply.text
    return str(value.get("text") or value.get("error") or "")


def addresses(reply: ToolReply) -> list[str]:
    """The addresses that a search found, best first."""
    try:
        return [result["url"] for result in json.loads(reply.text)["results"]]
    except (ValueError, KeyError):
        return []


def cells(markdown: str) -> list[list[str]]:
    """The rows of the tables of a page, rulers left out."""
    rows = [line.strip() for line in markdown.splitlines() if line.strip().startswith("|")]
    split = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [row for row in split if not all(set(cell) <= set("-: ") for cell in row)]
