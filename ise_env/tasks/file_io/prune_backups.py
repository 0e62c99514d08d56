"""Backups to thin out by a retention rule, some of which do not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 30, "medium": 45, "complex": 110}
"""Days that the backups go back."""

POLICY = """\
# Which backups we keep

- `vault/` has a file for each backup, `NAME-YYYY-MM-DD.bak`, and beside it `NAME-YYYY-MM-DD.sum`
  with its SHA-256. A backup without a `.sum`, or with one that does not fit, is *broken*.
- Broken backups are never deleted (somebody looks into them) and never count below.
- Of each NAME we keep, counting good ones only: the newest {daily}; beyond them, the newest one of
  each of the last {weekly} ISO weeks that have any good backup of that NAME, the current week
  included; and whatever `pinned.txt` lists.
- Every other good backup is deleted together with its `.sum`.
- `doomed.txt` lists the `.bak` files to be deleted, by name, one a line, sorted.
- Files in `vault/` that are called otherwise are not backups.
"""

PLAN = """\
import glob, hashlib, os, re
from collections import defaultdict
from datetime import date
pinned = set(open("pinned.txt").read().split())
good = defaultdict(list)
for path in glob.glob("vault/*.bak"):
    name = os.path.basename(path)
    m = re.fullmatch(r"(.+)-(\\d{4}-\\d\\d-\\d\\d)[.]bak", name)
    sums = path[:-4] + ".sum"
    if not m or not os.path.exists(sums):
        continue
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
    if digest in open(sums).read():
        good[m[1]].append((m[2], name))
doomed = []
for backups in good.values():
    backups.sort(reverse=True)
    keep = {name for _, name in backups[:DAILY]}
    weeks = {}
    for day, name in backups:
        weeks.setdefault(date.fromisoformat(day).isocalendar()[:2], name)
    keep |= {weeks[week] for week in sorted(weeks, reverse=True)[:WEEKLY]}
    doomed += [name for _, name in backups if name not in keep | pinned]
open("doomed.txt", "w").write("".join(name + "\\n" for name in sorted(doomed)))
print(sum(map(len, good.values())), "good")
"""


class Params(KitParams):
    """How far back the backups go, and the figures of the rule."""

    days: int = Field(ge=30, le=110)
    daily: int = Field(ge=3, le=5)
    weekly: int = Field(ge=2, le=6)


@dataclass(frozen=True)
class World:
    """The vault and what has to go."""

    contents: dict[str, str]
    doomed: list[str]
    freed: int

    def gone(self, folder: str) -> list[str]:
        """Paths of what has to go, sums included."""
        backups = [f"{folder}/vault/{name}" for name in self.doomed]
        return [path for b in backups for path in (b, b.removesuffix(".bak") + ".sum")]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the vault from the parameters."""
    d = Draw(p.content)
    f = p.folder
    today = date(2025, d.integer(5, 11), d.integer(1, 28))
    contents: dict[str, str] = {}
    doomed, pinned, freed = [], [], 0
    for name in d.different("services", 2):
        good: list[date] = []
        for back in range(p.days):
            day = today - timedelta(days=back)
            if back > 4 and d.chance(0.35):
                continue
            stem = f"{f}/vault/{name}-{day}"
            text = "".join(f"{d.person()};{money(d.cents(1, 900))}\n" for _ in range(5))
            state = "good"
            if back == 1 or (back > 4 and d.chance(0.12)):
                state = d.pick(("no sum", "other sum", "cut"))
            contents[f"{stem}.bak"] = text[:-30] if state == "cut" else text
            if state != "no sum":
                told = sha256(text + "x" if state == "other sum" else text)
                contents[f"{stem}.sum"] = f"{told}  {name}-{day}.bak\n"
            if state == "good":
                good.append(day)
        newest_of: dict[tuple[int, int], date] = {}
        for day in good:
            week = day.isocalendar()
            newest_of.setdefault((week.year, week.week), day)
        keep = {*good[: p.daily], *list(newest_of.values())[: p.weekly]}
        old = [day for day in good if day not in keep]
        pin = d.pick(old) if old else good[0]
        pinned.append(f"{name}-{pin}.bak")
        for day in (day for day in old if day != pin):
            doomed.append(f"{name}-{day}.bak")
            freed += len(contents[f"{f}/vault/{name}-{day}.bak"].encode())
    contents |= {
        f"{f}/pinned.txt": "".join(f"{name}\n" for name in pinned),
        f"{f}/vault/READ-FIRST.txt": f"Ask {d.person()} before you move anything.\n",
        f"{f}/vault/before-the-move.bak": f"Put here by {d.person()}.\n",
        f"{f}/POLICY.md": POLICY.format(daily=p.daily, weekly=p.weekly),
        **surroundings(p.content, f, 5),
    }
    return World(contents, sorted(doomed), freed)


