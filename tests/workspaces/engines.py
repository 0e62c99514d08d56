"""A Docker engine of a test's own, which can be stopped, killed and started anew."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ise_env.workspaces.docker.images import DEFAULT

_START_S = 60.0


class OwnEngine:
    """A `dockerd` below a folder, reached over a socket there.

    Args:
        folder: Of its own.
        port: Where it listens on loopback as well; 0 for nowhere.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        command = ["dockerd", "--iptables=false", "--bridge=none", "-H", self.address]
        command += [f"--{option}={self.folder / name}" for option, name in places.items()]
        if self._port:
            command += ["-H", f"tcp://127.0.0.1:{self._port}", "--tls=false"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while self.docker("version").returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.skip(f"dockerd does not start: {(self.folder / 'log').read_text()[-300:]}")
            time.sleep(0.1)

    def docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command-line client against it."""
        command = ["docker", "-H", self.address, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def send(self, number: int) -> None:
        """Send a signal to it."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait for that."""
        if self._process is not None:
            self.send(signal.SIGCONT)
            self.send(number)
            self._process.wait(60)
            # Its containerd dies with it, and may be a zombie that looks alive by its number.
            (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """End it, and what a killed engine leaves: shims of its containers, and mounts."""
        self.stop()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and self._is_shim((entry / "cmdline").read_bytes()):
                    os.kill(int(entry.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_shim(self, command: bytes) -> bool:
        return b"containerd-shim" in command and str(self.folder).encode() in command


def own_engine(folder: Path, port: int = 0) -> OwnEngine:
    """Start an engine that holds the image of the engine that the other tests use."""
    if os.geteuid() != 0:
        pytest.skip("an engine of the test's own needs root")
    missing = [name for name in ("dockerd", "docker") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    made = OwnEngine(folder, port)
    made.start()
    image = os.environ.get("ISE_TEST_IMAGE") or DEFAULT
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        loading = ["docker", "-H", made.address, "load"]
        subprocess.run(loading, stdin=saving.stdout, capture_output=True, check=True)
    return made
