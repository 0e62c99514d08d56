"""A concert in one file, and the cue sheet that says where its songs begin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Sound, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, heard, recording, seconds, silence
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Splitting a concert

- One file a track in `tracks/`, named `<two digits> - <title>.wav`. A `/`, `:` or `?` in a title
  becomes `-` in the file name.
- A track goes from its INDEX 01 to the INDEX 00 of the next track, or to that one's INDEX 01 where
  it has no INDEX 00; the last one to the end. What lies between INDEX 00 and INDEX 01 is applause
  and goes nowhere.
- Times in a cue sheet are minutes, seconds and frames; a second has 75 frames.
- Same sample rate, mono, 16 bit. The concert itself stays as it is.
- `tracks/all.m3u8` is the playlist: `#EXTM3U`, then the file names in order, one a line.
"""
SCRIPT = """\
import os, re, wave
def at(text):
    minutes, seconds, frames = map(int, text.split(":"))
    return minutes * 60 + seconds + frames / FRAMES
sheet = open("concert.cue", encoding="utf-8").read()
tracks = []
for block in re.split(r"^  TRACK ", sheet, flags=re.M)[1:]:
    title = re.search(r'TITLE "(.*)"', block)[1]
    index = dict(re.findall(r"INDEX (\\d\\d) (\\S+)", block))
    tracks.append((title, at(index["01"]), at(index.get("APPLAUSE", index["01"]))))
os.makedirs("tracks", exist_ok=True)
names = []
with wave.open("concert.wav") as concert:
    rate, whole = concert.getframerate(), concert.getnframes()
    for number, (title, start, _) in enumerate(tracks, 1):
        end = round(tracks[number][2] * rate) if number < len(tracks) else whole
        concert.setpos(round(start * rate))
        names.append(f"{number:02d} - {re.sub('[/:?]', '-', title)}.wav")
        with wave.open("tracks/" + names[-1], "wb") as out:
            out.setparams((1, 2, rate, 0, "NONE", ""))
            out.writeframes(concert.readframes(end - round(start * rate)))
        print(f"{names[-1]}: {end / rate - start:.2f} s")
"""
PLAYLIST = """\
{ echo '#EXTM3U'; ls tracks/*.wav | sed 's,^tracks/,,'; } > tracks/all.m3u8
for t in tracks/*.wav; do
  printf '%s\\t%s\\n' "$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$t")" "$t"
done | sort -rn | head -n 1
wc -l < tracks/all.m3u8
"""


class Params(KitParams):
    """How many songs were played."""

    songs: int = Field(ge=3, le=10)


@dataclass(frozen=True)
class World:
    """The concert and its songs by file name."""

    contents: dict[str, str | bytes]
    tracks: dict[str, list[Part]]


