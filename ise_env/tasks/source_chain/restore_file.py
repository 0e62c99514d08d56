"""A file that somebody deleted some commits ago, to be brought back as it last was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitClean, GitFile, GitLog, GitMerged, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.steps import found, sh, write

NAMES = (
    "pricing.md",
    "emergency.md",
    "glossary.md",
    "tariffs.csv",
    "opening-hours.txt",
    "oaths.md",
)
PLACES = ("docs/public", "handbook", "notes/office", "site/pages", "manual/annex")
EXCUSES = ("Tidy up", "Remove clutter", "Clean the tree before the audit", "Reorganise folders")


class Params(KitParams):
    """The file, and how much happened around it."""

    file: str
    versions: int = Field(ge=2, le=5)
    after: int = Field(ge=2, le=11)
    """Commits since it was deleted."""


@dataclass(frozen=True)
class World:
    """The repository, the file's place and last text, the commit that deleted it."""

    repo: RepoSeed
    path: str
    text: str
    culprit: int
    author: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    title, place, decoy = d.word("projects"), *d.some(PLACES, 2)
    people = d.people(4)
    mails = {who: f"{who} <{who.split()[0].lower()}@{title}.example>" for who in people}
    clock = d.moment(d.day(2025, 2), 8, 12)
    commits: list[Commit] = []
    path = f"{place}/{p.file}"

    def add(message: str, changed: dict[str, str | None], who: str = "") -> None:
        nonlocal clock
        clock += timedelta(hours=d.integer(4, 70))
        commits.append(Commit(message, changed, mails[who or d.pick(people)], clock))

    def version(number: int) -> str:
        lines = [f"{word}: {d.integer(1, 400)}" for word in d.different("topics", 6)]
        return f"# {p.file} of {title}, version {number}\n\n" + "\n".join(lines) + "\n"

    add("Start the project", {"README.md": f"# {title}\n", f"{place}/index.md": "See below.\n"})
    text = version(1)
    add(f"Add {p.file}", {path: text})
    for number in range(2, p.versions + 1):
        add(f"Add {d.word('topics')} notes", {f"{decoy}/n{number}.md": f"{d.person()}\n"})
        text = version(number)
        add(f"Update {p.file}", {path: text})
    add(f"Mention {p.file} in the index", {f"{place}/index.md": f"See {p.file}.\n"})
    culprit, author = len(commits), d.pick(people)
    # The deletion hides among other changes, so undoing the whole commit would be wrong.
    gone: dict[str, str | None] = {path: None, f"{decoy}/todo.md": "- sort these\n"}
    add(d.pick(EXCUSES), gone, author)
    for number in range(p.after):
        add(f"Add {d.word('services')} page", {f"{decoy}/p{number}.md": f"{d.person()}\n"})
    repo = RepoSeed(path=p.folder, commits=tuple(commits), user=mails[people[0]])
    return World(repo, path, text, culprit, author)


