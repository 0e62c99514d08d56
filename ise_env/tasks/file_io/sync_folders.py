"""Two folders that were edited apart since they were last the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 12, "medium": 20, "complex": 34}

RULES = """\
# Laptop and desk

`laptop/` and `desk/` are to hold the same files again. `last-sync.json` has the checksum (SHA-256)
that each file had in both when they were last the same; a file that is not in it is new.

| laptop | desk | what happens |
| --- | --- | --- |
| changed, new | as it was, not there | laptop's goes to desk (`to desk`) |
| as it was, not there | changed, new | desk's goes to laptop (`to laptop`) |
| deleted | as it was | deleted on desk (`deleted`) |
| as it was | deleted | deleted on laptop (`deleted`) |
| deleted | changed | desk's goes to laptop (`to laptop`) |
| changed | deleted | laptop's goes to desk (`to desk`) |
| changed or new, to one content | the same content | nothing |
| changed or new | changed or new, otherwise | a conflict (`conflict`) |

In a conflict {winner}'s version gets the name, in both folders; the other one is kept beside it, in
both folders, with `.{loser}` put before the ending: `a/plan.txt` and `a/plan.{loser}.txt`.
Nobody's work may get lost. `plan.csv` has the columns file and action, the action being the word in
brackets, and a row for each file to which something happens.
"""

PLAN = """\
import csv, hashlib, json, os
base = json.load(open("last-sync.json"))
def tree(top):
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
            found[os.path.relpath(path, top)] = digest
    return found
laptop, desk = tree("laptop"), tree("desk")
plan = {}
for name in sorted({*base, *laptop, *desk}):
    old, left, right = base.get(name), laptop.get(name), desk.get(name)
    if left == right:
        continue
    if right == old:
        plan[name] = "to desk" if left else "deleted"
    elif left == old:
        plan[name] = "to laptop" if right else "deleted"
    elif left is None or right is None:
        plan[name] = "to laptop" if right else "to desk"
    else:
        plan[name] = "conflict"
