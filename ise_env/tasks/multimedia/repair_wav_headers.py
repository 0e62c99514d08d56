"""Takes of a recorder whose battery died: the samples are there, the headers do not say so."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Said, Sound
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, samples, stereo, wav
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# When the battery dies

The recorder writes the header first and its sizes last. If the battery dies in between, a take has
sizes of 0 or of 4294967295 in its header, or none that fit, and players show it as empty or as
twelve hours long. The 44 bytes of the header are otherwise right, and everything after them is
samples.

1. Only takes whose sizes do not fit the file are repaired; what is fine is left alone and is not
   copied.
2. A repaired take goes to `repaired/` under its own name, with all the samples there are. If the
   last sample (of all channels) was not written to its end, that one is dropped.
3. `takes/` is evidence for the insurance. Nothing in it is changed.
"""
SCRIPT = """\
import glob, os, struct
os.makedirs("repaired", exist_ok=True)
done = fine = 0
for path in sorted(glob.glob("takes/*.wav")):
    data = open(path, "rb").read()
    riff, = struct.unpack_from("<I", data, 4)
    size, = struct.unpack_from("<I", data, 40)
    block, = struct.unpack_from("<H", data, 32)
    if riff == len(data) - 8 and size == len(data) - 44:
        fine += 1
        continue
    body = data[44:]
    body = body[:len(body) - len(body) % WHOLE]
    head = data[:4] + struct.pack("<I", 36 + len(body)) + data[8:40] + struct.pack("<I", len(body))
    open("repaired/" + os.path.basename(path), "wb").write(head + body)
    done += 1
    print(f"{path}: says {size} bytes of samples, has {len(data) - 44}")
print(f"repaired {done}, fine {fine}")
"""
TABLE = """\
import csv, glob, os, wave
total = 0
with open("repaired.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["take", "seconds", "channels"])
    for path in sorted(glob.glob("repaired/*.wav")):
        with wave.open(path) as take:
            length = take.getnframes() / take.getframerate()
            table.writerow([os.path.basename(path), f"{length:.2f}", take.getnchannels()])
        total += length
print(f"total {total:.1f}")
"""


class Params(KitParams):
    """How many takes there are."""

    takes: int = Field(ge=5, le=12)


@dataclass(frozen=True)
class Take:
    """A take as it should be."""

    data: bytes
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.data) / (2 * self.channels * self.rate)


