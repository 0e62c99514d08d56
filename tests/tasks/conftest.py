"""Kits whose programs are not installed are skipped, with the programs named."""

from __future__ import annotations

import shutil

import pytest

from ise_env.tasks import registry


@pytest.fixture(autouse=True)
def programs(request: pytest.FixtureRequest) -> None:
    """Skip a test of a kit (its parameter `name`) that cannot run here."""
    given = getattr(request.node, "callspec", None)
    name = given.params.get("name") if given else None
    if name in registry.names():
        missing = [p for p in registry.get(name).requires if shutil.which(p) is None]
        if missing:
            pytest.skip(f"{name} needs {', '.join(missing)}")
