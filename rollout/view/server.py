"""Following a live run: a small server on loopback that the page asks for what is new."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ise_env.errors import ConfigError
from ise_env.rollout.view.page import live_page, packed, summary
from ise_env.traces.layout import Layout
from ise_env.traces.reader import read_run
from ise_env.traces.serialise import parse_trajectory


class Follower:
    """The finished episodes of a run, read once each as they are appended.

    Args:
        run: The run directory.
    """

    def __init__(self, run: Path) -> None:
        self._layout = Layout(run)
        self._offsets: dict[Path, int] = {}
        self._known: set[str] = set()
        self._guard = threading.Lock()
        self.summaries: list[dict[str, Any]] = []
        self.packed: list[bytes] = []

    def look(self) -> None:
        """Take in what was written since the last look; a torn last line waits for the next.

        Raises:
            ConfigError: A record cannot be read.
        """
        with self._guard:
            for path in self._layout.shard_paths():
                if path.suffix == ".zst":
                    self._sealed(path)
                else:
                    self._growing(path)

    def _growing(self, path: Path) -> None:
        start = self._offsets.get(path, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                new = file.read()
        except FileNotFoundError:
            return  # sealed in the meantime: the next look finds it under its new name
        whole = new[: new.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            self._add(parse_trajectory(line, f"{path} from byte {start}, line {number}"))
        self._offsets[path] = start + len(whole)

    def _sealed(self, path: Path) -> None:
        if path not in self._offsets:
            for trajectory in read_run(path):
                self._add(trajectory)
            self._offsets[path] = 0

    def _add(self, trajectory: Any) -> None:
        if trajectory.episode_id not in self._known:
            self._known.add(trajectory.episode_id)
            self.summaries.append(summary(len(self.summaries), trajectory))
            self.packed.append(packed(trajectory))


class ViewServer(ThreadingHTTPServer):
    """Serves one run on loopback.

    Args:
        run: The run directory.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, run: Path, port: int = 0) -> None:
        self.follower = Follower(run)
        self.follower.look()
        self.page = live_page(run.resolve().name).encode()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise ConfigError(f"port {port}: {error.strerror}; choose another --port") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet about a browser that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the page, the summaries from a number on, or one record."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):
            # A page elsewhere must not read traces through a name that it made point here.
            self._answer(403, "text/plain", b"")
            return
        parts = urlsplit(self.path)
        follower = self.server.follower
        if parts.path == "/":
            self._answer(200, "text/html; charset=utf-8", self.server.page)
        elif parts.path == "/index.json":
            try:
                follower.look()
            except ConfigError as error:
                self._answer(500, "text/plain; charset=utf-8", str(error).encode())
                return
            start = parse_qs(parts.query).get("from", ["0"])[0]
            rows = follower.summaries[int(start) if start.isdigit() else 0 :]
            self._answer(200, "application/json", json.dumps(rows).encode())
        else:
            name = parts.path.removeprefix("/episode/")
            if name.isdigit() and int(name) < len(follower.packed):
                self._answer(200, "application/octet-stream", follower.packed[int(name)])
            else:
                self._answer(404, "text/plain", b"")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet: the terminal says where the page is and nothing else."""
