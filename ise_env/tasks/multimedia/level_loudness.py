"""Tracks of different loudness to bring to one level, where some cannot get there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Sound
from ise_env.rewards.checks.media import dbfs
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, heard, samples, silence, wav
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

RULES = """\
# Loudness

Levels are relative to full scale: `20 * log10(level / 32768)`, in dBFS.

1. Every track is brought to an RMS of {rms} dBFS by one gain for the whole track.
2. No peak may be above {peak} dBFS. Where the gain of rule 1 would lift the peak higher, the track
   gets the gain that puts its peak at exactly {peak} dBFS instead; it is *held back*.
3. No compressor, no limiter: one gain, the same from the first to the last sample.
4. Results go to `level/` under the same names, in the same format. `tracks/` stays as it is.

Where gains are written down, they are in dB with two decimals, a cut with a minus sign.
"""
SCRIPT = """\
import array, csv, glob, math, os, wave
os.makedirs("level", exist_ok=True)
rows = []
for path in sorted(glob.glob("tracks/*.wav")):
    with wave.open(path) as track:
        form, data = track.getparams(), array.array("h", track.readframes(track.getnframes()))
    rms = 20 * math.log10(math.sqrt(sum(v * v for v in data) / len(data)) / 32768)
    peak = 20 * math.log10(max(abs(v) for v in data) / 32768)
    gain = RMS - rms
    held = peak + gain > PEAK
    if held and HOLD:
        gain = PEAK - peak
    factor = 10 ** (gain / 20)
    loud = array.array("h", (max(-32768, min(32767, round(v * factor))) for v in data))
    with wave.open("level/" + os.path.basename(path), "wb") as out:
        out.setparams(form)
        out.writeframes(loud.tobytes())
    rows.append([os.path.basename(path), f"{gain:.2f}", "yes" if held else "no"])
    print(f"{rows[-1][0]}: {gain:+.2f} dB{', held back' if held else ''}")
"""
TABLE = """\
import array, csv, glob, math, os, wave
def level(path):
    with wave.open(path) as track:
        data = array.array("h", track.readframes(track.getnframes()))
    return 20 * math.log10(math.sqrt(sum(v * v for v in data) / len(data)) / 32768)
held = 0
with open("gains.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["track", "gain_db", "held_back"])
    for path in sorted(glob.glob("tracks/*.wav")):
        name = os.path.basename(path)
        after = level("level/" + name)
        back = after < RMS - 0.1
        held += back
        table.writerow([name, f"{after - level(path):.2f}", "yes" if back else "no"])
print(f"held back: {held}")
"""


class Params(KitParams):
    """The levels to reach and how many tracks there are."""

    tracks: int = Field(ge=4, le=10)
    rms: int = Field(ge=-19, le=-16)
    peak: int = Field(ge=-3, le=-1)


@dataclass(frozen=True)
class Track:
    """A track and the gain that it gets."""

    parts: list[Part]
    gain_db: float
    held_back: bool
    rms: float
    peak: float


@dataclass(frozen=True)
class World:
    """All tracks, by name."""

    contents: dict[str, str | bytes]
    tracks: dict[str, Track]


def _levels(data: bytes) -> tuple[float, float]:
    values = np.frombuffer(data, "<i2").astype(np.float64) / 32768
    return dbfs(float(np.sqrt(np.mean(values**2)))), dbfs(float(np.abs(values).max()))


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the tracks from the parameters."""
    d = Draw(p.content)
    rules = RULES.format(rms=p.rms, peak=p.peak)
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, p.folder),
        f"{p.folder}/LEVEL.md": rules,
    }
    tracks: dict[str, Track] = {}
    for number, word in enumerate(d.different("projects", p.tracks), 1):
        level = d.integer(8, 60) * 100
        first, second = d.some(PITCHES, 2)
        parts = [Part(d.integer(5, 9) * 100, first, level), silence(200)]
        parts.append(Part(d.integer(4, 8) * 100, second, level))
        if number % 3 == 2:  # somebody knocks on the table
            parts.append(Part(40, 250, min(level * 9, 30_000)))
        data = samples(parts)
        rms, peak = _levels(data)
        gain = p.rms - rms
        held = peak + gain > p.peak
        gain = p.peak - peak if held else gain
        name = f"{word}.wav"
        tracks[name] = Track(parts, gain, held, rms + gain, peak + gain)
        contents[f"{p.folder}/tracks/{name}"] = wav(data)
    return World(contents, dict(sorted(tracks.items())))


