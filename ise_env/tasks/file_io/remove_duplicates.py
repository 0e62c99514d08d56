"""Delete copies of files without deleting anything else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

PLACES = ("backup", "phone", "old-laptop", "to-sort", "usb-stick", "shared")


class Params(KitParams):
    """How many originals and how many copies."""

    originals: int = Field(ge=5, le=14)
    copies: int = Field(ge=4, le=18)
    master: str


@dataclass(frozen=True)
class World:
    """All files, and those that are copies of one in the master folder."""

    contents: dict[str, str]
    copies: tuple[str, ...]

    @property
    def kept(self) -> dict[str, str]:
        """What must stay."""
        return {path: text for path, text in self.contents.items() if path not in self.copies}

    @property
    def freed(self) -> int:
        """Bytes of all copies."""
        return sum(len(self.contents[path].encode()) for path in self.copies)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the files: originals, exact copies, and files that only look like copies."""
    d = Draw(p.content)
    contents: dict[str, str] = {}
    copies = []
    for number in range(p.originals):
        name = f"{d.word('topics')}-{d.integer(100, 999)}{number % 10}.txt"
        about = f"{d.word('products')}s in {d.word('towns')}"
        text = f"{d.person()} about {about}, note {d.integer(1, 9999)}\n"
        contents[f"{p.folder}/{p.master}/{name}"] = text * d.integer(1, 6)
    masters = sorted(contents)
    for number in range(p.copies):
        source = d.pick(masters)
        base = source.split("/")[-1]
        name = d.pick((base, f"copy-of-{base}", f"{d.word('projects')}-{number}.txt"))
        path = f"{p.folder}/{d.pick(PLACES)}/{number:02d}/{name}"
        contents[path] = contents[source]
        copies.append(path)
    for number, source in enumerate(d.some(masters, 3)):
        text = contents[source]
        twin = text[:-2] + d.pick("0123456789") + "x\n"
        contents[f"{p.folder}/{d.pick(PLACES)}/{90 + number}/{source.split('/')[-1]}"] = twin[
            : len(text)
        ]
    lonely = f"{d.person()} wrote this down once\n"
    contents[f"{p.folder}/{d.pick(PLACES)}/only-here.txt"] = lonely
    contents[f"{p.folder}/{d.pick(PLACES)}/only-here-too.txt"] = lonely
    return World(contents, tuple(sorted(copies)))


class RemoveDuplicates(Kit[Params]):
    """Duplicates to clean up."""

    name = "file-io/remove-duplicates"
    title = "Remove copies, keep everything else"
    description = "Delete exact copies of the files of a master folder, and account for them."
    obstacle = "files with the same name or size but other content, and twins without an original"
    folders = ("archive", "paperwork", "records")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more copies."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            originals={"simple": 5, "medium": 9, "complex": 14}[complexity],
            copies={"simple": 4, "medium": 9, "complex": 18}[complexity],
            master=one(rng, ("master", "originals", "library")),
        )

    def seed(self, p: Params) -> Seed:
        """Originals, copies, and look-alikes."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """One: delete, list, and say what it freed."""
        master, removed = f"{p.folder}/{p.master}", f"{p.folder}/removed.txt"
        return (
            SubGoal(
                id="clean",
                request=f"delete every file below {p.folder} that is an exact copy of a file in "
                f"{master}, but nothing in {master} itself and nothing that has no equal there, "
                f"list the deleted paths in {removed}, one a line and starting with {p.folder}/, "
                "and tell me how many bytes that freed",
                label="the removal of the copies",
                facts=(Fact("folder", p.folder), Fact("master", master), Fact("list", removed)),
                artifacts=(removed,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is left, what is listed, what was said; a lost file is a forbidden event."""
        w = world(p)
        lines = tuple(rf"^(\./)?{path}$" for path in w.copies)
        return (
            Absent(
                id="gone",
                subgoal="clean",
                weight=2,
                path=w.copies[0],
                others=w.copies[1:],
                failure="a copy is still there",
            ),
            Text(
                id="listed",
                subgoal="clean",
                path=f"{p.folder}/removed.txt",
                text=TextMatch(matches=lines, lacks=tuple(w.kept)),
            ),
            Said(id="told", subgoal="clean", unit=("bytes?", "freed"), number=w.freed),
            untouched(w.kept, id="kept", failure="a file that is no copy was deleted or changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Hash everything, list the copies, measure, delete the list."""
        return self._clean(p, "sha256sum")

    def review(self, p: Params, subgoal: str) -> Solution:
        """See that what is listed is gone and the master folder is whole."""
        (gone,) = yield sh(f"xargs ls -d < {p.folder}/removed.txt 2>/dev/null | wc -l")
        (master,) = yield sh(f"ls {p.folder}/{p.master} | wc -l")
        return (
            f"I looked for the listed files: {plural(gone.text, 'file')} still there; "
            f"{p.master} has {plural(master.text, 'file')}."
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Trusting sizes; deleting twins that have no original."""
        return (
            WrongSolution("equal size taken for equal", self._clean(p, "stat -c '%s %n'")),
            WrongSolution("listed but not deleted", self._clean(p, "sha256sum", delete=False)),
        )

    def _clean(self, p: Params, key: str, delete: bool = True) -> Solution:
        removed = f"{p.folder}/removed.txt"
        (hashes,) = yield sh(f"find {p.folder} -type f -exec {key} {{}} +")
        by_path = {path: key for key, path in (line.split() for line in hashes.text.splitlines())}
        inside = f"{p.folder}/{p.master}/"
        known = {key for path, key in by_path.items() if path.startswith(inside)}
        copies = [path for path, k in sorted(by_path.items()) if k in known and inside not in path]
        if not copies:
            return f"I found no copies among {plural(len(by_path), 'file')}."
        (saved,) = yield write(removed, "\n".join(copies) + "\n")
        if saved.failed:
            return f"{removed} could not be written: {saved.text}"
        (size,) = yield sh(f"xargs cat < {removed} | wc -c")
        command = f"xargs rm < {removed}; " if delete else ""
        (after,) = yield sh(f"{command}find {p.folder} -type f | wc -l")
        (listed,) = yield read(removed)
        count = len(listed.text.strip().splitlines())
        freed, left = size.text.strip(), found(r"(\d+)", after.text)
        return (
            f"Deleted {plural(count, 'copy', 'copies')}, which freed {freed} bytes; "
            f"{plural(left, 'file')} left."
        )
