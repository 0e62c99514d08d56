"""Intents from files and from whatever a caller has at hand.

Three kinds of files: JSON Lines of our records, of published records (or both mixed), and
plain text with one intent a line. A `.json` file may hold one record, a list of them, or a
published trajectory. Nothing here needs kits, pools or a workspace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.intents import published
from ise_env.intents.jsonl import Located, Unique, read_json, read_jsonl, read_lines, validated
from ise_env.intents.model import Intent


def load_intents(path: str | Path) -> Iterator[Intent]:
    """Read the intents of a file, in its order, one at a time.

    `.txt` and `.md` are plain text: one intent a line, blank lines and lines that start with
    `#` skipped. `.json` is one document. Everything else is JSON Lines.

    Args:
        path: The file.

    Yields:
        Each intent, validated. Ids are unique over the file.

    Raises:
        ConfigError: One line, `FILE:LINE: field NAME: what is wrong and what to do`; the
            intents before that line have been yielded.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory; name a file of intents")
    ids = Unique("id")
    empty = True
    for located in _located_intents(path):
        empty = False
        ids.add(located.value.id, located.where)
        yield located.value
    if empty:
        raise ConfigError(f"{path}: holds no intent; expected one a line")


def as_intent(value: Intent | dict[str, Any] | str) -> Intent:
    """Make an intent of what a caller gives.

    Args:
        value: An intent (returned as it is), a record in our layout or the published one, or
            the plain words of a person.

    Raises:
        ConfigError: The record or the text cannot be an intent.
    """
    if isinstance(value, Intent):
        return value
    if isinstance(value, str):
        return _from_text(value, "intent")
    if isinstance(value, dict):
        return _from_record(value, "intent")
    raise ConfigError(f"intent: expected an Intent, a dict or a string, not {type(value).__name__}")


def text_id(text: str) -> str:
    """The id of an intent that is only words: the same words, the same id."""
    return "intent_" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _located_intents(path: Path) -> Iterator[Located]:
    if path.suffix.lower() in {".txt", ".md"}:
        for line in read_lines(path):
            if not line.value.lstrip().startswith("#"):
                yield Located(path, line.line, _from_text(line.value, line.where))
    else:
        records = _json_records(path) if path.suffix.lower() == ".json" else read_jsonl(path)
        for record in records:
            yield replace(record, value=_from_record(record.value, record.where))


def _json_records(path: Path) -> Iterator[Located]:
    document = read_json(path)
    records = document if isinstance(document, list) else [document]
    for number, record in enumerate(records, 1):
        part = f"record {number}" if isinstance(document, list) else ""
        located = Located(path, 0, record, part)
        if not isinstance(record, dict):
            raise ConfigError(f"{located.where}: expected a JSON object")
        yield located


def _from_text(text: str, where: str) -> Intent:
    text = text.strip()
    if not text:
        raise ConfigError(f"{where}: the text is empty; say what the user wants")
    return Intent(id=text_id(text), utterance=text, source="text")


def _from_record(record: dict[str, Any], where: str) -> Intent:
    if published.is_trajectory(record):
        record = published.of_trajectory(record)
    if published.is_published(record):
        return published.from_published(record, where)
    if "utterance" not in record:
        raise ConfigError(
            f"{where}: field utterance: missing; expected our layout (utterance) "
            "or the published one (natural_language_intent)"
        )
    if "id" not in record and isinstance(record["utterance"], str):
        record = {"id": text_id(record["utterance"]), **record}
    return validated(Intent, record, where)
