"""Fixtures shared by all tests: real workspaces, or a skip that says what is missing."""

from collections import Counter

import pytest

from ise_env.errors import WorkspaceError
from ise_env.workspaces import make_backend


@pytest.fixture(scope="session")
def demand():
    """Skip where a kind of workspace cannot be made, naming what is missing."""

    def check(backend):
        for requirement in backend.probe().requirements:
            if requirement.status == "unavailable":
                pytest.skip(f"no {backend.name} workspace here: {requirement.how}")
        return backend

    return check


def pytest_terminal_summary(terminalreporter):
    """Name each reason to skip once; pytest's own summary has a line for each test."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count} x {reason}")


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
def docker_backend(demand):
    """The Docker backend, once a session, where an engine and its image are."""
    return demand(make_backend("docker"))


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def kind(request):
    """Each kind of workspace, for what has to hold whichever isolates it."""
    request.getfixturevalue(f"{request.param}_backend")
    return request.param
