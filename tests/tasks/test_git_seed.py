"""Seeded repositories against the real git."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.tasks.git_seed import Commit, RepoSeed

WHEN = datetime(2025, 3, 1, 9, 30)
ANN = "Ann Example <ann@example.org>"


def build(seed: RepoSeed, where: Path) -> Path:
    env = {"PATH": os.environ["PATH"], "HOME": str(where), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["bash", "-c", seed.script()], cwd=where, env=env, check=True)
    return where / seed.path


def git(repo: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repo), *arguments], check=True, capture_output=True)
    return done.stdout.decode()


def test_branches_merges_tags_and_ids_are_those_of_git(tmp_path: Path) -> None:
    seed = RepoSeed(
        path="app",
        executables=frozenset({"bin/run"}),
        commits=(
            Commit("Start\n\nWith a body.", {"a.txt": "1\n", "bin/run": "#!/bin/sh\n"}, ANN, WHEN),
            Commit("Side", {"lib/b/c.py": "x = 1"}, ANN, WHEN, branch="side", start="main"),
            Commit("Grow", {"a.txt": "2\n", "lib.txt": "ü\n"}, ANN, WHEN, tags=("v1.0",)),
            Commit("Drop", {"lib.txt": None}, ANN, WHEN),
            Commit("Join", {"lib/b/c.py": "x = 1"}, ANN, WHEN, merges="side"),
        ),
    )
    repo = build(seed, tmp_path)
    ids = git(repo, "log", "--format=%H", "--topo-order", "main").split()
    assert set(ids) == {seed.commit_id(n) for n in range(5)}
    assert git(repo, "rev-parse", "main").strip() == seed.tip("main") == seed.commit_id(4)
    assert git(repo, "rev-parse", "v1.0").strip() == seed.commit_id(2)
    assert git(repo, "rev-list", "--parents", "-1", "main").split()[2] == seed.tip("side")
    assert git(repo, "status", "--porcelain") == ""
    assert os.access(repo / "bin/run", os.X_OK)
    assert seed.files("main") == {"a.txt": "2\n", "bin/run": "#!/bin/sh\n", "lib/b/c.py": "x = 1"}


names = st.text("abcz.-_", min_size=1, max_size=4).filter(lambda n: n.strip(".") and n[-1] != ".")
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(paths, st.text(st.characters(exclude_characters="\0", codec="utf-8")))


def one_tree(tree: dict[str, str]) -> bool:
    return not any(a != b and b.startswith(a + "/") for a in tree for b in tree)


@settings(max_examples=15, deadline=None)
@given(st.lists(trees.filter(one_tree), min_size=1, max_size=3))
def test_any_tree_has_the_id_that_git_gives_it(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, str]]
) -> None:
    commits, before = [], set[str]()
    for number, tree in enumerate(history):
        gone = dict.fromkeys(before - tree.keys())
        commits.append(Commit(f"c{number}", {**gone, **tree}, ANN, WHEN + timedelta(days=number)))
        before = set(tree)
    seed = RepoSeed(path="r", commits=tuple(commits))
    repo = build(seed, tmp_path_factory.mktemp("repo"))
    assert git(repo, "rev-parse", "HEAD").strip() == seed.tip("main")


def test_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        RepoSeed(path="r", commits=(Commit("c", {"a": "\0"}, ANN, WHEN),)).script()
