"""One bare repository on the host: made from its seed, pushed to, looked at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ise_env.services import pktline
from ise_env.services.git_process import GitFailed, Output, git
from ise_env.services.pktline import ZERO, Command
from ise_env.services.records import CommitTests, Push
from ise_env.services.spec import RepositorySeed
from ise_env.workspaces.protocol import SeedFile

MOST_STORED = 128 * 2**20
"""Bytes of one repository; a push to a fuller one is refused."""
MOST_COPIED = 64 * 2**20
MOST_TESTED = 3
"""Refs of one push whose tests run."""
MOST_FILES = 5_000
MOST_TREE = 32 * 2**20

RunTests = Callable[[Sequence[SeedFile], Sequence[str]], tuple[bool, str]]

HOOK = """#!/bin/sh
# Which pushes are taken: $1 ref, $2 old, $3 new.
closed=" {closed} " protected=" {protected} " zero={zero}
forced=
if [ "$2" != $zero ] && [ "$3" != $zero ] && ! git merge-base --is-ancestor "$2" "$3"; then
  forced=1
  echo "$1" >> "$GIT_DIR/forced"
fi
case "$closed" in *" $1 "*)
  echo "$1 is closed: push to a branch of your own" >&2
  exit 1;;
esac
case "$protected" in *" $1 "*)
  if [ "$3" = $zero ]; then echo "$1 is protected: it cannot be deleted" >&2; exit 1; fi
  if [ "$forced" ]; then echo "$1 is protected: it takes no forced push" >&2; exit 1; fi;;
