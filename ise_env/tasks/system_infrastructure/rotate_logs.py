"""Rotated logs to compress and prune by a policy, some of them under a hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, TextMatch, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write

POLICY = """\
# Log policy

- `<service>.log` is being written to: never touch it.
- `<service>.log.1` is the youngest rotated log, `.2` the one before it, and so on. Of each service
  the youngest {keep} rotated logs are kept, older ones are deleted.
- `.1` stays as it is. Every other log that is kept is compressed with gzip: `.2` becomes `.2.gz`.
- What is named in `HOLD`, one path a line, is neither deleted nor compressed, however old it is. It
  counts like any other log.
- Everything else in the folder is not a log and stays.
"""


class Params(KitParams):
    """How many services there are, and how much of each is kept."""

    services: int = Field(ge=2, le=6)
    keep: int = Field(ge=3, le=5)
    most: int = Field(ge=6, le=14)


@dataclass(frozen=True)
class World:
    """The logs before, and the names after."""

    contents: dict[str, str]
    texts: dict[str, str]
    """Name of a kept log as it will be called, to its text."""
    others: tuple[str, ...]
    deleted: list[str]
    held: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the logs from the parameters."""
    d = Draw(p.content)
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    deleted, old = list[str](), list[str]()
    names = d.different("services", p.services)

    def lines(name: str) -> str:
        return "".join(
            f"{d.day(2025)} {name} {d.pick(('ok', 'slow', 'retry'))} {d.integer(1, 999)}\n"
            for _ in range(d.integer(4, 12))
        )

    for name in names:
        before[f"{name}.log"] = after[f"{name}.log"] = lines(name)
        for number in range(1, d.integer(p.keep + 1, p.most) + 1):
            before[f"{name}.log.{number}"] = lines(name)
    held = [f"{names[0]}.log.{p.keep + 1}", f"{names[1]}.log.2"]
    for path, text in before.items():
        service, number = path.split(".log")[0], int(path.rpartition(".log")[2].strip(".") or 0)
        if number == 0 or path in held or number == 1:
            after[path] = text
        elif number <= p.keep:
            after[f"{service}.log.{number}.gz"] = text
        else:
            deleted.append(path)
            old.append(text)
    f = p.folder
    contents = {f"{f}/logs/{path}": text for path, text in before.items()}
    contents |= {
        f"{f}/POLICY.md": POLICY.format(keep=p.keep),
        f"{f}/HOLD": "".join(f"logs/{path}\n" for path in held),
        f"{f}/logs/catalog.logo": "not a log\n",
        f"{f}/logs/README": f"Written to by {', '.join(names)}. Ask {d.person()}.\n",
    }
    return World(contents, after, ("catalog.logo", "README"), sorted(deleted), held)


