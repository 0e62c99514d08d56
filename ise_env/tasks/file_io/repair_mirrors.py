"""Three copies of an archive, a manifest of checksums, and rot in some of the files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": (8, 3), "medium": (14, 6), "complex": (26, 11)}
"""Files in a copy, damaged ones over all copies."""
COPIES = ("attic", "cellar", "office")

README = """\
# The three copies

`attic/`, `cellar/` and `office/` should each hold the files of `MANIFEST.sha256`, whose lines are a
checksum and a path below a copy. A copy of a file is *bad* when its checksum is another one, and
*gone* when it is not there. What a copy holds beyond the manifest is somebody's own and stays.

- `damage.csv` has the columns copy, file and state (`bad` or `gone`), a row for each.
- To mend a bad or gone file, put a good one in its place from another copy. Nothing is ever taken
  from a copy that is bad itself, and a good file is never written to.
- A file of which no copy is good cannot be mended: it stays as it is, and its path goes to
  `lost.txt`, one a line, sorted. Old versions under another name are no good copies.
"""

CHECK = """\
import csv, hashlib, os
rows = []
for line in open("MANIFEST.sha256"):
    digest, name = line.split()
    for copy in ("attic", "cellar", "office"):
        path = os.path.join(copy, name)
        if not os.path.exists(path):
            rows.append((copy, name, "gone"))
        elif hashlib.sha256(open(path, "rb").read()).hexdigest() != digest:
            rows.append((copy, name, "bad"))
with open("damage.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("copy", "file", "state"))
    out.writerows(rows)
"""

MEND = """\
import csv, os, shutil
rows = list(csv.DictReader(open("damage.csv")))
harmed = {(row["copy"], row["file"]) for row in rows}
lost, mended = set(), 0
for row in rows:
    good = [c for c in ("attic", "cellar", "office") if (c, row["file"]) not in harmed]
    if not good:
        lost.add(row["file"])
        continue
    target = os.path.join(row["copy"], row["file"])
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.join(good[0], row["file"]), target)
    mended += 1
open("lost.txt", "w").write("".join(name + "\\n" for name in sorted(lost)))
print(mended, "mended")
"""


class Params(KitParams):
    """How many files, and how many of them are damaged."""

    count: int = Field(ge=8, le=26)
    damaged: int = Field(ge=3, le=11)


@dataclass(frozen=True)
class World:
    """The copies before and after."""

    contents: dict[str, str]
    damage: list[tuple[str, str, str]]
    after: dict[str, str]
    """Path to content of everything that had to be mended."""
    lost: list[str]

    @property
    def kept(self) -> dict[str, str]:
        """What must stay as it was."""
        return {path: text for path, text in self.contents.items() if path not in self.after}


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the copies from the parameters."""
    d = Draw(p.content)
    originals = {}
    for number in range(p.count):
        year, topic = d.integer(2018, 2025), d.word("topics")
        lines = [f"{d.day(year)}  {d.person():24}{money(d.cents(5, 800)):>9}\n" for _ in range(6)]
        name = f"{year}/{topic}-{number:02d}.txt"
        originals[name] = f"{topic.capitalize()}, {d.word('companies')}\n\n" + "".join(lines)
    f = p.folder
    copies = {f"{f}/{copy}/{name}": t for copy in COPIES for name, t in originals.items()}
    names = d.shuffled(sorted(originals))
    lost = sorted(names[:1] if p.damaged < 6 else names[:2])
    harmed = [(copy, name) for name in lost for copy in COPIES]
    harmed += [(d.pick(COPIES), name) for name in names[2 : 2 + p.damaged]]
    damage, after = [], {}
    for at, (copy, name) in enumerate(harmed):
        path = f"{f}/{copy}/{name}"
        if at % 3 == 2:
            del copies[path]
        else:
            text, place = copies[path], d.integer(20, 90)
            # The same size as before: only the checksum tells.
            copies[path] = text[:place] + "~" + text[place + 1 :]
        damage.append((copy, name, "gone" if at % 3 == 2 else "bad"))
        if name not in lost:
            after[path] = originals[name]
    manifest = "".join(f"{sha256(originals[name])}  {name}\n" for name in sorted(originals))
    extra = lost[0].replace(".txt", "-draft.txt")
    contents = {
        **copies,
        f"{f}/cellar/{extra}": originals[lost[0]].splitlines()[0] + "\nto be written\n",
        f"{f}/office/wish-list.txt": f"{d.word('products')}\n{d.word('products')}\n",
        f"{f}/MANIFEST.sha256": manifest,
        f"{f}/README.md": README,
        **surroundings(p.content, f, 6),
    }
    return World(contents, damage, after, lost)


