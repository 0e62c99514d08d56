"""A program that forgets bookings when several of it run, and a lock file that nobody removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, JsonEquals, Said, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime import _till
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh


class Params(KitParams):
    """How much waits to be booked."""

    item: str
    pending: int = Field(ge=6, le=24)


@dataclass(frozen=True)
class World:
    """The program, the bookings, the counts at the end."""

    contents: dict[str, str]
    given: dict[str, str]
    left: dict[str, int]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive counts and bookings from the parameters."""
    d = Draw(p.content)
    project = d.word("projects")
    items = [p.item, *(x for x in d.different("products", 8) if x != p.item)][:6]
    stock = {item: d.integer(60, 400) for item in items}
    changes = [(p.item if d.chance(0.4) else d.pick(items), d.integer(-6, 9) or 4)]
    while len(changes) < p.pending:
        item = p.item if len(changes) < 3 else d.pick(items)
        changes.append((item, d.integer(-6, 9) or 4))
    left = dict(stock)
    for item, change in changes:
        left[item] += change
    state = ",\n".join(f' "{item}": {stock[item]}' for item in sorted(stock))
    given = {
        "drive.py": _till.DRIVE,
        "replay.py": _till.REPLAY,
        "state/pending.txt": "".join(f"{item} {change}\n" for item, change in changes),
    }
    contents = given | {
        "stock.py": _till.STOCK,
        "state/stock.json": f"{{\n{state}\n}}\n",
        "state/stock.lock": f"{d.integer(2000, 29000)}\n",
        "README.md": f"# {project}\n\nEvery till runs `stock.py` on its own; all of them write to "
        "the same shared drive (`drive.py`).\nOnce there was a lock: `state/stock.lock` was made "
        "before a booking and removed after it. When the\npower failed it stayed, nobody could "
        f"book for a morning, and {d.person()} took the lock out again.\nNow bookings get lost "
        "when two tills are quick.\n",
    }
    contents |= surroundings(d, project, modules=8, docs=4, others=4)
    return World(below(p.folder, contents), below(p.folder, given), left)


