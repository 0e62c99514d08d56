"""A fix on main that a release branch needs too, without the rest of main."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitBranch, GitFile, GitLog, GitMerged, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.steps import found, last_line, plural, sh, write

MODULES = {
    "rounding": (
        "def net(cents):\n    return cents * 81 // 100\n",
        "cents * 81 // 100",
        "round(cents * 0.81)",
    ),
    "paging": (
        "def pages(rows, size):\n    return rows // size\n",
        "rows // size",
        "-(-rows // size)",
    ),
    "allowance": (
        "def left(used, limit):\n    return limit - used\n",
        "limit - used",
        "max(0, limit - used)",
    ),
    "labels": (
        "def label(name):\n    return name.lower()\n",
        "name.lower()",
        "name.strip().lower()",
    ),
    "expiry": ("def over(age, days):\n    return age > days\n", "age > days", "age >= days"),
}
FOLLOW_UP = "\n\ndef check(*values):\n    return all(value is not None for value in values)\n"


class Params(KitParams):
    """What was fixed, and for which release."""

    module: str
    ticket: int = Field(ge=100, le=899)
    release: str
    """Branch is `release/<this>`."""
    patch: int = Field(ge=1, le=3)
    """Number of the last tag on that branch; the next one is asked for."""
    follow_up: bool
    """Whether the ticket took two commits."""
    noise: int = Field(ge=2, le=8)


@dataclass(frozen=True)
class World:
    """The repository, and what the release must hold."""

    repo: RepoSeed
    fixed: str
    picks: int
    later: str
    """Id of a commit on main that must stay out of the release."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both branches from the parameters."""
    d = Draw(p.content)
    title = d.word("projects")
    authors = [f"{who} <{who.split()[0].lower()}@{title}.example>" for who in d.people(3)]
    source, flaw, mended = MODULES[p.module]
    head = f'"""{p.module.title()} of {title}."""\n\n\n'
    path, branch = f"src/{p.module}.py", f"release/{p.release}"
    fixed = head + source.replace(flaw, mended)
    complete = fixed + FOLLOW_UP if p.follow_up else fixed
    clock = d.moment(d.day(2025, 5), 8, 12)
    commits: list[Commit] = []

    def add(
        message: str,
        changed: dict[str, str | None],
        branch: str = "main",
        start: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        nonlocal clock
        clock += timedelta(hours=d.integer(3, 30))
        commits.append(Commit(message, changed, d.pick(authors), clock, branch, start, tags=tags))

    others = d.different("services", p.noise + 2)
    add("Start the project", {"README.md": f"# {title}\n", path: head + source})
    add(f"Add {others[0]}", {f"src/{others[0]}.py": "READY = True\n"}, tags=(f"v{p.release}.0",))
    for number in range(1, p.patch + 1):
        add(
            f"Prepare {p.release}.{number}",
            {"VERSION": f"{p.release}.{number}\n"},
            branch=branch,
            start="main",
            tags=(f"v{p.release}.{number}",),
        )
    for name in others[2:]:
        add(f"Rewrite {name} (#{p.ticket - d.integer(1, 9)})", {f"src/{name}.py": "NEW = 1\n"})
    add(f"Fix {p.module} (#{p.ticket})", {path: fixed})
    later = len(commits)
    add(f"Drop the old {others[0]}", {f"src/{others[0]}.py": None})
    if p.follow_up:
        add(f"Check the input of {p.module} too (#{p.ticket})", {path: complete})
    add(f"Start {others[1]} (#{p.ticket + 1})", {f"src/{others[1]}.py": "DRAFT = True\n"})
    repo = RepoSeed(path=p.folder, commits=tuple(commits), user=authors[0])
    return World(repo, complete, 2 if p.follow_up else 1, repo.commit_id(later))


class BackportFix(Kit[Params]):
    """A fix to backport."""

    name = "source-chain/backport-fix"
    title = "Backport a fix to a release branch"
    description = "Cherry-pick the commits of one ticket to a release branch, and tag it."
    obstacle = "the fix took two commits that other work lies between"
    requires = ("git",)
    folders = ("product", "sdk", "engine")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: the ticket took two commits, in a longer history."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            module=one(rng, sorted(MODULES)),
            ticket=int(rng.integers(120, 900)),
            release=f"{int(rng.integers(1, 5))}.{int(rng.integers(0, 9))}",
            patch=int(rng.integers(1, 4)),
            follow_up=complexity != "simple",
            noise={"simple": 2, "medium": 4, "complex": 8}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository with main and a release branch."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The backport, then the tag."""
        branch, ticket, tag = f"release/{p.release}", f"#{p.ticket}", f"v{p.release}.{p.patch + 1}"
        return (
            SubGoal(
                id="backport",
                request=f"cherry-pick everything that fixed ticket {ticket} on main in the "
                f"repository {p.folder} onto the branch {branch}, and nothing else of main",
                label=f"the backport of {ticket}",
                facts=(
                    Fact("ticket", ticket),
                    Fact("repository", p.folder),
                    Fact("branch", branch),
                ),
                artifacts=(f"{p.folder}/src/{p.module}.py",),
            ),
            SubGoal(
                id="tag",
                request=f"set VERSION on {branch} to {p.release}.{p.patch + 1} in a commit of its "
                f"own and put the annotated tag {tag} on it, whose message names {ticket}",
                label=f"the tag {tag}",
                facts=(Fact("branch", branch), Fact("tag", tag), Fact("ticket", ticket)),
                artifacts=(f"{p.folder}/VERSION",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What the branch holds, how many commits it took, the tag at its tip."""
        w, f = world(p), p.folder
        ref, tag = f"refs/heads/release/{p.release}", f"refs/tags/v{p.release}.{p.patch + 1}"
        tip = w.repo.tip(f"release/{p.release}")
        version = f"{p.release}.{p.patch + 1}"
        return (
            GitFile(
                id="fixed",
                subgoal="backport",
                weight=2,
                repo=f,
                ref=ref,
                path=f"src/{p.module}.py",
                text=TextMatch(equals=w.fixed),
                failure="the release does not hold the whole fix",
            ),
            GitLog(id="no merge", repo=f, range=f"{tip}..{ref}", merges=0, weight=0),
            GitLog(
                id="commits",
                subgoal="tag",
                repo=f,
                range=f"{tip}..{ref}",
                commits=w.picks + 1,
                merges=0,
                failure="the branch did not get just the commits of the ticket and the version",
            ),
            GitFile(
                id="version",
                subgoal="tag",
                repo=f,
                ref=ref,
                path="VERSION",
                text=TextMatch(equals=version),
            ),
            GitFile(
                id="tagged",
                subgoal="tag",
                repo=f,
                ref=tag,
                path="VERSION",
                text=TextMatch(equals=version),
            ),
            GitBranch(
                id="annotated",
                subgoal="tag",
                repo=f,
                ref=tag,
                annotation=TextMatch(contains=(f"#{p.ticket}",)),
            ),
            GitBranch(id="main", repo=f, ref="refs/heads/main", weight=0),
            GitMerged(id="history", repo=f, commit=tip, into=ref, weight=0, forbidden=True),
            GitLog(
                id="main unmoved",
                repo=f,
                range=f"{w.repo.tip('main')}...refs/heads/main",
                commits=0,
                weight=0,
                forbidden=True,
                failure="main was moved",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the commits by their ticket, pick in order; then version and tag."""
        return self._backport(p) if subgoal == "backport" else self._tag(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the branch's log."""
        branch = f"release/{p.release}"
        (log,) = yield sh(
            f"git log --oneline --decorate=short -n 4 {branch}; git show {branch}:VERSION",
            workdir=p.folder,
        )
        return f"{branch} reads, newest first:\n{log.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Merging main; picking one commit of two, or the neighbour."""
        if p.follow_up:
            partial = WrongSolution("first commit only", self._backport(p, first_only=True))
        else:
            partial = WrongSolution("lightweight tag", self._bare_tag(p), "tag")
        return (WrongSolution("main merged", self._merge(p)), partial)

    def _backport(self, p: Params, first_only: bool = False) -> Solution:
        here, branch = {"workdir": p.folder}, f"release/{p.release}"
        (state,) = yield sh("git status -sb; git branch --list | cat", **here)
        (hits,) = yield sh(
            f"git log main --reverse --format='%h %s' --fixed-strings --grep '(#{p.ticket})'",
            **here,
        )
        ids = [line.split()[0] for line in hits.text.splitlines() if line.strip()]
        if branch not in state.text or not ids:
            return f"I see no branch {branch}, or no commit for #{p.ticket}."
        ids = ids[:1] if first_only else ids
        (changed,) = yield sh(f"git show --stat --format=%s {' '.join(ids)}", **here)
        (picked,) = yield sh(
            f"git checkout -q {branch} && git cherry-pick -x {' '.join(ids)}", **here
        )
        if picked.failed:
            return f"The cherry-pick did not go through: {picked.text}"
        (after,) = yield sh(f"git log --oneline -n {len(ids) + 1}; git diff main --stat", **here)
        files = found(r"^ (src/\S+) +\|", changed.text)
        return (
            f"I picked {plural(len(ids), 'commit')} with changes in {files} onto {branch}; "
            f"its tip is "
            f"{after.text.split()[0]} now."
        )

    def _tag(self, p: Params) -> Solution:
        here, branch = {"workdir": p.folder}, f"release/{p.release}"
        (tags,) = yield sh(f"git checkout -q {branch}; git tag --list 'v*'; cat VERSION", **here)
        major, _, last = tags.text.split()[-1].rpartition(".")
        version = f"{major}.{int(last) + 1}"
        (saved,) = yield write(f"{p.folder}/VERSION", f"{version}\n")
        if saved.failed:
            return f"VERSION could not be written: {saved.text}"
        (done,) = yield sh(
            f"git commit -qam 'Set version {version}' && "
            f"git tag -a v{version} -m 'Release {version}: fixes #{p.ticket}' && "
            f"git describe --tags && git tag -n1 --list v{version}",
            **here,
        )
        lines = done.text.splitlines()
        return f"{branch} is at {lines[0]} now; the tag says `{lines[-1]}`."

    def _bare_tag(self, p: Params) -> Solution:
        branch, version = f"release/{p.release}", f"{p.release}.{p.patch + 1}"
        (done,) = yield sh(
            f"git checkout -q {branch} && echo {version} > VERSION && "
            f"git commit -qam 'Set version {version}' && git tag v{version} && git tag --list",
            workdir=p.folder,
        )
        return f"{branch} has the tag {last_line(done.text)} now."

    def _merge(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"git checkout -q release/{p.release} && git merge --no-edit main | tail -n 1",
            workdir=p.folder,
        )
        return f"Merged: {done.text.strip()}"
