"""One commit that does two things, to be made into two before anybody else sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitBranch, GitFile, GitLog, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.steps import found, last_line, plural, sh, write

FIXES = {
    "rounding.py": ("return cents * rate // 100", "return (cents * rate + 50) // 100"),
    "queue.py": ("return items.pop()", "return items.pop(0)"),
    "window.py": ("return now - start > limit", "return now - start >= limit"),
    "names.py": ("return text.title()", "return text.strip().title()"),
}
"""Module to the line with the mistake, and the line that mends it."""

MODULE = '"""{title}, kept by {owner}."""\n\n\ndef {verb}({arguments}):\n    {line}\n'
TESTS = {
    "rounding.py": "assert rounding.share(199, 50) == 100",
    "queue.py": "assert queue.next_of([1, 2, 3]) == 1",
    "window.py": "assert window.over(20, 10, 10)",
    "names.py": 'assert names.shown(" ada ") == "Ada"',
}
ARGUMENTS = {
    "rounding.py": ("share", "cents, rate"),
    "queue.py": ("next_of", "items"),
    "window.py": ("over", "now, start, limit"),
    "names.py": ("shown", "text"),
}


class Params(KitParams):
    """What was fixed, and what else the commit did."""

    module: str
    others: int = Field(ge=2, le=6)
    """How many other files it changed."""
    mixed: bool
    """Whether the module itself has some of the other change, too."""


@dataclass(frozen=True)
class World:
    """The repository, and the trees of the two commits."""

    repo: RepoSeed
    base: str
    fix: str
    rest: str
    """The two messages."""
    first: dict[str, str]
    last: dict[str, str]
    """Content of the changed files after each commit."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    wrong, right = FIXES[p.module]
    verb, arguments = ARGUMENTS[p.module]
    path, test = f"src/{p.module}", f"tests/test_{p.module}"
    old_name, new_name = d.some(("Example Ltd", "The Works", "Second Floor", "North Wing"), 2)
    names = d.different("services", p.others)
    sheets = {f"docs/{name}.md": f"# {name}\n\nOwned by {{owner}}.\n" for name in names}

    def module(line: str, owner: str) -> str:
        title = p.module.removesuffix(".py").title()
        return MODULE.format(title=title, owner=owner, verb=verb, arguments=arguments, line=line)

    def owned(owner: str) -> dict[str, str]:
        return {sheet: text.format(owner=owner) for sheet, text in sheets.items()}

    start = {path: module(wrong, old_name), test: "# to be written\n", **owned(old_name)}
    history = History(d, start)
    base = len(history.commits) - 1
    module_name = p.module.removesuffix(".py")
    tested = f"from src import {module_name}\n\n\ndef test_it():\n    {TESTS[p.module]}\n"
    mixed = new_name if p.mixed else old_name
    first = {path: module(right, old_name), test: tested, **owned(old_name)}
    last = {path: module(right, mixed), test: tested, **owned(new_name)}
    history.add("Friday evening", dict(last), who=history.people[0])
    return World(
        history.repo(p.folder),
        history.repo(p.folder).commit_id(base),
        f"Fix {p.module.removesuffix('.py')}",
        f"Name {new_name} as owner",
        first,
        last,
    )


