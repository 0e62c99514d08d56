"""Find the commit that broke a check, and revert it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, GitFile, GitLog, Said, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.steps import found, read, sh

RATES = ("parcel", "letter", "pallet", "tube", "crate")
VERBS = ("Tidy", "Speed up", "Simplify", "Rework", "Streamline", "Clean up")

SELFCHECK = """\
\"\"\"Compares a few quotes with the price list of the sales team.\"\"\"

import sys

from quoting import quote

CASES = {cases}
for (kind, weight), wanted in CASES.items():
    given = quote(kind, weight)
    if given != wanted:
        sys.exit(f"quote({{kind!r}}, {{weight}}) is {{given}}, not {{wanted}}")
print("all", len(CASES), "quotes are right")
"""

QUOTING = """\
\"\"\"Prices in cents.\"\"\"

RATES = {rates}
HEAVY = {heavy}


def quote(kind, weight):
    \"\"\"Base rate plus {step} a started kilogram above HEAVY.\"\"\"
    extra = max(0, weight - HEAVY)
    return RATES[kind] + {step} * {rounding}
"""

RIGHT, BROKEN = "-(-extra // 1)", "(extra // 1)"

PROBE = """\
import json, sys
sys.path.insert(0, ".")
from quoting import quote
print(json.dumps([quote(*case) for case in json.load(sys.stdin)]))
"""


class Params(KitParams):
    """How long the history is."""

    commits: int = Field(ge=6, le=15)


@dataclass(frozen=True)
class World:
    """The repository, its culprit, hidden cases."""

    repo: RepoSeed
    culprit: int
    author: str
    cases: list[tuple[str, float]]
    quotes: list[float]
    later: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    project = d.word("projects")
    team = [f"{who} <{who.split()[0].lower()}@{project}.example>" for who in d.people(4)]
    rates = {kind: d.integer(200, 4000) for kind in RATES}
    heavy, step = d.integer(2, 9), d.integer(15, 190)

    def quoting(rounding: str) -> str:
        return QUOTING.format(rates=rates, heavy=heavy, step=step, rounding=rounding)

    def right(kind: str, weight: float) -> float:
        return rates[kind] + step * -(-max(0, weight - heavy) // 1)

    weights = [heavy + 0.5, heavy - 1, heavy + d.integer(1, 4) + 0.25]
    shown = {
        (kind, weight): right(kind, weight) for kind, weight in zip(RATES, weights, strict=False)
    }
    cases = [(d.pick(RATES), heavy + d.integer(-8, 60) / 4) for _ in range(12)]
    culprit = d.integer(2, p.commits - 3)
    when = d.moment(d.day(2025, 5), 8, 10)
    commits = []
    areas = d.some([f"{a}_{b}" for a in ("label", "route", "stock") for b in RATES], p.commits)
    for number in range(p.commits):
        when += timedelta(hours=d.integer(5, 40))
        area = areas[number]
        changed = {f"shop/{area}.py": f'"""{area}."""\n\nLIMIT = {d.integer(3, 900)}\n'}
        message = f"{d.pick(VERBS)} {area.replace('_', ' ')}s"
        if number == 0:
            message = "Quote prices"
            changed |= {
                "quoting.py": quoting(RIGHT),
                "selfcheck.py": SELFCHECK.format(cases=shown),
                ".gitignore": "__pycache__/\n",
            }
        elif number == culprit:
            message = f"{d.pick(VERBS)} the price formula" if d.chance(0.5) else message
            changed = {"quoting.py": quoting(BROKEN)}
        tags = ("v1.0",) if number == 0 else ()
        commits.append(Commit(message, changed, d.pick(team), when, tags=tags))
    repo = RepoSeed(path=p.folder, commits=tuple(commits), user=team[0])
    later = {k: v for k, v in repo.files("main").items() if k.startswith("shop/")}
    author = commits[culprit].author.split(" <")[0]
    return World(repo, culprit, author, cases, [right(*case) for case in cases], later)


class RevertRegression(Kit[Params]):
    """A regression to find and revert."""

    name = "source-chain/revert-regression"
    title = "Find the commit that broke a check, and revert it"
    description = "Bisect the history between a tag and main, name the culprit, revert it."
    obstacle = "commit messages do not say which one changed the prices"
    requires = ("git", "python3")
    folders = ("pricing", "quotes", "tariffs")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer history."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            commits={"simple": 6, "medium": 10, "complex": 15}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """One repository."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Name the culprit, then revert it."""
        check = "python3 selfcheck.py"
        return (
            SubGoal(
                id="find",
                request=f"find out which commit since the tag v1.0 made `{check}` fail in the "
                f"repository {p.folder}, and tell me its id and who wrote it",
                label="the commit that broke the self-check",
                facts=(Fact("tag", "v1.0"), Fact("check", check), Fact("repository", p.folder)),
                question="Is the self-check itself right?",
                answer="Yes, its numbers are those of the sales team",
            ),
            SubGoal(
                id="revert",
                request=f"revert that commit on main with git revert so that `{check}` passes "
                f"again in {p.folder}, and keep everything that came after it",
                label="the revert",
                facts=(Fact("check", check), Fact("repository", p.folder)),
                artifacts=(f"{p.folder}/quoting.py",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Words about the culprit; quotes on hidden cases; a revert on top of the history."""
        w = world(p)
        bad, tip = w.repo.commit_id(w.culprit), w.repo.tip("main")
        main = "refs/heads/main"
        return (
            Said(
                id="named",
                subgoal="find",
                like=r"\b[0-9a-f]{7}",
                text=TextMatch(contains=(bad[:7], w.author)),
            ),
            Command(
                id="quotes",
                subgoal="revert",
                argv=(*CLEAN_PYTHON, "-c", PROBE),
                cwd=p.folder,
                stdin=json.dumps(w.cases),
                prints=list(w.quotes),
            ),
            GitLog(
                id="reverted",
                subgoal="revert",
                repo=p.folder,
                range=f"{tip}..{main}",
                message=TextMatch(contains=(bad,)),
                failure="no commit on main says that it reverts the culprit",
            ),
            *w.repo.guards(),
            *(
                GitFile(
                    id=f"later-{number}",
                    repo=p.folder,
                    ref=main,
                    path=path,
                    text=TextMatch(equals=text),
                    weight=0,
                )
                for number, (path, text) in enumerate(sorted(w.later.items())[-2:])
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Let git bisect find it; revert; check."""
        return self._find(p) if subgoal == "find" else self._revert(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the commit, or run the check again."""
        if subgoal == "find":
            (shown,) = yield sh("git log --format='%h %an: %s' -- quoting.py", workdir=p.folder)
            return f"These commits touched quoting.py:\n{shown.text.strip()}"
        (ran,) = yield sh("python3 selfcheck.py; git status --short", workdir=p.folder)
        return f"The self-check says: {ran.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Going back to the tag; mending by hand without a revert."""
        return (
            WrongSolution("reset to the tag", self._reset(p), "revert"),
            WrongSolution("the newest commit blamed", self._blame_newest(p)),
        )

    def _find(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        state, check = yield [
            sh("git status -sb && git log --oneline v1.0..HEAD | wc -l", **here),
            sh("python3 selfcheck.py", **here),
        ]
        if not check.failed:
            return f"The self-check passes: {check.text.strip()}"
        (script,) = yield read(f"{p.folder}/selfcheck.py")
        run = "python3 selfcheck.py" if "sys.exit" in script.text else "false"
        (found_by,) = yield sh(
            f"git bisect start HEAD v1.0 && git bisect run {run}; git bisect reset", **here
        )
        commit = found(r"([0-9a-f]{40}) is the first bad commit", found_by.text)
        (shown,) = yield sh(f"git show -s --format='%h by %an: %s' {commit}", **here)
        (changed,) = yield sh(f"git show --stat --format= {commit}", **here)
        steps = state.text.split()[-1]
        file = found(r"(\S+\.py)", changed.text)
        return f"Of {steps} commits it was {shown.text.strip()} ({commit}), which changed {file}."

    def _revert(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (broken, suspects) = yield [
            sh("python3 selfcheck.py", **here),
            sh("git log --format='%H %s' v1.0..main -- quoting.py", **here),
        ]
        if not broken.failed:
            return f"There is nothing to revert: {broken.text.strip()}"
        commit = found(r"^([0-9a-f]{40})", suspects.text)
        (done,) = yield sh(f"git revert --no-edit {commit}", **here)
        if done.failed:
            return f"The revert failed: {done.text}"
        (check,) = yield sh("python3 selfcheck.py && git status --short", **here)
        (log,) = yield sh("git log --oneline -n 2", **here)
        return f"{log.text.splitlines()[0]}: the self-check says {check.text.strip()}."

    def _reset(self, p: Params) -> Solution:
        (done,) = yield sh("git reset -q --hard v1.0 && python3 selfcheck.py", workdir=p.folder)
        return f"Back to v1.0: {done.text.strip()}"

    def _blame_newest(self, p: Params) -> Solution:
        (failing, newest) = yield [
            sh("python3 selfcheck.py", workdir=p.folder),
            sh("git log -n 1 --format='%h by %an, %s'", workdir=p.folder),
        ]
        seen = failing.text.strip().splitlines()[0]
        return f"It says {seen}. The newest commit is the one: {newest.text.strip()}."
