"""Work to commit in a repository whose hook says no, for reasons that lie in the files."""

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
from ise_env.tasks.seeding import untouched
from ise_env.tasks.source_chain._history import History
from ise_env.tasks.source_chain._strict_hook import HOOK, HOOK_PATH, RULES
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh


class Params(KitParams):
    """How much there is to put right."""

    topic: str
    ticket: int = Field(ge=100, le=999)
    faults: int = Field(ge=2, le=4)
    """Of four kinds, the first so many."""


@dataclass(frozen=True)
class World:
    """The repository, what waits in the work tree, and how it should be committed."""

    repo: RepoSeed
    work: dict[str, str]
    wanted: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the work from the parameters."""
    d = Draw(p.content)
    t, limit = p.topic, d.integer(3, 99)
    start = {
        HOOK_PATH: HOOK,
        "docs/hook.md": RULES.format(ticket=f"#{p.ticket}"),
        "src/table.json": '{\n  "rows": 10\n}\n',
    }
    history = History(d, start)
    towns = d.different("towns", 3)
    module = (
        f'"""Limits of {t}."""\n\nLIMIT = {limit}\n\n\ndef over(count):\n    return count > LIMIT\n'
    )
    rows = ",\n".join(f'    "{town}"' for town in towns)
    table = f'{{\n  "topic": "{t}",\n  "towns": [\n{rows}\n  ]\n}}\n'
    note = f"# {t.title()}\n\nAgreed with {d.person()}.\nTODO(#{p.ticket}) ask {towns[0]} as well\n"
    helper = f'"""Helpers for {t}_text."""\n\n\ndef shown(name):\n    return name.title()\n'
    wanted = {
        f"src/{t}.py": module,
        f"docs/{t}.md": note,
        f"src/{t}.json": table,
        f"src/{t}_text.py": helper,
    }
    work = dict(wanted)
    if p.faults >= 1:
        work[f"src/{t}.py"] = module.replace(f"LIMIT = {limit}\n", f"LIMIT = {limit}  \n")
    if p.faults >= 2:
        work[f"docs/{t}.md"] = note.replace(f"TODO(#{p.ticket})", "TODO")
    if p.faults >= 3:
        work[f"src/{t}.json"] = table.replace('"\n  ]', '",\n  ]')
    if p.faults >= 4:
        work[f"src/{t}_text.py"] = helper.partition("\n\n\n")[2]
    return World(history.repo(p.folder, executables={HOOK_PATH}), work, wanted)


class PassCommitHook(Kit[Params]):
    """A commit that a hook refuses."""

    name = "source-chain/pass-commit-hook"
    title = "Commit past a hook that finds fault"
    description = "Put right what a pre-commit hook complains of, commit, and tag the result."
    obstacle = "the hook refuses the commit, and names one complaint at a time"
    requires = ("git", "python3")
    folders = ("strict-repo", "hooked", "tidy-code")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more to put right."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            topic=d.word("topics"),
            ticket=int(rng.integers(100, 999)),
            faults={"simple": 2, "medium": 3, "complex": 4}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """A repository with its hook, and files that are not committed yet."""
        w, f = world(p), p.folder
        lay = "".join(
            f"cat > {path} <<'END_OF_FILE'\n{text}END_OF_FILE\n" for path, text in w.work.items()
        )
        script = f"set -eu\ncd {f}\ngit config core.hooksPath .githooks\n{lay}"
        return Seed(setup=(w.repo.script(), script))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Commit, then tag."""
        f, tag = p.folder, f"{p.topic}-1"
        message = f"Start on {p.topic}"
        return (
            SubGoal(
                id="commit",
                request=f"commit the new files in {f} on main as `{message}`, without going round "
                f"the hook: put right what it complains of, as {f}/docs/hook.md says, and nothing "
                "else",
                label=f"the commit `{message}`",
                facts=(
                    Fact("repository", f),
                    Fact("message", message),
                    Fact("rules", f"{f}/docs/hook.md"),
                ),
                artifacts=(f"{f}/src/{p.topic}.py",),
                question="May the hook itself be changed?",
                answer="No, the hook is right",
            ),
            SubGoal(
                id="tag",
                request=f"put the annotated tag {tag} on that commit in {f}, with the number of "
                "files that it added as its message, like `3 files`",
                label=f"the tag {tag}",
                facts=(Fact("tag", tag), Fact("repository", f)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every file as the hook wants it, one commit, the tag; the hook as it was."""
        w, f = world(p), p.folder
        main, tip = "refs/heads/main", w.repo.tip("main")
        tag = f"refs/tags/{p.topic}-1"
        return (
            GitLog(
                id="one",
                subgoal="commit",
                repo=f,
                range=f"{tip}..{main}",
                commits=1,
                message=TextMatch(matches=(rf"\AStart on {p.topic}\s*\Z",)),
            ),
            *(
                GitFile(
                    id=f"file-{number}",
                    subgoal="commit",
                    repo=f,
                    ref=main,
                    path=path,
                    text=TextMatch(equals=text) if path.endswith(".json") else _exact(text),
                    failure="a file is not what the hook's rules make of it",
                )
                for number, (path, text) in enumerate(w.wanted.items(), 1)
            ),
            GitBranch(
                id="tag",
                subgoal="tag",
                repo=f,
                ref=tag,
                annotation=TextMatch(matches=(rf"\A{len(w.wanted)} files\s*\Z",)),
            ),
            GitLog(id="tagged", subgoal="tag", repo=f, range=f"{tip}..{tag}", commits=1),
            GitFile(
                id="hook",
                repo=f,
                ref=main,
                path=HOOK_PATH,
                text=TextMatch(equals=HOOK),
                weight=0,
                forbidden=True,
                failure="the hook was changed to let the commit pass",
            ),
            untouched(
                {f"{f}/{HOOK_PATH}": HOOK, f"{f}/docs/hook.md": self._rules(p)},
                id="given",
                failure="the hook or its rules were changed",
            ),
            *w.repo.guards()[1:],
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Try, read the complaint, mend, try again; count and tag."""
        return self._commit(p) if subgoal == "commit" else self._tag(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the commit, or the tag."""
        if subgoal == "tag":
            (shown,) = yield sh(f"git tag -n1 --list {p.topic}-1", **_in(p))
            return f"I looked again: the tag reads `{last_line(shown.text)}`."
        (shown,) = yield sh("git log --oneline -n 1 && git status -s", **_in(p))
        return f"I looked again: the last commit is `{shown.text.splitlines()[0]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Round the hook; without what it complains of."""
        return (
            WrongSolution("round the hook", self._round(p)),
            WrongSolution("only what passes", self._partly(p)),
        )

    def _rules(self, p: Params) -> str:
        return RULES.format(ticket=f"#{p.ticket}")

    def _commit(self, p: Params) -> Solution:
        f = p.folder
        state, rules = yield [sh("git status -s", **_in(p)), read(f"{f}/docs/hook.md")]
        ticket = found(r"collective ticket, (#\d+)", rules.text)
        attempt = f"git add -A && git commit -qm 'Start on {p.topic}' && git log --oneline -n 1"
        (said,) = yield sh(attempt, **_in(p))
        complaints: list[str] = []
        while said.failed and len(complaints) < 6:
            name = found(r"^([\w./-]+):", said.text)
            complaint = said.text.splitlines()[0]
            if complaint in complaints:
                return f"The hook still complains: {complaint}"
            complaints.append(complaint)
            if "blanks" in complaint:
                (changed,) = yield sh(f"sed -i 's/ *$//' {name}", **_in(p))
            elif "TODO" in complaint:
                (changed,) = yield sh(f"sed -i 's/TODO /TODO({ticket}) /' {name}", **_in(p))
            elif name.endswith(".json"):
                (text,) = yield read(f"{f}/{name}")
                last = found(r'^( *"[^"]*",)\n *\]', text.text)
                (changed,) = yield edit(f"{f}/{name}", f"{last}\n  ]", f"{last[:-1]}\n  ]")
            else:
                module = name.rpartition("/")[2].removesuffix(".py")
                (text,) = yield read(f"{f}/{name}")
                first = text.text.splitlines()[0]
                head = f'"""Helpers for {module}."""\n\n\n'
                (changed,) = yield edit(f"{f}/{name}", first, head + first)
            if changed.failed:
                return f"{name} could not be mended: {changed.text}"
            (said,) = yield sh(attempt, **_in(p))
        count = len(state.text.strip().splitlines())
        mended = "\n".join(complaints)
        return (
            f"{plural(count, 'file')} committed as `{last_line(said.text)}`. The hook wanted "
            f"{plural(len(complaints), 'thing')} put right first:\n```\n{mended}\n```"
        )

    def _tag(self, p: Params) -> Solution:
        (added,) = yield sh("git show --name-status --format= HEAD", **_in(p))
        count = sum(line.startswith("A") for line in added.text.splitlines())
        (made,) = yield sh(
            f"git tag -f -a {p.topic}-1 -m '{plural(count, 'file')}' main && "
            f"git tag -n1 --list {p.topic}-1",
            **_in(p),
        )
        return f"The commit added {plural(count, 'file')}; the tag reads `{last_line(made.text)}`."

    def _round(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"git add -A && git commit -q --no-verify -m 'Start on {p.topic}'; "
            "git log --oneline -n 1",
            **_in(p),
        )
        return f"Committed: {last_line(done.text)}."

    def _partly(self, p: Params) -> Solution:
        (done,) = yield sh(
            "git add -A && for n in $(git diff --cached --name-only); do "
            ".githooks/pre-commit >/dev/null || git reset -q -- $n; done; "
            f"git commit -qm 'Start on {p.topic}'; git log --oneline -n 1",
            **_in(p),
        )
        return f"Committed: {last_line(done.text)}."


def _exact(text: str) -> TextMatch:
    """The same lines, blanks at their ends counted."""
    return TextMatch(equals=text, matches=(r"\A(?:.*\S\n|\n)*\Z",))


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
