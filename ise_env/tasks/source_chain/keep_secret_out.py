"""Commits that are not pushed yet, one of which holds a file with a token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitFile, GitLacks, GitLog, GitMerged, TextMatch, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import sha256
from ise_env.tasks.source_chain._history import History, remote
from ise_env.tasks.steps import found, last_line, plural, sh

WORK, REMOTE = "work", "origin.git"
HELD = {
    "config/local.env": "API_URL=https://api.{project}.example/v2\nAPI_TOKEN={token}\nDEBUG=1\n",
    "deploy/access.ini": "[deploy]\nhost = {project}.example\nuser = deploy\npassword = {token}\n",
    "settings/keys.json": '{{\n  "project": "{project}",\n  "signing_key": "{token}"\n}}\n',
}


class Params(KitParams):
    """Where the token is, and how much is not pushed yet."""

    file: str
    unpushed: int = Field(ge=2, le=5)
    leak: int = Field(ge=2, le=2)
    """Which of the unpushed commits has the file, from 1."""


@dataclass(frozen=True)
class World:
    """The clone, what was pushed, what must survive."""

    repo: RepoSeed
    pushed: str
    token: str
    held: str
    """Content of the file with the token."""
    subjects: list[str]
    mine: dict[str, str]
    """Files that the unpushed commits bring beside it."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    token = "tk_" + "".join(d.pick(alphabet) for _ in range(28))
    ignored = "__pycache__/\n*.log\n"
    history = History(d, {".gitignore": ignored, "src/client.py": 'URL = "https://localhost"\n'})
    pushed = len(history.commits) - 1
    held = HELD[p.file].format(project=history.project, token=token)
    verbs = ("Ask for {} page by page", "Cache {} for a minute", "Read {} from the new service")
    subjects, mine = [], {}
    for number, name in enumerate(d.different("services", p.unpushed), 1):
        subject = d.pick(verbs).format(name)
        path = f"src/{name}_client.py"
        mine[path] = f'"""{subject}."""\n\nLIMIT = {d.integer(5, 90)}\n'
        files: dict[str, str | None] = {path: mine[path]}
        if number == p.leak:
            files[p.file] = held
        history.add(subject, files, who=history.people[0])
        subjects.append(subject)
    repo = history.repo(f"{p.folder}/{WORK}")
    return World(repo, repo.commit_id(pushed), token, held, subjects, mine)


