"""A local socket that leads to an engine behind ssh.

The system's own ssh carries it, so keys, agents, jump hosts and `~/.ssh/config` work as ever.
The process lives as long as the pipe to its input: the remote end of that is `cat`, which
also tells that the way is open by sending back what it is sent.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces.local import owners

OPEN_S = 30.0
_REMOTE = "/var/run/docker.sock"
_ECHO = b"open\n"
_NUMBERS = itertools.count(1)


class Tunnel:
    """A running ssh that forwards one socket.

    Args:
        address: `ssh://[USER@]HOST[:PORT][/PATH/OF/docker.sock]`.
        state: State directory; the socket is put below it.

    Raises:
        ConfigError: The address is none, or ssh is not installed.
        WorkspaceError: The host does not let us in; with what ssh says.
    """

    def __init__(self, address: str, state: Path) -> None:
        parts = urlsplit(address)
        if not parts.hostname:
            raise ConfigError(f"DOCKER_HOST={address} names no host: ssh://USER@HOST[:PORT]")
        program = shutil.which("ssh")
        if program is None:
            raise ConfigError(f"DOCKER_HOST={address} needs ssh: apt-get install openssh-client")
        parent = state / "links"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = parent / owners.label(f"tunnel-{next(_NUMBERS)}")
        self._folder.mkdir(mode=0o700)
        self.path = self._folder / "docker.sock"
        command = [program, "-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]
        command += ["-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]
        command += ["-o", "StreamLocalBindUnlink=yes"]
        command += ["-L", f"{self.path}:{parts.path.rstrip('/') or _REMOTE}"]
        command += ["-p", str(parts.port)] if parts.port else []
        command += ["-l", parts.username] if parts.username else []
        self._process = subprocess.Popen(
            [*command, "--", parts.hostname, "exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if not self._opened():
            said = self._complaint()
            self.close()
            raise WorkspaceError(f"no way to {address}: {said}", retryable=True)

    def _opened(self) -> bool:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(_ECHO)
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], OPEN_S)
        return bool(ready) and os.read(self._process.stdout.fileno(), len(_ECHO)) == _ECHO

    def _complaint(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        if self._process.poll() is None or self._process.stderr is None:
            return f"ssh was given {OPEN_S:g} s"
        lines = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else f"ssh ended with {self._process.returncode}"

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self.forget_in_child()
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the pipes; it lives by the parent's."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
