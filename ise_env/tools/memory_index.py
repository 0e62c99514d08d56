"""A full-text index over memory files, thrown away after each search.

SQLite's FTS5 with the trigram tokenizer finds parts of words in any script; terms too short
for a trigram (two Chinese characters, `CI`) are found by LIKE on the same table. Chinese and
Japanese write no spaces, so a run of their characters counts as its overlapping pairs.

A passage's score is the share of the query that is in it: each term weighs
`log(1 + N / (n + 0.5))`, where N is the number of passages and n that of those that have it, so
rare terms decide. 1.0 is a passage that has all of it. Ties go to the better BM25.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

PASSAGE_CHARS = 1_600
_HEADED_CHARS = 24
"""Shorter passages take in the next heading, too."""
MAX_TERMS = 32
MAX_SECONDS = 5.0
"""For all of a query's terms: text made of one letter has millions of matches."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}](?:[\w.\-/@']*[^\W_{_CJK}])?")
_STOP = frozenset(
    "a about an and are as at be by did do does for from had has have how i in is it me my of on "
    "or our that the there this to us was we were what when where which who why with you your "
    "的 了 在 是 我 们 和 吗 呢".split()
)
_TRIGRAM = 3


@dataclass(frozen=True)
class Passage:
    """Some consecutive lines of one file."""

    path: str
    start: int
    """First line, from 1."""
    end: int
    """Last line."""
    text: str


@dataclass(frozen=True)
class Hit:
    """A passage that has something of the query, and how much of it (0 to 1)."""

    passage: Passage
    score: float


def search(texts: Mapping[str, str], query: str) -> list[Hit]:
    """Find passages, the best first.

    Args:
        texts: Path to text.
        query: Words in any order; operators of search engines have no meaning.

    Raises:
        TimeoutError: The query took longer than `MAX_SECONDS`.
        sqlite3.OperationalError: This SQLite has no FTS5 trigram tokenizer (before 3.34).
    """
    passages = [passage for path, text in texts.items() for passage in split(path, text)]
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize='trigram')")
        base.executemany(
            "INSERT INTO passages(rowid, text) VALUES (?, ?)",
            enumerate(passage.text for passage in passages),
        )
        deadline = time.monotonic() + MAX_SECONDS
        base.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
        try:
            return _rank(base, passages, terms(query))
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no result within {MAX_SECONDS:g} seconds") from error
            raise


def terms(query: str) -> list[str]:
    """Take a query apart: words without filler, and pairs of Chinese or Japanese characters."""
    found: list[str] = []
    for run in _RUN.findall(query.lower()):
        if re.match(f"[{_CJK}]", run) and len(run) > 2:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            found.append(run)
    unique = list(dict.fromkeys(found))
    return ([term for term in unique if term not in _STOP] or unique)[:MAX_TERMS]


def split(path: str, text: str) -> Iterator[Passage]:
    """Cut a text into passages of whole lines, new ones at headings."""
    lines: list[str] = []
    start, size = 1, 0
    for number, line in enumerate(text.split("\n"), 1):
        full = size + len(line) > PASSAGE_CHARS
        if lines and (full or (line.startswith("#") and size > _HEADED_CHARS)):
            yield Passage(path, start, number - 1, "\n".join(lines))
            lines, start, size = [], number, 0
        if len(line) > PASSAGE_CHARS:
            for at in range(0, len(line), PASSAGE_CHARS):
                yield Passage(path, number, number, line[at : at + PASSAGE_CHARS])
            start = number + 1
            continue
        lines.append(line)
        size += len(line.strip())
    if any(line.strip() for line in lines):
        yield Passage(path, start, start + len(lines) - 1, "\n".join(lines))


def _rank(base: sqlite3.Connection, passages: list[Passage], wanted: list[str]) -> list[Hit]:
    scores: dict[int, float] = {}
    ranks: dict[int, float] = {}
    everything = 0.0
    for term in wanted:
        found = _passages_with(base, term)
        weight = math.log(1 + len(passages) / (len(found) + 0.5))
        everything += weight
        for row, rank in found:
            scores[row] = scores.get(row, 0.0) + weight
            ranks[row] = ranks.get(row, 0.0) + rank
    order = sorted(scores, key=lambda row: (-scores[row], ranks[row], row))
    return [Hit(passages[row], scores[row] / everything) for row in order]


def _passages_with(base: sqlite3.Connection, term: str) -> list[tuple[int, float]]:
    if len(term) < _TRIGRAM:
        pattern = "%" + re.sub(r"([%_\\])", r"\\\1", term) + "%"
        asked = "SELECT rowid, 0.0 FROM passages WHERE text LIKE ? ESCAPE '\\'"
        return base.execute(asked, (pattern,)).fetchall()
    asked = "SELECT rowid, bm25(passages) FROM passages WHERE passages MATCH ?"
    return base.execute(asked, ('"' + term.replace('"', '""') + '"',)).fetchall()
