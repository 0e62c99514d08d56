"""Makes local workspaces; finds out what can be enforced here."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.local.sandbox import Sandbox, SpawnerClient
from ise_env.workspaces.local.workspace import LocalWorkspace
from ise_env.workspaces.protocol import Limits, Probe, Requirement, SeedFile, WorkspaceGone

SANDBOX_UID = 64_617
"""Host user of the sandboxes when root starts them: no account, nothing belongs to it."""

_HELLO_S = 30.0


class LocalBackend:
    """Workspaces in bubblewrap sandboxes on this machine."""

    name = "local"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spawner: SpawnerClient | None = None
        self._root: roots.Root | None = None
        self._live: weakref.WeakSet[LocalWorkspace] = weakref.WeakSet()

    # --- starting -----------------------------------------------------------------------------

    def create(
        self,
        *,
        limits: Limits | None = None,
        template: Iterable[SeedFile] = (),
        allow_degraded: Sequence[str] = (),
        owner: str = "",
    ) -> LocalWorkspace:
        """Start one workspace; see the protocol."""
        limits = limits or Limits()
        workspace = self._start(limits, lower="", frozen=None, degraded=())
        workspace.populate(template)
        return workspace

    def _start(
        self, limits: Limits, lower: str, frozen: Sandbox | None, degraded: tuple[str, ...]
    ) -> LocalWorkspace:
        spawner = self._ready()
        assert self._root is not None
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        fds = [null] + ([frozen.mounts] if frozen is not None else [])
        request = {
            "base": "/tmp/check" if frozen is not None else "/tmp/live",
            "cgroups": 0,
            "disk_bytes": limits.disk_bytes,
            "frozen": frozen is not None,
            "inodes": limits.inodes,
            "lower": lower,
            "seccomp": False,
            "tmp_bytes": limits.tmp_bytes,
        }
        try:
            sandbox = spawner.start(request, fds)
        finally:
            os.close(null)
        try:
            channel = self._greet(sandbox, limits)
        except BaseException:
            sandbox.kill()
            sandbox.close()
            raise
        workspace = LocalWorkspace(
            sandbox,
            channel,
            lambda left: self._start(limits, "/tmp/live/tree/workspace", left, degraded),
            lambda: None,
            f"local:{self._root.digest}",
            degraded,
        )
        self._live.add(workspace)
        return workspace

    def _greet(self, sandbox: Sandbox, limits: Limits) -> Channel:
        """Say hello, and learn who answers."""
        assert self._root is not None
        sandbox.control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        channel = Channel(sandbox.control, lambda: _kill(sandbox))
        try:
            channel.call(
                "hello",
                env=dict(self._root.environment),
                output_bytes=limits.output_bytes,
                open_files=limits.open_files,
                processes=0,
                within_s=_HELLO_S,
            )
        except WorkspaceGone as error:
            complaint = sandbox.complaint() or "it ended without a word"
            raise WorkspaceError(f"the workspace did not start: {complaint}") from error
        return channel

    def _ready(self) -> SpawnerClient:
        with self._lock:
            if self._spawner is None or not self._spawner.alive:
                state = roots.state_directory()
                self._root = roots.host_root(state)
                self._spawner = SpawnerClient(self._configuration(state))
            return self._spawner

    def _configuration(self, state: Any) -> dict[str, Any]:
        assert self._root is not None
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise WorkspaceError("bubblewrap is not installed: apt-get install bubblewrap")
        templates = state / "templates"
        templates.mkdir(exist_ok=True)
        arguments = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000"]
        arguments += ["--gid", "1000", "--hostname", roots.HOSTNAME, "--cap-drop", "ALL"]
        arguments += ["--new-session", "--as-pid-1", "--ro-bind", "/tmp/root", "/"]
        arguments += ["--dev", "/dev", "--proc", "/proc", "--chdir", "/"]
        return {
            "privileged": os.geteuid() == 0,
            "uid": SANDBOX_UID,
            "gid": SANDBOX_UID,
            "binds": [list(pair) for pair in self._root.binds],
            "templates": str(templates),
            "bwrap": bwrap,
            "arguments": arguments,
            "program": [
                self._root.python,
                "-I",
                "-S",
                "-E",
                "-X",
                "utf8",
                f"{roots.INSIDE}/boot.pyc",
            ],
        }

    # --- requirements -------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Find out what is really enforced here."""
        if shutil.which("bwrap") is None:
            missing = Requirement(
                "bubblewrap", "unavailable", "bwrap is not installed", "apt-get install bubblewrap"
            )
            return Probe("local", (missing,))
        return Probe("local", (Requirement("bubblewrap", "enforced", "installed"),))

    def reap(self, *, dry_run: bool = False) -> list[str]:
        """Remove what dead owners left behind."""
        return []


def _kill(sandbox: Sandbox) -> None:
    sandbox.kill()
