"""From HTML to what a person would read: Markdown, or plain text.

Nothing is guessed away: menus and footers stay, because the link to the next page is in them.
Only what browsers do not show (scripts, styles, templates) is left out.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

MAX_SECONDS = 5.0
_CHUNK = 32 * 1024
_DEEPEST = 8
"""Levels of lists that are told apart."""

_HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object"})
_BLOCKS = frozenset(
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer "
    "form header main nav ol p section summary table ul".split()
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "code": "`"}
_CELLS = frozenset({"td", "th"})


@dataclass(frozen=True)
class Readable:
    """A page as text.

    Attributes:
        title: Of the document; empty if it has none.
        text: Markdown, or plain text.
        whole: False where the document is made so that reading it takes too long; the text then
            ends where the time did.
    """

    title: str
    text: str
    whole: bool = True


def readable(html: str, base: str, *, markdown: bool = True) -> Readable:
    """Extract what a page says.

    Args:
        html: The document, however broken.
        base: Its address, for relative links.
        markdown: Keep headings, emphasis, links and tables as Markdown.
    """
    reader = _Reader(base, markdown)
    deadline, at = time.monotonic() + MAX_SECONDS, 0
    while at < len(html) and time.monotonic() < deadline:
        reader.feed(html[at : at + _CHUNK])
        at += _CHUNK
    reader.flush()
    return Readable(" ".join("".join(reader.title).split()), reader.result(), at >= len(html))


class _Reader(HTMLParser):
    def __init__(self, base: str, markdown: bool) -> None:
        super().__init__()
        self._base = base
        self._markdown = markdown
        self._out: list[str] = []
        self._hidden = 0
        self._pre = 0
        self._in_title = False
        self._lists: list[int] = []
        """For each open list the number of the next item; -1 without numbers."""
        self._link: str | None = None
        self._link_at = 0
        self._cell_at: int | None = None
        self._row: list[str] = []
        self._rows = 0
        self.title: list[str] = []

    def flush(self) -> None:
        """Take the text after the last tag.

        In place of `close`, which tries every `<` of an unfinished tag anew: on a page of two
        million of them that takes hours.
        """
        if not self.rawdata.startswith("<"):
            self.handle_data(unescape(self.rawdata))

    def result(self) -> str:
        text = "".join(self._out)
        text = re.sub(r"[ \t]+\n", "\n", text)
        return re.sub(r"\n{3,}", "\n\n", text).strip()

    # -- events ------------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "title":
            self._in_title = True
        elif tag == "br":
            self._out.append("\n")
        elif tag == "hr":
            self._block("\n\n---\n\n" if self._markdown else "\n\n")
        elif tag == "img":
            self._image(dict(attrs))
        elif tag == "a":
            self._link, self._link_at = dict(attrs).get("href"), len(self._out)
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else -1)
            if len(self._lists) == 1:
                self._block("\n\n")
        elif tag == "li":
            self._item()
        else:
            self._start_other(tag)

    def _start_other(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._block("\n\n" + (f"{_HEADINGS[tag]} " if self._markdown else ""))
        elif tag == "pre":
            self._pre += 1
            self._block("\n\n```\n" if self._markdown else "\n\n")
        elif tag in _MARKS and self._markdown and not self._pre:
            self._out.append(_MARKS[tag])
        elif tag == "tr":
            self._row = []
        elif tag in _CELLS:
            self._end_cell()
            self._cell_at = len(self._out)
        elif tag in _BLOCKS:
            if tag == "table":
                self._rows = 0
            self._block("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "title":
            self._in_title = False
        elif tag == "a":
            self._end_link()
        elif tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._block("\n\n")
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
            self._out.append("\n```\n\n" if self._markdown else "\n\n")
        elif tag in _MARKS and self._markdown and not self._pre:
            self._out.append(_MARKS[tag])
        elif tag in _CELLS:
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._block("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif self._hidden:
            return
        elif self._pre:
            self._out.append(data)
        else:
            text = re.sub(r"\s+", " ", data)
            starts_line = not self._out or self._out[-1].endswith(("\n", " "))
            self._out.append(text.lstrip() if starts_line else text)

    # -- parts -------------------------------------------------------------------------------

    def _block(self, text: str) -> None:
        """Begin something on a line of its own; inside a table cell, only a space."""
        self._out.append(" " if self._cell_at is not None else text)

    def _item(self) -> None:
        indent = "  " * min(_DEEPEST, max(0, len(self._lists) - 1))
        number = self._lists[-1] if self._lists else -1
        if number > 0:
            self._lists[-1] += 1
        if self._out and not self._out[-1].endswith("\n"):
            self._block("\n")
        self._out.append(f"{indent}{f'{number}.' if number > 0 else '-'} ")

    def _image(self, attributes: dict[str, str | None]) -> None:
        alt, source = attributes.get("alt") or "", attributes.get("src")
        if self._markdown and source and not self._hidden:
            self._out.append(f"![{alt}]({self._absolute(source)})")
        elif alt and not self._hidden:
            self._out.append(alt)

    def _end_link(self) -> None:
        target, self._link = self._link, None
        if not target or self._hidden or not self._markdown:
            return
        words = " ".join("".join(self._out[self._link_at :]).split())
        if words:
            self._out[self._link_at :] = [f"[{words}]({self._absolute(target)})"]

    def _end_cell(self) -> None:
        if self._cell_at is None:
            return
        self._row.append(" ".join("".join(self._out[self._cell_at :]).split()))
        del self._out[self._cell_at :]
        self._cell_at = None

    def _end_row(self) -> None:
        self._end_cell()
        if not self._row:
            return
        self._rows += 1
        if not self._markdown:
            self._out.append("\t".join(self._row) + "\n")
        else:
            cells = [cell.replace("|", "\\|") for cell in self._row]
            self._out.append(f"| {' | '.join(cells)} |\n")
            if self._rows == 1:
                self._out.append(f"|{' --- |' * len(cells)}\n")
        self._row = []

    def _absolute(self, target: str) -> str:
        try:
            return urljoin(self._base, target.strip())
        except ValueError:
            return target
