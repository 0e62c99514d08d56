"""The small code base that a task's files lie in: modules, notes, scripts, settings.

What a task is about must be found among other things, as it is at work. The texts are data
(`codebase.toml`); a draw fills in names and numbers, so no two worlds look the same.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from string import Template

from ise_env.tasks.draw import Draw


def surroundings(
    d: Draw, project: str, *, package: str = "", modules: int = 8, docs: int = 4, others: int = 4
) -> dict[str, str]:
    """Draw files that have nothing to do with the task.

    Args:
        d: Chooses, and fills in names and numbers.
        project: Its name, as it occurs in the texts.
        package: Folder of the modules, relative to the project; empty: beside everything else.
        modules: How many Python modules; each works on its own and imports nothing of ours.
        docs: How many notes, below `docs/`.
        others: How many scripts, settings, tables and templates.

    Returns:
        Path relative to the project to text.
    """
    files: dict[str, str] = {}
    for kind, count in (("modules", modules), ("docs", docs), ("others", others)):
        texts = _texts()[kind]
        for name in d.some(sorted(texts), count):
            path = f"{package}/{name}" if package and kind == "modules" else name
            files[path] = Template(texts[name]).substitute(
                project=project,
                person=d.person(),
                town=d.word("towns"),
                thing=d.word("products"),
                n=d.integer(12, 59),
            )
    return files


def below(folder: str, contents: dict[str, str]) -> dict[str, str]:
    """The same files in a folder."""
    return {f"{folder}/{path}": text for path, text in contents.items()}


@cache
def _texts() -> dict[str, dict[str, str]]:
    source = resources.files("ise_env.tasks").joinpath("codebase.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))
