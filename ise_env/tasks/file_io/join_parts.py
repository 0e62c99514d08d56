"""A large export that arrived in parts, out of order, some of them damaged on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Hash, Said, TextMatch, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": (11, 10), "medium": (14, 30), "complex": (23, 60)}
"""Parts, lines of each."""

README = """\
# How the export was sent

- It was cut by bytes, without regard for lines, into `arrived/part-1`, `part-2` and so on; there
  are {parts} of them, and number 10 comes after number 9.
- `parts.txt` has the number and the SHA-256 of each part as it left us, and in its last line, after
  the word `whole`, that of the export.
- A part that does not fit was damaged. It was sent again, possibly more than once, to `again/`; of
  what lies there only a file with the right checksum is of use, whatever its name says.
- The export goes to `export.csv`. It has a header line, and no line is longer than 200 bytes.
- For the loader it is cut anew, by lines, into `loads/load-01.csv`, `load-02.csv`, ...: each with
  the header line and up to {lines} lines of data after it, in order, all full but the last.
"""

JOIN = """\
import glob, hashlib
def read(path):
    return open(path, "rb").read()
def digest(data):
    return hashlib.sha256(data).hexdigest()
sums = dict(line.split() for line in open("parts.txt"))
again = {digest(read(path)): read(path) for path in glob.glob("again/*")}
whole, swapped = b"", []
for number in sorted((n for n in sums if n != "whole"), key=int):
    data = read(f"arrived/part-{number}")
    if digest(data) != sums[number]:
        swapped.append(number)
        data = again[sums[number]]
    whole += data
assert digest(whole) == sums["whole"], "the whole does not fit"
open("export.csv", "wb").write(whole)
print("taken from again:", *swapped)
"""

CUT = """\
import os, shutil
shutil.rmtree("loads", ignore_errors=True)
head, *lines = open("export.csv").readlines()
os.makedirs("loads")
for number, start in enumerate(range(0, len(lines), LINES), 1):
    with open(f"loads/load-{number:02d}.csv", "w") as file:
        file.writelines([head, *lines[start : start + LINES]])