class StopLostUpdates(Kit[Params]):
    """A race to end."""

    name = "code-runtime/stop-lost-updates"
    title = "Stop a program from losing updates"
    description = "Make a program safe to run many times at once, also after a process was killed."
    obstacle = "a race that a single run never shows, and a stale lock of an earlier attempt"
    requires = ("python3",)
    folders = ("tills", "stockroom", "counter-stock")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more bookings at once."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            item=d.word("products"),
            pending={"simple": 6, "medium": 12, "complex": 24}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The program, its state, what waits to be booked."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend it, then book what waits."""
        program, pending = f"{p.folder}/stock.py", f"{p.folder}/state/pending.txt"
        return (
            SubGoal(
                id="mend",
                request=f"change {program} so that no booking is lost when several of it run at "
                "the same time, and so that one which was killed halfway never keeps the others "
                f"from booking; {p.folder}/drive.py has to stay as it is",
                label=f"the mended {program}",
                facts=(Fact("program", program), Fact("drive", f"{p.folder}/drive.py")),
                artifacts=(program,),
                question="May the tills wait for each other?",
                answer="Yes, a booking may take a little longer as long as none is lost",
            ),
            SubGoal(
                id="book",
                request=f"book everything in {pending} with {p.folder}/replay.py, once, and tell "
                f"me how many pieces of {p.item} are left then",
                label="the bookings that were waiting",
                facts=(
                    Fact("pending", pending),
                    Fact("replay", f"{p.folder}/replay.py"),
                    Fact("item", p.item),
                ),
                artifacts=(f"{p.folder}/state/stock.json",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Several at once lose nothing, also after one was killed; the counts."""
        w, f = world(p), p.folder

        def hammered(name: str, how: str, weight: float, failure: str) -> Check:
            return Command(
                id=name,
                subgoal="mend",
                weight=weight,
                argv=(*CLEAN_PYTHON, "-c", _till.HAMMER, how),
                cwd=f,
                files={f"{f}/later.json": '{"apple": 0, "doomed": 5, "pear": 0}\n'},
                stdout=TextMatch(equals="kept\n"),
                timeout_s=60,
                failure=failure,
            )

        return (
            hammered("together", "all alive", 2, "bookings that run at the same time are lost"),
            hammered("killed", "killed", 0, "after a booking was killed, others fail or are lost"),
            JsonEquals(
                id="booked", subgoal="book", path=f"{f}/state/stock.json", equals=dict(w.left)
            ),
            Said(id="told", subgoal="book", number=w.left[p.item], unit=("left", "piece")),
            untouched(w.given, id="given", failure="the drive or the waiting list was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """See it lose, lock with what the kernel takes back, see it keep; book."""
        return self._mend(p, _till.LOCKED) if subgoal == "mend" else self._book(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Hammer a copy again, or look at the state."""
        if subgoal == "mend":
            (again,) = yield sh(_TRIAL, **_in(p))
            return f"I tried again with a copy: of 8 bookings at once, {last_line(again.text)}."
        (state,) = yield read(f"{p.folder}/state/stock.json")
        count = found(rf'"{p.item}": (\d+)', state.text)
        return f"I looked again: {plural(count, 'piece')} of {p.item} left."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A lock that outlives its owner; booking with the race still there."""
        return (
            WrongSolution("a lock file again", self._mend(p, _till.EXCLUSIVE)),
            WrongSolution("booked twice", self._twice(p), "book"),
        )

    def _mend(self, p: Params, guard: _till.Guard) -> Solution:
        path = f"{p.folder}/stock.py"
        code, told, trial = yield [
            read(path),
            sh("cat README.md drive.py; ls -l state", **_in(p)),
            sh(_TRIAL, **_in(p)),
        ]
        imports = found(r"^(import argparse\n?import sys)$", code.text)
        lock = found(r"(\S+\.lock)$", told.text, "no lock file")
        needs, helper = guard
        (first,) = yield edit(path, f"{imports}\n", f"{needs}{imports}\n")
        block = code.text[
            code.text.index("    stock = drive") : code.text.index("    return count")
        ]
        within = "".join(f"    {line}\n" for line in block.splitlines())
        (second,) = yield edit(path, "def book(path", f"{helper}def book(path")
        (third,) = yield edit(path, block, f"    with alone(path):\n{within}")
        if first.failed or second.failed or third.failed:
            return f"{path} could not be edited: {second.text} {third.text}"
        (after,) = yield sh(_TRIAL, **_in(p))
        return (
            f"Before, of 8 bookings at once {last_line(trial.text)}; now {last_line(after.text)}. "
            f"Each booking waits for its turn; the old {lock} is not used, it may go."
        )

    def _book(self, p: Params) -> Solution:
        (waiting,) = yield sh(
            f"grep -c '^{p.item} ' state/pending.txt; cat state/stock.json", **_in(p)
        )
        (ran,) = yield sh("python3 replay.py state/pending.txt | tail -n 1", **_in(p))
        (state,) = yield read(f"{p.folder}/state/stock.json")
        before = found(rf'"{p.item}": (\d+)', waiting.text)
        after = found(rf'"{p.item}": (\d+)', state.text)
        return (
            f"{last_line(ran.text)}, {waiting.text.split()[0]} of them for {p.item}. There were "
            f"{before}; {plural(after, 'piece')} of {p.item} are left."
        )

    def _twice(self, p: Params) -> Solution:
        again = "for n in 1 2; do python3 replay.py state/pending.txt | tail -n 1; done"
        (ran,) = yield sh(again, **_in(p))
        (state,) = yield read(f"{p.folder}/state/stock.json")
        after = found(rf'"{p.item}": (\d+)', state.text)
        return f"{last_line(ran.text)}; {plural(after, 'piece')} of {p.item} are left."


_TRIAL = (
    "echo '{\"trial\": 0}' > /tmp/trial.json; for n in 1 2 3 4 5 6 7 8; do "
    "python3 stock.py --state /tmp/trial.json trial 1 >/dev/null & done; wait; "
    "tr -dc 0-9 < /tmp/trial.json; rm -f /tmp/trial.json*; echo ' were counted'"
)


def _in(p: Params) -> dict[str, Any]:
    return {"workdir": p.folder}
