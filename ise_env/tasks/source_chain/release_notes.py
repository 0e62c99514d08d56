"""Write a release's notes from the commit log, and tag it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitBranch, GitFile, GitLog, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.steps import edit, found, read, sh

HEADINGS = {"feat": "Added", "fix": "Fixed"}
SUBJECTS = {
    "feat": ("export {x} as CSV", "sort {x} by age", "filter {x} by owner", "archive old {x}"),
    "fix": ("count {x} once", "keep the order of {x}", "show {x} of guests", "load empty {x}"),
    "docs": ("explain {x}", "draw a picture of {x}"),
    "chore": ("rename the {x} folder", "update the {x} fixtures"),
}


class Params(KitParams):
    """The last release and the next."""

    last: str
    next: str
    commits: int = Field(ge=5, le=14)


@dataclass(frozen=True)
class World:
    """The repository, and the section that must appear."""

    repo: RepoSeed
    section: str
    changelog: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    project = d.word("projects")
    team = [f"{who} <{who.split()[0].lower()}@{project}.example>" for who in d.people(3)]
    things = d.different("services", p.commits + 4)
    kinds = ["feat", "fix", "feat", "fix", *(d.pick(list(SUBJECTS)) for _ in range(p.commits - 4))]
    subjects = [
        f"{kind}: {d.pick(SUBJECTS[kind]).format(x=x)}"
        for kind, x in zip(d.shuffled(kinds), things, strict=False)
    ]
    old = [f"feat: {d.pick(SUBJECTS['feat']).format(x=x)}" for x in things[p.commits :]]
    changelog = "# Changelog\n\n" + f"## {p.last}\n\n### Added\n\n" + _bullets(reversed(old))
    when = d.moment(d.day(2025, 6), 8, 9)
    commits = []
    for number, subject in enumerate((*old, "chore: release " + p.last, *subjects)):
        when += timedelta(hours=d.integer(3, 30))
        changed: dict[str, str | None] = {f"src/part_{number}.py": f"PART = {number}\n"}
        released = number == len(old)
        if released:
            changed = {"CHANGELOG.md": changelog}
        tags = (p.last,) if released else ()
        commits.append(Commit(subject, changed, d.pick(team), when, tags=tags))
    section = f"## {p.next}\n"
    for kind, heading in HEADINGS.items():
        mine = [s.split(": ", 1)[1] for s in reversed(subjects) if s.startswith(kind)]
        section += f"\n### {heading}\n\n" + "".join(f"- {text}\n" for text in mine)
    return World(RepoSeed(p.folder, tuple(commits), user=team[0]), section, changelog)


class ReleaseNotes(Kit[Params]):
    """Release notes from the log."""

    name = "source-chain/release-notes"
    title = "Write release notes from the commit log"
    description = "Group the commits since the last tag in the changelog, commit and tag."
    requires = ("git",)
    folders = ("library", "toolkit", "compiler")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more commits."""
        major, minor = int(rng.integers(0, 5)), int(rng.integers(0, 30))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            last=f"v{major}.{minor}.0",
            next=f"v{major}.{minor + 1}.0",
            commits={"simple": 5, "medium": 9, "complex": 14}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The notes, then the tag."""
        path = f"{p.folder}/CHANGELOG.md"
        last, following = Fact("last", p.last), Fact("next", p.next)
        return (
            SubGoal(
                id="notes",
                request=f"put a section `## {p.next}` above the one of {p.last} in {path} with the "
                f"headings `### Added` for the feat: commits since the tag {p.last} and `### "
                "Fixed` for the fix: commits, each a `- ` bullet with the subject without its "
                f"prefix, newest first, and commit it on main as `chore: release {p.next}`",
                label=f"the notes of {p.next}",
                facts=(Fact("changelog", path), last, following),
                artifacts=(path,),
                question="What about the docs: and chore: commits?",
                answer="They stay out of the notes",
            ),
            SubGoal(
                id="tag",
                request=f"tag that commit in {p.folder} as {p.next}",
                label=f"the tag {p.next}",
                facts=(Fact("repository", p.folder), following),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The section at main and at the tag; the older sections stay."""
        w = world(p)
        older = w.changelog.split("# Changelog\n\n")[1].rstrip("\n")
        lines = [line for line in w.section.splitlines() if line]
        body = r"\s*\n\s*".join(_escape(line) for line in lines)
        text = TextMatch(contains=(older,), matches=(rf"{body}\s*\n\s*## {_escape(p.last)}",))
        main = "refs/heads/main"
        return (
            GitFile(
                id="notes",
                subgoal="notes",
                weight=2,
                repo=p.folder,
                ref=main,
                path="CHANGELOG.md",
                text=text,
                failure="the section is not what the log says",
            ),
            GitLog(
                id="committed",
                subgoal="notes",
                repo=p.folder,
                range=f"{w.repo.tip('main')}..{main}",
                message=TextMatch(contains=(f"chore: release {p.next}",)),
            ),
            GitBranch(id="tagged", subgoal="tag", repo=p.folder, ref=f"refs/tags/{p.next}"),
            GitFile(
                id="tag-has-notes",
                subgoal="tag",
                repo=p.folder,
                ref=f"refs/tags/{p.next}",
                path="CHANGELOG.md",
                text=TextMatch(contains=(f"## {p.next}",)),
            ),
            *w.repo.guards(),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the log, edit the changelog, commit; tag."""
        return self._notes(p, HEADINGS) if subgoal == "notes" else self._tag(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the section, or the tag."""
        if subgoal == "notes":
            (shown,) = yield read(f"{p.folder}/CHANGELOG.md", limit=24)
            return f"The changelog begins:\n{shown.text.strip()}"
        (shown,) = yield sh("git tag --points-at main", workdir=p.folder)
        return f"main carries the tag {shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The whole history; only the features."""
        whole = self._notes(p, HEADINGS, since="")
        half = self._notes(p, {"feat": "Added"})
        return (WrongSolution("all of history", whole), WrongSolution("fixes left out", half))

    def _notes(self, p: Params, headings: dict[str, str], since: str | None = None) -> Solution:
        here = {"workdir": p.folder}
        path = f"{p.folder}/CHANGELOG.md"
        span = f"{p.last}.." if since is None else "HEAD"
        before, log = yield [read(path), sh(f"git log --format=%s {span}", **here)]
        subjects = log.text.strip().splitlines()
        section = f"## {p.next}\n"
        for kind, heading in headings.items():
            mine = [s.partition(": ")[2] for s in subjects if s.startswith(f"{kind}: ")]
            section += f"\n### {heading}\n\n" + "".join(f"- {text}\n" for text in mine)
        anchor = found(rf"^(## {p.last})$", before.text)
        (edited,) = yield edit(path, f"{anchor}\n", f"{section}\n{anchor}\n")
        if edited.failed:
            return f"{path} could not be edited: {edited.text}"
        (diff,) = yield sh("git diff --stat && git status --short", **here)
        if "CHANGELOG.md" not in diff.text:
            return f"git sees no change: {diff.text}"
        (done,) = yield sh(
            f"git commit -qam 'chore: release {p.next}' && git log --oneline -n 1", **here
        )
        count = section.count("\n- ")
        commit = done.text.strip()
        return f"{count} of {len(subjects)} commits are in the notes, committed as `{commit}`."

    def _tag(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (head,) = yield sh("git log --oneline -n 1 main && git tag --list", **here)
        if p.next in head.text.split("\n", 1)[1].split():
            return f"{p.next} is there already: {head.text}"
        (done,) = yield sh(f"git tag {p.next} main && git describe --tags main", **here)
        return f"{head.text.splitlines()[0]} now carries the tag {done.text.strip()}."


def _bullets(subjects: Iterable[str]) -> str:
    return "".join(f"- {subject.split(': ', 1)[1]}\n" for subject in subjects)


def _escape(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _" else "\\" + c for c in text)