class SplitCommit(Kit[Params]):
    """A commit to split."""

    name = "source-chain/split-commit"
    title = "Split a commit into two"
    description = "Make two commits of the latest one, and a branch that has only the first."
    obstacle = "one file may hold some of both changes"
    requires = ("git",)
    folders = ("friday-fixes", "small-services", "ward-tools")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files, and one that has to be split itself."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            module=one(rng, sorted(FIXES)),
            others={"simple": 2, "medium": 4, "complex": 6}[complexity],
            mixed=complexity == "complex",
        )

    def seed(self, p: Params) -> Seed:
        """One repository."""
        return Seed(setup=(world(p).repo.script(),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Split it, then branch off the first half."""
        w, f = world(p), p.folder
        branch = f"hotfix/{p.module.removesuffix('.py')}"
        return (
            SubGoal(
                id="split",
                request=f"split the latest commit on main in {f}, which nobody has seen yet, into "
                f"two: first the fix in src/{p.module} with its test, as `{w.fix}`, then "
                f"everything about the owner's name, as `{w.rest}`, with the same files in the end",
                label="the split commit",
                facts=(
                    Fact("repository", f),
                    Fact("module", f"src/{p.module}"),
                    Fact("fix", w.fix),
                    Fact("rest", w.rest),
                ),
                artifacts=(f"{f}/src/{p.module}",),
                question="What if a file has something of both?",
                answer="Then its fix belongs into the first commit and the owner into the second",
            ),
            SubGoal(
                id="branch",
                request=f"make a branch {branch} in {f} that ends with the first of the two "
                "commits, and stay on main",
                label=f"the branch {branch}",
                facts=(Fact("branch", branch), Fact("repository", f)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Two commits with their messages and trees; the branch; nothing older moved."""
        w, f = world(p), p.folder
        main, branch = "refs/heads/main", f"refs/heads/hotfix/{p.module.removesuffix('.py')}"

        def tree(name: str, ref: str, files: dict[str, str]) -> list[Check]:
            return [
                GitFile(
                    id=f"{name}-{number}",
                    weight=0,
                    repo=f,
                    ref=ref,
                    path=path,
                    text=TextMatch(equals=text),
                )
                for number, (path, text) in enumerate(files.items(), 1)
            ]

        fixed = {k: v for k, v in w.first.items() if k.startswith(("src/", "tests/"))}
        owned = {k: v for k, v in w.first.items() if k not in fixed}
        return (
            GitLog(
                id="two",
                subgoal="split",
                weight=2,
                repo=f,
                range=f"{w.base}..{main}",
                commits=2,
                merges=0,
                message=TextMatch(matches=(rf"\A{w.fix}\s*\Z",)),
                failure="there are not two commits with these messages",
            ),
            GitLog(
                id="order",
                subgoal="split",
                repo=f,
                range=f"{main}~1..{main}",
                message=TextMatch(matches=(rf"\A{w.rest}\s*\Z",)),
            ),
            GitFile(
                id="fix-first",
                subgoal="split",
                weight=2,
                repo=f,
                ref=f"{main}~1",
                path=f"src/{p.module}",
                text=TextMatch(equals=w.first[f"src/{p.module}"]),
                failure="the first commit does not hold just the fix",
            ),
            GitFile(
                id="test-first",
                subgoal="split",
                repo=f,
                ref=f"{main}~1",
                path=f"tests/test_{p.module}",
                text=TextMatch(equals=w.first[f"tests/test_{p.module}"]),
            ),
            *tree("not-yet", f"{main}~1", owned),
            *tree("after", main, w.last),
            GitBranch(id="branch", subgoal="branch", repo=f, ref=branch),
            GitLog(
                id="branch-holds",
                subgoal="branch",
                repo=f,
                range=f"{w.base}..{branch}",
                commits=1,
                message=TextMatch(matches=(rf"\A{w.fix}\s*\Z",)),
            ),
            GitLog(
                id="older",
                repo=f,
                range=f"{main}..{w.base}",
                commits=0,
                weight=0,
                forbidden=True,
                failure="commits before the latest were rewritten",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look at the commit, take it back, commit in two parts; branch."""
        return self._split(p) if subgoal == "split" else self._branch(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the last commits, or where the branch ends."""
        branch = f"hotfix/{p.module.removesuffix('.py')}"
        ref = "main" if subgoal == "split" else branch
        (log,) = yield sh(f"git log --oneline --stat -n 2 {ref} -- | grep -v '^ .*|'", **_in(p))
        lines = [line for line in log.text.splitlines() if line and line[0] != " "]
        return f"I looked again; {ref} reads, newest first: {'; '.join(lines)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The wrong way round; the test with the rest."""
        return (
            WrongSolution("the wrong way round", self._split(p, swapped=True)),
            WrongSolution("the test forgotten", self._split(p, paths=(f"src/{p.module}",))),
        )

    def _split(self, p: Params, swapped: bool = False, paths: tuple[str, ...] = ()) -> Solution:
        w = world(p)
        path = f"src/{p.module}"
        mine = " ".join(paths or (path, f"tests/test_{p.module}"))
        (shown,) = yield sh("git log --oneline -n 2 && git show --stat --format= HEAD", **_in(p))
        if "file" not in last_line(shown.text):
            return f"The latest commit is not what I expected: {last_line(shown.text)}"
        (hunks,) = yield sh(f"git show --format= HEAD -- {path}", **_in(p))
        (back,) = yield sh("git reset -q --soft HEAD~1 && git reset -q && git status -s", **_in(p))
        both = hunks.text.count("\n+") - hunks.text.count("\n+++") > 1
        if both:
            (kept,) = yield sh(f"cp {path} /tmp/whole.py", **_in(p))
            (part,) = yield write(f"{p.folder}/{path}", w.first[path])
            if part.failed or kept.failed:
                return f"{path} could not be written: {part.text}"
        restore = f"cp /tmp/whole.py {path} && rm /tmp/whole.py && " if both else ""
        one, other = (w.rest, w.fix) if swapped else (w.fix, w.rest)
        (done,) = yield sh(
            f"git add {mine} && git commit -qm '{one}' && {restore}git add -A && "
            f"git commit -qm '{other}' && git status -s && git log --oneline -n 2",
            **_in(p),
        )
        if done.failed:
            return f"The second commit failed: {last_line(done.text)}"
        (counts,) = yield sh("git diff --stat HEAD~1 | tail -n 1", **_in(p))
        second = found(r"(\d+) file", counts.text)
        moved = len(back.text.strip().splitlines())
        lines = [line for line in done.text.splitlines() if line.strip()]
        return (
            f"{plural(moved, 'file')} of one commit are in two now: `{lines[-1]}`, then "
            f"`{lines[-2]}` with {second} of them."
        )

    def _branch(self, p: Params) -> Solution:
        branch = f"hotfix/{p.module.removesuffix('.py')}"
        (log,) = yield sh("git log --format='%h %s' -n 2 main", **_in(p))
        first = log.text.splitlines()[1].split()[0]
        (made,) = yield sh(f"git branch -f {branch} {first} && git branch -v | cat", **_in(p))
        where = found(rf"{branch} +(\w+)", made.text)
        on = found(r"^\* (\S+)", made.text)
        return f"{branch} ends with {where}; {on} is still checked out."


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