class RestoreFile(Kit[Params]):
    """A file to restore."""

    name = "source-chain/restore-file"
    title = "Restore a deleted file from history"
    description = "Find when a file was deleted, bring back its last version, name the commit."
    obstacle = "the commit that deleted the file does not say so, and changed other things too"
    requires = ("git",)
    folders = ("handbook-repo", "website", "knowledge-base")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more versions, and more commits since."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            file=one(rng, NAMES),
            versions={"simple": 2, "medium": 3, "complex": 5}[complexity],
            after={"simple": 2, "medium": 5, "complex": 11}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository in which the file is gone."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Bring it back, then say who took it away."""
        note = f"{p.folder}/RESTORED.md"
        return (
            SubGoal(
                id="restore",
                request=f"bring back {p.file}, which somebody deleted from the repository "
                f"{p.folder}, where and as it last was, and commit it on main",
                label=f"the return of {p.file}",
                facts=(Fact("file", p.file), Fact("repository", p.folder)),
                artifacts=(f"{p.folder}/{world(p).path}",),
                question="Should the rest of the commit that deleted it be undone as well?",
                answer="No, only this one file comes back",
            ),
            SubGoal(
                id="culprit",
                request=f"tell me the short id of the commit that deleted {p.file} and who made "
                f"it, and commit a file {note} that names both",
                label=f"the commit that deleted {p.file}",
                facts=(Fact("file", p.file), Fact("note", note)),
                artifacts=(note,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The file at main, what else the commit did kept, the culprit named."""
        w, f = world(p), p.folder
        main, short = "refs/heads/main", w.repo.commit_id(w.culprit)[:7]
        todo = next(path for path in w.repo.files("main") if path.endswith("/todo.md"))
        named = TextMatch(contains=(short, w.author))
        return (
            GitFile(
                id="back",
                subgoal="restore",
                weight=2,
                repo=f,
                ref=main,
                path=w.path,
                text=TextMatch(equals=w.text),
                failure="the file is not at main as it last was",
            ),
            Text(
                id="there",
                subgoal="restore",
                path=f"{f}/{w.path}",
                text=TextMatch(equals=w.text),
            ),
            GitFile(id="note", subgoal="culprit", repo=f, ref=main, path="RESTORED.md", text=named),
            Said(id="told", subgoal="culprit", text=named),
            GitFile(
                id="rest",
                repo=f,
                ref=main,
                path=todo,
                text=TextMatch(equals="- sort these\n"),
                weight=0,
                failure="other changes of that commit were undone",
            ),
            GitClean(id="clean", repo=f, weight=0),
            GitMerged(
                id="history",
                repo=f,
                commit=w.repo.tip("main"),
                into=main,
                weight=0,
                forbidden=True,
                failure="main's history was rewritten",
            ),
            GitLog(
                id="no merge", repo=f, range=f"{w.repo.tip('main')}..{main}", merges=0, weight=0
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the deletion, check out its parent's version; note the commit."""
        return self._restore(p) if subgoal == "restore" else self._culprit(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the last commits and the tree."""
        name = p.file if subgoal == "restore" else "RESTORED.md"
        (shown,) = yield sh(
            f"git log --oneline -n 2; git ls-files | grep '{name}$'; git status --short | wc -l",
            workdir=p.folder,
        )
        lines = shown.text.strip().splitlines()
        return f"I looked again: {lines[-2]} is tracked, the last commit is {lines[0]}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """An old version; undoing the whole commit."""
        return (
            WrongSolution("its first version", self._restore(p, True)),
            WrongSolution("the whole commit undone", self._revert(p)),
        )

    def _restore(self, p: Params, first: bool = False) -> Solution:
        here = {"workdir": p.folder}
        (state,) = yield sh("git status -sb; ls", **here)
        (log,) = yield sh(
            f"git log --diff-filter=AMD --name-status --format='%h %an, %s' -- '*{p.file}'", **here
        )
        path, commit = found(r"^D\t(\S+)", log.text, ""), log.text.split()[0]
        if not path or "main" not in state.text:
            return f"The history knows no deletion of {p.file}."
        if first:
            commit = [line.split()[0] for line in log.text.splitlines() if ", " in line][-1] + "~0"
        origin = commit if first else f"{commit}~1"
        (back,) = yield sh(f"git checkout {origin} -- {path} && head -n 4 {path}", **here)
        if back.failed:
            return f"git did not give the file back: {back.text}"
        (done,) = yield sh(
            f"git commit -qm 'Restore {p.file}' && git show --stat --format=%h HEAD", **here
        )
        head, version = done.text.split()[0], found(r"version (\d+)", back.text)
        return f"I restored {path} in its version {version}; the commit is {head}."

    def _culprit(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (log,) = yield sh(
            f"git log --diff-filter=D --format='%h by %an: %s' -n 1 -- '*{p.file}'", **here
        )
        short, _, rest = log.text.strip().partition(" by ")
        author = rest.partition(":")[0]
        (saved,) = yield write(
            f"{p.folder}/RESTORED.md", f"{p.file} was deleted in {short} by {author}.\n"
        )
        if saved.failed:
            return f"RESTORED.md could not be written: {saved.text}"
        (done,) = yield sh(
            f"git add RESTORED.md && git commit -qm 'Note who deleted {p.file}' && git status -sb",
            **here,
        )
        clean = "clean" if len(done.text.strip().splitlines()) == 1 else "not clean"
        return f"It was {short}, made by {author}. The note is committed, the tree is {clean}."

    def _revert(self, p: Params) -> Solution:
        (log,) = yield sh(
            f"git log --diff-filter=D --format=%h -n 1 -- '*{p.file}'", workdir=p.folder
        )
        (done,) = yield sh(
            f"git revert --no-edit {log.text.split()[0]} | tail -n 1", workdir=p.folder
        )
        (who,) = yield sh(f"git log --format=%an -n 1 {log.text.split()[0]}", workdir=p.folder)
        return f"Reverted {log.text.strip()} of {who.text.strip()}: {done.text.strip()}"
