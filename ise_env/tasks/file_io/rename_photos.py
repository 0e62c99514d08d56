"""Photos to rename by a manifest whose new names clash."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, sha256, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

SIZES = {"simple": 8, "medium": 14, "complex": 22}
PREFIXES = ("IMG_", "DSC", "P10", "PICT")

RULES = """\
# How photos are renamed

- `manifest.csv` says what each photo is to be called: the column `file` is the name it has, the
  column `title` is its new name without the ending. The ending stays as it is.
- Where several rows want the same name, the first of them in the manifest gets it, the second one
  gets `-2` after the title, the third one `-3`, and so on.
- A row whose photo is not there is left out, and takes no number.
- A photo without a row keeps its name.
- No photo may be lost: a new name can be the old name of another photo.
"""


class Params(KitParams):
    """How the camera names its files, and how many there are."""

    prefix: str
    photos: int = Field(ge=8, le=22)
    swaps: bool
    """Whether some new names are old names of other photos."""
    at_first: str = ""
    """The file for the missing names that this person asks for before they change their mind."""


@dataclass(frozen=True)
class World:
    """The photos before and after."""

    contents: dict[str, str | bytes]
    after: dict[str, bytes]
    """Name to content."""
    renamed: int
    missing: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive photos and manifest from the parameters."""
    d = Draw(p.content)
    start = d.integer(1000, 7000)
    names = [f"{p.prefix}{start + 3 * n + d.integer(0, 2)}.jpg" for n in range(p.photos)]
    photos = {
        name: b"\xff\xd8\xff\xe0\x00\x10JFIF"
        + f"{d.integer(0, 10**12):040d}".encode()
        + b"\xff\xd9"
        for name in names
    }
    places = [town.lower().replace(" ", "-") for town in d.different("towns", 6)]
    rows = [(name, f"{d.pick(places)}-{d.integer(1, 3)}") for name in names[1:]]
    rows[1] = (rows[1][0], rows[0][1])  # one clash at least
    if p.swaps:
        last, before = rows[-1][0], rows[-2][0]
        rows[-1] = (last, before.removesuffix(".jpg"))
        rows[-2] = (before, last.removesuffix(".jpg"))
        rows[-3] = (rows[-3][0], names[0].removesuffix(".jpg") + "-old")
    gone = [f"{p.prefix}{start - 1 - n}.jpg" for n in range(1 if p.photos < 10 else 3)]
    rows += [(name, d.pick([title for _, title in rows[:4]])) for name in gone]
    rows = d.shuffled(rows)
    after, renamed, taken = dict(photos), 0, dict[str, int]()
    moved: dict[str, bytes] = {}
    for name, title in rows:
        if name not in photos:
            continue
        taken[title] = taken.get(title, 0) + 1
        number = f"-{taken[title]}" if taken[title] > 1 else ""
        moved[f"{title}{number}.jpg"] = after.pop(name)
        renamed += 1
    f = p.folder
    contents: dict[str, str | bytes] = {f"{f}/photos/{k}": v for k, v in photos.items()}
    contents |= {
        f"{f}/manifest.csv": csv_text(
            ("file", "title", "by"), [(*r, d.word("first_names")) for r in rows]
        ),
        f"{f}/RULES.md": RULES,
        f"{f}/camera.txt": f"Battery replaced by {d.person()}.\n",
    }
    return World(contents, {**after, **moved}, renamed, sorted(gone))


