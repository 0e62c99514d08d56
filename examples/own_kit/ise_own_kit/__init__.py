"""A task kit of one's own: old files go, young ones stay.

pip install examples/own_kit
ise validate --kits housekeeping/empty-bin --seeds 3
ise intents sample --kits 'housekeeping/*' -n 3 --out intents.jsonl
"""

from __future__ import annotations

import numpy as np

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files
from ise_env.tasks.steps import plural, sh


class Params(KitParams):
    """How many files there are."""

    count: int


def names(p: Params) -> list[str]:
    """Files of the bin, named by the day on which they were thrown away."""
    d = Draw(p.content)
    days = d.some(range(1, 29), p.count)
    return [f"2025-{d.integer(1, 12):02}-{day:02}-{d.word('topics')}.txt" for day in days]


class EmptyBin(Kit[Params]):
    """A bin to be emptied of everything from the first half of the year."""

    name = "housekeeping/empty-bin"
    title = "Empty a bin"
    description = "Delete what was thrown away before July, keep the rest."
    folders = ("bin", "wastebasket")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files."""
        count = {"simple": 8, "medium": 14, "complex": 24}[complexity]
        return Params(folder=one(rng, self.folders), content=content_seed(rng), count=count)

    def seed(self, p: Params) -> Seed:
        """The files of the bin."""
        return Seed(files({f"{p.folder}/{name}": "thrown away\n" for name in names(p)}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """One step."""
        return (
            SubGoal(
                id="empty",
                request=f"delete the files in {p.folder} whose name begins with a day before "
                "July 2025, leave the others alone, and tell me how many files you deleted",
                label="the emptied bin",
                facts=(Fact("folder", p.folder),),
                artifacts=(p.folder,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Exactly the young files are left."""
        old, young = split(p)
        return (
            Tree(id="left", subgoal="empty", path=p.folder, names=tuple(sorted(young))),
            Said(id="told", subgoal="empty", unit=("files?", "deleted"), number=len(old)),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Delete by name."""
        return delete(p, "2025-0[1-6]-*")

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at what is left."""
        (listing,) = yield sh("ls", workdir=p.folder)
        return f"What is left: {', '.join(listing.text.split())}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """A month too many."""
        return (WrongSolution("July is gone, too", delete(p, "2025-0*")),)


def split(p: Params) -> tuple[list[str], list[str]]:
    """Old and young files."""
    old = [name for name in names(p) if name < "2025-07"]
    return old, [name for name in names(p) if name not in old]


def delete(p: Params, pattern: str) -> Solution:
    """Delete by a pattern and count."""
    (done,) = yield sh(f"ls -d {pattern} | wc -l; rm -f {pattern}", workdir=p.folder)
    return f"I deleted {plural(int(done.text.split()[0]), 'file')}."