class LevelLoudness(Kit[Params]):
    """Tracks to level."""

    name = "multimedia/level-loudness"
    title = "Bring tracks to one loudness"
    description = "Give each track one gain to a stated RMS, held back where its peak would clip."
    tools = ("exec", "read")
    requires = ("python3",)
    obstacle = "some tracks would clip at the wanted loudness"
    folders = ("jingles", "radio-spots", "mastering")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more tracks."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            tracks={"simple": 4, "medium": 7, "complex": 10}[complexity],
            rms=-int(rng.integers(16, 20)),
            peak=-int(rng.integers(1, 4)),
        )

    def seed(self, p: Params) -> Seed:
        """Tracks and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Level, then account for it."""
        tracks, rules, table = (f"{p.folder}/{n}" for n in ("tracks", "LEVEL.md", "gains.csv"))
        return (
            SubGoal(
                id="level",
                request=f"level the tracks in {tracks} as {rules} says",
                label="the levelled tracks",
                facts=(Fact("tracks", tracks), Fact("rules", rules)),
                artifacts=(f"{p.folder}/level",),
            ),
            SubGoal(
                id="table",
                request=f"write {table} with the columns track, gain_db and "
                "held_back (yes or no) for all of them, and tell me how many tracks were held back",
                label="the table of gains",
                facts=(Fact("table", table),),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Level and peak of each result, the table; tracks stay."""
        w = world(p)
        levelled = tuple(
            Sound(
                id=f"level-{name.removesuffix('.wav')}",
                subgoal="level",
                path=f"{p.folder}/level/{name}",
                sample_rate=8000,
                channels=1,
                sample_bits=16,
                rms_dbfs=track.rms,
                peak_dbfs=track.peak,
                level_tolerance=0.2,
                tones=heard(track.parts),
                failure=f"{name} does not have the level that LEVEL.md asks for",
            )
            for name, track in w.tracks.items()
        )
        rows = tuple(
            (name, f"{track.gain_db:.2f}", "yes" if track.held_back else "no")
            for name, track in w.tracks.items()
        )
        return (
            *levelled,
            CsvRows(
                id="table",
                subgoal="table",
                path=f"{p.folder}/gains.csv",
                columns=("track", "gain_db", "held_back"),
                rows=rows,
                tolerance=0.15,
            ),
            Said(
                id="told",
                subgoal="table",
                number=sum(track.held_back for track in w.tracks.values()),
                unit=("held",),
            ),
            untouched({k: v for k, v in w.contents.items() if "/tracks/" in k}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Measure, decide on the gain, write; measure again."""
        return self._level(p) if subgoal == "level" else self._table(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look with other eyes: ffmpeg's, or at the table."""
        if subgoal == "table":
            (shown,) = yield read(f"{p.folder}/gains.csv")
            return f"I looked again: {plural(shown.text.count('.wav'), 'track')} in the table."
        (shown,) = yield sh("ls level | wc -l; ls tracks | wc -l", workdir=p.folder)
        made, given = shown.text.split()[:2]
        return f"I counted once more: {made} levelled tracks for {given} originals."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Clipping; every peak at the limit."""
        return (
            WrongSolution("clipped", self._level(p, hold="False")),
            WrongSolution("peaks at the limit", self._level(p, rms="99")),
        )

    def _level(self, p: Params, hold: str = "True", rms: str = "") -> Solution:
        (rules,) = yield read(f"{p.folder}/LEVEL.md")
        level, peak = _wanted(rules.text)
        script = SCRIPT.replace("HOLD", hold).replace("RMS", rms or level).replace("PEAK", peak)
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The levelling stopped: {last_line(done.text)}."
        lines = done.text.strip().splitlines()
        held = sum(line.endswith("held back") for line in lines)
        return (
            f"{plural(len(lines), 'track')} are in {p.folder}/level at {level} dBFS; {held} of "
            f"them reach the peak of {peak} dBFS before that and are held back."
        )

    def _table(self, p: Params) -> Solution:
        (rules,) = yield read(f"{p.folder}/LEVEL.md")
        script = TABLE.replace("RMS", f"({_wanted(rules.text)[0]})")
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        held = found(r"^held back: (\d+)", done.text)
        return f"I measured both sides of each: {plural(held, 'track')} held back, see gains.csv."


def _wanted(rules: str) -> tuple[str, str]:
    return found(r"RMS of (-\d+)", rules), found(r"above (-\d+)", rules)
