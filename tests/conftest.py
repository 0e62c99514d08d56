"""Fixtures shared by all tests: real workspaces, or a skip that says what is missing."""

import pytest

from ise_env.errors import WorkspaceError
from ise_env.workspaces import make_backend


@pytest.fixture(scope="session")
def local_backend():
    """The local backend, once a session, on a machine that can enforce the default limits."""
    backend = make_backend("local")
    try:
        backend.create(owner="tests").close()
    except WorkspaceError as error:
        pytest.skip(f"no local workspace here: {error}")
    return backend


@pytest.fixture(scope="session")
def docker_backend():
    """The Docker backend, once a session, where an engine and its image are."""
    backend = make_backend("docker")
    lacking = [r for r in backend.probe().requirements if r.status == "unavailable"]
    if lacking:
        pytest.skip("; ".join(f"no Docker workspace here: {r.how}" for r in lacking))
    return backend


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def kind(request):
    """Each kind of workspace, for what has to hold whichever isolates it."""
    request.getfixturevalue(f"{request.param}_backend")
    return request.param