class RenamePhotos(Kit[Params]):
    """Photos to rename."""

    name = "file-io/rename-photos"
    version = 2
    title = "Rename photos by a manifest"
    description = "Rename files as a CSV manifest says, settle clashes by a rule, lose nothing."
    obstacle = "new names that clash, and rows whose photo is not there"
    folders = ("photos-trip", "shoot", "gallery")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more photos, and names that change places."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            prefix=one(rng, PREFIXES),
            photos=SIZES[complexity],
            swaps=complexity != "simple",
            at_first=one(rng, ("lost.txt", "not-there.txt")) if rng.random() < 0.3 else "",
        )

    def seed(self, p: Params) -> Seed:
        """Photos, the manifest, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Say what is missing, then rename."""
        photos, manifest, missing = (
            f"{p.folder}/{n}" for n in ("photos", "manifest.csv", "missing.txt")
        )

        def wish(path: str) -> str:
            return (
                f"write the file names that {manifest} lists but {photos} does not have to "
                f"{path}, one a line and sorted"
            )

        return (
            SubGoal(
                id="missing",
                request=wish(missing),
                at_first=wish(f"{p.folder}/{p.at_first}") if p.at_first else "",
                label="the list of missing photos",
                facts=(Fact("missing", missing),),
                artifacts=(missing,),
            ),
            SubGoal(
                id="rename",
                request=f"rename the photos in {photos} as {manifest} says, by the rules in "
                f"{p.folder}/RULES.md, and tell me how many got a new name",
                label=f"the new names in {photos}",
                facts=(Fact("photos", photos), Fact("rules", f"{p.folder}/RULES.md")),
                artifacts=(photos,),
                question="What should happen when two photos want the same name?",
                answer="The first in the manifest gets it, the next one gets -2, then -3",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every content under its new name, and nothing else there."""
        w, f = world(p), p.folder
        given = {k: v for k, v in w.contents.items() if "/photos/" not in k}
        return (
            Unchanged(
                id="contents",
                subgoal="rename",
                weight=2,
                sha256={f"{f}/photos/{name}": sha256(data) for name, data in w.after.items()},
                failure="a photo is lost or has another photo's name",
            ),
            Tree(id="names", subgoal="rename", path=f"{f}/photos", names=tuple(w.after)),
            Said(id="told", subgoal="rename", unit=("new names?", "renamed"), number=w.renamed),
            Text(
                id="missing",
                subgoal="missing",
                path=f"{f}/missing.txt",
                text=TextMatch(equals="\n".join(w.missing)),
            ),
            untouched(given, failure="the manifest or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Plan all names, move in two rounds; compare with the manifest."""
        return self._rename(p) if subgoal == "rename" else self._missing(p, "missing.txt")

    def solve_at_first(self, p: Params, subgoal: str) -> Solution:
        """The same list under the name that was wanted first."""
        return self._missing(p, p.at_first)

    def review(self, p: Params, subgoal: str) -> Solution:
        """List the folder or the file."""
        if subgoal == "rename":
            (listing,) = yield sh(f"ls {p.folder}/photos | wc -l; ls {p.folder}/photos | head -n 5")
            count, _, names = listing.text.partition("\n")
            return (
                f"I looked again: {plural(count, 'photo')}, the first are "
                f"{', '.join(names.split())}."
            )
        (shown,) = yield read(f"{p.folder}/missing.txt")
        return f"I looked again: the list has {plural(len(shown.text.split()), 'name')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """One after the other, so that a later photo overwrites an earlier one."""
        return (
            WrongSolution("clashes overwrite", self._rename(p, numbered=False), "rename"),
            WrongSolution("everything listed", self._list_all(p)),
        )

    def _rename(self, p: Params, numbered: bool = True) -> Solution:
        f = p.folder
        rules, manifest, listing = yield [
            read(f"{f}/RULES.md"),
            read(f"{f}/manifest.csv"),
            sh(f"ls {f}/photos"),
        ]
        there, taken, plan = set(listing.text.split()), dict[str, int](), list[tuple[str, str]]()
        for row in csv.DictReader(manifest.text.splitlines()):
            if row["file"] not in there or "same name" not in rules.text:
                continue
            taken[row["title"]] = taken.get(row["title"], 0) + 1
            number = f"-{taken[row['title']]}" if taken[row["title"]] > 1 and numbered else ""
            plan.append((row["file"], f"{row['title']}{number}.jpg"))
        moves = "".join(f"mv {old} .moving/{new}\n" for old, new in plan)
        (saved,) = yield write(f"{f}/rename.sh", f"set -eu\nmkdir .moving\n{moves}mv .moving/* .\n")
        if saved.failed:
            return f"The plan could not be written: {saved.text}"
        (done,) = yield sh("bash ../rename.sh && rmdir .moving && ls", workdir=f"{f}/photos")
        (tidy,) = yield sh("grep -c '^mv .* .moving/' rename.sh; rm rename.sh; ls", workdir=f)
        clashes = sum(count > 1 for count in taken.values())
        return (
            f"New names given: {tidy.text.split()[0]}; {plural(clashes, 'name')} clashed. "
            f"The folder had {plural(len(there), 'photo')} and has {len(done.text.split())} now."
        )

    def _list_all(self, p: Params) -> Solution:
        (done,) = yield sh(
            "tail -n +2 manifest.csv | cut -d, -f1 | sort > missing.txt; wc -l < missing.txt",
            workdir=p.folder,
        )
        return f"{p.folder}/missing.txt lists {plural(done.text, 'name')}."

    def _missing(self, p: Params, name: str) -> Solution:
        f = p.folder
        (listed,) = yield sh(
            "head -n 3 manifest.csv; ls photos | wc -l; wc -l manifest.csv", workdir=f
        )
        if not listed.text.startswith("file,title"):
            return f"The manifest does not start as I expected: {listed.text.splitlines()[0]}"
        (lost,) = yield sh(
            "comm -23 <(tail -n +2 manifest.csv | cut -d, -f1 | LC_ALL=C sort) "
            "<(ls photos | LC_ALL=C sort)",
            workdir=f,
        )
        names = lost.text.split()
        (saved,) = yield write(f"{f}/{name}", "\n".join(names) + "\n")
        if saved.failed:
            return f"The list could not be written: {saved.text}"
        (counted,) = yield sh(f"wc -l {f}/{name}")
        number = found(r"^(\d+)", counted.text)
        return f"Photos of the manifest that are not there: {number}. {f}/{name} names them."
