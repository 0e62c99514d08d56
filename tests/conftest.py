"""Fixtures shared by all tests: the real local workspace, or a skip that says what is missing."""

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
