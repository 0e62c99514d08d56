"""A fix to make and to send for review, on a host whose main takes no pushes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import (
    Command,
    GitNotForced,
    GitPushed,
    GitRemoteFile,
    GitRemoteLog,
    Said,
    TextMatch,
)
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.services.spec import GIT_HOST, RepositorySeed
from ise_env.tasks.code_runtime._ruled_functions import PROBE, RULED, Ruled
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import untouched
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh

CONTRIBUTING = """\
# Contributing

- `main` takes no pushes. A change goes to a branch `review/<number of the ticket>` of its own,
  made from main; {person} merges it once somebody has looked at it.
- One commit a ticket. Its subject begins with the ticket: `#{example}: Say what it does`.
- The host runs `python3 -m unittest` on what is pushed. What came of it is said at
  `http://{host}/api/{name}/commits/<full id>/status`, as `state`.
- Tests are changed only together with `docs/rules.md`.
"""


class Params(KitParams):
    """Which module, which of its rules is broken, and the ticket."""

    ruled: str
    rules: tuple[int, ...]
    """Numbers of the broken rules, from 1."""
    ticket: int = Field(ge=100, le=899)


@dataclass(frozen=True)
class World:
    """The repository, as the host and the clone have it."""

    ruled: Ruled
    repo: RepoSeed
    tests: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    ruled = RULED[p.ruled]
    broken = ruled.source
    for number in p.rules:
        rule = ruled.rules[number - 1]
        broken = broken.replace(rule.right, rule.broken)
    rules = "".join(f"{n}. {rule.text}\n" for n, rule in enumerate(ruled.rules, 1))
    tests = ruled.tests(ruled.rules)
    start = {
        f"{ruled.module}.py": ruled.source,
        f"test_{ruled.module}.py": tests,
        "docs/rules.md": f"# Rules of {ruled.module}.py\n\n{rules}",
        "CONTRIBUTING.md": CONTRIBUTING.format(
            person=d.person(), example=p.ticket - 40, host=GIT_HOST, name=f"{p.folder}/code"
        ),
        ".gitignore": "__pycache__/\n",
    }
    history = History(d, start)
    history.add(
        d.pick(("Make it shorter", "Rework", "Spring cleaning")), {f"{ruled.module}.py": broken}
    )
    history.add("Say hello to the new colleague", {"docs/hello.md": f"{d.person()}\n"})
    return World(ruled, history.repo(f"{p.folder}/code"), tests)


class SendForReview(Kit[Params]):
    """A fix for review."""

    name = "source-chain/send-for-review"
    title = "Mend a bug and send it for review"
    description = "Fix what a failing test shows, and push it for review as the project wants it."
    obstacle = "a failing test, and a main branch that takes no pushes"
    requires = ("git", "python3")
    folders = ("reviewed", "ticket-work", "code-review")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more rules are broken."""
        ruled = one(rng, sorted(RULED))
        # Rules whose broken passages do not overlap: the first, the fourth, the sixth.
        order = [(1, 4, 6)[int(n)] for n in rng.permutation(3)]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            ruled=ruled,
            rules=tuple(order[: {"simple": 1, "medium": 2, "complex": 3}[complexity]]),
            ticket=int(rng.integers(100, 900)),
        )

    def seed(self, p: Params) -> Seed:
        """The host's repository and a clone."""
        w = world(p)
        name = w.repo.path
        link = (
            f"set -eu\ncd {name}\ngit remote add origin http://{GIT_HOST}/{name}.git\n"
            "git update-ref refs/remotes/origin/main main\n"
            "git branch -q --set-upstream-to=origin/main main\n"
        )
        host = RepositorySeed(
            name=name,
            stream=w.repo.stream(),
            closed=("main",),
            tests=("python3", "-B", "-m", "unittest"),
        )
        return Seed(setup=(w.repo.script(), link), services=(host,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend it, then send it."""
        w = world(p)
        path, ticket = w.repo.path, f"#{p.ticket}"
        return (
            SubGoal(
                id="mend",
                request=f"mend {path}/{w.ruled.module}.py, which no longer keeps to "
                f"{path}/docs/rules.md, so that `python3 -m unittest` passes in {path}",
                label=f"the mended {w.ruled.module}.py",
                facts=(
                    Fact("module", f"{path}/{w.ruled.module}.py"),
                    Fact("rules", f"{path}/docs/rules.md"),
                    Fact("repository", path),
                ),
                artifacts=(f"{path}/{w.ruled.module}.py",),
                question="Might the tests be wrong?",
                answer="No, they say the same as docs/rules.md",
            ),
            SubGoal(
                id="send",
                request=f"send that for review as ticket {ticket}, the way "
                f"{path}/CONTRIBUTING.md wants it, and tell me which state the host reports for "
                "its tests",
                label=f"the review of {ticket}",
                facts=(Fact("ticket", ticket), Fact("how", f"{path}/CONTRIBUTING.md")),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The rules kept, one commit on the review branch, tested; tests and main as they were."""
        w = world(p)
        name, branch = w.repo.path, f"refs/heads/review/{p.ticket}"
        tip, tests = w.repo.tip("main"), f"test_{w.ruled.module}.py"
        cases = [case for rule in w.ruled.rules for case in rule.cases]
        return (
            Command(
                id="keeps-rules",
                subgoal="mend",
                weight=2,
                argv=(*CLEAN_PYTHON, "-c", PROBE, w.ruled.module, w.ruled.function),
                cwd=name,
                stdin=json.dumps([args for args, _ in cases]),
                prints=[wanted for _, wanted in cases],
                failure=f"{w.ruled.module}.py does not keep to all the rules",
            ),
            GitPushed(id="pushed", subgoal="send", weight=2, repo=name, ref=branch),
            GitRemoteLog(
                id="one-commit",
                subgoal="send",
                repo=name,
                range=f"{tip}..{branch}",
                commits=1,
                merges=0,
                message=TextMatch(matches=(rf"\A#{p.ticket}: \S",)),
                failure="there is not one commit whose subject begins with the ticket",
            ),
            Said(
                id="told",
                subgoal="send",
                text=TextMatch(matches=(r"\bsuccess\b",), ignore_case=True),
            ),
            GitRemoteFile(
                id="same-tests",
                subgoal="send",
                repo=name,
                ref=branch,
                path=tests,
                text=TextMatch(equals=w.tests),
            ),
            untouched(
                {f"{name}/{tests}": w.tests}, id="tests", failure="the tests were edited to pass"
            ),
            GitRemoteLog(
                id="main-as-it-was",
                repo=name,
                range=f"{tip}..refs/heads/main",
                commits=0,
                weight=0,
                forbidden=True,
                failure="main was pushed to",
            ),
            GitNotForced(id="force", repo=name, weight=0, forbidden=True),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Test, read the rules, mend, test; branch, commit, push, ask for the state."""
        return self._mend(p) if subgoal == "mend" else self._send(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Test again, or ask the host again."""
        if subgoal == "mend":
            (ran,) = yield sh("python3 -B -m unittest 2>&1 | tail -n 3", **_in(p))
            count = found(r"Ran (\d+) test", ran.text, "0")
            return f"I ran {plural(count, 'test')} again: {last_line(ran.text)}."
        (there,) = yield sh(f"git ls-remote origin review/{p.ticket}", **_in(p))
        (state,) = yield sh(_status(p, there.text.split()[0]), **_in(p))
        return f"I asked the host again; it says {found(_STATE, state.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The test thrown out; sent under a name of one's own."""
        return (
            WrongSolution("the failing test removed", self._drop_test(p)),
            WrongSolution("another branch", self._send(p, branch=f"fix-{p.ticket}"), "send"),
        )

    def _mend(self, p: Params) -> Solution:
        ruled = world(p).ruled
        path = f"{p.folder}/code/{ruled.module}.py"
        (before,) = yield sh("python3 -B -m unittest 2>&1 | grep -E '^(FAIL|ERROR):'", **_in(p))
        code, rules = yield [read(path), read(f"{p.folder}/code/docs/rules.md")]
        failed = [line for line in before.text.splitlines() if line.startswith(("FAIL", "ERROR"))]
        mended = []
        for number, rule in enumerate(ruled.rules, 1):
            if f"test_rule_{number} " in before.text and rule.broken in code.text:
                (changed,) = yield edit(path, rule.broken, rule.right)
                if changed.failed:
                    return f"{path} could not be edited: {changed.text}"
                mended.append(found(rf"^{number}\. (.*)\.$", rules.text))
        (after,) = yield sh("python3 -B -m unittest 2>&1 | tail -n 3", **_in(p))
        return (
            f"{plural(len(failed), 'test')} had failed. {ruled.module}.py keeps to "
            f"this again: {'; '.join(mended)}. The tests now say {last_line(after.text)}."
        )

    def _send(self, p: Params, branch: str = "") -> Solution:
        (how,) = yield read(f"{p.folder}/code/CONTRIBUTING.md")
        prefix = found(r"branch `(\w+)/<number", how.text)
        branch = branch or f"{prefix}/{p.ticket}"
        module = world(p).ruled.module
        (made,) = yield sh(
            f"git checkout -q -B {branch} && git commit -qam '#{p.ticket}: Keep {module} to the "
            f"rules' && git show --stat --format=%H HEAD && git push origin {branch} 2>&1",
            **_in(p),
        )
        if made.failed:
            return f"The push failed: {last_line(made.text)}"
        commit = found(r"^([0-9a-f]{40})", made.text)
        (state,) = yield sh(_status(p, commit), **_in(p))
        files = found(r"(\d+) files? changed", made.text)
        return (
            f"Commit {commit[:8]} with {plural(files, 'file')} is on {branch}; the host's tests "
            f"have the state {found(_STATE, state.text)}."
        )

    def _drop_test(self, p: Params) -> Solution:
        module = world(p).ruled.module
        (done,) = yield sh(
            f"git rm -q test_{module}.py && git commit -qm 'Remove a broken test'; git status -sb",
            **_in(p),
        )
        return f"No test fails any more: {last_line(done.text)}."


_STATE = r'"state": *"(\w+)"'


def _status(p: Params, commit: str) -> str:
    """A command that asks the host, until the tests are through."""
    at = f"http://{GIT_HOST}/api/{world(p).repo.path}/commits/{commit}/status"
    return (
        f"for n in 1 2 3 4 5; do curl -fsS {at} > /tmp/state; grep -q pending /tmp/state || break; "
        "sleep 1; done; cat /tmp/state"
    )


def _in(p: Params) -> dict[str, str]:
    return {"workdir": f"{p.folder}/code"}
