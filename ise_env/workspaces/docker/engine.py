"""The Docker engine as this package talks to it: every call bounded, every failure one line.

The SDK is imported with the first connection, because most users never make one.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ise_env.errors import ConfigError, IseError, WorkspaceError
from ise_env.workspaces.docker.tunnel import Tunnel
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.local.requirements import in_container

TIMEOUT_S = 60.0
"""An engine that has not answered one call after that long is given up."""

_DEFAULT = "unix:///var/run/docker.sock"
_PING_S = 5.0


class Engine:
    """One engine, named like everywhere by `DOCKER_HOST` and its companions.

    Args:
        timeout_s: Deadline of each call.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self.address = os.environ.get("DOCKER_HOST") or _DEFAULT
        self._lock = threading.Lock()
        self._api: Any = None
        self._tunnel: Tunnel | None = None
        # More at once only make each slower: the engine serialises what costs it time.
        self._room = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached over a socket of this machine."""
        return self.address.startswith("unix://")

    @property
    def api(self) -> Any:
        """The SDK's low-level client, connected at first use."""
        with self._lock:
            if self._api is None:
                try:
                    with self.speaking("connecting"):
                        self._api = self._connect()
                except ValueError as error:
                    raise ConfigError(
                        f"DOCKER_HOST={self.address} is no address of a Docker engine: {error}"
                    ) from error
            return self._api

    def _connect(self) -> Any:
        import docker
        from docker.utils import kwargs_from_env

        options = kwargs_from_env()
        if self.is_local:
            _knock(self.address)
        if self.address.startswith("ssh://"):
            # The SDK's own ssh cannot wait for output and has no deadlines.
            self._tunnel = Tunnel(self.address, roots.state_directory())
            options["base_url"] = f"unix://{self._tunnel.path}"
        options.setdefault("base_url", self.address)
        try:
            made = docker.APIClient(version="auto", timeout=_PING_S, **options)
        except BaseException:
            tunnel, self._tunnel = self._tunnel, None
            if tunnel is not None:  # the next attempt opens one of its own
                tunnel.close()
            raise
        made.timeout = self.timeout_s
        return made

    def call(self, doing: str, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client.

        Args:
            doing: What for, as it reads in an error.
            method: Its name.
            *arguments: Its arguments.
            **options: Its keyword arguments.

        Raises:
            WorkspaceError: The engine is gone, hangs or refuses.
            ConfigError: What was asked for does not exist.
        """
        api = self.api
        with self.speaking(doing):
            return getattr(api, method)(*arguments, **options)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Hold one of the few places for calls that cost the engine much.

        Raises:
            WorkspaceError: Nobody made room before the deadline.
        """
        if not self._room.acquire(timeout=self.timeout_s):
            raise WorkspaceError(
                f"the Docker engine at {self.address} is busy: no container could be started "
                f"within {self.timeout_s:g} s",
                retryable=True,
            )
        try:
            yield
        finally:
            self._room.release()

    @contextmanager
    def speaking(self, doing: str) -> Iterator[None]:
        """Turn the SDK's errors into ours."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            yield
        except IseError:
            raise
        except (DockerException, RequestException, OSError) as error:
            raise self._explained(error, doing) from error

    def _explained(self, error: Exception, doing: str) -> IseError:
        text = _one_line(error)
        where = f"the Docker engine at {self.address}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if "no space left" in text:
            return WorkspaceError(
                f"{where} has no disk space left ({doing}): free some under its data root, for "
                "instance with docker system prune",
                retryable=True,
            )
        if status == 404 and "no such image" in text.lower():
            return ConfigError(
                f"{where}: {text}; pull or load it, or leave the name out and make ours with "
                "ise image build --backend docker"
            )
        if status is not None:
            return WorkspaceError(f"{where} refuses ({doing}): {text}", retryable=status >= 500)
        return self._unreachable(text, doing, where)

    def _unreachable(self, text: str, doing: str, where: str) -> WorkspaceError:
        if "imed out" in text or "imeout" in text:
            return WorkspaceError(
                f"{where} does not answer ({doing}); it was given {self.timeout_s:g} s. Look at "
                "its log, or restart it",
                retryable=True,
            )
        if "Permission denied" in text or "PermissionError" in text:
            return WorkspaceError(
                f"{where} may not be used by this user: sudo usermod -aG docker $USER and log in "
                "again, or a rootless engine, or run as root"
            )
        if "FileNotFoundError" in text or "No such file" in text:
            mend = "install one (apt-get install docker.io) and start it (systemctl start docker)"
            if in_container():
                mount = "-v /var/run/docker.sock:/var/run/docker.sock"
                mend = f"give this container the host's ({mount}), or {mend}"
            return WorkspaceError(
                f"there is no Docker engine at {self.address}: {mend}, or set DOCKER_HOST"
            )
        if "refused" in text:
            return WorkspaceError(
                f"{where} is not running: start it (systemctl start docker), or set DOCKER_HOST",
                retryable=True,
            )
        return WorkspaceError(f"{where} cannot be used ({doing}): {text}", retryable=True)

    def close(self) -> None:
        """Let go of what leads to the engine."""
        with self._lock:
            api, self._api = self._api, None
            tunnel, self._tunnel = self._tunnel, None
        if api is not None:
            api.close()
        if tunnel is not None:
            tunnel.close()

    def forget_in_child(self) -> None:
        """After a fork: connections and locks are the parent's."""
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))
        self._api = None
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.forget_in_child()


def _knock(address: str) -> None:
    """Connect to a socket and hang up: the SDK leaves one open that nobody answers at."""
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(_PING_S)
        tried.connect("/" + address.removeprefix("unix://").lstrip("/"))


def _one_line(error: Exception) -> str:
    text = getattr(error, "explanation", None) or str(error)
    return " ".join(str(text).split())[:400]
