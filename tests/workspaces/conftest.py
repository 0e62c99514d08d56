from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Backend, Probe, Workspace

IMAGE = os.environ.get("ISE_TEST_IMAGE", "")
"""Of the Docker half; the backend's own by default."""

BACKENDS = ["local", pytest.param(f"docker:{IMAGE}", id="docker", marks=pytest.mark.docker)]

Make = Callable[..., Workspace]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is written against the protocol on every backend, and the rest on its own."""
    if "backend" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        local, docker = BACKENDS
        chosen = {"test_local": [local], "test_docker": [docker]}.get(
            "_".join(name.split("_")[:2]), BACKENDS
        )
        metafunc.parametrize("backend", chosen, indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest, demand: Callable[[Backend], Backend]) -> Backend:
    return demand(make_backend(request.param))


@pytest.fixture(scope="session")
def probe(backend: Backend) -> Probe:
    return backend.probe()


@pytest.fixture(scope="session")
def weak(probe: Probe) -> tuple[str, ...]:
    """Limits that this machine cannot enforce; the tests go on without them."""
    return tuple(r.name for r in probe.requirements if r.status == "degraded")


@pytest.fixture
def make(backend: Backend, weak: tuple[str, ...]) -> Iterator[Make]:
    """Create workspaces that are closed when the test ends."""
    with ExitStack() as stack:

        def create(**options: object) -> Workspace:
            made = backend.create(allow_degraded=weak, **options)  # type: ignore[arg-type]
            stack.callback(made.close)
            return made

        yield create


@pytest.fixture
def workspace(make: Make) -> Workspace:
    return make()
