"""What lies beside the files that a task is about: notes, old logs, tables, settings.

Plausible and of no use, so that an agent has to find what matters.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any

from ise_env.tasks.draw import Draw

FOLDERS = {"notes": "notes", "logs": "old-logs", "tables": "inventory", "settings": "attic"}
"""Kind of text to the folder that it lies in."""


@cache
def _texts() -> dict[str, Any]:
    text = resources.files("ise_env.tasks").joinpath("surroundings.toml").read_text("utf-8")
    return tomllib.loads(text)


def surroundings(seed: int, folder: str, count: int = 15) -> dict[str, str]:
    """Files that nobody asks about.

    Args:
        seed: Same seed, same files.
        folder: Where they go; below it they have folders of their own (`FOLDERS`).
        count: How many.

    Returns:
        Path to text, `count` of them.
    """
    d, texts = Draw(seed + 7_919), _texts()
    found: dict[str, str] = {}
    day = d.day(2025)
    while len(found) < count:
        kind = d.pick(tuple(FOLDERS))
        number = d.integer(0, len(texts[kind]) - 1)
        day += timedelta(days=d.integer(1, 9))
        path = f"{folder}/{FOLDERS[kind]}/{day:%Y-%m-%d}-{texts['names'][kind][number]}"
        person, other = d.people(2)
        project, second = d.different("projects", 2)
        found[path] = str(texts[kind][number]).format(
            week=day.isocalendar().week,
            person=person,
            other=other,
            topic=d.word("topics"),
            day=f"{day + timedelta(days=d.integer(0, 40)):%Y-%m-%d}",
            number=d.integer(11, 98),
            company=d.word("companies"),
            project=project,
            second=second,
        )
    return found
