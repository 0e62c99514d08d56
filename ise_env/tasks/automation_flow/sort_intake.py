"""A watch folder to empty by a script that may run at any time, twice, or over a half upload."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Exists, Said, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._sort_intake_texts import LOOK, RULES, SCRIPT
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings

_COMPLETE = 'done.with_suffix("") for done in Path("inbox").glob("*.done")'
_ALL = 'path for path in Path("inbox").iterdir() if path.suffix != ".done"'
_TAKEN = 'target.parts[0] == "stored" and new.exists()'
SIZES = {"simple": 6, "medium": 10, "complex": 18}


class Params(KitParams):
    """How many uploads wait."""

    script: str
    uploads: int = Field(ge=6, le=18)


@dataclass(frozen=True)
class Outcome:
    """What an intake leaves."""

    tree: dict[str, str]
    ledger: list[tuple[str, str]]
    stored: int


@dataclass(frozen=True)
class World:
    """The folder now, after an intake, and a second one that nobody has seen."""

    contents: dict[str, str]
    after: Outcome
    hidden: dict[str, str]
    hidden_after: Outcome


def take_in(tree: dict[str, str], ledger: list[tuple[str, str]]) -> Outcome:
    """Apply the rules to a tree of paths and texts."""
    tree, ledger, stored = dict(tree), list(ledger), 0
    for done in sorted(path for path in tree if path.endswith(".done")):
        path = done.removesuffix(".done")
        if path not in tree:
            continue
        text, name = tree.pop(path), path.removeprefix("inbox/")
        del tree[done]
        digest, first = sha(text), text.split("\n")[0]
        if digest in {known for _, known in ledger}:
            tree[f"duplicates/{name}"] = text
        elif not first.startswith("Period: "):
            tree[f"rejected/{name}"] = text
        else:
            folder, (stem, _, ending) = f"stored/{first[8:]}", name.rpartition(".")
            new, number = name, 2
            while f"{folder}/{new}" in tree:
                new, number = f"{stem}-{number}.{ending}", number + 1
            tree[f"{folder}/{new}"] = text
            ledger.append((new, digest))
            stored += 1
    return Outcome(tree, ledger, stored)


def sha(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def uploads(d: Draw, old: dict[str, str], count: int) -> dict[str, str]:
    """An inbox with everything in it that the rules speak of."""
    box: dict[str, str] = {}
    for number in range(count):
        name = f"{d.word('topics')}{d.pick((' ', '-', '_'))}{d.integer(10, 999)}.txt"
        text = f"Period: 2026-{d.integer(1, 4):02d}\n" + "".join(
            f"{d.word('products')};{d.integer(1, 90)}\n" for _ in range(d.integer(2, 6))
        )
        kind = number % 6
        if kind == 1:
            text = d.pick(list(old.values()))  # sent once more
        elif kind == 2:
            text = text.replace("Period: ", "period ")
        elif kind == 4:  # a name that is taken in the folder it belongs to
            path = d.pick(list(old))
            name = path.split("/")[-1]
            text = f"Period: {path.split('/')[-2]}\n" + text.split("\n", 1)[1]
        box[f"inbox/{name}"] = text
        if kind != 3:
            box[f"inbox/{name}.done"] = ""
    return box


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both inboxes from the parameters."""
    d = Draw(p.content)
    old: dict[str, str] = {}
    for number in range(8):
        text = f"Period: 2026-{number % 4 + 1:02d}\n{d.word('products')};{d.integer(1, 99)}\n"
        old[f"stored/2026-{number % 4 + 1:02d}/{d.word('topics')}-{number}{number}.txt"] = text
    ledger = [(path.split("/")[-1], sha(text)) for path, text in old.items()]
    box, hidden = uploads(d, old, p.uploads), uploads(d, old, 7)
    contents = {
        "INTAKE.md": RULES.format(person=d.person()),
        "ledger.csv": csv_text(("name", "sha256"), ledger),
        **old,
        **box,
    }
    # The hidden inbox comes on top of whatever is in the folder: its names are its own.
    hidden = {path.replace("inbox/", "inbox/zz ", 1): text for path, text in hidden.items()}
    after = take_in({**old, **box}, ledger)
    return World(
        {f"{p.folder}/{path}": text for path, text in contents.items()},
        after,
        hidden,
        take_in({**after.tree, **hidden}, after.ledger),
    )


