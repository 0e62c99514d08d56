"""A believable history: people, a clock, a code base, and a remote that lies beside the clone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from ise_env.tasks.codebase import surroundings
from ise_env.tasks.draw import Draw
from ise_env.tasks.git_seed import Commit, RepoSeed

SUBJECTS = {
    ".py": ("Add {}", "Sketch {}", "Start on {}", "Write {}"),
    ".md": ("Note {}", "Write up {}", "Document {}"),
    "": ("Keep {}", "Check in {}", "Put {} under version control"),
}


class History:
    """Commits one after the other, each some hours after the last.

    Args:
        d: Draws people, times, and the files around.
        start: Files of the first commit beside the code base.

    Attributes:
        project: Its name.
        people: `Name <address>` of everybody who commits.
    """

    def __init__(self, d: Draw, start: Mapping[str, str]) -> None:
        self._d = d
        self.project = d.word("projects")
        self.people = [
            f"{name} <{name.split()[0].lower()}@{self.project}.example>" for name in d.people(4)
        ]
        self._clock: datetime = d.moment(d.day(2025), 8, 11)
        self.commits: list[Commit] = []
        around = surroundings(d, self.project, package="src", modules=8, docs=4, others=4)
        later = d.some(sorted(around), 5)
        first = {path: text for path, text in around.items() if path not in later}
        self.add("Start the project", {**first, **start})
        for path in later:
            name = path.rpartition("/")[2]
            kind = next(end for end in SUBJECTS if name.endswith(end))
            self.add(d.pick(SUBJECTS[kind]).format(name), {path: around[path]})

    def add(
        self,
        message: str,
        files: Mapping[str, str | None],
        *,
        who: str = "",
        branch: str = "main",
        start: str = "main",
        tags: tuple[str, ...] = (),
    ) -> int:
        """Commit; returns the commit's number."""
        self._clock += timedelta(minutes=self._d.integer(50, 2400))
        author = who or self._d.pick(self.people)
        known = any(commit.branch == branch for commit in self.commits)
        origin = None if known or not self.commits else start
        self.commits.append(Commit(message, files, author, self._clock, branch, origin, tags=tags))
        return len(self.commits) - 1

    def repo(self, path: str, *, executables: Collection[str] = ()) -> RepoSeed:
        """The repository so far, main checked out; the first of the people works in it."""
        user, runs = self.people[0], frozenset(executables)
        return RepoSeed(path, tuple(self.commits), user=user, executables=runs)


def remote(repo: RepoSeed, name: str, refs: Mapping[str, str]) -> str:
    """A script that makes a bare repository beside a clone, and its `origin`.

    Args:
        repo: The clone; its path has one folder above it.
        name: Folder of the bare repository, beside the clone's.
        refs: Branch to the id of the commit that was pushed to it; nothing else is there.
    """
    pushed = " ".join(f"{commit}:refs/heads/{branch}" for branch, commit in refs.items())
    folder = repo.path.rpartition("/")[0]
    return (
        f"set -eu\ngit init -q --bare -b main {folder}/{name}\ncd {repo.path}\n"
        f"git remote add origin ../{name}\ngit push -q origin {pushed}\ngit fetch -q\n"
        "git branch -q --set-upstream-to=origin/main main\n"
    )