class KeepSecretOut(Kit[Params]):
    """A secret to keep out of a push."""

    name = "source-chain/keep-secret-out"
    title = "Take a secret out of commits before they are pushed"
    description = "Rewrite unpushed commits without a file that holds a token, then push them."
    obstacle = "removing the file in a further commit would still publish it"
    requires = ("git",)
    folders = ("api-clients", "connectors", "integrations")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: the commit lies further back."""
        unpushed, leak = {"simple": (2, 2), "medium": (3, 2), "complex": (5, 2)}[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            file=one(rng, sorted(HELD)),
            unpushed=unpushed,
            leak=leak,
        )

    def seed(self, p: Params) -> Seed:
        """A clone that is ahead of its remote."""
        w = world(p)
        return Seed(setup=(w.repo.script(), remote(w.repo, REMOTE, {"main": w.pushed})))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Take it out, then push."""
        path = f"{p.folder}/{WORK}"
        return (
            SubGoal(
                id="remove",
                request=f"take {p.file} out of the commits on main in {path} that are not pushed "
                "yet, because it holds a token, and list it in .gitignore; the file itself stays "
                "on disk, and the commits keep their messages and everything else",
                label=f"the removal of {p.file} from history",
                facts=(Fact("file", p.file), Fact("repository", path)),
                question="May the commits that are already pushed change?",
                answer="No, only those that nobody else has seen yet",
            ),
            SubGoal(
                id="push",
                request=f"push main of {path} to origin",
                label="the push",
                facts=(Fact("repository", path),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Nowhere in main, everything else there, pushed; the remote never saw it."""
        w = world(p)
        here, there, main = f"{p.folder}/{WORK}", f"{p.folder}/{REMOTE}", "refs/heads/main"
        span = f"{w.pushed}..{main}"
        base, _, name = p.file.rpartition("/")
        ignored = rf"^/?(\*\*/)?({base}/)?({name}|\*\.{name.split('.')[-1]}|\*)\s*$|^/?{base}/?\s*$"
        last = list(w.mine)[-1]
        return (
            GitLacks(
                id="gone",
                subgoal="remove",
                weight=2,
                repo=here,
                range=main,
                text=w.token,
                failure="the token is still in main's history",
            ),
            GitFile(
                id="ignored",
                subgoal="remove",
                repo=here,
                ref=main,
                path=".gitignore",
                text=TextMatch(contains=("__pycache__/",), matches=(ignored,)),
            ),
            GitFile(
                id="pushed",
                subgoal="push",
                repo=there,
                ref=main,
                path=last,
                text=TextMatch(equals=w.mine[last]),
                failure="the last commit's file is not on the remote",
            ),
            *(
                GitLog(
                    id=f"message-{number}",
                    repo=here,
                    range=span,
                    message=TextMatch(contains=(subject,)),
                    weight=0,
                    failure="a commit or its message got lost",
                )
                for number, subject in enumerate(w.subjects, 1)
            ),
            *(
                GitFile(
                    id=f"kept-{number}",
                    repo=here,
                    ref=main,
                    path=path,
                    text=TextMatch(equals=text),
                    weight=0,
                )
                for number, (path, text) in enumerate(w.mine.items(), 1)
            ),
            GitLacks(
                id="leaked",
                repo=there,
                range="--all",
                text=w.token,
                weight=0,
                forbidden=True,
                failure="the token was published",
            ),
            Unchanged(
                id="on-disk",
                sha256={f"{here}/{p.file}": sha256(w.held)},
                weight=0,
                forbidden=True,
                failure="the file with the token was lost or changed",
            ),
            GitMerged(
                id="history",
                repo=there,
                commit=w.pushed,
                into=main,
                weight=0,
                forbidden=True,
                failure="what was pushed before was rewritten",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the commits, filter them, ignore the file; push and compare."""
        return self._remove(p) if subgoal == "remove" else self._push(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look for the file in what is ahead, or compare with the remote."""
        if subgoal == "push":
            (state,) = yield sh("git fetch -q; git status -sb | head -n 1", **_in(p))
            return f"I looked again: `{last_line(state.text)}`."
        (left,) = yield sh(f"git log --oneline main -- {p.file} | wc -l", **_in(p))
        return f"I looked again: {plural(left.text, 'commit')} of main touch {p.file}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Removed in a further commit; thrown away with its commits."""
        return (
            WrongSolution("removed on top", self._on_top(p)),
            WrongSolution("commits thrown away", self._reset(p)),
        )

    def _remove(self, p: Params) -> Solution:
        ahead, touching = yield [
            sh("git status -sb && git log --oneline origin/main..main", **_in(p)),
            sh(f"git log --format='%h %s' origin/main..main -- {p.file}", **_in(p)),
        ]
        if not touching.text.strip() or "(no output)" in touching.text:
            return f"No commit that is ahead of origin touches {p.file}: {last_line(ahead.text)}."
        first = touching.text.splitlines()[0]
        filtered = (
            f"cp {p.file} /tmp/kept && export FILTER_BRANCH_SQUELCH_WARNING=1 && git filter-branch "
            f"-f --index-filter 'git rm -q --cached --ignore-unmatch {p.file}' "
            "origin/main..main 2>&1 | tail -n 1 && git update-ref -d refs/original/refs/heads/main"
        )
        (rewritten,) = yield sh(filtered, **_in(p))
        (ignored,) = yield sh(
            f"mkdir -p {p.file.rpartition('/')[0]} && cp /tmp/kept {p.file} && "
            f"echo {p.file} >> .gitignore && git add .gitignore && "
            f"git commit -qm 'Ignore {p.file}' && git status -sb",
            **_in(p),
        )
        if rewritten.failed or ignored.failed:
            return f"The commits could not be rewritten: {last_line(rewritten.text)}"
        (left,) = yield sh(
            f"git log --oneline origin/main..main; ls {p.file} && rm -f /tmp/kept", **_in(p)
        )
        kept = [line for line in left.text.splitlines() if line != p.file]
        return (
            f"{p.file} came with `{first}`. It is out of history now and ignored, and still on "
            f"disk; {plural(len(kept), 'commit')} are ahead of origin, the newest {kept[0]}."
        )

    def _push(self, p: Params) -> Solution:
        (state,) = yield sh(
            f"git log --oneline origin/main..main -- {p.file} | wc -l; git status -sb | head -n 1",
            **_in(p),
        )
        if not state.text.startswith("0"):
            return f"I stopped at the push: what is ahead still holds {p.file}."
        (pushed,) = yield sh("git push origin main 2>&1 | tail -n 2", **_in(p))
        span = found(r"(\w+\.\.\w+) +main -> main", pushed.text)
        return f"Pushed: origin's main went from {span.replace('..', ' to ')}."

    def _on_top(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"git rm -q --cached {p.file} && echo {p.file} >> .gitignore && git add .gitignore && "
            f"git commit -qm 'Remove {p.file}' && git push -q origin main; git status -sb",
            **_in(p),
        )
        return f"The file is gone from main: {last_line(done.text)}."

    def _reset(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"cp {p.file} /tmp/k; git reset -q --hard origin/main; mkdir -p $(dirname {p.file}); "
            f"cp /tmp/k {p.file}; echo {p.file} >> .gitignore; git commit -qam 'Ignore {p.file}'; "
            "git log --oneline -n 1",
            **_in(p),
        )
        return f"main is clean again: {last_line(done.text)}."


def _in(p: Params) -> dict[str, str]:
    return {"workdir": f"{p.folder}/{WORK}"}