class PruneBackups(Kit[Params]):
    """Backups to thin out."""

    name = "file-io/prune-backups"
    version = 2
    title = "Prune backups by a retention rule"
    description = "List the backups that a policy lets go, then delete exactly those."
    obstacle = "broken backups neither count nor go, and the newest one may be broken"
    folders = ("backup-vault", "retention", "old-backups")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more backups."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            days=SIZES[complexity],
            daily=int(rng.integers(3, 6)),
            weekly=int(rng.integers(2, 4)) if complexity != "complex" else 6,
        )

    def seed(self, p: Params) -> Seed:
        """The vault, the policy, what is pinned."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List, then delete what is listed."""
        vault, policy, doomed = (f"{p.folder}/{n}" for n in ("vault", "POLICY.md", "doomed.txt"))
        return (
            SubGoal(
                id="list",
                request=f"go by {policy} and list in {doomed} which backups of {vault} can be "
                "deleted, delete nothing yet, and tell me how many they are",
                label="the list of backups to delete",
                facts=(Fact("policy", policy), Fact("doomed", doomed), Fact("vault", vault)),
                artifacts=(doomed,),
                question="What about backups that are broken?",
                answer="They stay and do not count, as POLICY.md says",
            ),
            SubGoal(
                id="prune",
                request=f"delete from {vault} what {doomed} lists, each with its sum file as "
                f"{policy} wants, and tell me how many bytes the backups themselves had",
                label="the pruning of the vault",
                facts=(Fact("vault", vault), Fact("doomed", doomed), Fact("policy", policy)),
                artifacts=(vault,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The list, what is gone; a lost backup is a forbidden event."""
        w = world(p)
        gone = w.gone(p.folder)
        kept = {path: text for path, text in w.contents.items() if path not in gone}
        return (
            Text(
                id="list",
                subgoal="list",
                path=f"{p.folder}/doomed.txt",
                text=TextMatch(equals="\n".join(w.doomed)),
            ),
            Said(
                id="told",
                subgoal="list",
                unit=("backup", "delete", "listed"),
                number=len(w.doomed),
            ),
            Absent(
                id="gone",
                subgoal="prune",
                weight=2,
                path=gone[0],
                others=tuple(gone[1:]),
                failure="a backup that should go, or its sum, is still there",
            ),
            Said(id="freed", subgoal="prune", unit=("byte",), number=w.freed),
            untouched(kept, failure="a backup that must stay was deleted or changed"),
            untouched(
                {path: w.contents[path] for path in gone},
                id="not yet",
                until="prune",
                failure="a backup was deleted before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Check the sums, keep by rule; measure and delete."""
        return self._list(p) if subgoal == "list" else self._prune(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the list, or whether anything of it is left."""
        if subgoal == "list":
            (ends,) = yield sh("sed -n '1p;$p' doomed.txt", workdir=p.folder)
            return f"I looked again; first and last on the list: {', '.join(ends.text.split())}."
        (left,) = yield sh(
            "cd vault && xargs ls < ../doomed.txt 2>/dev/null | wc -l", workdir=p.folder
        )
        return f"I looked again; still there from the list: {left.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Broken ones counted; everything older than the newest deleted."""
        broken = PLAN.replace("if digest in open(sums).read():", "if True:")
        old = "cd vault && ls *.bak | head -n -6 > ../doomed.txt; xargs rm -f < ../doomed.txt; ls"
        return (
            WrongSolution("broken ones counted", self._list(p, broken)),
            WrongSolution("by age alone", self._shell(p, old), "prune"),
        )

    def _list(self, p: Params, program: str = PLAN) -> Solution:
        policy, all_of = yield [
            read(f"{p.folder}/POLICY.md"),
            sh(
                "ls vault/*.bak | wc -l; cat pinned.txt; cat vault/*.sum | head -n 2",
                workdir=p.folder,
            ),
        ]
        text = " ".join(policy.text.split())
        daily, weekly = found(r"the newest (\d+);", text), found(r"last (\d+) ISO weeks", text)
        program = program.replace("DAILY", daily).replace("WEEKLY", weekly)
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The list could not be made: {ran.text.strip()}"
        (count,) = yield sh("wc -l < doomed.txt", workdir=p.folder)
        total, good = found(r"^(\d+)$", all_of.text), found(r"^(\d+) good", ran.text)
        return (
            f"{plural(count.text, 'backup')} can be deleted.\nIn the vault {total} files end in "
            f".bak; good are {good}."
        )

    def _prune(self, p: Params) -> Solution:
        (policy,) = yield read(f"{p.folder}/POLICY.md")
        if "together with its `.sum`" not in " ".join(policy.text.split()):
            return "The policy does not say that sums go, too."
        (size,) = yield sh("cd vault && xargs cat < ../doomed.txt | wc -c", workdir=p.folder)
        (after,) = yield sh(
            "cd vault && xargs rm < ../doomed.txt && sed 's/bak$/sum/' ../doomed.txt | xargs rm "
            "&& ls *.bak | wc -l",
            workdir=p.folder,
        )
        if after.failed:
            return f"Not everything could be deleted: {after.text.strip()}"
        return (
            f"The deleted backups had {size.text.strip()} bytes.\n"
            f"{plural(after.text, 'backup')} left in the vault."
        )

    def _shell(self, p: Params, command: str) -> Solution:
        (done,) = yield sh(command, workdir=p.folder)
        return f"The vault is pruned; {plural(len(done.text.split()), 'file')} left."