"""


class Params(KitParams):
    """How many parts, how long they are, how long a load may be."""

    parts: int = Field(ge=11, le=23)
    lines: int = Field(ge=10, le=60)
    load: int = Field(ge=1, le=400)


@dataclass(frozen=True)
class World:
    """The parts, the export that they make, and the loads."""

    contents: dict[str, str]
    export: str
    loads: dict[str, str]
    damaged: list[int]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the export from the parameters and cut it up."""
    d = Draw(p.content)
    head = "no,day,customer,town,amount\n"
    lines = [
        f"{n:05d},{d.day(2025)},{d.person()},{d.word('towns')},{money(d.cents(2, 700))}\n"
        for n in range(1, p.parts * p.lines + 1)
    ]
    export = head + "".join(lines)
    size = -(-len(export) // p.parts)
    parts = [export[at * size : (at + 1) * size] for at in range(p.parts)]
    damaged = sorted(d.some(range(2, p.parts + 1), 2 if p.parts < 14 else 3))
    f = p.folder
    contents = {}
    for number, part in enumerate(parts, 1):
        text = part
        if number in damaged:
            place = d.integer(10, len(part) - 20)
            text = d.pick((part[:place], part[:place] + "#" + part[place + 1 :]))
            # Sent again twice; one of the two is bad once more.
            bad = part[: place - 5] + "?" + part[place - 4 :]
            for name, sent in zip(("b", "c"), d.shuffled((part, bad)), strict=True):
                contents[f"{f}/again/part-{number}{name}"] = sent
        contents[f"{f}/arrived/part-{number}"] = text
    sums = [f"{n} {sha256(part)}\n" for n, part in enumerate(parts, 1)]
    contents |= {
        f"{f}/parts.txt": "".join(sums) + f"whole {sha256(export)}\n",
        f"{f}/README.md": README.format(parts=p.parts, lines=p.load),
        f"{f}/export-old.csv": head + "".join(d.some(lines, 5)),
        **surroundings(p.content, f, 6),
    }
    loads = {
        f"load-{n:02d}.csv": head + "".join(lines[at : at + p.load])
        for n, at in enumerate(range(0, len(lines), p.load), 1)
    }
    return World(contents, export, loads, damaged)


class JoinParts(Kit[Params]):
    """Parts to join."""

    name = "file-io/join-parts"
    title = "Join the parts of an export and cut it anew"
    description = "Put a file together from numbered parts with checksums; split it by lines."
    obstacle = "damaged parts, of which only some second copies are good; 10 sorts before 2"
    folders = ("big-export", "arrivals", "transfer")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more and longer parts."""
        parts, lines = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            parts=parts,
            lines=lines,
            load=parts * lines // int(rng.integers(4, 8)) + int(rng.integers(1, 9)),
        )

    def seed(self, p: Params) -> Seed:
        """The parts, those sent again, the checksums."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Join, then cut."""
        arrived, export, readme, loads = (
            f"{p.folder}/{n}" for n in ("arrived", "export.csv", "README.md", "loads")
        )
        return (
            SubGoal(
                id="join",
                request=f"put {export} together from the parts in {arrived} as {readme} explains, "
                "and tell me how many damaged parts had to be replaced",
                label="the export in one piece",
                facts=(Fact("export", export), Fact("arrived", arrived), Fact("readme", readme)),
                artifacts=(export,),
                question="If a part does not fit its checksum, where is a good one?",
                answer="They were sent again, look in again/",
            ),
            SubGoal(
                id="cut",
                request=f"cut {export} into files in {loads} for the loader, the way {readme} "
                "describes it",
                label="the files for the loader",
                facts=(Fact("export", export), Fact("loads", loads), Fact("readme", readme)),
                artifacts=(loads,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The export to the byte, each load, nothing of what arrived touched."""
        w, f = world(p), p.folder
        return (
            Hash(
                id="export",
                subgoal="join",
                weight=2,
                path=f"{f}/export.csv",
                sha256=sha256(w.export),
                failure="export.csv is not the whole export",
            ),
            Said(
                id="told",
                subgoal="join",
                unit=("damage", "replace", "part"),
                number=len(w.damaged),
            ),
            Tree(id="names", subgoal="cut", path=f"{f}/loads", names=tuple(w.loads)),
            Unchanged(
                id="loads",
                subgoal="cut",
                sha256={f"{f}/loads/{name}": sha256(text) for name, text in w.loads.items()},
                failure="a file for the loader is not right",
            ),
            Command(
                id="lines",
                subgoal="cut",
                argv=("bash", "--noprofile", "--norc", "-c", "tail -qn +2 loads/*.csv | wc -l"),
                cwd=f,
                stdout=TextMatch(equals=str(p.parts * p.lines)),
                failure="lines got lost or doubled",
            ),
            untouched(w.contents, failure="something that arrived was changed or deleted"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Check each part, take good ones, join by number; cut by lines."""
        return self._join(p) if subgoal == "join" else self._cut(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare checksums, or count lines."""
        if subgoal == "join":
            (sums,) = yield sh(
                "tail -n 1 parts.txt | cut -d' ' -f2; sha256sum < export.csv", workdir=p.folder
            )
            wanted, real = (line.split()[0] for line in sums.text.strip().splitlines()[:2])
            same = "fits" if wanted == real else "does not fit"
            return f"I hashed it again: export.csv {same} the checksum of the whole."
        (shown,) = yield sh("wc -l loads/*.csv | tail -n 2", workdir=p.folder)
        return f"I counted again; the end reads `{' '.join(shown.text.split())}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Joined as the shell sorts; damaged parts taken as they are."""
        order = "cat arrived/* > export.csv; wc -l < export.csv"
        damaged = "cat $(ls -v arrived/*) > export.csv; wc -l < export.csv"
        return (
            WrongSolution("in the order of the alphabet", self._shell(p, order)),
            WrongSolution("damaged parts taken", self._shell(p, damaged)),
        )

    def _join(self, p: Params) -> Solution:
        readme, listing = yield [
            read(f"{p.folder}/README.md"),
            sh("ls arrived | wc -l; ls again", workdir=p.folder),
        ]
        if "export.csv" not in readme.text:
            return "README.md does not say where the export goes."
        (ran,) = yield python(JOIN, workdir=p.folder)
        if ran.failed:
            return f"The parts could not be joined: {ran.text.strip()}"
        (lines,) = yield sh("wc -l < export.csv", workdir=p.folder)
        swapped = found(r"^taken from again:(.*)$", ran.text).split()
        total = found(r"^(\d+)", listing.text)
        return (
            f"{len(swapped)} damaged parts were replaced: no. {' and no. '.join(swapped)}.\n"
            f"Of {total} that arrived, the others were good; the export has "
            f"{plural(lines.text, 'line')}."
        )

    def _cut(self, p: Params) -> Solution:
        (readme,) = yield read(f"{p.folder}/README.md")
        lines = found(r"up to (\d+) lines of data", " ".join(readme.text.split()))
        (ran,) = yield python(CUT.replace("LINES", lines), workdir=p.folder)
        if ran.failed:
            return f"The export could not be cut: {ran.text.strip()}"
        (listing,) = yield sh("ls loads | wc -l; tail -qn +2 loads/*.csv | wc -l", workdir=p.folder)
        count, total = listing.text.split()[:2]
        return f"{plural(count, 'file')} for the loader, with {total} lines of data between them."

    def _shell(self, p: Params, command: str) -> Solution:
        (done,) = yield sh(command, workdir=p.folder)
        return f"export.csv is there, {plural(done.text, 'line')}."
