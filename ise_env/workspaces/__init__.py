"""Stage 3: isolated live workspaces."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ise_env.workspaces.protocol import Backend

_LOCK = threading.Lock()
_BACKENDS: dict[tuple[int, str], Backend] = {}


def make_backend(spec: str = "local") -> Backend:
    """Return the backend of that name, one per process.

    Args:
        spec: `local`, or `local:IMAGE` with the name or path of a prepared root directory;
            `docker`, or `docker:IMAGE`, with options as in `docker:IMAGE,runtime=runsc,warm=4`.

    Raises:
        ConfigError: There is no such backend.
    """
    with _LOCK:
        key = (os.getpid(), spec)
        if key not in _BACKENDS:
            _BACKENDS[key] = _new_backend(spec)
        return _BACKENDS[key]


def _new_backend(spec: str) -> Backend:
    name, _, image = spec.partition(":")
    if name == "local":
        from ise_env.workspaces.local.backend import LocalBackend

        return LocalBackend(image)
    if name == "docker" or name.startswith("docker,"):
        from ise_env.workspaces.docker.backend import DockerBackend

        return DockerBackend.of_spec(spec.removeprefix("docker").removeprefix(":"))
    from ise_env.errors import ConfigError

    raise ConfigError(
        f"no workspace backend called {spec!r}; there are: local, local:IMAGE, docker, docker:IMAGE"
    )
