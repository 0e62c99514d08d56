"""A series of patches by mail, one of which main has outgrown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import GitFile, GitLog, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.git_seed import RepoSeed
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.steps import edit, found, last_line, plural, sh

WORK, INBOX = "work", "patches"
SETTINGS = ("timeout", "retries", "batch", "depth", "window", "limit")
CONTRIB = "contrib"


class Params(KitParams):
    """How many patches, and what main renamed meanwhile."""

    patches: int = Field(ge=2, le=7)
    stale: int = Field(ge=1, le=7)
    """Which patch no longer fits, from 1."""
    setting: str
    renamed: str


@dataclass(frozen=True)
class World:
    """The repository, and what the series must give."""

    repo: RepoSeed
    author: str
    subjects: list[str]
    base: int
    """Number of the commit that the series was made on."""
    settings: str
    old: int
    new: int
    files: dict[str, str]
    """What the other patches bring."""


def settings_text(values: dict[str, int]) -> str:
    """The settings as a module."""
    lines = "\n".join(f"{name.upper()} = {value}" for name, value in values.items())
    return f'"""What can be set."""\n\n{lines}\n'


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the history from the parameters."""
    d = Draw(p.content)
    values = {name: d.integer(2, 40) for name in SETTINGS}
    old, new = values[p.setting], values[p.setting] + d.integer(5, 50)
    history = History(d, {"src/settings.py": settings_text(values)})
    base = len(history.commits) - 1
    person = d.person()
    outside = f"{person} <{person.split()[0].lower()}@elsewhere.example>"
    subjects, files = [], {}
    names = d.different("topics", p.patches)
    for number, name in enumerate(names, 1):
        if number == p.stale:
            subject = f"Raise {p.setting}"
            changed = {"src/settings.py": settings_text(values | {p.setting: new})}
        else:
            subject = d.pick(("List {}", "Count {}", "Sort {} by date")).format(name)
            path = f"src/{name}.py"
            files[path] = f'"""{subject}."""\n\nORDER = {d.integer(1, 90)}\n'
            changed = {path: files[path]}
        history.add(subject, changed, who=outside, branch=CONTRIB)
        subjects.append(subject)
    later = {(p.renamed if name == p.setting else name): value for name, value in values.items()}
    history.add(
        f"Call it {p.renamed.replace('_', ' ')}",
        {"src/settings.py": settings_text(later), "docs/settings.md": f"See {p.renamed}.\n"},
    )
    history.add("Say hello", {"docs/hello.md": f"{d.person()} joined.\n"})
    wanted = settings_text(later | {p.renamed: new})
    repo = history.repo(f"{p.folder}/{WORK}")
    return World(repo, outside, subjects, base, wanted, old, new, files)


