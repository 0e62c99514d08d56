"""One direction, no back and forth: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ("intents", "tasks", "users", "workspaces", "tools", "services", "rewards", "traces", "llm")
ABOVE_THE_CORE = {"ise_env.env", "ise_env.live", "ise_env.episode", "ise_env.vector"}


def imported(path: Path) -> set[str]:
    """Absolute names of our own modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("ise_env")}


def breaches(folder: Path, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        for name in sorted(imported(path))
        if any(name == f or name.startswith(f"{f}.") for f in forbidden)
    ]


@pytest.mark.parametrize("room", CORE)
def test_the_rooms_below_do_not_know_the_environment(room):
    above = (*ABOVE_THE_CORE, "ise_env.agents", "ise_env.rollout")
    assert breaches(ROOT / "ise_env" / room, above) == []


def test_the_workspaces_know_nothing_of_what_runs_in_them():
    others = tuple(f"ise_env.{room}" for room in CORE if room != "workspaces")
    assert breaches(ROOT / "ise_env/workspaces", others) == []


def test_users_do_not_know_the_verifier():
    assert breaches(ROOT / "ise_env/users", ("ise_env.rewards.verifier",)) == []


def test_agents_see_observations_only():
    below = (*ABOVE_THE_CORE, "ise_env.rollout", "ise_env.workspaces", "ise_env.rewards")
    assert breaches(ROOT / "agents", below) == []
