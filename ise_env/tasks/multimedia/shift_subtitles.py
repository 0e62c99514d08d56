"""Subtitles that run early or late and, where lines were added, over each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._subtitles import Cue, dialogue, parse, srt, vtt
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Timing

Clip board: in the film the slate closes at {heard} ms; in `raw.srt` it is the cue with the text
`[slate]`. Move all cues by the same time, so that the slate's cue begins when it is heard.

1. After moving, cues that would begin before 0 are dropped, and so is the cue `[slate]`.
2. A cue that has no text is dropped.
3. Cues are put in order of their beginning.
4. No two cues are on screen together: a cue that ends less than {gap} ms before the next one
   begins, or after it, ends {gap} ms before the next one begins instead.
5. Numbers run from 1. UTF-8 without a byte order mark, plain line feeds, `HH:MM:SS,mmm`, one empty
   line between cues.
"""
SLATE = "[slate]"


class Params(KitParams):
    """How far off they are, and how long the dialogue is."""

    cues: int = Field(ge=9, le=28)
    offset: int = Field(ge=-4000, le=4000)
    gap: int = Field(ge=20, le=80)


@dataclass(frozen=True)
class World:
    """The raw subtitles and what they become."""

    contents: dict[str, str | bytes]
    done: list[Cue]
    cut: int
    """Cues that had to end earlier."""


def mended(cues: list[Cue], offset: int, gap: int) -> tuple[list[Cue], int]:
    """Apply the rules of the guide; the second is how many had to end earlier."""
    moved = [cue.later(offset) for cue in cues if cue.text.strip() and cue.text != SLATE]
    kept = sorted((cue for cue in moved if cue.start >= 0), key=lambda cue: cue.start)
    done, cut = [], 0
    for cue, after in zip(kept, [*kept[1:], None], strict=True):
        latest = after.start - gap if after else cue.end
        cut += cue.end > latest
        done.append(replace(cue, end=min(cue.end, latest)))
    return done, cut


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the subtitles from the parameters."""
    d = Draw(p.content)
    first = 3_000 + max(p.offset, 0)
    spoken = dialogue(d, p.cues, begin=first)
    for place in d.some(range(1, p.cues - 1), max(p.cues // 5, 2)):  # linger over the next one
        over = spoken[place + 1].start + d.integer(50, 500)
        spoken[place] = replace(spoken[place], end=over)
    raw = [cue.later(-p.offset) for cue in spoken]
    slate = Cue(raw[0].start - 1_900, raw[0].start - 1_500, SLATE)
    early = []
    if p.offset < 0:  # what lies before the film begins
        early = [Cue(300, 900, "Recorded at " + d.word("towns"))]
    empty = Cue(raw[4].end + 5, raw[4].end + 60, "")
    cues = [*early, slate, *raw, empty]
    late = d.integer(5, p.cues - 2)
    cues.append(cues.pop(late))  # added at the end by somebody
    text = srt(cues)
    f = p.folder
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/TIMING.md": GUIDE.format(heard=slate.start + p.offset, gap=p.gap),
        f"{f}/raw.srt": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        f"{f}/old/first-draft.srt": srt(dialogue(d, 5)),
    }
    done, cut = mended(parse(text), p.offset, p.gap)
    return World(contents, done, cut)


class ShiftSubtitles(Kit[Params]):
    """Subtitles to time."""

    name = "multimedia/shift-subtitles"
    title = "Time subtitles to the film"
    description = "Move all cues to match the slate, end overlaps, and give them as WebVTT as well."
    requires = ("python3",)
    obstacle = "cues out of order, overlapping, empty or before the film's beginning"
    folders = ("subtitles", "captions", "film-festival")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more cues, and some that lie before the film."""
        size = int(rng.integers(8, 30)) * 137
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            cues={"simple": 9, "medium": 16, "complex": 28}[complexity],
            offset=size if complexity == "simple" else -size,
            gap=int(rng.integers(2, 9)) * 10,
        )

    def seed(self, p: Params) -> Seed:
        """The raw subtitles and the guide."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Time them, then convert what came out."""
        raw, guide, timed, web = (
            f"{p.folder}/{n}" for n in ("raw.srt", "TIMING.md", "film.srt", "film.vtt")
        )
        return (
            SubGoal(
                id="time",
                request=f"turn {raw} into {timed} by the steps in {guide} and tell me how many "
                "cues had to end earlier because of the next one",
                label=f"the timed {timed}",
                facts=(Fact("raw", raw), Fact("timed", timed), Fact("guide", guide)),
                artifacts=(timed,),
            ),
            SubGoal(
                id="convert",
                request=f"save {timed} as WebVTT in {web}, with the same cues and without numbers",
                label=f"the conversion to {web}",
                facts=(Fact("timed", timed), Fact("web", web)),
                artifacts=(web,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both texts, the number; the raw ones stay."""
        w = world(p)
        return (
            Text(
                id="timed",
                subgoal="time",
                weight=2,
                path=f"{p.folder}/film.srt",
                text=TextMatch(equals=srt(w.done)),
                failure="film.srt does not follow TIMING.md",
            ),
            Said(id="told", subgoal="time", number=w.cut, unit=("cue", "subtitle", "had to")),
            Text(
                id="web",
                subgoal="convert",
                path=f"{p.folder}/film.vtt",
                text=TextMatch(equals=vtt(w.done)),
            ),
            untouched({k: v for k, v in w.contents.items() if k.endswith((".srt", "TIMING.md"))}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the slate, move, order, cut; then change the notation."""
        return self._time(p) if subgoal == "time" else self._convert(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the beginning and the end."""
        name = "film.srt" if subgoal == "time" else "film.vtt"
        (shown,) = yield sh(f"grep -- '-->' {name} | sed -n '1p;$p'", workdir=p.folder)
        return (
            f"I looked again: {name} goes from `{'` to `'.join(shown.text.strip().splitlines())}`"
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The order of the file; overlaps left."""
        return (
            WrongSolution("overlaps left", self._time(p, gap=-10_000)),
            WrongSolution("moved the other way", self._time(p, sign=-1)),
        )

    def _time(self, p: Params, gap: int | None = None, sign: int = 1) -> Solution:
        f = p.folder
        guide, raw = yield [read(f"{f}/TIMING.md"), sh("sed 's/\\r$//' raw.srt", workdir=f)]
        cues = parse(raw.text + "\n")
        heard = int(found(r"slate closes at (\d+) ms", guide.text))
        offset = heard - next(cue.start for cue in cues if cue.text == SLATE)
        least = int(found(r"less than (\d+) ms", guide.text)) if gap is None else gap
        done, cut = mended(cues, sign * offset, least)
        (saved,) = yield write(f"{f}/film.srt", srt(done))
        if saved.failed:
            return f"film.srt could not be written: {saved.text}"
        (count,) = yield sh(f"grep -c -- '-->' {f}/film.srt")
        return (
            f"I moved everything by {sign * offset} ms into {f}/film.srt. "
            f"Of {count.text.strip()} kept, {plural(cut, 'cue')} had to end earlier."
        )

    def _convert(self, p: Params) -> Solution:
        (timed,) = yield read(f"{p.folder}/film.srt")
        cues = parse(timed.text + "\n")
        (saved,) = yield write(f"{p.folder}/film.vtt", vtt(cues))
        if saved.failed:
            return f"film.vtt could not be written: {saved.text}"
        return f"{p.folder}/film.vtt has the same {plural(len(cues), 'cue')}, as WebVTT."
