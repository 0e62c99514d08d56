"""Fixtures shared by all tests: the real local workspace, or a skip that says what is missing."""

import pytest

from ise_env.workspaces import make_backend


@pytest.fixture(scope="session")
def local_backend():
    """The local backend, once a session."""
    backend = make_backend("local")
    probe = backend.probe()
    if not probe.usable:
        missing = "; ".join(
            f"{r.name}: {r.how}" for r in probe.requirements if r.status == "unavailable"
        )
        pytest.skip(f"no local workspace here: {missing}")
    return backend
