from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ise_env.services.episode import EpisodeServices
from ise_env.services.plan import plan
from ise_env.services.spec import ServiceSeed
from ise_env.workspaces.protocol import Backend, Completed, Workspace


class Place:
    """A workspace with services, as an agent finds it."""

    def __init__(self, workspace: Workspace, services: EpisodeServices) -> None:
        self.workspace, self.services = workspace, services

    def shell(self, command: str, timeout_s: float = 60.0) -> str:
        done = self.workspace.run(command, timeout_s=timeout_s)
        assert isinstance(done, Completed)
        assert not done.timed_out, done.output
        return done.output.decode("utf-8", "replace")

    def python(self, program: str, timeout_s: float = 60.0) -> str:
        done = self.workspace.run(["python3", "-c", program], timeout_s=timeout_s)
        assert isinstance(done, Completed)
        return done.output.decode("utf-8", "replace")


Serve = Callable[..., Place]


@pytest.fixture
def serve(local_backend: Backend) -> Iterator[Serve]:
    """Start services in a workspace of their own; closed when the test ends."""
    with ExitStack() as stack:

        def start(*seeds: ServiceSeed) -> Place:
            wanted = plan(("test/kit", seed) for seed in seeds)
            assert wanted is not None
            workspace = local_backend.create(owner="tests", names=wanted.names)
            stack.callback(workspace.close)
            services = EpisodeServices(wanted, workspace, local_backend)
            stack.callback(services.close)
            workspace.populate(services.files())
            return Place(workspace, services)

        yield start
