"""A new kit starts from green."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ise_env.errors import ConfigError
from ise_env.intents.realisers.phrasing import _Stretches, masked
from ise_env.tasks import admission, scaffold
from ise_env.tasks.admission import NOBODY, validate
from ise_env.tasks.kit import Kit

NAME = "file-io/merge-old-folders"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "ise_env" / "tasks" / "file_io").mkdir(parents=True)
    return tmp_path / "ise_env"


@pytest.fixture
def kit(package: Path) -> Kit[Any]:
    planned = scaffold.plan(NAME, package)
    scaffold.put(planned)
    spec = importlib.util.spec_from_file_location("scaffolded_kit", planned.kit)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaffolded_kit"] = module
    spec.loader.exec_module(module)
    made: Kit[Any] = module.MergeOldFolders()
    return made


@pytest.mark.usefixtures("local_backend")
def test_it_is_admitted_as_it_is(kit: Kit[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert kit.name == NAME
    monkeypatch.setattr(admission.registry, "get", lambda name: kit)
    assert [r.detail for r in validate([NAME], range(3), with_tricks=False) if not r.passed] == []


def test_it_passes_the_linter_and_says_what_to_fill_in(package: Path, kit: Kit[Any]) -> None:
    file = package / "tasks" / "file_io" / "merge_old_folders.py"
    config = Path(__file__).parents[2] / "pyproject.toml"
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--config", str(config), str(file)], check=True)
    subprocess.run([*ruff, "format", "--check", "--config", str(config), str(file)], check=True)
    assert file.read_text().count("Fill in") >= 5


@pytest.mark.slow
def test_it_passes_the_type_checker(package: Path, kit: Kit[Any]) -> None:
    file = package / "tasks" / "file_io" / "merge_old_folders.py"
    subprocess.run([sys.executable, "-m", "mypy", "--strict", str(file)], check=True)


def test_its_phrasings_are_found_and_keep_every_fact(package: Path, kit: Kit[Any]) -> None:
    (goal,) = kit.subgoals(kit.draw(np.random.default_rng(0), NOBODY, "simple"))
    text = (package / "intents/realisers/phrasing/file-io.toml").read_text()
    stretches = _Stretches(tomllib.loads(text)[NAME])
    request = masked(goal.request, {fact.id: fact.value for fact in goal.facts})
    said = {stretches.put(request, random.Random(seed)) for seed in range(60)}
    assert len(said) > 4
    for wording in said:
        assert all(f"{{{fact.id}}}" in wording for fact in goal.facts), wording


def test_a_new_domain_gets_its_package(package: Path) -> None:
    planned = scaffold.plan("multimedia/trim-clips", package)
    assert planned.new_domain
    scaffold.put(planned)
    assert (package / "tasks" / "multimedia" / "__init__.py").is_file()


def test_phrasings_are_added_to_those_there_are(package: Path) -> None:
    first = scaffold.plan("file-io/one-thing", package)
    scaffold.put(first)
    scaffold.put(scaffold.plan("file-io/another-thing", package))
    tables = tomllib.loads(first.phrasing.read_text())
    assert list(tables) == ["file-io/one-thing", "file-io/another-thing"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Merge", "a kit is named <domain>/<slug>"),
        ("file-io/../x", "a kit is named <domain>/<slug>"),
        ("file-io/sort-archive", "there is such a kit already"),
    ],
)
def test_names_that_cannot_be_used(package: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scaffold.plan(name, package)
    assert not list(package.rglob("*.py"))


def test_an_installed_package_is_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no source tree"):
        scaffold.plan(NAME, tmp_path / "site-packages" / "ise_env")