class SortIntake(Kit[Params]):
    """A watch folder to automate."""

    name = "automation-flow/sort-intake"
    version = 2
    title = "Take in uploads from a watch folder"
    description = "Write a repeatable intake script by given rules, then empty the folder with it."
    obstacle = "uploads that are not complete, repeated ones, and names that are taken already"
    requires = ("python3",)
    folders = ("drop-zone", "upload-hook", "partner-inbox")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more uploads."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            script=one(rng, ("take-in", "sort-uploads", "empty-inbox")),
            uploads=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The inbox, what was stored before, the rules."""
        return Seed(files(world(p).contents | surroundings(p.content, p.folder, 10)))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write it; run it."""
        f = p.folder
        script, rules, inbox = f"{f}/{p.script}", f"{f}/INTAKE.md", f"{f}/inbox"
        return (
            SubGoal(
                id="write",
                request=f"write the executable intake script {script} that {rules} describes, "
                f"trying it on a copy first so that {inbox} stays as it is for now",
                label="the intake script",
                facts=(Fact("script", script), Fact("rules", rules), Fact("inbox", inbox)),
                artifacts=(script,),
                question="What about files without a .done file?",
                answer="They are not complete, the script leaves them where they are",
            ),
            SubGoal(
                id="run",
                request=f"run {script} on the real {inbox} and tell me how many files it has "
                "stored",
                label="the intake of what waits",
                facts=(Fact("script", script), Fact("inbox", inbox)),
                artifacts=(f"{f}/stored", f"{f}/ledger.csv"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The script on an inbox it has not seen, twice; the real folders."""
        w, f = world(p), p.folder
        hidden = {f"{f}/{path}": text for path, text in w.hidden.items()}

        def files_in(outcome: Outcome, top: str) -> tuple[str, ...]:
            return tuple(
                path.removeprefix(f"{top}/") for path in outcome.tree if path.startswith(f"{top}/")
            )

        lines = sorted(["name,sha256", "", *(",".join(row) for row in w.hidden_after.ledger)])
        return (
            Exists(id="script", subgoal="write", path=f"{f}/{p.script}", executable=True),
            Command(
                id="works twice",
                subgoal="write",
                weight=3,
                argv=("python3", "-I", "-c", LOOK, p.script),
                cwd=f,
                files=hidden,
                prints=[dict(w.hidden_after.tree), lines],
                failure="on another inbox the script does not do what the rules say",
            ),
            *(
                Tree(
                    id=f"{top} folder",
                    subgoal="run",
                    path=f"{f}/{top}",
                    names=files_in(w.after, top),
                )
                for top in ("stored", "duplicates", "rejected", "inbox")
            ),
            CsvRows(
                id="ledger",
                subgoal="run",
                path=f"{f}/ledger.csv",
                columns=("name", "sha256"),
                rows=tuple(w.after.ledger),
            ),
            Said(id="told", subgoal="run", unit=("stored", "file"), number=w.after.stored),
            untouched(
                {path: text for path, text in w.contents.items() if "/stored/" in path},
                failure="a file that was stored before was overwritten or lost",
            ),
            untouched(
                {path: text for path, text in w.contents.items() if "/inbox/" in path},
                id="not yet",
                until="run",
                failure="the inbox was emptied before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Write, try on a copy; run."""
        return self._write(p) if subgoal == "write" else self._run(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run it once more on a copy, or look for what is left."""
        if subgoal == "write":
            (again,) = yield sh(
                f"{_COPY} && ./{p.script} >/dev/null && ./{p.script} | wc -l", workdir=p.folder
            )
            return f"I ran it twice on a copy; the second run moved {last_line(again.text)}."
        (left,) = yield sh("ls inbox", workdir=p.folder)
        names = [n for n in left.text.splitlines() if n.strip() and n != "(no output)"]
        return f"I looked again; still on the way: {', '.join(names) or 'nothing'}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Half uploads taken; names overwritten; the script never run."""
        return (
            WrongSolution("half uploads taken", self._write(p, waiting=_ALL)),
            WrongSolution("a taken name overwritten", self._write(p, taken="False")),
            WrongSolution("not run", self._claimed(p), "run"),
        )

    def _write(self, p: Params, waiting: str = _COMPLETE, taken: str = _TAKEN) -> Solution:
        here = {"workdir": p.folder}
        rules, box = yield [read(f"{p.folder}/INTAKE.md"), sh("ls inbox | wc -l; ls", **here)]
        (saved,) = yield write(
            f"{p.folder}/{p.script}", SCRIPT.format(waiting=waiting, taken=taken)
        )
        if saved.failed or "nothing is overwritten" not in rules.text:
            return f"{p.script} could not be written: {saved.text}"
        (tried,) = yield sh(
            f"chmod +x {p.script} && {_COPY} && ./{p.script} | cut -d/ -f1 | cut -d' ' -f1 | "
            "sort | uniq -c",
            **here,
        )
        if tried.failed:
            return f"On a copy it stops: {last_line(tried.text)}"
        moved = ", ".join(" ".join(line.split()) for line in tried.text.strip().splitlines())
        waiting = found(r"^(\d+)", box.text)
        return f"{p.script} is written. On a copy of the {waiting} entries it gave: {moved}."

    def _run(self, p: Params) -> Solution:
        (ran,) = yield sh(
            f"./{p.script} | tee /tmp/moved; grep -c ^stored /tmp/moved", workdir=p.folder
        )
        count = last_line(ran.text)
        return f"The script has run: {plural(count, 'file')} stored."

    def _claimed(self, p: Params) -> Solution:
        (there,) = yield sh("ls inbox/*.done | wc -l", workdir=p.folder)
        return f"It has stored {plural(there.text, 'file')}."


_COPY = "rm -rf /tmp/try && mkdir /tmp/try && cp -r . /tmp/try && cd /tmp/try"