"""
SAVE = """\
with open("plan.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("file", "action"))
    out.writerows(plan.items())
print(len(laptop), len(desk))
"""
ACT = """\
import csv, os, shutil
def copy(a, b):
    os.makedirs(os.path.dirname(b), exist_ok=True)
    shutil.copyfile(a, b)
for row in csv.DictReader(open("plan.csv")):
    name, action = row["file"], row["action"]
    left, right = "laptop/" + name, "desk/" + name
    if action == "to desk":
        copy(left, right)
    elif action == "to laptop":
        copy(right, left)
    elif action == "deleted":
        for path in (left, right):
            if os.path.exists(path):
                os.remove(path)
    else:
        stem, ending = os.path.splitext(name)
        beside = f"{stem}.LOSER{ending}"
        copy("LOSER/" + name, "LOSER/" + beside)
        copy("LOSER/" + name, "WINNER/" + beside)
        copy("WINNER/" + name, "LOSER/" + name)
"""


class Params(KitParams):
    """How many files, and whose version wins a conflict."""

    count: int = Field(ge=12, le=34)
    winner: str


@dataclass(frozen=True)
class World:
    """Both folders before and after."""

    contents: dict[str, str]
    plan: list[tuple[str, str]]
    after: dict[str, str]
    """Name below either folder to content."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the folders from the parameters."""
    d = Draw(p.content)
    loser = _loser(p)
    base: dict[str, str] = {}
    laptop, desk, after = dict[str, str](), dict[str, str](), dict[str, str]()
    plan = []
    cases = ("left", "right", "gone-left", "gone-right", "both", "kept-right", "kept-left", "same")
    for number in range(p.count):
        name = f"{d.pick(('plans', 'letters', 'bills'))}/{d.word('topics')}-{number:02d}.txt"
        old = f"{d.word('projects').capitalize()}: {d.person()} asks for {d.word('products')}s.\n"
        mine = old + f"Added on the train, {d.integer(2, 60)} pieces.\n"
        yours = old + f"Settled with {d.person()}.\n"
        case = cases[number] if number < len(cases) else d.pick((*cases, "none", "none"))
        new = number % 5 == 4 and case in ("left", "right", "both")
        if not new:
            base[name] = old
        left, right, end, action = {
            "left": (mine, None if new else old, mine, "to desk"),
            "right": (None if new else old, yours, yours, "to laptop"),
            "gone-left": (None, old, None, "deleted"),
            "gone-right": (old, None, None, "deleted"),
            "kept-right": (None, yours, yours, "to laptop"),
            "kept-left": (mine, None, mine, "to desk"),
            "both": (mine, yours, mine if p.winner == "laptop" else yours, "conflict"),
            "same": (mine, mine, mine, ""),
            "none": (old, old, old, ""),
        }[case]
        if left is not None:
            laptop[name] = left
        if right is not None:
            desk[name] = right
        if end is not None:
            after[name] = end
        if case == "both":
            after[name.replace(".txt", f".{loser}.txt")] = yours if end == mine else mine
        if action:
            plan.append((name, action))
    f = p.folder
    contents = {f"{f}/laptop/{name}": text for name, text in laptop.items()}
    contents |= {f"{f}/desk/{name}": text for name, text in desk.items()}
    sums = {name: sha256(text) for name, text in sorted(base.items())}
    contents |= {
        f"{f}/last-sync.json": json.dumps(sums, indent=1) + "\n",
        f"{f}/RULES.md": RULES.format(winner=p.winner, loser=loser),
        **surroundings(p.content, f, 6),
    }
    return World(contents, plan, after)


def _loser(p: Params) -> str:
    return "desk" if p.winner == "laptop" else "laptop"


class SyncFolders(Kit[Params]):
    """Folders to bring together."""

    name = "file-io/sync-folders"
    version = 2
    title = "Bring two folders together again"
    description = "Plan and carry out a two-way sync by stated rules; keep both sides of conflicts."
    obstacle = "both sides changed some files, and a deletion must not take an edit with it"
    folders = ("two-folders", "laptop-sync", "in-step")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            count=SIZES[complexity],
            winner=one(rng, ("laptop", "desk")),
        )

    def seed(self, p: Params) -> Seed:
        """Both folders, what they were, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Plan, then act by the plan."""
        f = p.folder
        rules, plan, laptop, desk = (f"{f}/{n}" for n in ("RULES.md", "plan.csv", "laptop", "desk"))
        return (
            SubGoal(
                id="plan",
                request=f"plan how {laptop} and {desk} become the same again under {rules}, write "
                f"{plan}, touch neither folder yet, and tell me how many conflicts there are",
                label="the plan for the two folders",
                facts=(
                    Fact("laptop", laptop),
                    Fact("desk", desk),
                    Fact("rules", rules),
                    Fact("plan", plan),
                ),
                artifacts=(plan,),
            ),
            SubGoal(
                id="sync",
                request=f"carry out {plan} in {laptop} and {desk} as {rules} wants it",
                label="the two folders",
                facts=(
                    Fact("plan", plan),
                    Fact("laptop", laptop),
                    Fact("desk", desk),
                    Fact("rules", rules),
                ),
                artifacts=(laptop, desk),
                question="What becomes of the version that loses a conflict?",
                answer=f"It stays in both folders with .{_loser(p)} before the ending",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The plan, the names on both sides, every content."""
        w, f = world(p), p.folder
        sides = ("laptop", "desk")
        wanted = {f"{f}/{side}/{n}": sha256(t) for side in sides for n, t in w.after.items()}
        moved = {name for name, _ in w.plan}
        kept = {
            path: text
            for path, text in w.contents.items()
            if path.removeprefix(f"{f}/laptop/").removeprefix(f"{f}/desk/") not in moved
        }
        return (
            CsvRows(
                id="plan",
                subgoal="plan",
                path=f"{f}/plan.csv",
                columns=("file", "action"),
                rows=tuple(w.plan),
            ),
            Said(
                id="told",
                subgoal="plan",
                unit=("conflict",),
                number=sum(action == "conflict" for _, action in w.plan),
            ),
            *(
                Tree(id=side, subgoal="sync", path=f"{f}/{side}", names=tuple(w.after))
                for side in sides
            ),
            Unchanged(
                id="contents",
                subgoal="sync",
                weight=2,
                sha256=wanted,
                failure="a file has the wrong version, or somebody's work is lost",
            ),
            untouched(kept, failure="a file to which nothing should happen was changed or deleted"),
            *(
                Tree(
                    id=f"{side} not yet",
                    path=f"{f}/{side}",
                    names=tuple(
                        path.removeprefix(f"{f}/{side}/")
                        for path in w.contents
                        if path.startswith(f"{f}/{side}/")
                    ),
                    until="sync",
                    weight=0,
                    forbidden=True,
                    failure=f"{side} got or lost a file before anybody asked for it",
                )
                for side in sides
            ),
            untouched(
                {path: text for path, text in w.contents.items() if path not in kept},
                id="not yet",
                until="sync",
                failure="a file was changed or deleted before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Compare both with what they were; copy and delete."""
        return self._plan(p) if subgoal == "plan" else self._sync(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the plan, or let diff compare the folders."""
        if subgoal == "plan":
            (counts,) = yield sh(
                "tail -n +2 plan.csv | cut -d, -f2 | sort | uniq -c", workdir=p.folder
            )
            seen = "; ".join(" x ".join(line.split(None, 1)) for line in counts.text.splitlines())
            return f"I looked again: {seen}."
        (same,) = yield sh("diff -rq laptop desk && find desk -type f | wc -l", workdir=p.folder)
        return f"diff finds no difference; each folder has {plural(same.text, 'file')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Copied without looking at what was deleted; the loser thrown away."""
        both = "cp -rn laptop/. desk/; cp -r desk/. laptop/; find desk -type f | wc -l"
        lossy = ACT.replace('        copy("LOSER/" + name, "LOSER/" + beside)\n', "")
        lossy = lossy.replace('        copy("LOSER/" + name, "WINNER/" + beside)\n', "")
        return (
            WrongSolution("copied both ways", self._shell(p, both), "sync"),
            WrongSolution("the loser thrown away", self._sync(p, lossy), "sync"),
        )

    def _plan(self, p: Params) -> Solution:
        rules, base = yield [
            read(f"{p.folder}/RULES.md"),
            sh("jq length last-sync.json", workdir=p.folder),
        ]
        if "plan.csv" not in rules.text:
            return "The rules do not say what a plan looks like."
        (ran,) = yield python(PLAN + SAVE, workdir=p.folder)
        if ran.failed:
            return f"The plan could not be made: {ran.text.strip()}"
        (shown,) = yield sh(
            "cut -d, -f2 plan.csv | grep -c conflict; wc -l plan.csv", workdir=p.folder
        )
        conflicts, lines = found(r"^(\d+)", shown.text), found(r"^ *(\d+) plan", shown.text)
        laptop, desk = ran.text.split()[:2]
        return (
            f"There are {plural(conflicts, 'conflict')}.\nSomething happens to "
            f"{plural(int(lines) - 1, 'file')}; the laptop has {laptop}, the desk {desk}, and "
            f"{base.text.strip()} were the same last time."
        )

    def _sync(self, p: Params, program: str = ACT) -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        winner = found(r"In a conflict (\w+)'s version", rules.text)
        loser = found(r"with `\.(\w+)`", rules.text)
        program = program.replace("WINNER", winner).replace("LOSER", loser)
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"I had to stop: {ran.text.strip()}"
        (after,) = yield sh("find laptop -type f | wc -l; diff -rq laptop desk", workdir=p.folder)
        count = found(r"^(\d+)", after.text)
        left = len(after.text.strip().splitlines()) - 1
        return f"Both folders have {count} files now; {plural(left, 'difference')} left."

    def _shell(self, p: Params, command: str) -> Solution:
        (done,) = yield sh(command, workdir=p.folder)
        return f"Both folders have {plural(done.text, 'file')} now."