class ApplyPatches(Kit[Params]):
    """A series of patches to apply."""

    name = "source-chain/apply-patches"
    title = "Apply a series of patches"
    description = (
        "Apply patches that came by mail as commits of their author, a stale one included."
    )
    obstacle = "one patch does not apply, because main renamed the line that it changes"
    requires = ("git",)
    folders = ("mail-in", "contributions", "patch-queue")
    version = 2
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer series."""
        patches = {"simple": 2, "medium": 4, "complex": 7}[complexity]
        setting = one(rng, SETTINGS)
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            patches=patches,
            stale=int(rng.integers(1, patches + 1)),
            setting=setting,
            renamed=f"{one(rng, ('max', 'default', 'soft'))}_{setting}",
        )

    def seed(self, p: Params) -> Seed:
        """A repository, and beside it the patches; the contributor's branch is not there."""
        w = world(p)
        make = (
            f"set -eu\ncd {w.repo.path}\n"
            f"git format-patch -q --no-signature -o ../{INBOX} "
            f"{w.repo.commit_id(w.base)}..{CONTRIB}\n"
            f"git branch -q -D {CONTRIB}\n"
        )
        return Seed(setup=(w.repo.script(), make))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Apply them; say what was done about the stale one."""
        here, inbox = f"{p.folder}/{WORK}", f"{p.folder}/{INBOX}"
        old, new = p.setting.upper(), p.renamed.upper()
        return (
            SubGoal(
                id="apply",
                request=f"apply the patches in {inbox} to main in {here} in their order, one "
                "commit each with the author and the subject that the patch has; where one does "
                f"not fit any more since {old} is called {new} now, make its change to {new}",
                label="the series of patches",
                facts=(
                    Fact("inbox", inbox),
                    Fact("repository", here),
                    Fact("old", old),
                    Fact("new", new),
                ),
                artifacts=(here,),
                question="Whose commits should these be?",
                answer="Those of the person who wrote the patches, as the patches say",
            ),
            SubGoal(
                id="report",
                request=f"tell me the value of {new} on main in {here} as it is now",
                label=f"the value of {new}",
                facts=(Fact("new", new), Fact("repository", here)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A commit for each patch, by its author, in order; every change; main's own kept."""
        w = world(p)
        here, main = f"{p.folder}/{WORK}", "refs/heads/main"
        tip, count = w.repo.tip("main"), len(w.subjects)
        return (
            GitLog(
                id="all",
                subgoal="apply",
                repo=here,
                range=f"{tip}..{main}",
                commits=count,
                merges=0,
                failure="there is not one commit for each patch",
            ),
            *(
                GitLog(
                    id=f"patch-{number}",
                    subgoal="apply",
                    repo=here,
                    range=f"{main}~{count - number + 1}..{main}~{count - number}",
                    message=TextMatch(matches=(rf"\A{subject}\s*\Z",)),
                    author=w.author,
                    failure="a patch's commit has another place, subject or author",
                )
                for number, subject in enumerate(w.subjects, 1)
            ),
            GitFile(
                id="settings",
                subgoal="apply",
                weight=2,
                repo=here,
                ref=main,
                path="src/settings.py",
                text=TextMatch(equals=w.settings),
                failure="the stale patch's change was not made under the new name",
            ),
            *(
                GitFile(
                    id=f"file-{number}",
                    subgoal="apply",
                    repo=here,
                    ref=main,
                    path=path,
                    text=TextMatch(equals=text),
                )
                for number, (path, text) in enumerate(w.files.items(), 1)
            ),
            Said(id="told", subgoal="report", number=w.new),
            *w.repo.guards(),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Apply, resolve where it stops, go on; look the value up."""
        return self._apply(p) if subgoal == "apply" else self._report(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show who wrote the last commits, or the value."""
        if subgoal == "report":
            (shown,) = yield sh("git show main:src/settings.py | grep -n ' = '", **_in(p))
            return f"I looked again: {found(rf'({p.renamed.upper()} = .*)', shown.text)}."
        (log,) = yield sh("git log --format='%an: %s' -n 9 main", **_in(p))
        who = log.text.split(":")[0]
        mine = sum(line.startswith(who) for line in log.text.splitlines())
        return f"I looked again: the newest {plural(mine, 'commit')} are by {who}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The stale one skipped; all changes in a commit of one's own."""
        return (
            WrongSolution("the stale one skipped", self._apply(p, skip=True)),
            WrongSolution("applied without am", self._plain(p)),
        )

    def _apply(self, p: Params, skip: bool = False) -> Solution:
        (listed,) = yield sh(
            f"git status -sb; ls ../{INBOX}; grep -h '^From:' ../{INBOX}/*", **_in(p)
        )
        count = listed.text.count(".patch")
        (said,) = yield sh(f"git am ../{INBOX}/*.patch 2>&1", **_in(p))
        stale = "none"
        if "Patch failed at" in said.text:
            stale = found(r"^Patch failed at \d+ (.*)$", said.text)
            if skip:
                (said,) = yield sh("git am --skip 2>&1", **_in(p))
                return f"I skipped `{stale}`, the rest is in: {last_line(said.text)}."
            (what,) = yield sh(
                "git am --show-current-patch=diff | grep '^[-+]'; cat src/settings.py", **_in(p)
            )
            value = found(rf"^\+{p.setting.upper()} = (\d+)$", what.text)
            line = found(rf"^({p.renamed.upper()} = \d+)$", what.text)
            path = f"{p.folder}/{WORK}/src/settings.py"
            (changed,) = yield edit(path, line, f"{p.renamed.upper()} = {value}")
            if changed.failed:
                return f"{path} could not be edited: {changed.text}"
            (said,) = yield sh("git add src/settings.py && git am --continue 2>&1", **_in(p))
        (log,) = yield sh(f"git log --format='%h %an: %s' -n {count} && git status -s", **_in(p))
        if said.failed:
            return f"The series is not through: {last_line(said.text)}"
        lines = log.text.strip().splitlines()
        who = found(r"^\w+ ([^:]+):", lines[0])
        return (
            f"All {count} patches are commits by {who}. `{stale}` did not fit any more; I made "
            f"its change to {p.renamed.upper()}. The newest is {lines[0].split()[0]}."
        )

    def _report(self, p: Params) -> Solution:
        (shown,) = yield sh("git show main:src/settings.py", **_in(p))
        value = found(rf"^{p.renamed.upper()} = (\d+)$", shown.text)
        return f"{p.renamed.upper()} is {value} on main now."

    def _plain(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"for f in ../{INBOX}/*.patch; do git apply --index $f 2>/dev/null; done; "
            f"sed -i 's/^{p.renamed.upper()} = .*/{p.renamed.upper()} = {world(p).new}/' "
            "src/settings.py; git commit -qam 'Apply the patches'; git log --oneline -n 1",
            **_in(p),
        )
        return f"All in: {last_line(done.text)}."


def _in(p: Params) -> dict[str, str]:
    return {"workdir": f"{p.folder}/{WORK}"}
