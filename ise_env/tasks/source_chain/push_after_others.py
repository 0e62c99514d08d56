"""Commits to push to a host where somebody was quicker, and whose tests have become stricter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import (
    GitNotForced,
    GitPushed,
    GitRemoteBranch,
    GitRemoteFile,
    GitRemoteLog,
    GitRemoteMerged,
    TextMatch,
)
from ise_env.rewards.spec import Check
from ise_env.services.spec import GIT_HOST, RepositorySeed
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.source_chain._limits_check import LENIENT, STRICT, tool
from ise_env.tasks.steps import found, last_line, plural, read, sh, write


class Params(KitParams):
    """How much is to be pushed, and how much others pushed meanwhile."""

    repository: str
    mine: int = Field(ge=1, le=4)
    others: int = Field(ge=1, le=5)
    tag: str


@dataclass(frozen=True)
class World:
    """The host's repository, the clone, what the host must have in the end."""

    host: RepoSeed
    clone: RepoSeed
    base: str
    subjects: list[str]
    files: dict[str, str]
    manifest: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both histories from the parameters."""
    d = Draw(p.content)
    names = d.different("services", 4 + p.mine + p.others)
    old, mine, theirs = names[:4], names[4 : 4 + p.mine], names[4 + p.mine :]
    start = {f"tools/{name}.py": tool(d, name) for name in old}
    start |= {"tools/__init__.py": "", "check.py": LENIENT, ".gitignore": "__pycache__/\n"}
    host, clone = History(Draw(p.content), start), History(Draw(p.content), start)
    base = len(host.commits) - 1
    listed: list[str] = [*old]
    host.add(
        "List the tools",
        {"MANIFEST": "\n".join(sorted(listed)) + "\n", "check.py": STRICT},
        who=host.people[2],
    )
    for name in theirs:
        listed.append(name)
        manifest = "\n".join(sorted(listed)) + "\n"
        changed = {f"tools/{name}.py": tool(d, name), "MANIFEST": manifest}
        host.add(f"Limit {name}", changed, who=host.people[1])
    subjects, files = [], {}
    for name in mine:
        files[f"tools/{name}.py"] = tool(d, name)
        subjects.append(d.pick(("Bound {}", "Set limits for {}", "Keep {} small")).format(name))
        path = f"tools/{name}.py"
        clone.add(subjects[-1], {path: files[path]}, who=clone.people[0])
    wanted = "\n".join(sorted([*listed, *mine])) + "\n"
    ours = clone.repo(f"{p.folder}/{p.repository}")
    return World(host.repo("unused"), ours, ours.commit_id(base), subjects, files, wanted)


class PushAfterOthers(Kit[Params]):
    """A push that is refused twice."""

    name = "source-chain/push-after-others"
    title = "Push to a host where others were quicker"
    description = "Put commits on top of what others pushed, satisfy the host's tests, tag it."
    obstacle = "the push is refused: first because others pushed, then because the tests fail"
    requires = ("git", "python3")
    folders = ("shared-limits", "team-tools", "common-code")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more commits on both sides."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            repository=d.word("projects"),
            mine={"simple": 1, "medium": 2, "complex": 4}[complexity],
            others={"simple": 1, "medium": 2, "complex": 5}[complexity],
            tag=f"v{d.integer(1, 9)}.{d.integer(0, 20)}",
        )

    def seed(self, p: Params) -> Seed:
        """The host's repository, and a clone that has not looked there for a while."""
        w = world(p)
        name = f"{p.folder}/{p.repository}"
        behind = (
            f"set -eu\ncd {name}\ngit remote add origin http://{GIT_HOST}/{name}.git\n"
            f"git update-ref refs/remotes/origin/main {w.base}\n"
            "git branch -q --set-upstream-to=origin/main main\n"
        )
        host = RepositorySeed(
            name=name,
            stream=w.host.stream(),
            tests=("python3", "-B", "check.py"),
            gate=True,
        )
        return Seed(setup=(w.clone.script(), behind), services=(host,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Push, then tag."""
        path = f"{p.folder}/{p.repository}"
        return (
            SubGoal(
                id="push",
                request=f"push the commits on main in {path} to origin, on top of whatever others "
                "have pushed there since and without a merge commit; if the tests on the host "
                "refuse them, mend what they complain of in a further commit, never the check",
                label=f"the push of {p.repository}",
                facts=(Fact("repository", path),),
                artifacts=(f"{path}/MANIFEST",),
                question="May I push with force if it is refused?",
                answer="No, what others pushed must stay",
            ),
            SubGoal(
                id="tag",
                request=f"tag what is now on main of origin as {p.tag}, annotated, and push that "
                f"tag from {path} too",
                label=f"the tag {p.tag}",
                facts=(Fact("tag", p.tag), Fact("repository", path)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Pushed and tested, linear, everything there; never with force, the check as it was."""
        w, name = world(p), f"{p.folder}/{p.repository}"
        main, tag, tip = "refs/heads/main", f"refs/tags/{p.tag}", w.host.tip("main")
        return (
            GitPushed(id="pushed", subgoal="push", weight=2, repo=name, ref=main),
            GitRemoteLog(
                id="linear",
                subgoal="push",
                repo=name,
                range=f"{tip}..{main}",
                commits=len(w.subjects) + 1,
                merges=0,
                failure="the host does not have our commits and one more, without a merge",
            ),
            *(
                GitRemoteLog(
                    id=f"commit-{number}",
                    subgoal="push",
                    repo=name,
                    range=f"{tip}..{main}",
                    message=TextMatch(contains=(subject,)),
                    author=w.clone.user,
                )
                for number, subject in enumerate(w.subjects, 1)
            ),
            GitRemoteFile(
                id="manifest",
                subgoal="push",
                repo=name,
                ref=main,
                path="MANIFEST",
                text=TextMatch(equals=w.manifest),
            ),
            GitRemoteBranch(id="tag", subgoal="tag", repo=name, ref=tag, annotation=TextMatch()),
            GitRemoteLog(
                id="tag-at-main", subgoal="tag", repo=name, range=f"{main}..{tag}", commits=0
            ),
            GitRemoteMerged(
                id="others",
                repo=name,
                commit=tip,
                into=main,
                weight=0,
                forbidden=True,
                failure="what others had pushed is gone",
            ),
            GitNotForced(
                id="force",
                repo=name,
                weight=0,
                forbidden=True,
                failure="somebody pushed with force",
            ),
            GitRemoteFile(
                id="check",
                repo=name,
                ref=main,
                path="check.py",
                text=TextMatch(equals=STRICT),
                weight=0,
                forbidden=True,
                failure="the host's check was changed to let the push through",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Push, fetch, rebase, push, read what the tests say, mend, push; tag."""
        return self._push(p) if subgoal == "push" else self._tag(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Ask the host again."""
        ref = "main" if subgoal == "push" else p.tag
        (there,) = yield sh(f"git ls-remote origin | grep '{ref}$'", **_in(p))
        (here,) = yield sh("git rev-parse --short main; git status -sb | head -n 1", **_in(p))
        return (
            f"I asked the host again: {ref} is at {there.text[:7]} there, and main here at "
            f"{here.text.split()[0]}."
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """With force; merged."""
        return (
            WrongSolution("with force", self._force(p)),
            WrongSolution("merged", self._push(p, join="git merge -q --no-edit origin/main")),
        )

    def _push(self, p: Params, join: str = "git rebase -q origin/main") -> Solution:
        push = "git push origin main 2>&1"
        (state,) = yield sh("git status -sb | head -n 1; git log --oneline @{u}..", **_in(p))
        (first,) = yield sh(push, **_in(p))
        ours = len(state.text.strip().splitlines()) - 1
        theirs = "0"
        if "rejected" in first.text:
            (fetched,) = yield sh(
                "git fetch -q && git log --oneline main..origin/main | wc -l", **_in(p)
            )
            theirs = fetched.text.strip()
            (joined,) = yield sh(f"{join} && {push}", **_in(p))
        else:
            joined = first
        missing = found(r"tools/(\w+)\.py is not in MANIFEST", joined.text, "")
        if missing:
            (listed,) = yield read(f"{p.folder}/{p.repository}/MANIFEST")
            (there,) = yield sh("ls tools/[!_]*.py", **_in(p))
            names = sorted(line[6:-3] for line in there.text.split() if line.endswith(".py"))
            (saved,) = yield write(f"{p.folder}/{p.repository}/MANIFEST", "\n".join(names) + "\n")
            if saved.failed:
                return f"MANIFEST could not be written: {saved.text}"
            added = len(names) - len(listed.text.split())
            (joined,) = yield sh(
                f"python3 -B check.py && git commit -qam 'List {plural(added, 'more tool')}' && "
                f"{push}",
                **_in(p),
            )
        if joined.failed:
            return f"The push still fails: {last_line(joined.text)}"
        span = found(r"(\w+\.\.\w+) +main -> main", joined.text).replace("..", " to ")
        why = f"tests wanted {missing} in MANIFEST, so I listed it" if missing else "tests passed"
        return (
            f"Pushed {plural(ours, 'commit')} on top of {theirs} by others: origin's main went "
            f"from {span}. The {why}."
        )

    def _tag(self, p: Params) -> Solution:
        (tip,) = yield sh(
            "git fetch -q && git rev-parse --short origin/main && git tag -l", **_in(p)
        )
        if p.tag in tip.text.split()[1:]:
            return f"There is a tag {p.tag} already."
        (made,) = yield sh(
            f"git tag -a {p.tag} -m 'Version {p.tag}' origin/main && git push origin {p.tag} 2>&1",
            **_in(p),
        )
        if made.failed:
            return f"The tag could not be pushed: {last_line(made.text)}"
        pushed = found(rf"({p.tag}) -> {p.tag}", made.text)
        return f"{pushed} is on the host, at {tip.text.split()[0]}."

    def _force(self, p: Params) -> Solution:
        (pushed,) = yield sh("git push --force origin main 2>&1", **_in(p))
        return f"Pushed: {last_line(pushed.text)}"


def _in(p: Params) -> dict[str, str]:
    return {"workdir": f"{p.folder}/{p.repository}"}
