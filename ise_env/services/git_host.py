"""The git host of an episode: smart HTTP (gitprotocol-http(5)) and a small JSON API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ise_env.errors import WorkspaceError
from ise_env.services.git_process import GitFailed
from ise_env.services.httpd import Request, Response
from ise_env.services.pktline import Malformed
from ise_env.services.records import CommitTests, Push
from ise_env.services.repository import Repository, RunTests
from ise_env.services.spec import RepositorySeed

MOST_PUSH = 32 * 2**20
JSON = "application/json; charset=utf-8"
_WIRE = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
_API = re.compile(r"/api/([^/]+/[^/]+)(?:/commits/([0-9a-f]{4,40})/status)?")
_NO_CACHE = (("Cache-Control", "no-cache"),)


class GitHost:
    """Answers for the git host.

    Args:
        seeds: The repositories, with different names.
        folder: Where they are kept.
        run: Runs the tests of a commit.

    Attributes:
        failure: What kept the machinery from running tests; says nothing about the agent.
    """

    def __init__(self, seeds: Iterable[RepositorySeed], folder: Path, run: RunTests) -> None:
        self._repositories = {
            seed.name: Repository(seed, folder / f"{seed.name}.git", run) for seed in seeds
        }
        self.failure: WorkspaceError | None = None

    async def create(self) -> None:
        """Make the repositories."""
        for repository in self._repositories.values():
            await repository.create()

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        wire = _WIRE.fullmatch(request.path)
        api = _API.fullmatch(request.path)
        name = (wire or api or [""] * 2)[1]
        repository = self._repositories.get(name)
        if repository is None:
            return Response(404, b"there is no such repository\n")
        try:
            if wire:
                return await self._converse(repository, wire[2], request)
            return await self._describe(repository, api[2] if api else None)
        except Malformed as error:
            return Response(400, f"{error}\n".encode())
        except GitFailed as error:
            return Response(500, f"{error}\n".encode()[:500])
        except WorkspaceError as error:
            self.failure = error
            return Response(500, b"the tests could not run\n")

    async def _converse(self, repository: Repository, what: str, request: Request) -> Response:
        protocol = request.headers.get("git-protocol", "")
        if not re.fullmatch(r"version=[012]", protocol):
            protocol = ""
        if what == "info/refs":
            service = dict(request.query).get("service", "").removeprefix("git-")
            if request.method != "GET" or service not in ("upload-pack", "receive-pack"):
                return Response(403, b"only git's smart protocol is served\n")
            text = await repository.advertise(service, protocol)
            kind = f"application/x-git-{service}-advertisement"
            return Response(200, text, kind, _NO_CACHE)
        if request.method != "POST":
            return Response(405, b"only POST\n", headers=(("Allow", "POST"),))
        if what == "git-upload-pack":
            text = await repository.upload(request.body, protocol)
        elif request.body == b"0000":  # a client tries whether it may send more in chunks
            text = b""
        else:
            text = await repository.receive(request.body)
        return Response(200, text, f"application/x-{what}-result", _NO_CACHE)

    async def _describe(self, repository: Repository, commit: str | None) -> Response:
        seed = repository.seed
        if commit is None:
            refs = await repository.refs()
            heads = {k.removeprefix("refs/heads/"): v for k, v in refs.items() if "/heads/" in k}
            about = {"name": seed.name, "default_branch": seed.head, "branches": heads}
            about |= {"protected": list(seed.protected), "closed": list(seed.closed)}
            return _json(about)
        for full, run in repository.tests.items():
            if full.startswith(commit):
                state = "success" if run.passed else "failure"
                return _json({"commit": full, "state": state, "output": run.output})
        return _json({"commit": commit, "state": "none", "output": ""})

    def pushes(self) -> list[Push]:
        """Every push to every repository."""
        return [push for r in self._repositories.values() for push in r.pushes]

    def tests(self) -> list[CommitTests]:
        """What the tests of pushed commits came to."""
        return [run for r in self._repositories.values() for run in r.tests.values()]

    def copies(self) -> Mapping[str, Mapping[str, bytes]]:
        """Each repository's files."""
        return {name: r.copy() for name, r in self._repositories.items()}


def _json(value: Any) -> Response:
    return Response(200, json.dumps(value).encode() + b"\n", JSON)
