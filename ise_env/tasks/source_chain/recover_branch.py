"""A branch that somebody deleted, wanted back from what the repository remembers of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitBranch, GitFile, GitLog, GitMerged, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.steps import last_line, plural, sh


class Params(KitParams):
    """What the lost branch was about, and how many others were deleted too."""

    topic: str
    remembered: str
    """What its owner thinks it was called; there never was such a branch."""
    commits: int = Field(ge=2, le=4)
    others: int = Field(ge=1, le=6)


@dataclass(frozen=True)
class World:
    """The repository, the lost branch, the order in which branches were visited."""

    repo: RepoSeed
    branch: str
    visits: list[str]
    subjects: list[str]
    files: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    history = History(d, {"src/core.py": f"SIZE = {d.integer(2, 90)}\n"})
    branch = (
        f"{d.pick(('feature', 'wip', 'draft'))}/{p.topic}-{d.pick(('rework', 'two', 'import'))}"
    )
    names = [n for n in d.different("services", p.others + 2) if n != p.topic][: p.others]
    decoys = [f"{d.pick(('feature', 'wip'))}/{name}-{d.integer(2, 9)}" for name in names]
    verbs = d.shuffled(("Read {} in steps", "Check {} twice", "Keep {} sorted", "Count {} by day"))
    subjects, files = [], {}
    for number in range(1, p.commits + 1):
        path = f"src/{p.topic}_{number}.py"
        files[path] = f'"""Step {number} of {p.topic}."""\n\nWEIGHT = {d.integer(10, 999)}\n'
        subjects.append(verbs[number - 1].format(p.topic))
        history.add(subjects[-1], {path: files[path]}, who=history.people[0], branch=branch)
    for decoy in decoys:
        topic = decoy.partition("/")[2]
        for number in (1, 2):
            text = f"STEP = {number}\n"
            history.add(f"Try {topic} {number}", {f"src/{topic}.py": text}, branch=decoy)
    history.add("Measure the core", {"src/core.py": f"SIZE = {d.integer(91, 200)}\n"})
    order = d.shuffled([branch, *decoys])
    return World(history.repo(p.folder), branch, order, subjects, files)


class RecoverBranch(Kit[Params]):
    """A deleted branch to recover."""

    name = "source-chain/recover-branch"
    title = "Recover a deleted branch"
    description = "Find a deleted branch in the reflog, bring it back and merge it."
    obstacle = "the branch never had the name that the request gives it"
    requires = ("git",)
    folders = ("lab-notes-code", "sandbox-repo", "prototypes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more branches were deleted."""
        d = Draw(content_seed(rng))
        topic = d.word("services")
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            topic=topic,
            remembered=f"new-{topic}",
            commits={"simple": 2, "medium": 3, "complex": 4}[complexity],
            others={"simple": 1, "medium": 3, "complex": 6}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """A repository in which all branches but main were visited and deleted."""
        w = world(p)
        visits = "".join(f"git checkout -q {b}\ngit checkout -q main\n" for b in w.visits)
        gone = " ".join(w.visits)
        script = f"set -eu\ncd {p.folder}\n{visits}git branch -q -D {gone}\n"
        return Seed(setup=(w.repo.script(), script))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Bring it back; merge it."""
        back = f"recovered/{p.topic}"
        return (
            SubGoal(
                id="recover",
                request=f"bring back the branch that I deleted from {p.folder} by mistake, I think "
                f"it was called {p.remembered} or so and was about {p.topic}, with all of its "
                f"commits and as {back}, and tell me what it was really called",
                label=f"the lost {p.topic} branch",
                facts=(
                    Fact("repository", p.folder),
                    Fact("remembered", p.remembered),
                    Fact("topic", p.topic),
                    Fact("back", back),
                ),
                question="Should the other deleted branches come back as well?",
                answer="No, just this one; the others were deleted on purpose",
            ),
            SubGoal(
                id="merge",
                request=f"merge {back} into main in {p.folder} with a merge commit",
                label=f"the merge of {back}",
                facts=(Fact("back", back), Fact("repository", p.folder)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Its commits are in main by a merge; no other deleted branch came along."""
        w, f = world(p), p.folder
        main, back = "refs/heads/main", f"refs/heads/recovered/{p.topic}"
        tip, lost = w.repo.tip("main"), w.repo.tip(w.branch)
        return (
            Said(
                id="named",
                subgoal="recover",
                like=r"\b(?:feature|wip|draft)/[\w-]+",
                text=TextMatch(contains=(w.branch,)),
            ),
            GitMerged(
                id="recovered",
                subgoal="recover",
                weight=2,
                repo=f,
                commit=lost,
                into=back,
                failure="the recovered branch does not have all of the lost commits",
            ),
            GitLog(
                id="nothing-else", subgoal="recover", repo=f, range=f"{lost}..{back}", commits=0
            ),
            GitMerged(id="merged", subgoal="merge", repo=f, commit=lost, into=main),
            GitLog(
                id="by-a-merge",
                subgoal="merge",
                repo=f,
                range=f"{tip}..{main}",
                merges=1,
                commits=p.commits + 1,
                failure="main did not get the branch's commits by one merge commit",
            ),
            *(
                GitBranch(
                    id=f"stays-deleted-{number}",
                    repo=f,
                    ref=f"refs/heads/{other}",
                    exists=False,
                    weight=0,
                    failure="a branch came back that was deleted on purpose",
                )
                for number, other in enumerate((b for b in w.visits if b != w.branch), 1)
            ),
            *(
                GitFile(
                    id=f"file-{number}",
                    subgoal="merge",
                    repo=f,
                    ref=main,
                    path=path,
                    text=TextMatch(equals=text),
                )
                for number, (path, text) in enumerate(w.files.items(), 1)
            ),
            *w.repo.guards(),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the reflog, look at what the tips hold, make the branch; merge."""
        return self._recover(p) if subgoal == "recover" else self._merge(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the branch, or main's last commits."""
        ref = "main" if subgoal == "merge" else f"recovered/{p.topic}"
        (log,) = yield sh(f"git log --oneline -n 3 {ref}", **_in(p))
        return f"I looked again, newest first: {'; '.join(log.text.strip().splitlines()[-3:])}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Another deleted branch; an empty one of that name."""
        return (
            WrongSolution("another branch", self._recover(p, other=True)),
            WrongSolution("an empty branch", self._empty(p)),
        )

    def _recover(self, p: Params, other: bool = False) -> Solution:
        (state,) = yield sh(f"git branch -a | cat; git branch --list '*{p.remembered}*'", **_in(p))
        (log,) = yield sh("git reflog --format='%h %gs' | grep 'moving from'", **_in(p))
        visited = dict.fromkeys(re.findall(r" moving from (\S+) to ", log.text))
        names = [n for n in visited if (p.topic in n) != other and n != "main"]
        if not names or p.remembered in state.text:
            return f"I stopped at the reflog: no branch about {p.topic} was ever left."
        name = names[0]
        (tip,) = yield sh(
            f"git reflog --format='%h %gs' | grep 'to {name}$' | head -n 1 | cut -d' ' -f1",
            **_in(p),
        )
        commit = tip.text.split()[0]
        (made,) = yield sh(
            f"git branch -f recovered/{p.topic} {commit} && git log --oneline main..{commit}",
            **_in(p),
        )
        if made.failed:
            return f"The branch could not be made: {last_line(made.text)}"
        count = len(made.text.strip().splitlines())
        return (
            f"There was no {p.remembered}; the branch about {p.topic} was {name}. Its "
            f"{plural(count, 'commit')} up to {commit} are back as recovered/{p.topic}."
        )

    def _merge(self, p: Params) -> Solution:
        back = f"recovered/{p.topic}"
        (ahead,) = yield sh(f"git status -sb; git log --oneline main..{back}", **_in(p))
        (done,) = yield sh(
            f"git merge -q --no-ff --no-edit {back} && git log --oneline -n 1",
            **_in(p),
        )
        if done.failed:
            return f"The merge failed: {last_line(done.text)}"
        count = len(ahead.text.strip().splitlines()) - 1
        return f"{plural(count, 'commit')} merged as `{last_line(done.text)}`."

    def _empty(self, p: Params) -> Solution:
        (made,) = yield sh(
            f"git branch {p.remembered} && git branch recovered/{p.topic} && git branch | cat",
            **_in(p),
        )
        return f"It is back: {', '.join(made.text.split())}."


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
