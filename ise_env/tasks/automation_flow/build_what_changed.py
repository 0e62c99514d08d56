"""An incremental build: only what is stale, in order, and no further than it has to go."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._build_what_changed_texts import BUILD, RULES, STALE
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

SIZES = {"simple": 5, "medium": 8, "complex": 14}

Target = dict[str, list[str] | str]


class Params(KitParams):
    """How many lists there are to make from sources."""

    lists: int = Field(ge=5, le=14)


@dataclass(frozen=True)
class World:
    """The project as it is, and as it is once it is built."""

    contents: dict[str, str]
    locked: str
    """The output that cannot be written to."""
    built: tuple[str, ...]
    targets: tuple[str, ...]
    outputs: dict[str, str]
    log: str


def make(lines: list[str], how: str) -> str:
    """What a target's output holds."""
    if how == "unique":
        lines = sorted(set(lines))
    elif how == "count":
        lines = [f"{len(lines)} lines", *(f"{n} {line}" for n, line in enumerate(lines, 1))]
    return "".join(f"{line}\n" for line in lines)


def sha(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    words = d.different("topics", p.lists)
    tree: dict[str, str] = {}
    targets: dict[str, Target] = {}
    for word in words:
        for part in ("north", "south"):
            rows = [f"{d.word('products')}, {d.word('towns')}" for _ in range(d.integer(3, 7))]
            tree[f"src/{word}-{part}.txt"] = "".join(f"{row}\n" for row in rows)
        inputs = [f"src/{word}-north.txt", f"src/{word}-south.txt"]
        targets[word] = {"inputs": inputs, "output": f"out/{word}.txt", "how": "unique"}
    for at in range(0, p.lists - 1, 2):
        pair = words[at : at + 2]
        name = f"{pair[0]}-{pair[1]}"
        inputs = [f"out/{word}.txt" for word in pair]
        targets[name] = {"inputs": inputs, "output": f"out/{name}.txt", "how": "join"}
    joined = [str(t["output"]) for t in targets.values() if t["how"] == "join"]
    targets["index"] = {"inputs": joined, "output": "out/index.txt", "how": "count"}
    stamps: dict[str, dict[str, str]] = {}
    _build(list(targets), targets, tree, stamps)
    # What happened since: a line twice (comes out the same), a new line, an output lost.
    same, changed, lost = words[0], words[-2], words[2]
    lines = tree[f"src/{same}-north.txt"].splitlines(keepends=True)
    tree[f"src/{same}-north.txt"] += lines[0]
    row = f"{d.word('products')}, {d.word('towns')} (new)\n"
    tree[f"src/{changed}-south.txt"] += row
    del tree[f"out/{lost}.txt"]
    before, old = dict(tree), json.dumps(stamps, indent=1, sort_keys=True) + "\n"
    built = _build(list(targets), targets, tree, stamps)
    listed = d.shuffled(list(targets))
    log = "".join(f"built {name}\n" for name in targets) + "-- copied to this machine\n"
    contents = {
        "BUILD.md": RULES.format(person=d.person()),
        "targets.toml": "\n".join(
            f"[{name}]\ninputs = {json.dumps(targets[name]['inputs'])}\n"
            f'output = "{targets[name]["output"]}"\nhow = "{targets[name]["how"]}"\n'
            for name in listed
        ),
        "state/stamps.json": old,
        "build.log": log,
        **before,
    }
    outputs = {path: text for path, text in tree.items() if path.startswith("out/")}
    full = {f"{p.folder}/{path}": text for path, text in contents.items()}
    locked = f"{p.folder}/out/{changed}.txt"
    return World(full, locked, tuple(built), tuple(targets), outputs, log)


def _build(
    names: list[str],
    targets: dict[str, Target],
    tree: dict[str, str],
    stamps: dict[str, dict[str, str]],
) -> list[str]:
    """Build what is stale, in order; returns what was built."""
    built = []
    for name in names:
        target = targets[name]
        now = {path: sha(tree[path]) for path in target["inputs"]}
        if target["output"] in tree and stamps.get(name) == now:
            continue
        lines = [line for path in target["inputs"] for line in tree[path].splitlines()]
        tree[str(target["output"])] = make(lines, str(target["how"]))
        stamps[name] = now
        built.append(name)
    return built


class BuildWhatChanged(Kit[Params]):
    """A build to bring up to date, no more."""

    name = "automation-flow/build-what-changed"
    title = "Build only what has changed"
    description = "Bring outputs up to date, building only stale targets and each of them once."
    obstacle = "an input that comes out the same, an output that is lost, one that is not writable"
    requires = ("python3",)
    folders = ("list-builder", "doc-build", "catalog-make")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more targets."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), lists=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """Sources, outputs of an earlier day, what is known of them."""
        w = world(p)
        given = {path: text for path, text in w.contents.items() if path != w.locked}
        build = SeedFile(f"{p.folder}/build.py", BUILD.encode(), mode=0o755)
        locked = SeedFile(w.locked, w.contents[w.locked].encode(), mode=0o444)
        return Seed((*files(given | surroundings(p.content, p.folder, 6)), build, locked))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Build; account for it."""
        f = p.folder
        rules, out, table = f"{f}/BUILD.md", f"{f}/out", f"{f}/built.csv"
        return (
            SubGoal(
                id="build",
                request=f"get {out} up to date as {rules} says, building no target that is not "
                "stale and none of them twice",
                label="the build",
                facts=(Fact("out", out), Fact("rules", rules)),
                artifacts=(out, f"{f}/build.log"),
                question="Can I go by the times of the files?",
                answer="No, only the checksums count",
            ),
            SubGoal(
                id="account",
                request=f"write {table} with the columns target and built (yes or no), a row for "
                "each target there is, about what was built just now, and tell me how many targets "
                "were built",
                label="the account of the build",
                facts=(Fact("table", table),),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The outputs, exactly the builds that were needed, the account."""
        w, f = world(p), p.folder
        since = "sed '1,/^-- copied/d' build.log | LC_ALL=C sort"
        extra = f'{since} | uniq -d; {since} | grep -vxF -e "$1"; true'
        allowed = "\n".join(f"built {name}" for name in w.built)
        given = {
            path: text
            for path, text in w.contents.items()
            if "/src/" in path or path.endswith(("BUILD.md", "targets.toml"))
        }
        return (
            Command(
                id="builds",
                subgoal="build",
                weight=2,
                argv=("bash", "--noprofile", "--norc", "-c", since),
                cwd=f,
                stdout=TextMatch(equals="".join(f"built {name}\n" for name in sorted(w.built))),
                failure="other targets were built than the stale ones",
            ),
            *(
                Text(
                    id=f"{path} is right",
                    subgoal="build",
                    path=f"{f}/{path}",
                    text=TextMatch(equals=text),
                    weight=0 if w.contents.get(f"{f}/{path}") == text else 1,
                )
                for path, text in w.outputs.items()
            ),
            CsvRows(
                id="account",
                subgoal="account",
                path=f"{f}/built.csv",
                columns=("target", "built"),
                rows=tuple((name, "yes" if name in w.built else "no") for name in w.targets),
            ),
            Said(id="told", subgoal="account", unit=("target", "built"), number=len(w.built)),
            Command(
                id="no build too many",
                argv=("bash", "--noprofile", "--norc", "-c", extra, "builds", allowed),
                cwd=f,
                stdout=TextMatch(equals=""),
                weight=0,
                forbidden=True,
                failure="a target was built that was not stale, or one was built twice",
            ),
            untouched(given | {f"{f}/build.py": BUILD}, failure="a source or the build changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Compare checksums in order, build what differs; read the log."""
        return self._build(p) if subgoal == "build" else self._account(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the log, or at the table."""
        if subgoal == "build":
            (log,) = yield sh("sed '1,/^-- copied/d' build.log", workdir=p.folder)
            return f"I looked again; the log says {', '.join(log.text.strip().splitlines())}."
        (shown,) = yield sh("grep -c ,yes built.csv; wc -l < built.csv", workdir=p.folder)
        yes = shown.text.split()[0]
        return f"I counted again: {plural(yes, 'target')} built."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Everything; everything after what was built; the times of files."""
        return (
            WrongSolution("everything built", self._build(p, stale="True")),
            WrongSolution("no early end", self._build(p, stale=_AFTER)),
            WrongSolution("by the times of files", self._by_time(p)),
            WrongSolution("all called built", self._account(p, mark="yes"), "account"),
        )

    def _build(self, p: Params, stale: str = "known != now") -> Solution:
        rules, log = yield [
            read(f"{p.folder}/BUILD.md"),
            sh("tail -n 2 build.log", workdir=p.folder),
        ]
        (ran,) = yield sh(
            f"cat > /tmp/stale.py <<'EOF'\n{STALE.format(stale=stale)}EOF\npython3 /tmp/stale.py",
            workdir=p.folder,
        )
        if ran.failed or "SHA-256" not in rules.text:
            return f"The build stopped: {last_line(ran.text)}"
        count, rest = found(r"^(\d+) built,", ran.text), found(r"(\d+) up to date", ran.text)
        names = ", ".join(
            line.split(",")[0][6:] for line in ran.text.splitlines() if line.startswith("built ")
        )
        return (
            f"Since `{last_line(log.text)}` I have built {plural(count, 'target')}: {names}. The "
            f"other {rest} were up to date."
        )

    def _by_time(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "touch src/*; for t in $(sed -n 's/^\\[\\(.*\\)\\]/\\1/p' targets.toml); do "
            "./build.py $t; done 2>&1 | tail -n 1",
            workdir=p.folder,
        )
        return f"Everything older than its inputs was built: {last_line(ran.text)}"

    def _account(self, p: Params, mark: str = "") -> Solution:
        no = mark or "no"
        (ran,) = yield sh(
            "sed '1,/^-- copied/d' build.log | cut -d' ' -f2 > /tmp/new; "
            "(echo target,built; sed -n 's/^\\[\\(.*\\)\\]/\\1/p' targets.toml | while read t; do "
            f"grep -qxF $t /tmp/new && echo $t,yes || echo $t,{no}; done) > built.csv; "
            "grep -c ,yes built.csv",
            workdir=p.folder,
        )
        return f"built.csv is written. {plural(ran.text, 'target')} were built."


_AFTER = 'known != now or any(makes.get(p) in built for p in target["inputs"])'
