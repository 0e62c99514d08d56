"""Merge a feature branch whose settings conflict with main's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitBranch, GitFile, GitMerged, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.steps import found, last_line, plural, read, sh, write

KEYS = ("timeout_s", "max_retries", "page_size", "cache_minutes", "workers", "queue_length")
Choice = Callable[[str, str], str]
CONFLICT = re.compile(r"<{7} .*?\n(.*?)={7}\n(.*?)>{7} .*?\n", re.DOTALL)


class Params(KitParams):
    """The branch, and how many settings both sides changed."""

    branch: str
    conflicts: int = Field(ge=1, le=4)
    brings: int = Field(ge=2, le=5)


@dataclass(frozen=True)
class World:
    """The repository and what the merge must give."""

    repo: RepoSeed
    merged: str
    subjects: list[str]


def settings_file(values: dict[str, int], title: str) -> str:
    """Settings with their comments far enough apart that each conflicts alone."""
    parts = [f"# Settings of {title}\n"]
    for key, value in values.items():
        words = key.replace("_", " ")
        parts.append(f"# {words}\n# read once at start\n{key} = {value}\n\n")
    return "\n".join(parts)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both histories from the parameters."""
    d = Draw(p.content)
    title = d.word("projects")
    authors = [f"{who} <{who.split()[0].lower()}@{title}.example>" for who in d.people(3)]
    base = {key: d.integer(10, 60) for key in KEYS}
    theirs, ours = dict(base), dict(base)
    touched = d.some(KEYS, p.conflicts + 2)
    for number, key in enumerate(touched[: p.conflicts]):
        higher = base[key] + d.integer(20, 40)
        lower = base[key] + d.integer(1, 19)
        theirs[key], ours[key] = (higher, lower) if number % 2 else (lower, higher)
    theirs[touched[-1]] += 7
    ours[touched[-2]] += 5
    merged = {key: max(theirs[key], ours[key]) for key in KEYS}
    start = d.moment(d.day(2025, 4), 8, 16)
    module = p.branch.split("/")[-1].replace("-", "_")

    def at(hours: int) -> datetime:
        return start + timedelta(hours=hours)

    def text(values: dict[str, int]) -> str:
        return settings_file(values, title)

    subjects = [f"Add {module} step {n}" for n in range(1, p.brings)]
    subjects.append(f"Tune settings for {module}")
    side = [
        Commit(
            s, {f"src/{module}_{n}.py": f"STEP = {n}\n"}, authors[1], at(20 + n), p.branch, "main"
        )
        for n, s in enumerate(subjects[:-1], 1)
    ]
    side.append(
        Commit(subjects[-1], {"settings.ini": text(theirs)}, authors[1], at(40), p.branch, "main")
    )
    first = {
        "README.md": f"# {title}\n",
        "settings.ini": text(base),
        "src/core.py": f'NAME = "{title}"\n',
        ".gitignore": "__pycache__/\n",
    }
    repo = RepoSeed(
        path=p.folder,
        commits=(
            Commit("Start the project", first, authors[0], at(0)),
            Commit(
                "Describe the set-up", {"docs/setup.md": "Run src/core.py\n"}, authors[2], at(9)
            ),
            *side,
            Commit(
                "Raise limits after the load test", {"settings.ini": text(ours)}, authors[0], at(50)
            ),
            Commit("List owners", {"OWNERS": f"{authors[0]}\n"}, authors[2], at(60)),
        ),
        user=authors[0],
    )
    return World(repo, text(merged), subjects)


