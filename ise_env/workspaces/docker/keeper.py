"""The program of a keeper: a container that holds the trees of workspaces, and runs no agent.

A container's own memory file system ends with it, and nothing may be said about a tree while
the agent's processes are alive. So the trees lie in volumes that a second container keeps
mounted: size-capped tmpfs, one for each place. A workspace sees its place through a bind
mount; the keeper, root over these trees and nothing else, makes places, fills them from
templates, and reads what is left when the workspace's processes are gone.

Runs inside the keeper's container, with the standard library: imported on the host only for
the names of its operations' effects, never executed there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ise_env.workspaces.inside import wire
from ise_env.workspaces.inside.link import Link
from ise_env.workspaces.local import templates
from ise_env.workspaces.protocol import WORKDIR
from ise_env.workspaces.tree import Entry, Tree

PLACES = "/places"
TEMPLATES = "/templates"
PART = 8 * 2**20
"""Bytes of a long answer that go into one frame."""

OWNER = (1000, 1000)


class Keeper:
    """Answers requests about trees, one at a time; that it lives it tells meanwhile."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._trees: dict[str, int] = {}
        """Descriptors of places in use, by name (`0/17`: the 17th use of place 0)."""
        self._before: dict[str, dict[str, Entry]] = {}
        self._answers: dict[int, bytes] = {}
        """Long ones, until they are fetched."""
        self._upload = bytearray()
        self._replying = threading.Lock()
        self._operations: dict[str, Callable[..., Any]] = {
            "hello": lambda: sys.version.split()[0],
            "make": self.make,
            "name": self.name_hosts,
            "upload": self.upload,
            "store": self.store,
            "lay": self.lay,
            "unpack": self.unpack,
            "wipe": self.wipe,
            "remember": self.remember,
            "changes": self.changes,
            "archive": self.archive,
            "stat": lambda tree, path: asdict(self._tree(tree).stat(path)),
            "read": lambda tree, path, most: self._tree(tree).read(path, most),
            "walk": self.walk,
        }

    def serve(self) -> None:
        """Answer until the host closes the link."""
        reader = wire.FrameReader()
        requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(requests,), daemon=True).start()
        while data := os.read(self._link.requests, 1 << 18):
            for request in reader.feed(data):
                assert isinstance(request, dict)
                if request["op"] == "ping":
                    self._reply({"id": request["id"], "ok": None})
                else:
                    requests.put(request)

    def _work(self, requests: queue.SimpleQueue[dict[str, Any]]) -> None:
        try:
            while True:
                request = requests.get()
                self._reply({"id": request.pop("id"), **self._answer(request)})
        except BaseException:  # noqa: BLE001 - or the other thread would tell that all is well
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request.pop("op")
        try:
            if operation == "part":
                return {"ok": self._part(**request)}
            result = self._operations[operation](**request)
        except OSError as error:
            path = error.filename if isinstance(error.filename, str) else ""
            number = error.errno or errno.EINVAL
            return {"errno": number, "message": error.strerror or str(error), "path": path}
        except Exception as error:  # noqa: BLE001 - of one tree, which is not to take seven along
            message = f"{type(error).__name__}: {error}"
            return {"errno": errno.EIO, "message": message, "path": ""}
        if isinstance(result, bytes):
            return {"ok": self._parted(result, "bytes")}
        return {"ok": self._parted(json.dumps(result).encode(), "json")}

    def _parted(self, data: bytes, kind: str) -> dict[str, Any]:
        """Hand out the beginning of an answer; a long one is fetched in parts."""
        number = 0
        if len(data) > PART:
            number = max(self._answers, default=0) + 1
            self._answers[number] = data
        return {"kind": kind, "size": len(data), "data": data[:PART], "answer": number}

    def _part(self, answer: int, at: int) -> bytes:
        data = self._answers[answer]
        if at + PART >= len(data):
            del self._answers[answer]
        return data[at : at + PART]

    def _reply(self, fields: dict[str, Any]) -> None:
        left = memoryview(wire.encode(fields))
        with self._replying, contextlib.suppress(ConnectionError):  # the other thread ends then
            while left:
                left = left[os.write(self._link.replies, left) :]

    # --- places -------------------------------------------------------------------------------

    def make(self, tree: str, etc: dict[str, str]) -> None:
        """Make an empty tree: `workspace`, `home/agent`, and what lies beside it."""
        base = Path(PLACES, tree)
        for name in ("tree/workspace", "tree/home/agent", "upper", "work"):
            (base / name).mkdir(parents=True)
            os.chown(base / name, *OWNER)
        for name, text in etc.items():
            (base / name).write_text(text)
        self._trees[tree] = os.open(base / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def name_hosts(self, tree: str, text: str) -> None:
        """Write the workspace's `/etc/hosts`, which it sees at once."""
        Path(PLACES, tree, "hosts").write_text(text)

    def wipe(self, tree: str) -> None:
        """Remove a tree whose workspace is gone; its place is free then."""
        fd = self._trees.pop(tree, -1)
        self._before.pop(tree, None)
        if fd >= 0:
            os.close(fd)
        _run("rm", "-rf", "--one-file-system", f"{PLACES}/{tree}")

    def upload(self, data: bytes, *, first: bool) -> None:
        """Take the next part of an archive that `store` or `unpack` will use."""
        if first:
            self._upload.clear()
        self._upload += data

    def store(self) -> str:
        """Keep the uploaded archive as a template; return its name here."""
        items = templates.of_archive(bytes(self._upload))
        self._upload.clear()
        return templates.prepare(Path(TEMPLATES), items, OWNER)

    def lay(self, tree: str, template: str) -> None:
        """Fill a fresh tree from a template."""
        target = f"{PLACES}/{tree}/tree{WORKDIR}"
        _run("cp", "-a", "--no-target-directory", f"{TEMPLATES}/{template}", target)

    def unpack(self, tree: str) -> None:
        """Fill a fresh tree from the uploaded archive."""
        name = self.store()
        self.lay(tree, name)
        _run("rm", "-rf", f"{TEMPLATES}/{name}")

    # --- trees --------------------------------------------------------------------------------

    def _tree(self, tree: str) -> Tree:
        try:
            return Tree(self._trees[tree])
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "the tree is not kept any more", "") from None

    def remember(self, tree: str) -> None:
        """Remember a tree as it is now."""
        self._before[tree] = self._tree(tree).remember(WORKDIR)

    def changes(self, tree: str, *, hashes: bool) -> list[dict[str, Any]]:
        """Compare with what was remembered."""
        before = self._before.get(tree, {})
        return [asdict(c) for c in self._tree(tree).changes(WORKDIR, before, hashes=hashes)]

    def archive(self, tree: str) -> bytes:
        """Return the tree below `WORKDIR` as a tar."""
        return self._tree(tree).archive(WORKDIR)

    def walk(self, tree: str, path: str) -> dict[str, Any]:
        """Describe everything below a path."""
        return {name: asdict(e.stat) for name, e in self._tree(tree).walk(path).items()}


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        full = "No space left" in done.stderr
        lines = done.stderr.strip().splitlines() or [f"{argv[0]} failed"]
        raise OSError(errno.ENOSPC if full else errno.EIO, lines[0], "")


def main() -> None:
    """Serve the link that the command line names."""
    os.umask(0o022)
    with contextlib.suppress(ConnectionError):
        Keeper(Link(sys.argv[1])).serve()
