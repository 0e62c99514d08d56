"""A branch to rebase: a conflict in a list, and a rename that only the check notices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, GitFile, GitLog, GitMerged, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.source_chain._page_site import CHECK, FRAME, NEW, OLD, page
from ise_env.tasks.steps import found, last_line, plural, read, sh, write

CONFLICT = re.compile(r"<{7} .*?\n(.*?)={7}\n(.*?)>{7} .*?\n", re.DOTALL)


class Params(KitParams):
    """The branch, and how much each side did since they parted."""

    branch: str
    theirs: int = Field(ge=1, le=4)
    """Commits on the branch, a page each."""
    ours: int = Field(ge=1, le=3)
    """Pages that main got meanwhile."""


@dataclass(frozen=True)
class World:
    """The repository, and what the rebase must give."""

    repo: RepoSeed
    subjects: list[str]
    author: str
    """Of all commits on the branch."""
    routes: str
    count: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both histories from the parameters."""
    d = Draw(p.content)
    modules = d.different("topics", 3 + p.ours + p.theirs)
    old, ours, theirs = modules[:3], modules[3 : 3 + p.ours], modules[3 + p.ours :]

    def routes(names: list[str]) -> str:
        return "".join(f"/{name} {name}\n" for name in names)

    start = {f"pages/{name}.py": page(name, OLD) for name in old}
    start |= {
        "pages/__init__.py": "",
        "pages/frame.py": FRAME.format(name=OLD),
        "routes.txt": routes(old),
        "check.py": CHECK,
        ".gitignore": "__pycache__/\n",
    }
    history = History(d, start)
    verbs = ("Show {}", "Add a page on {}", "Publish {}")
    subjects = []
    for number, name in enumerate(theirs, 1):
        subjects.append(d.pick(verbs).format(name))
        changed = {
            f"pages/{name}.py": page(name, OLD),
            "routes.txt": routes([*old, *theirs[:number]]),
        }
        history.add(subjects[-1], changed, who=history.people[1], branch=p.branch)
    for number, name in enumerate(ours, 1):
        changed = {
            f"pages/{name}.py": page(name, OLD),
            "routes.txt": routes([*old, *ours[:number]]),
        }
        history.add(d.pick(verbs).format(name), changed)
    renamed: dict[str, str | None] = {f"pages/{n}.py": page(n, NEW) for n in (*old, *ours)}
    renamed["pages/frame.py"] = FRAME.format(name=NEW)
    history.add(d.pick(("Say what it does", "Better names", "Tidy the frame")), renamed)
    repo = history.repo(p.folder)
    return World(repo, subjects, history.people[1], routes([*old, *ours, *theirs]), len(modules))