@dataclass(frozen=True)
class World:
    """All takes, and the broken ones."""

    contents: dict[str, str | bytes]
    broken: dict[str, Take]


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the takes from the parameters."""
    d = Draw(p.content)
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, p.folder),
        f"{p.folder}/BATTERY.md": GUIDE,
    }
    broken: dict[str, Take] = {}
    faults = [
        "zero",
        "full",
        "torn",
        *(d.pick(("zero", "full", "torn", "fine", "fine")) for _ in range(9)),
    ]
    faults = d.shuffled([*faults[: p.takes - 2], "fine", "fine"])
    for number, fault in enumerate(faults, 1):
        name = f"take-{number:03d}.wav"
        rate = d.pick((8_000, 11_025, 16_000))
        data = samples([Part(d.integer(3, 9) * 100, hz) for hz in d.some(PITCHES, 2)], rate)
        channels = 2 if fault == "torn" or d.chance(0.3) else 1
        data = stereo(data, data) if channels == 2 else data
        file = bytearray(wav(data, rate, channels))
        if fault == "torn":  # the last sample of the second channel is missing
            file += data[:2]
        if fault != "fine":
            wrong = {"zero": 0, "full": 2**32 - 1, "torn": d.integer(3, 30) * 512}[fault]
            struct.pack_into("<I", file, 40, wrong)
            struct.pack_into("<I", file, 4, (wrong + 36) % 2**32 if fault != "full" else wrong)
            broken[name] = Take(data, rate, channels)
        contents[f"{p.folder}/takes/{name}"] = bytes(file)
    return World(contents, broken)


class RepairWavHeaders(Kit[Params]):
    """Takes to repair."""

    name = "multimedia/repair-wav-headers"
    title = "Repair recordings with broken headers"
    description = "Write the sizes that a dead recorder left out, keep the originals, list results."
    tools = ("exec", "read")
    requires = ("python3",)
    obstacle = "some takes end in the middle of a sample, and not all takes are broken"
    folders = ("field-recorder", "lost-takes", "reportage")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more takes."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            takes={"simple": 5, "medium": 8, "complex": 12}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Takes and what the recorder does."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Repair, then list what came out."""
        takes, guide, table = (f"{p.folder}/{n}" for n in ("takes", "BATTERY.md", "repaired.csv"))
        return (
            SubGoal(
                id="repair",
                request=f"repair the broken recordings in {takes} as described in {guide} and tell "
                "me how many were broken",
                label="the repaired recordings",
                facts=(Fact("takes", takes), Fact("guide", guide)),
                artifacts=(f"{p.folder}/repaired",),
            ),
            SubGoal(
                id="table",
                request=f"list the repaired recordings in {table} with the columns take, seconds "
                "(as a decimal number) and channels",
                label="the list of repaired recordings",
                facts=(Fact("table", table),),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The very samples, nothing else; the table; takes stay."""
        w, f = world(p), p.folder
        repaired = tuple(
            Sound(
                id=name.removesuffix(".wav"),
                subgoal="repair",
                path=f"{f}/repaired/{name}",
                sample_rate=take.rate,
                channels=take.channels,
                sample_bits=16,
                samples_sha256=hashlib.sha256(take.data).hexdigest(),
                failure=f"{name} is not repaired with all its samples",
            )
            for name, take in w.broken.items()
        )
        rows = tuple(
            (name, f"{take.seconds:.3f}", str(take.channels)) for name, take in w.broken.items()
        )
        names = sorted(path.rpartition("/")[2] for path in w.contents if "/takes/" in path)
        fine = [name for name in names if name not in w.broken]
        return (
            *repaired,
            Absent(
                id="only-broken",
                weight=0,
                path=f"{f}/repaired/{fine[0]}",
                others=tuple(f"{f}/repaired/{name}" for name in fine[1:]),
                failure="a take that was fine was copied",
            ),
            Said(
                id="told",
                subgoal="repair",
                number=len(w.broken),
                unit=("broken", "repair", "take", "recording"),
            ),
            CsvRows(
                id="table",
                subgoal="table",
                path=f"{f}/repaired.csv",
                columns=("take", "seconds", "channels"),
                rows=rows,
                tolerance=0.011,
            ),
            untouched(
                {k: v for k, v in w.contents.items() if "/takes/" in k}, failure="a take changed"
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Compare sizes, write them anew; measure."""
        return self._repair(p) if subgoal == "repair" else self._table(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Open what was made with a reader of its own."""
        if subgoal == "table":
            (shown,) = yield read(f"{p.folder}/repaired.csv")
            return f"The list reads:\n{shown.text.strip()}"
        (opened,) = yield sh(
            'python3 -c \'import glob, wave\nfor p in glob.glob("repaired/*.wav"):\n'
            '    assert wave.open(p).getnframes() > 0, p\nprint("all open")\'',
            workdir=p.folder,
        )
        return f"I opened every result with another reader: {last_line(opened.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The torn sample stays; everything is repaired."""
        return (
            WrongSolution("half a sample kept", self._repair(p, whole="1")),
            WrongSolution(
                "fine ones copied", self._repair(p, then=" && cp -n takes/*.wav repaired/")
            ),
        )

    def _repair(self, p: Params, whole: str = "block", then: str = "") -> Solution:
        guide, sizes = yield [
            read(f"{p.folder}/BATTERY.md"),
            sh("ls -l takes; od -A d -t x1z -N 44 $(ls takes/*.wav | head -n 1)", workdir=p.folder),
        ]
        if "44 bytes" not in guide.text or "take-" not in sizes.text:
            return "The guide does not fit what lies in takes, so I changed nothing."
        script = SCRIPT.replace("WHOLE", whole)
        (done,) = yield sh(f"python3 - <<'EOF'{then}\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The repair stopped: {last_line(done.text)}."
        count, fine = found(r"^repaired (\d+)", done.text), found(r"fine (\d+)$", done.text)
        example = done.text.splitlines()[0]
        return f"{plural(count, 'take')} repaired, for example {example}. Left alone: {fine}."

    def _table(self, p: Params) -> Solution:
        (done,) = yield sh(f"python3 - <<'EOF'\n{TABLE}EOF", workdir=p.folder)
        total = found(r"^total ([\d.]+)", done.text)
        return f"{p.folder}/repaired.csv lists them; together they last {total} s."