class MergeBranch(Kit[Params]):
    """A branch to merge with a conflict."""

    name = "source-chain/merge-branch"
    title = "Merge a branch that conflicts"
    description = "Merge a feature branch, resolve its conflicts by a rule, tidy up after it."
    obstacle = "a merge conflict"
    requires = ("git",)
    folders = ("storefront", "webapp", "platform")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more settings in conflict, more commits on the branch."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            branch=f"feature/{d.word('services')}-{d.pick(('rewrite', 'limits', 'export'))}",
            conflicts={"simple": 1, "medium": 2, "complex": 4}[complexity],
            brings={"simple": 2, "medium": 3, "complex": 5}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository with two diverged branches."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The merge, then the branch's last will."""
        branch = Fact("branch", p.branch)
        return (
            SubGoal(
                id="merge",
                request=f"merge the branch {p.branch} into main in the repository {p.folder} and "
                "commit the merge; wherever both sides changed the same setting in settings.ini, "
                "keep the higher number",
                label=f"the merge of {p.branch}",
                facts=(branch, Fact("repository", p.folder)),
                artifacts=(f"{p.folder}/settings.ini",),
            ),
            SubGoal(
                id="tidy",
                request=f"list the subjects of the commits that {p.branch} brought, oldest first, "
                f"as `- ` bullets in a new file {p.folder}/MERGED.md, commit that file on main, "
                f"and delete the branch {p.branch}",
                label=f"the list of what {p.branch} brought",
                facts=(branch, Fact("list", f"{p.folder}/MERGED.md")),
                artifacts=(f"{p.folder}/MERGED.md",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Ancestry, content at main, a clean tree; main's history is never rewritten."""
        w = world(p)
        bullets = "".join(f"- {subject}\n" for subject in w.subjects)
        tip, main = w.repo.tip(p.branch), "refs/heads/main"
        return (
            GitMerged(id="merged", subgoal="merge", repo=p.folder, commit=tip, into=main),
            GitFile(
                id="settings",
                subgoal="merge",
                repo=p.folder,
                ref=main,
                path="settings.ini",
                text=TextMatch(equals=w.merged),
                failure="the conflicts were not resolved by the rule",
            ),
            GitFile(
                id="list",
                subgoal="tidy",
                repo=p.folder,
                ref=main,
                path="MERGED.md",
                text=TextMatch(contains=(bullets,)),
            ),
            GitBranch(
                id="deleted",
                subgoal="tidy",
                repo=p.folder,
                ref=f"refs/heads/{p.branch}",
                exists=False,
            ),
            *w.repo.guards(),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Merge, resolve hunk by hunk, commit; list and delete."""
        return self._merge(p, higher) if subgoal == "merge" else self._tidy(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the log and the status."""
        (log,) = yield sh("git log --oneline -n 4 && git status -sb", workdir=p.folder)
        if subgoal == "merge":
            (shown,) = yield sh("git show main:settings.ini | grep =", workdir=p.folder)
        else:
            (shown,) = yield read(f"{p.folder}/MERGED.md")
        return (
            f"main now starts with {log.text.splitlines()[0]}, and it holds:\n{shown.text.strip()}"
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The lower number; or, with more than one conflict, one side everywhere."""
        rules: dict[str, Choice] = {"the lower number kept": lower}
        if p.conflicts > 1:
            rules |= {"ours wins": lambda a, b: a, "theirs wins": lambda a, b: b}
        return tuple(WrongSolution(name, self._merge(p, rule)) for name, rule in rules.items())

    def _merge(self, p: Params, choose: Choice) -> Solution:
        here = {"workdir": p.folder}
        (state,) = yield sh(f"git status -sb && git log --oneline main..{p.branch}", **here)
        if "## main" not in state.text:
            (state,) = yield sh("git checkout main && git status -sb", **here)
        (merging,) = yield sh(f"git merge --no-edit {p.branch}", **here)
        resolved = 0
        if "CONFLICT" in merging.text:
            (both,) = yield read(f"{p.folder}/settings.ini")
            text, resolved = CONFLICT.subn(lambda m: choose(m[1], m[2]), both.text)
            (saved,) = yield write(f"{p.folder}/settings.ini", text)
            if saved.failed:
                return f"I could not write the resolved settings: {saved.text}"
            (left,) = yield sh(
                "grep -nE '^(<<<<<<<|=======|>>>>>>>)' settings.ini || echo none", **here
            )
            if left.text.strip() != "none":
                return f"There are conflict markers left: {left.text}"
            (after,) = yield sh(
                "git add settings.ini && git commit -q --no-edit && git log --oneline -n 1", **here
            )
        else:
            (after,) = yield sh("git log --oneline -n 1", **here)
        head = found(r"^(\w{7,})", after.text)
        return (
            f"Merged as {head}; {plural(resolved, 'conflict')} in settings.ini, resolved by "
            f"the rule."
        )

    def _tidy(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (merge,) = yield sh("git log --merges -n 1 --format=%h main", **here)
        commit = merge.text.strip()
        (log,) = yield sh(f"git log --reverse --format=%s {commit}^1..{commit}^2", **here)
        subjects = [line for line in log.text.splitlines() if line.strip()]
        bullets = "".join(f"- {subject}\n" for subject in subjects)
        (saved,) = yield write(f"{p.folder}/MERGED.md", bullets)
        if saved.failed:
            return f"MERGED.md could not be written: {saved.text}"
        (done,) = yield sh(
            f"git add MERGED.md && git commit -qm 'Note what {p.branch} brought' "
            f"&& git branch -d {p.branch}",
            **here,
        )
        (left,) = yield sh("git branch --list | cat", **here)
        branches = left.text.strip()
        left_over = ", ".join(branches.replace("*", " ").split())
        said = last_line(done.text)
        return f"I listed {plural(len(subjects), 'commit')}. {said}. Branches left: {left_over}."


def higher(ours: str, theirs: str) -> str:
    """The side with the higher number."""
    return max(ours, theirs, key=lambda side: int(found(r"(\d+)", side, "0")))


def lower(ours: str, theirs: str) -> str:
    """The side with the lower number."""
    return theirs if higher(ours, theirs) == ours else ours