class RebaseBranch(Kit[Params]):
    """A branch to rebase."""

    name = "source-chain/rebase-branch"
    title = "Rebase a branch onto main"
    description = "Rebase a branch with a conflict, mend what the check then finds, move main on."
    obstacle = "a merge conflict, and then a check that fails because main renamed a function"
    requires = ("git", "python3")
    folders = ("intranet", "pages-repo", "portal")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more commits on both sides."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            branch=f"{d.pick(('pages', 'topic', 'work'))}/{d.word('first_names').lower()}",
            theirs={"simple": 1, "medium": 2, "complex": 4}[complexity],
            ours={"simple": 1, "medium": 2, "complex": 3}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository with two branches."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Rebase, then mend and move main."""
        branch = Fact("branch", p.branch)
        return (
            SubGoal(
                id="rebase",
                request=f"rebase the branch {p.branch} in the repository {p.folder} onto main, "
                "without losing any of its commits; where both sides added to routes.txt, keep "
                "the lines of both, main's first",
                label=f"the rebase of {p.branch}",
                facts=(branch, Fact("repository", p.folder)),
                artifacts=(f"{p.folder}/routes.txt",),
                question="Would a merge do as well?",
                answer="No, there must be no merge commit",
            ),
            SubGoal(
                id="mend",
                request=f"get `python3 check.py` to pass on {p.branch} with one further commit, "
                f"check.py itself left alone, and then fast-forward main in {p.folder} to it",
                label=f"main with {p.branch} in it",
                facts=(
                    Fact("check", "python3 check.py"),
                    branch,
                    Fact("repository", p.folder),
                ),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """On top of main, linear, whole; the check passes; main is there, never rewritten."""
        w, f = world(p), p.folder
        main, branch = "refs/heads/main", f"refs/heads/{p.branch}"
        tip = w.repo.tip("main")
        return (
            GitMerged(id="onto-main", subgoal="rebase", repo=f, commit=tip, into=branch),
            GitFile(
                id="routes",
                subgoal="rebase",
                repo=f,
                ref=branch,
                path="routes.txt",
                text=TextMatch(equals=w.routes),
                failure="routes.txt does not have main's lines first and then the branch's",
            ),
            GitLog(
                id="linear",
                repo=f,
                range=f"{tip}..{branch}",
                merges=0,
                weight=0,
                failure="there is a merge commit on the branch",
            ),
            *(
                GitLog(
                    id=f"commit-{number}",
                    repo=f,
                    range=f"{tip}..{branch}",
                    message=TextMatch(contains=(subject,)),
                    author=w.author,
                    weight=0,
                    failure="a commit of the branch, its message or its author got lost",
                )
                for number, subject in enumerate(w.subjects, 1)
            ),
            GitLog(
                id="one-more",
                subgoal="mend",
                repo=f,
                range=f"{tip}..{main}",
                commits=len(w.subjects) + 1,
                merges=0,
                failure="main does not have the branch's commits and one more",
            ),
            Command(
                id="passes",
                subgoal="mend",
                weight=2,
                argv=(*CLEAN_PYTHON, "check.py"),
                cwd=f,
                files={f"{f}/check.py": CHECK},
                stdout=TextMatch(equals=f"{w.count} pages are fine\n"),
                failure="the check does not pass for all pages",
            ),
            GitLog(id="same", subgoal="mend", repo=f, range=f"{main}..{branch}", commits=0),
            GitFile(
                id="check",
                repo=f,
                ref=main,
                path="check.py",
                text=TextMatch(equals=CHECK),
                weight=0,
                forbidden=True,
                failure="the check was edited to pass",
            ),
            *w.repo.guards(),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Rebase, resolve, go on; run the check, mend, commit, fast-forward."""
        return self._rebase(p) if subgoal == "rebase" else self._mend(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the graph, or run the check again."""
        if subgoal == "rebase":
            (log,) = yield sh(f"git log --oneline -n 1 {p.branch}", **_in(p))
            (routes,) = yield read(f"{p.folder}/routes.txt")
            lines = plural(len(routes.text.split("\n")) - 1, "line")
            end = last_line(log.text)
            return f"I looked again: routes.txt has {lines}, the branch ends with `{end}`."
        (ran,) = yield sh("python3 -B check.py; git status -sb | head -n 1", **_in(p))
        return f"I ran the check again: {ran.text.splitlines()[0]}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Merged instead; one side's lines only."""
        return (
            WrongSolution("merged instead", self._rebase(p, how="merge --no-edit")),
            WrongSolution("one side only", self._rebase(p, keep=r"\1")),
        )

    def _rebase(self, p: Params, how: str = "rebase", keep: str = r"\1\2") -> Solution:
        (state,) = yield sh(f"git status -sb; git log --oneline main..{p.branch}", **_in(p))
        (said,) = yield sh(f"git checkout -q {p.branch} && git {how} main", **_in(p))
        resolved = 0
        go_on = "rebase --continue" if how == "rebase" else "commit -q --no-edit"
        while "CONFLICT" in said.text and resolved < 9:
            (both,) = yield read(f"{p.folder}/routes.txt")
            order = keep if how == "rebase" else r"\2\1"
            (saved,) = yield write(f"{p.folder}/routes.txt", CONFLICT.sub(order, both.text))
            if saved.failed:
                return f"routes.txt could not be written: {saved.text}"
            resolved += 1
            (said,) = yield sh(f"git add routes.txt && GIT_EDITOR=true git {go_on} 2>&1", **_in(p))
        (log,) = yield sh(f"git log --oneline main..{p.branch} && git status -s", **_in(p))
        lines = log.text.strip().splitlines()
        ahead = len(state.text.strip().splitlines()) - 1
        conflicts = plural(resolved, "conflict")
        return (
            f"{p.branch} lies on top of main now. It had {plural(ahead, 'commit')} and has "
            f"{len(lines)}, the newest {lines[0].split()[0]}. I resolved {conflicts} in routes.txt."
        )

    def _mend(self, p: Params) -> Solution:
        (failing,) = yield sh(f"git checkout -q {p.branch} && python3 -B check.py", **_in(p))
        cause = last_line(failing.text)
        missing = found(r"has no attribute '(\w+)'", failing.text)
        (frame,) = yield read(f"{p.folder}/pages/frame.py")
        name = found(r"^def (\w+)\(title\)", frame.text)
        (mended,) = yield sh(
            f"grep -l 'frame\\.{missing}(' pages/*.py | xargs sed -i 's/frame\\.{missing}(/frame."
            f"{name}(/' && python3 -B check.py && git commit -qam 'Call frame.{name} by its new "
            "name' && git show --stat --format=%h HEAD | cat",
            **_in(p),
        )
        if mended.failed:
            return f"The check still fails: {last_line(mended.text)}"
        (moved,) = yield sh(
            f"git checkout -q main && git merge -q --ff-only {p.branch} && git log --oneline -n 1",
            **_in(p),
        )
        fine = found(r"^(\d+) pages are fine", mended.text)
        changed = sum("pages/" in line for line in mended.text.splitlines())
        return (
            f"Until then the check ended with `{cause}`, because main renamed {missing} to {name}. "
            f"{plural(changed, 'page')} changed, {fine} pages are fine, and main is at "
            f"`{last_line(moved.text)}`."
        )


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