class RepairMirrors(Kit[Params]):
    """Copies to check and mend."""

    name = "file-io/repair-mirrors"
    title = "Find and mend corrupt copies by checksums"
    description = "Compare three copies with a manifest, mend what can be mended, list what cannot."
    obstacle = "corrupt files of the right size, and files of which no copy is good"
    folders = ("three-copies", "mirror-set", "safe-keeping")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files, more rot."""
        count, damaged = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), count=count, damaged=damaged
        )

    def seed(self, p: Params) -> Seed:
        """Three copies, the manifest."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Find the damage, then mend it."""
        manifest, readme, damage, lost = (
            f"{p.folder}/{n}" for n in ("MANIFEST.sha256", "README.md", "damage.csv", "lost.txt")
        )
        return (
            SubGoal(
                id="check",
                request=f"check the three copies in {p.folder} against {manifest}, write what is "
                f"damaged to {damage} as {readme} describes, and tell me how many damaged files "
                "there are, each copy counted by itself",
                label="the list of damaged files",
                facts=(
                    Fact("manifest", manifest),
                    Fact("damage", damage),
                    Fact("readme", readme),
                    Fact("folder", p.folder),
                ),
                artifacts=(damage,),
            ),
            SubGoal(
                id="mend",
                request=f"mend what {damage} lists by the rules in {readme} and put what cannot be "
                f"mended into {lost}",
                label="the mending of the copies",
                facts=(Fact("damage", damage), Fact("readme", readme), Fact("lost", lost)),
                artifacts=(lost,),
                question="What if all three copies of a file are bad?",
                answer="Then it stays as it is and goes to lost.txt",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The damage, the mended files, the lost ones; nothing else written to."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="damage",
                subgoal="check",
                path=f"{f}/damage.csv",
                columns=("copy", "file", "state"),
                rows=tuple(w.damage),
            ),
            Said(
                id="told",
                subgoal="check",
                unit=("damage", "altogether", "in total"),
                number=len(w.damage),
            ),
            Unchanged(
                id="mended",
                subgoal="mend",
                weight=2,
                sha256={path: sha256(text) for path, text in w.after.items()},
                failure="a damaged file is not mended",
            ),
            Text(
                id="lost",
                subgoal="mend",
                path=f"{f}/lost.txt",
                text=TextMatch(equals="\n".join(w.lost)),
            ),
            untouched(w.kept, failure="a good file, or one that is lost, was changed or deleted"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Hash every copy; copy good ones over."""
        return self._check(p) if subgoal == "check" else self._mend(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Let sha256sum look at the copies once more."""
        if subgoal == "check":
            (states,) = yield sh(
                "tail -n +2 damage.csv | cut -d, -f3 | sort | uniq -c", workdir=p.folder
            )
            seen = " and ".join(" ".join(line.split()) for line in states.text.splitlines())
            return f"I looked again: {seen}."
        (left,) = yield sh(
            "for c in attic cellar office; do (cd $c; sha256sum --quiet -c ../MANIFEST.sha256 "
            "2>/dev/null | wc -l); done; wc -l < lost.txt",
            workdir=p.folder,
        )
        *counts, lost = left.text.split()
        return (
            f"I checked each copy against the list again. Lost for good: {lost}; files that do not "
            f"fit it, copy by copy: {', '.join(counts)}."
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Sizes compared; one copy taken for the good one."""
        size = CHECK.replace(
            'hashlib.sha256(open(path, "rb").read()).hexdigest() != digest',
            "os.path.getsize(path) == 0",
        )
        sync = "cp -r office/. attic/; cp -r office/. cellar/; touch lost.txt; ls -R attic | wc -l"
        return (
            WrongSolution("sizes only", self._check(p, size)),
            WrongSolution("the office over all", self._shell(p, sync), "mend"),
        )

    def _check(self, p: Params, program: str = CHECK) -> Solution:
        readme, size = yield [
            read(f"{p.folder}/README.md"),
            sh("wc -l < MANIFEST.sha256; ls", workdir=p.folder),
        ]
        if "damage.csv" not in readme.text:
            return "README.md does not say how damage is written down."
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The check stopped: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/damage.csv")
        count = len(shown.text.strip().splitlines()) - 1
        total = found(r"^(\d+)$", size.text)
        return (
            f"There are {plural(count, 'damaged file')} over the three copies.\nThe manifest names "
            f"{total}; see {p.folder}/damage.csv."
        )

    def _mend(self, p: Params) -> Solution:
        (ran,) = yield python(MEND, workdir=p.folder)
        if ran.failed:
            return f"The mending stopped: {ran.text.strip()}"
        (lost,) = yield read(f"{p.folder}/lost.txt")
        names = ", ".join(lost.text.split()) or "nothing"
        return f"Mended: {found(r'^([0-9]+) mended', ran.text)}. Lost for good: {names}."

    def _shell(self, p: Params, command: str) -> Solution:
        (done,) = yield sh(command, workdir=p.folder)
        return f"All copies are alike now ({done.text.strip()} entries)."