esac
exit 0
"""

CONFIG = """[core]
\trepositoryformatversion = 0
\tbare = true
\thooksPath = hooks
\tfsync = none
[receive]
\tfsckObjects = true
\tmaxInputSize = 32m
\tautogc = false
\tdenyDeletes = false
[gc]
\tauto = 0
[uploadpack]
\tallowFilter = true
"""


class Repository:
    """A repository of the git host.

    Args:
        seed: What it starts with.
        folder: The bare repository; it does not exist yet.
        run: Runs a command over files in a workspace of its own; see `run_tests`.
    """

    def __init__(self, seed: RepositorySeed, folder: Path, run: RunTests) -> None:
        self.seed = seed
        self._folder, self._run = folder, run
        self._lock = asyncio.Lock()
        self.pushes: list[Push] = []
        self.tests: dict[str, CommitTests] = {}

    async def create(self) -> None:
        """Make it."""
        seed = self.seed
        for part in ("hooks", "objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (self._folder / part).mkdir(parents=True)
        (self._folder / "HEAD").write_text(f"ref: refs/heads/{seed.head}\n")
        (self._folder / "config").write_text(CONFIG)
        hook = self._folder / "hooks/update"
        hook.write_text(
            HOOK.format(
                closed=" ".join(f"refs/heads/{name}" for name in seed.closed),
                protected=" ".join(f"refs/heads/{name}" for name in seed.protected),
                zero=ZERO,
            )
        )
        hook.chmod(0o755)
        await git(self._folder, "fast-import", "--quiet", stdin=seed.stream.encode())

    # --- serving -----------------------------------------------------------------------------

    async def advertise(self, service: str, protocol: str) -> bytes:
        """What a client asks for first: refs and capabilities."""
        done = await git(
            self._folder,
            *(service, "--stateless-rpc", "--http-backend-info-refs", "."),
            protocol=protocol,
        )
        return pktline.line(f"# service=git-{service}\n".encode()) + pktline.FLUSH + done.text

    async def upload(self, body: bytes, protocol: str) -> bytes:
        """Answer a fetch."""
        arguments = ("upload-pack", "--stateless-rpc", ".")
        return (await git(self._folder, *arguments, stdin=body, protocol=protocol)).text

    async def receive(self, body: bytes) -> bytes:
        """Answer a push; tests of what came in run before the client hears of it."""
        commands, sideband = pktline.commands(body)
        async with self._lock:
            if self._size() > MOST_STORED:
                raise GitFailed("the repository is full")
            (self._folder / "forced").unlink(missing_ok=True)
            done = await git(
                self._folder, "receive-pack", "--stateless-rpc", ".", stdin=body, check=False
            )
            refused = await self._outcome(commands, done)
            told = await self._test([c for c in commands if c.ref not in refused], refused)
            self._remember(commands, refused)
        if not told or not sideband:
            return done.text
        return pktline.report(commands, refused, told)

    async def _outcome(self, commands: Sequence[Command], done: Output) -> dict[str, str]:
        """Which refs did not change as was wanted, and why."""
        refs = await self.refs()
        said = " ".join(done.errors.decode("utf-8", "replace").split()) or "refused"
        return {c.ref: said[:300] for c in commands if refs.get(c.ref, ZERO) != c.new}

    async def _test(self, taken: Sequence[Command], refused: dict[str, str]) -> list[str]:
        """Run the tests of what was taken; take back what a gate does not let through."""
        told: list[str] = []
        pushed = [c for c in taken if c.new != ZERO and c.ref.startswith("refs/heads/")]
        if not self.seed.tests:
            return told
        for command in pushed[:MOST_TESTED]:
            result = await self._tests_of(command.new)
            state = "passed" if result.passed else "failed"
            told.append(f"tests of {command.new[:12]}: {state}")
            if result.passed:
                continue
            told += [f"  {line}" for line in result.output.splitlines()[-12:]]
            branch = command.ref.removeprefix("refs/heads/")
            if self.seed.gate and branch in self.seed.protected:
                await self._take_back(command)
                refused[command.ref] = "the tests failed"
        return told

    async def _tests_of(self, commit: str) -> CommitTests:
        if commit not in self.tests:
            files = await self._tree(commit)
            passed, output = await asyncio.to_thread(self._run, files, self.seed.tests)
            self.tests[commit] = CommitTests(self.seed.name, commit, passed, output)
        return self.tests[commit]

    async def _take_back(self, command: Command) -> None:
        if command.old == ZERO:
            await git(self._folder, "update-ref", "-d", command.ref, command.new)
        else:
            await git(self._folder, "update-ref", command.ref, command.old, command.new)

    def _remember(self, commands: Sequence[Command], refused: Mapping[str, str]) -> None:
        place = self._folder / "forced"
        forced = place.read_text().split() if place.is_file() else []
        for command in commands:
            self.pushes.append(
                Push(
                    repository=self.seed.name,
                    ref=command.ref,
                    old=command.old if command.old != ZERO else "",
                    new=command.new if command.new != ZERO else "",
                    refused=refused.get(command.ref, ""),
                    forced=command.ref in forced,
                )
            )

    # --- looking -----------------------------------------------------------------------------

    async def refs(self) -> dict[str, str]:
        """Every ref and the commit or tag that it names."""
        done = await git(self._folder, "for-each-ref", "--format=%(objectname) %(refname)")
        lines = (line.split(" ", 1) for line in done.text.decode("utf-8", "replace").splitlines())
        return {name: commit for commit, name in lines}

    async def _tree(self, commit: str) -> list[SeedFile]:
        """Regular files of a commit; links and submodules are left out."""
        listing = await git(self._folder, "ls-tree", "-r", "-z", "-l", commit)
        entries: list[tuple[int, str, int, str]] = []
        for entry in listing.text.split(b"\0")[:-1]:
            head, _, path = entry.partition(b"\t")
            mode, kind, name, size = head.decode("ascii").split()
            if kind == "blob" and mode != "120000":
                entries.append((int(mode, 8) & 0o777, name, int(size), os.fsdecode(path)))
        if len(entries) > MOST_FILES or sum(entry[2] for entry in entries) > MOST_TREE:
            raise GitFailed("the commit is too large to be tested")
        wanted = "".join(f"{name}\n" for _, name, _, _ in entries).encode()
        done = await git(self._folder, "cat-file", "--batch", stdin=wanted)
        files, at = [], 0
        for permissions, _, length, where in entries:
            start = done.text.index(b"\n", at) + 1
            files.append(SeedFile(where, done.text[start : start + length], permissions))
            at = start + length + 1
        return files

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def copy(self) -> dict[str, bytes]:
        """Objects, refs and HEAD, for checks; empty when there is too much."""
        wanted = [self._folder / "HEAD", self._folder / "packed-refs"]
        wanted += [p for part in ("objects", "refs") for p in (self._folder / part).rglob("*")]
        files = [path for path in wanted if path.is_file()]
        if sum(path.stat().st_size for path in files) > MOST_COPIED:
            return {}
        return {str(path.relative_to(self._folder)): path.read_bytes() for path in files}