def _clock(ms: int) -> str:
    """Minutes, seconds, frames of a 75th; the times here are whole frames."""
    frames = ms * 75 // 1000
    return f"{frames // 4500:02d}:{frames // 75 % 60:02d}:{frames % 75:02d}"


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the concert from the parameters."""
    d = Draw(p.content)
    f = p.folder
    songs = [f"{a.capitalize()} {b}" for a, b in zip(
        d.different("projects", p.songs), d.different("topics", p.songs), strict=True
    )]  # fmt: skip
    songs[0] = songs[0].replace(" ", "/")
    songs[-1] += "?"
    rows = [f'PERFORMER "{d.person()}"', 'FILE "concert.wav" WAVE']
    tracks: dict[str, list[Part]] = {}
    concert: list[Part] = []
    lengths = d.some(range(20, 60), p.songs)
    for number, (title, length) in enumerate(zip(songs, lengths, strict=True), 1):
        rows += [f"  TRACK {number:02d} AUDIO", f'    TITLE "{title}"']
        at = round(seconds(concert) * 1000)
        if number > 1 and (number == 2 or d.chance(0.6)):
            rows.append(f"    INDEX 00 {_clock(at)}")
            concert.append(Part(d.integer(3, 10) * 40, 1_400, 1500))  # applause
            at = round(seconds(concert) * 1000)
        rows.append(f"    INDEX 01 {_clock(at)}")
        # Multiples of 40 ms are whole frames, three of them.
        pitches = d.some(PITCHES, 2)
        parts = [Part(length // 2 * 40, pitches[0]), Part((length - length // 2) * 40, pitches[1])]
        concert += parts
        safe = title.replace("/", "-").replace("?", "-")
        tracks[f"{number:02d} - {safe}.wav"] = parts
    concert.append(silence(220))
    tracks[list(tracks)[-1]].append(silence(220))
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/SPLIT.md": GUIDE,
        f"{f}/concert.cue": "\n".join(rows) + "\n",
        f"{f}/concert.wav": recording(concert),
    }
    return World(contents, tracks)


class SplitByCue(Kit[Params]):
    """A concert to split."""

    name = "multimedia/split-by-cue"
    title = "Split a concert by its cue sheet"
    description = "Cut one recording into named tracks without the applause, and make a playlist."
    tools = ("exec", "read")
    requires = ("python3", "ffmpeg")
    obstacle = "applause before some tracks, frames of a 75th, titles that are no file names"
    folders = ("concert", "live-set", "recital")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more songs."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            songs={"simple": 3, "medium": 6, "complex": 10}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The concert, its cue sheet, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Split, then list."""
        concert, sheet, guide, playlist = (
            f"{p.folder}/{n}" for n in ("concert.wav", "concert.cue", "SPLIT.md", "tracks/all.m3u8")
        )
        return (
            SubGoal(
                id="split",
                request=f"split {concert} into its tracks with {sheet}, keeping to {guide}",
                label="the tracks of the concert",
                facts=(Fact("concert", concert), Fact("sheet", sheet), Fact("guide", guide)),
                artifacts=(f"{p.folder}/tracks",),
            ),
            SubGoal(
                id="playlist",
                request=f"make the playlist {playlist} that {guide} speaks of and tell me the "
                "title of the longest track",
                label=f"the playlist {playlist}",
                facts=(Fact("playlist", playlist), Fact("guide", guide)),
                artifacts=(playlist,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is heard in every track; the playlist; the concert stays."""
        w, f = world(p), p.folder
        tracks = tuple(
            Sound(
                id=f"track-{name[:2]}",
                subgoal="split",
                path=f"{f}/tracks/{name}",
                duration_s=seconds(parts),
                duration_tolerance=0.03,
                sample_rate=8000,
                channels=1,
                sample_bits=16,
                tones=heard(parts),
                failure=f"{name} is not what the cue sheet says",
            )
            for name, parts in w.tracks.items()
        )
        longest = max(w.tracks, key=lambda name: seconds(w.tracks[name]))
        title = longest[5:].removesuffix(".wav").rstrip("-")
        return (
            *tracks,
            Text(
                id="playlist",
                subgoal="playlist",
                path=f"{f}/tracks/all.m3u8",
                text=TextMatch(equals="\n".join(["#EXTM3U", *w.tracks])),
            ),
            Said(
                id="told",
                subgoal="playlist",
                text=TextMatch(matches=(title.replace("-", "[-/]"),), ignore_case=True),
            ),
            untouched({k: v for k, v in w.contents.items() if "/concert." in k}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the sheet, cut; list and measure."""
        return self._split(p) if subgoal == "split" else self._playlist(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the names, or at the list."""
        if subgoal == "playlist":
            (shown,) = yield read(f"{p.folder}/tracks/all.m3u8")
            return f"The playlist has {plural(shown.text.count('.wav'), 'track')}."
        (shown,) = yield sh("ls tracks; grep -c TRACK concert.cue", workdir=p.folder)
        *names, count = shown.text.strip().splitlines()
        return f"I looked again: {plural(len(names), 'file')}, and the sheet has {count} tracks."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Frames taken for hundredths; applause kept."""
        return (
            WrongSolution("frames as hundredths", self._split(p, frames="100")),
            WrongSolution("applause kept", self._split(p, applause="01")),
        )

    def _split(self, p: Params, frames: str = "", applause: str = "00") -> Solution:
        guide, sheet = yield [read(f"{p.folder}/SPLIT.md"), read(f"{p.folder}/concert.cue")]
        unit = frames or found(r"a second has (\d+) frames", guide.text)
        script = SCRIPT.replace("FRAMES", unit).replace("APPLAUSE", applause)
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The splitting stopped: {last_line(done.text)}."
        lines = done.text.strip().splitlines()
        breaks = plural(sheet.text.count("INDEX 00"), "stretch", "stretches")
        return (
            f"{p.folder}/tracks has {plural(len(lines), 'track')}, from {lines[0]} to {lines[-1]}. "
            f"I left out {breaks} of applause."
        )

    def _playlist(self, p: Params) -> Solution:
        (done,) = yield sh(PLAYLIST, workdir=p.folder)
        length, longest = found(r"^([\d.]+)\t", done.text), found(r"\ttracks/(.+)\.wav$", done.text)
        return f"The playlist is there; the longest track is {longest}, {float(length):.2f} s."
