"""A library in which the same recordings lie several times, under other names and notes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Hash, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, samples, wav
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# The same sound twice

- Two recordings are the same when their samples are, whatever they are called and whatever notes
  their headers hold. Equal length, or an equal beginning, is not enough.
- Of those that are the same, the one in `library/masters/` stays; where none is there, the one
  whose path comes first in the alphabet.
- The others move to `spare/`, each below the folder that it had in `library/`
  (`library/loops/a.wav` to `spare/loops/a.wav`), byte for byte as it was.
- Nothing is deleted and nothing is renamed.
"""
SCRIPT = """\
import glob, hashlib, os, wave
groups = {}
for path in sorted(glob.glob("library/**/*.wav", recursive=True)):
    with wave.open(path) as sound:
        KEY
    groups.setdefault(key, []).append(path)
moved = 0
for paths in groups.values():
    paths.sort(key=lambda path: (not path.startswith("library/masters/"), path))
    for path in paths[1:]:
        goal = "spare" + path[len("library"):]
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        os.rename(path, goal)
        print(f"{path} = {paths[0]}")
        moved += 1
print(f"moved {moved}")
"""
SAMPLES = "key = (sound.getparams()[:3], sound.readframes(sound.getnframes()))"
REPORT = """\
import csv, glob, os, wave
def sound(path):
    with wave.open(path) as file:
        return file.getparams()[:3], file.readframes(file.getnframes())
kept = {sound(path): path for path in glob.glob("library/**/*.wav", recursive=True)}
moved = sorted(glob.glob("spare/**/*.wav", recursive=True))
with open("spare.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["moved", "same_as"])
    table.writerows((path, kept[sound(path)]) for path in moved)
print(f"{len(moved)} files, bytes: {sum(os.path.getsize(path) for path in moved)}")
"""


class Params(KitParams):
    """How many different sounds there are."""

    sounds: int = Field(ge=4, le=11)


@dataclass(frozen=True)
class World:
    """The library, and where each spare recording goes."""

    contents: dict[str, str | bytes]
    kept: dict[str, bytes]
    moves: dict[str, tuple[str, str]]
    """New path to old path and the one it equals."""


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the library from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = d.different("products", p.sounds * 2)
    library: dict[str, bytes] = {}
    kept: dict[str, bytes] = {}
    moves: dict[str, tuple[str, str]] = {}
    sounds: list[bytes] = []
    for number in range(p.sounds):
        data, near = _new(d, sounds)
        sounds += (data, near)
        folders = d.some(("loops", "effects", "foley", "inbox"), 3)
        if number % 2:
            folders.append("masters")
        count = (1, 2, 3, 2)[number % 4]
        paths = []
        for place, folder in enumerate(folders[-count:]):
            name = names[number].replace(" ", "-") + ("", "-copy", "-final")[place]
            path = f"library/{folder}/{name}.wav"
            library[path] = wav(data, note=d.person() if place else "")
            paths.append(path)
        paths.sort(key=lambda path: (not path.startswith("library/masters/"), path))
        kept[paths[0]] = library[paths[0]]
        for path in paths[1:]:
            moves[path.replace("library", "spare", 1)] = (path, paths[0])
        if number % 2 == 0:  # the same but for its end
            path = f"library/{folders[0]}/{names[p.sounds + number].replace(' ', '-')}.wav"
            library[path] = kept[path] = wav(near)
    contents: dict[str, str | bytes] = {f"{f}/{path}": data for path, data in library.items()}
    contents |= {**surroundings(p.content, f), f"{f}/SPARE.md": GUIDE}
    return World(contents, kept, moves)


def _new(d: Draw, others: Collection[bytes]) -> tuple[bytes, bytes]:
    """Samples, and the same but for their end; neither is among the others."""
    while True:
        parts = [Part(d.integer(2, 6) * 100, hz) for hz in d.some(PITCHES, 3)]
        pair = samples(parts), samples([*parts[:-1], Part(parts[-1].ms, 1_100)])
        if not set(pair) & set(others):
            return pair