class RotateLogs(Kit[Params]):
    """Logs to prune."""

    name = "system-infrastructure/rotate-logs"
    version = 2
    title = "Prune and compress rotated logs"
    description = "Delete and compress rotated logs by a policy, sparing what is under a hold."
    obstacle = "logs under a hold, and numbers that do not sort as text"
    folders = ("loghost", "log-store", "var-log")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more services with more logs."""
        keep = int(rng.integers(3, 6))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            services={"simple": 2, "medium": 4, "complex": 6}[complexity],
            keep=keep,
            most=keep + {"simple": 3, "medium": 7, "complex": 9}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The logs, the policy, the hold."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List first, then act."""
        logs, policy, listed = (f"{p.folder}/{n}" for n in ("logs", "POLICY.md", "to-delete.txt"))
        return (
            SubGoal(
                id="list",
                request=f"list the logs in {logs} that {policy} wants deleted in {listed}, "
                "one file name a line, without deleting anything yet",
                label="the list of logs to delete",
                facts=(Fact("logs", logs), Fact("policy", policy), Fact("list", listed)),
                artifacts=(listed,),
                question="Is a log that is on HOLD deleted once it is old enough?",
                answer="No, what is on HOLD stays as it is, however old",
            ),
            SubGoal(
                id="apply",
                request=f"now apply {policy} to {logs}, deleting and compressing what it says, and "
                "tell me how many logs you compressed",
                label=f"the clean-up of {logs}",
                facts=(Fact("logs", logs), Fact("policy", policy)),
                artifacts=(logs,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Names after, content of what was compressed, the number; nothing precious lost."""
        w, f = world(p), p.folder
        packed = sorted(name for name in w.texts if name.endswith(".gz"))
        kept = {f"{f}/logs/{name}": t for name, t in w.texts.items() if not name.endswith(".gz")}
        kept |= {k: v for k, v in w.contents.items() if "/logs/" not in k or k.endswith("logo")}
        return (
            Command(
                id="listed",
                subgoal="list",
                argv=("env", "LC_ALL=C", "sort", "to-delete.txt"),
                cwd=f,
                stdout=TextMatch(equals="\n".join(w.deleted)),
                failure="the list does not name just what the policy wants deleted",
            ),
            Tree(id="names", subgoal="apply", path=f"{f}/logs", names=(*w.texts, *w.others)),
            Command(
                id="packed",
                subgoal="apply",
                argv=("gzip", "-dc", *packed),
                cwd=f"{f}/logs",
                stdout=TextMatch(equals="".join(w.texts[name] for name in packed)),
                failure="a log is lost or another one's content is in it",
            ),
            Said(id="told", subgoal="apply", unit=("compress",), number=len(packed)),
            untouched(
                kept, id="spared", failure="a log that was to be left alone is not as it was"
            ),
            untouched(
                {f"{f}/logs/{name}": w.contents[f"{f}/logs/{name}"] for name in w.deleted},
                id="not yet",
                until="apply",
                failure="a log was deleted before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read policy and hold, list by number; delete what is listed, compress the rest."""
        return self._list(p) if subgoal == "list" else self._apply(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the list or the folder."""
        if subgoal == "list":
            (shown,) = yield read(f"{p.folder}/to-delete.txt")
            return f"I looked again: the list has {plural(len(shown.text.split()), 'name')}."
        (shown,) = yield sh("gzip -t logs/*.gz && ls logs | wc -l; cat HOLD", workdir=p.folder)
        if shown.failed:
            return f"An archive is not sound: `{last_line(shown.text)}`."
        held = plural(shown.text.split()[0], "file")
        return f"I tested the archives: all are sound, the folder has {held}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Forgetting the hold; keeping one log too many."""
        return (
            WrongSolution("hold forgotten", self._list(p, hold=False)),
            WrongSolution("one too many kept", self._list(p, more=1)),
        )

    def _list(self, p: Params, hold: bool = True, more: int = 0) -> Solution:
        f = p.folder
        policy, held, listing = yield [
            read(f"{f}/POLICY.md"),
            sh("cat HOLD", workdir=f),
            sh("ls logs", workdir=f),
        ]
        keep = int(found(r"youngest (\d+) rotated", policy.text, "0")) + more
        spared = held.text.split() if hold else []
        names = []
        for name in listing.text.split():
            number = re.search(r"\.log\.(\d+)$", name)
            if number and int(number[1]) > keep > 0 and f"logs/{name}" not in spared:
                names.append(name)
        names.sort()
        (saved,) = yield write(f"{f}/to-delete.txt", "\n".join(names) + "\n")
        if saved.failed:
            return f"The list could not be written: {saved.text}"
        (counted,) = yield sh(
            "wc -l < to-delete.txt; cd logs && ls -l $(cat ../to-delete.txt) | wc -l", workdir=f
        )
        return (
            f"{f}/to-delete.txt names {plural(counted.text.split()[0], 'log')} beyond the "
            f"youngest {keep}; "
            f"what is on hold stays ({plural(len(spared), 'log')})."
        )

    def _apply(self, p: Params, hold: bool = True) -> Solution:
        here = {"workdir": f"{p.folder}/logs"}
        (before,) = yield sh("cat ../to-delete.txt ../HOLD; ls | wc -l", **here)
        (gone,) = yield sh("xargs rm -v < ../to-delete.txt", **here)
        if gone.failed or "logs/" not in before.text:
            return f"Something is odd, I stopped: {gone.text}"
        spare = " | grep -vxFf <(sed 's,^logs/,,' ../HOLD)" if hold else ""
        (packing,) = yield sh(
            f"ls | grep -E '[.]log[.][0-9]+$' | grep -v '[.]log[.]1$'{spare} | xargs gzip -v",
            **here,
        )
        if packing.failed:
            return f"gzip complained: {packing.text}"
        (after,) = yield sh("ls *.gz | wc -l; ls | wc -l", **here)
        number, _, left = after.text.strip().partition("\n")
        return (
            f"I deleted {plural(gone.text.count('removed'), 'log')} and compressed {number}; "
            f"the folder "
            f"has {plural(left, 'file')} now."
        )
