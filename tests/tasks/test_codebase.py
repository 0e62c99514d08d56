"""The files around a task's own: they work, and differ from draw to draw."""

from __future__ import annotations

import configparser
from typing import Any

from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw

EVERYTHING = {"modules": 20, "docs": 8, "others": 10}


def test_modules_run_and_settings_can_be_read() -> None:
    files = surroundings(Draw(3), "fathom", package="src", **EVERYTHING)
    modules = {path: text for path, text in files.items() if path.endswith(".py")}
    assert len(modules) == 20
    for path, text in modules.items():
        scope: dict[str, Any] = {"__name__": path}
        exec(compile(text, path, "exec"), scope)
    for path in files:
        if path.endswith(".ini"):
            configparser.ConfigParser().read_string(files[path])
    assert not any("$project" in text or "$n" in text for text in files.values())


def test_draws_differ_and_repeat() -> None:
    one, same, other = (surroundings(Draw(seed), "umbra") for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert set(below("app", one)) == {f"app/{path}" for path in one}