class WeedSameSounds(Kit[Params]):
    """A library to weed."""

    name = "multimedia/weed-same-sounds"
    title = "Set recordings aside that are there twice"
    description = (
        "Find recordings with the same samples under other headers and move the spare ones."
    )
    tools = ("exec", "read")
    requires = ("python3",)
    version = 2
    obstacle = "copies differ in their bytes, and recordings of one length differ at the end"
    folders = ("sound-library", "sample-pack", "effects-box")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sounds."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            sounds={"simple": 4, "medium": 7, "complex": 11}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The library and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Move, then account for it."""
        library, guide, report = (f"{p.folder}/{n}" for n in ("library", "SPARE.md", "spare.csv"))
        return (
            SubGoal(
                id="move",
                request=f"find the recordings in {library} that sound exactly the same and move "
                f"the spare ones as {guide} says",
                label="the spare recordings",
                facts=(Fact("library", library), Fact("guide", guide)),
                artifacts=(f"{p.folder}/spare",),
                question="Are recordings with the same samples but other notes the same?",
                answer="Yes, only the samples count",
            ),
            SubGoal(
                id="report",
                request=f"write {report} with the columns moved and same_as for every recording "
                f"you moved, paths from {p.folder}, and tell me how many bytes they take",
                label="the report on the spare recordings",
                facts=(Fact("report", report), Fact("base", p.folder)),
                artifacts=(report,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each spare one in its new place and no longer in its old one; the rest stays."""
        w, f = world(p), p.folder
        old = sorted(f"{f}/{path}" for path, _ in w.moves.values())
        moved = tuple(
            Hash(
                id=f"moved-{number}",
                subgoal="move",
                path=f"{f}/{new}",
                sha256=sha256(w.contents[f"{f}/{path}"]),
                failure=f"{path} did not move to {new}",
            )
            for number, (new, (path, _)) in enumerate(sorted(w.moves.items()), 1)
        )
        bytes_moved = sum(len(w.contents[path]) for path in old)
        kept = {f"{f}/{path}": data for path, data in w.kept.items()}
        return (
            *moved,
            Absent(id="gone", subgoal="move", weight=1, path=old[0], others=tuple(old[1:])),
            CsvRows(
                id="report",
                subgoal="report",
                path=f"{f}/spare.csv",
                columns=("moved", "same_as"),
                rows=tuple((new, same) for new, (_, same) in w.moves.items()),
            ),
            Said(id="told", subgoal="report", number=bytes_moved, unit=("byte",)),
            untouched(kept, id="kept", failure="a recording that should stay is gone or changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Compare samples, move; then list."""
        return self._move(p) if subgoal == "move" else self._report(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count both sides."""
        (counts,) = yield sh(
            "find library -name '*.wav' | wc -l; find spare -name '*.wav' | wc -l", workdir=p.folder
        )
        stay, spare = counts.text.split()[:2]
        return f"I counted again: {stay} in the library, {spare} in spare."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Comparing whole files; comparing lengths."""
        return (
            WrongSolution("same bytes only", self._move(p, key="key = open(path, 'rb').read()")),
            WrongSolution("same length", self._move(p, key="key = sound.getnframes()")),
        )

    def _move(self, p: Params, key: str = SAMPLES) -> Solution:
        guide, listed = yield [
            read(f"{p.folder}/SPARE.md"),
            sh("find library -name '*.wav' | sort", workdir=p.folder),
        ]
        if "library/masters/" not in guide.text:
            return "SPARE.md does not say which one stays, so I moved nothing."
        (done,) = yield sh(f"python3 - <<'EOF'\n{SCRIPT.replace('KEY', key)}EOF", workdir=p.folder)
        if done.failed:
            return f"The comparison stopped: {last_line(done.text)}."
        moved = found(r"^moved (\d+)", done.text)
        return (
            f"Of {plural(len(listed.text.split()), 'recording')} I moved {moved}, for example "
            f"{done.text.splitlines()[0]}."
        )

    def _report(self, p: Params) -> Solution:
        (done,) = yield sh(f"python3 - <<'EOF'\n{REPORT}EOF", workdir=p.folder)
        if done.failed:
            return f"The report stopped: {last_line(done.text)}."
        size = found(r"bytes: (\d+)", done.text)
        return f"{p.folder}/spare.csv is written; the moved ones take {size} bytes."
