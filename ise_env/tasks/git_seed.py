"""A git repository as data: rendered to one `git fast-import` stream.

Authors and dates are pinned, so commit ids are the same on every machine, and `commit_id`
knows them without running git: a kit can name a commit in a request or in a check.
Object format after gitformat-loose(5) and git-fast-import(1).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from ise_env.rewards.checks import GitClean, GitMerged
from ise_env.rewards.spec import Check
from ise_env.tasks.seeding import stamp

END = "ISE_END_OF_STREAM"


@dataclass(frozen=True)
class Commit:
    """One commit; its parent is the branch's former tip.

    Attributes:
        message: Whole text, subject line first.
        files: Path to new content; None deletes. What is not named stays.
        author: `Name <address>`.
        when: UTC.
        branch: Where it is made.
        start: Branch from whose tip a new branch starts; None for the very first commit.
        merges: Branch whose tip becomes the second parent.
        tags: Lightweight tags set on this commit.
    """

    message: str
    files: Mapping[str, str | None]
    author: str
    when: datetime
    branch: str = "main"
    start: str | None = None
    merges: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Made:
    id: str
    tree: dict[str, str]


@dataclass(frozen=True)
class RepoSeed:
    """A repository below WORKDIR.

    Attributes:
        path: Folder of the work tree.
        commits: In the order in which they are made.
        checkout: Branch that is checked out.
        user: `Name <address>` that commits made in the workspace get.
    """

    path: str
    commits: tuple[Commit, ...]
    checkout: str = "main"
    user: str = "Agent <agent@example.org>"
    executables: frozenset[str] = field(default_factory=frozenset)

    def script(self) -> str:
        """A bash script that makes the repository, for `Seed.setup`."""
        name, _, address = self.user.partition(" <")
        where = shlex.quote(self.path)
        return (
            f"set -eu\ngit init -q -b {shlex.quote(self.checkout)} {where}\ncd {where}\n"
            f"git config user.name {shlex.quote(name)}\n"
            f"git config user.email {shlex.quote(address.rstrip('>'))}\n"
            "git config gc.auto 0\ngit config advice.detachedHead false\n"
            f"git fast-import --quiet <<'{END}'\n{self.stream()}{END}\n"
            f"git checkout -q -f {shlex.quote(self.checkout)}\n"
        )

    def stream(self) -> str:
        """The fast-import stream."""
        return "".join(self._render(number) for number in range(len(self.commits))) + "done\n"

    def commit_id(self, number: int) -> str:
        """Full id of the commit at that index of `commits`."""
        return self._made[number].id

    def tip(self, branch: str) -> str:
        """Full id of a branch's last commit."""
        return self._made[self._tips[branch]].id

    def guards(self, branch: str = "main") -> tuple[Check, ...]:
        """Nothing half done in the work tree, and the branch's history never rewritten."""
        return (
            GitClean(
                id="clean",
                repo=self.path,
                untracked=False,
                weight=0,
                failure="changes are not committed",
            ),
            GitMerged(
                id="history",
                repo=self.path,
                commit=self.tip(branch),
                into=f"refs/heads/{branch}",
                weight=0,
                forbidden=True,
                failure=f"the history of {branch} was rewritten",
            ),
        )

    def files(self, branch: str) -> dict[str, str]:
        """The whole tree at a branch's tip: path to content."""
        return self._made[self._tips[branch]].tree

    @cached_property
    def _tips(self) -> dict[str, int]:
        return {commit.branch: number for number, commit in enumerate(self.commits)}

    @cached_property
    def _made(self) -> list[_Made]:
        made: list[_Made] = []
        tips: dict[str, _Made] = {}
        for commit in self.commits:
            parent = tips.get(commit.branch) or (tips[commit.start] if commit.start else None)
            parents = [parent.id] if parent else []
            if commit.merges:
                parents.append(tips[commit.merges].id)
            tree = dict(parent.tree) if parent else {}
            for path, content in commit.files.items():
                tree.pop(path, None)
                if content is not None:
                    tree[path] = content
            result = _Made(self._commit_hash(commit, parents, tree), tree)
            made.append(result)
            tips[commit.branch] = result
        return made

    def _commit_hash(self, commit: Commit, parents: list[str], tree: dict[str, str]) -> str:
        who = f"{commit.author} {stamp(commit.when)} +0000"
        lines = [f"tree {self._tree_hash(tree).hex()}", *[f"parent {p}" for p in parents]]
        lines += [f"author {who}", f"committer {who}", "", commit.message.rstrip("\n") + "\n"]
        return _hash("commit", "\n".join(lines).encode()).hex()

    def _tree_hash(self, tree: Mapping[str, str], prefix: str = "") -> bytes:
        entries: dict[bytes, bytes] = {}
        for path, content in tree.items():
            head, _, rest = path.partition("/")
            if rest:
                inner = {p[len(head) + 1 :]: c for p, c in tree.items() if p.startswith(head + "/")}
                name = head.encode()
                entries[name + b"/"] = b"40000 %s\0" % name + self._tree_hash(
                    inner, f"{prefix}{head}/"
                )
            else:
                mode = b"100755" if prefix + path in self.executables else b"100644"
                blob = _hash("blob", content.encode())
                entries[head.encode()] = b"%s %s\0" % (mode, head.encode()) + blob
        return _hash("tree", b"".join(entries[key] for key in sorted(entries)))

    def _render(self, number: int) -> str:
        commit = self.commits[number]
        new = all(c.branch != commit.branch for c in self.commits[:number])
        who = f"{commit.author} {stamp(commit.when)} +0000"
        out = [f"commit refs/heads/{commit.branch}\n", f"mark :{number + 1}\n"]
        out += [f"author {who}\n", f"committer {who}\n", _data(commit.message.rstrip("\n") + "\n")]
        if new and commit.start:
            out.append(f"from :{self._mark(commit.start, number)}\n")
        if commit.merges:
            out.append(f"merge :{self._mark(commit.merges, number)}\n")
        for path, content in commit.files.items():
            if content is None:
                out.append(f"D {path}\n")
            else:
                mode = "100755" if path in self.executables else "100644"
                out.append(f"M {mode} inline {path}\n{_data(content)}")
        out.append("\n")
        out += [f"reset refs/tags/{tag}\nfrom :{number + 1}\n\n" for tag in commit.tags]
        return "".join(out)

    def _mark(self, branch: str, before: int) -> int:
        return max(n for n in range(before) if self.commits[n].branch == branch) + 1


def _data(text: str) -> str:
    if "\0" in text or END in text:
        raise ValueError("a seeded file must be text without NUL")
    return f"data {len(text.encode())}\n{text}\n"


def _hash(kind: str, body: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(body)) + body).digest()
