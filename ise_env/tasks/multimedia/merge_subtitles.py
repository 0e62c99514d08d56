"""The subtitles of a film in two reels, to become one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, recording
from ise_env.tasks.multimedia._subtitles import Cue, dialogue, parse, srt
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Reels

The film was cut into reels for projection: `reel1.srt` goes with `reel1.wav`, `reel2.srt` with
`reel2.wav`, and so on. In every reel time begins at 0; in the film a reel begins in the very
millisecond in which the sound of the one before it ends.

- `film.srt` has all cues of all reels in order, numbered from 1, in UTF-8 with plain line feeds.
- `[end of reel]` is for the projectionist and is no subtitle.
- Not every reel was typed on the same machine. Read before you join: é and ñ have to survive.
- `words.txt` is for the translators: one cue a line, as they come, its lines joined by one blank.
  Names of reels and times do not belong there.
"""
END = "[end of reel]"


class Params(KitParams):
    """How many reels, how many cues each."""

    reels: int = Field(ge=2, le=3)
    cues: int = Field(ge=5, le=12)


@dataclass(frozen=True)
class World:
    """The reels and the film."""

    contents: dict[str, str | bytes]
    film: list[Cue]


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the reels from the parameters."""
    d = Draw(p.content)
    f = p.folder
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/REELS.md": GUIDE,
    }
    film: list[Cue] = []
    begin = 0
    old = d.integer(1, p.reels)
    for number in range(1, p.reels + 1):
        cues = dialogue(d, p.cues, begin=d.integer(300, 1500))
        # Both letters in every reel: so an encoding is never a matter of luck.
        cues[1] = Cue(cues[1].start, cues[1].end, d.pick(("Café or señora?", "Olé, mañana, olé.")))
        length = cues[-1].end + d.integer(7, 19) * 137
        text = srt([*cues, Cue(cues[-1].end + 200, length - 100, END)])
        late = text.encode("cp1252").replace(b"\n", b"\r\n") if number == old else text.encode()
        contents[f"{f}/reel{number}.srt"] = late
        # A short tone stands for the sound of a reel; what counts is how long it lasts.
        contents[f"{f}/reel{number}.wav"] = recording([Part(length, d.pick(PITCHES), 900)], 1000)
        film += [cue.later(begin) for cue in cues]
        begin += length
    return World(contents, film)


class MergeSubtitles(Kit[Params]):
    """Reels to merge."""

    name = "multimedia/merge-subtitles"
    title = "Merge the subtitles of several reels"
    description = "Join subtitle files by the length of each reel's sound, in one encoding."
    requires = ("python3",)
    obstacle = "one reel is in an old encoding, and where a reel begins only its sound tells"
    folders = ("reels", "film-archive", "matinee")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more reels, more cues."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            reels={"simple": 2, "medium": 2, "complex": 3}[complexity],
            cues={"simple": 5, "medium": 9, "complex": 12}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Subtitles and sound of each reel."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Merge, then take the words out."""
        guide, film, words = (f"{p.folder}/{n}" for n in ("REELS.md", "film.srt", "words.txt"))
        return (
            SubGoal(
                id="merge",
                request=f"merge the subtitles of all reels into {film} as {guide} explains and "
                "tell me how many cues the film has",
                label=f"the merged {film}",
                facts=(Fact("film", film), Fact("guide", guide)),
                artifacts=(film,),
                question="Where in the film does the second reel begin?",
                answer="Where the sound of the first one ends",
            ),
            SubGoal(
                id="words",
                request=f"write the words of {film} for the translators to {words}, in the form "
                f"that {guide} gives",
                label="the words for the translators",
                facts=(Fact("film", film), Fact("words", words), Fact("guide", guide)),
                artifacts=(words,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both texts, the number; reels stay."""
        w = world(p)
        reels = {k: v for k, v in w.contents.items() if "/reel" in k or k.endswith("REELS.md")}
        words = "".join(cue.text.replace("\n", " ") + "\n" for cue in w.film)
        return (
            Text(
                id="film",
                subgoal="merge",
                weight=2,
                path=f"{p.folder}/film.srt",
                text=TextMatch(equals=srt(w.film)),
                failure="film.srt is not what the reels come to",
            ),
            Said(id="told", subgoal="merge", number=len(w.film), unit=("cue", "subtitle")),
            Text(
                id="words",
                subgoal="words",
                path=f"{p.folder}/words.txt",
                text=TextMatch(equals=words),
            ),
            untouched(reels, failure="a reel was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Ask for encodings and lengths, then join; then only the words."""
        return self._merge(p) if subgoal == "merge" else self._words(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the end, and for letters that were lost."""
        name = "film.srt" if subgoal == "merge" else "words.txt"
        (shown,) = yield sh(f"grep -c '[éñ]' {name}; tail -n 2 {name}", workdir=p.folder)
        count, *last = shown.text.strip().splitlines()
        ending = last[-1] if last else ""
        return f"I looked again: é or ñ is in {plural(count, 'line')}; the end is `{ending}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Begin after the last cue; letters lost."""
        return (
            WrongSolution("after the last cue", self._merge(p, by_sound=False)),
            WrongSolution("letters dropped", self._merge(p, convert="iconv -c -f UTF-8 -t UTF-8")),
        )

    def _merge(
        self, p: Params, by_sound: bool = True, convert: str = "iconv -f CP1252 -t UTF-8"
    ) -> Solution:
        f = p.folder
        asked = (
            "for s in reel*.srt; do iconv -f UTF-8 -t UTF-8 $s >/dev/null 2>&1 "
            "&& echo $s utf || echo $s old; done; python3 -c 'import glob, wave\n"
            'for path in sorted(glob.glob("reel*.wav")):\n'
            "    reel = wave.open(path)\n"
            "    print(path, reel.getnframes() * 1000 // reel.getframerate(), reel.getframerate())'"
        )
        guide, facts = yield [read(f"{f}/REELS.md"), sh(asked, workdir=f)]
        rows = [line.split() for line in facts.text.splitlines()]
        lengths = [int(row[1]) for row in rows if len(row) == 3]
        ways = [row[1] for row in rows if len(row) == 2]
        if not lengths or END not in guide.text:
            return f"I do not know how long the reels are: {last_line(facts.text)}."
        texts = yield [
            sh(f"{'cat' if way == 'utf' else convert} reel{number}.srt | tr -d '\\r'", workdir=f)
            for number, way in enumerate(ways, 1)
        ]
        film: list[Cue] = []
        begin = 0
        for reply, length in zip(texts, lengths, strict=True):
            cues = [cue for cue in parse(reply.text + "\n") if cue.text != END]
            film += [cue.later(begin) for cue in cues]
            begin = begin + length if by_sound else film[-1].end
        (saved,) = yield write(f"{f}/film.srt", srt(film))
        if saved.failed:
            return f"film.srt could not be written: {saved.text}"
        old = sum(way == "old" for way in ways)
        return (
            f"{f}/film.srt holds {plural(len(film), 'cue')} of {plural(len(ways), 'reel')}, "
            f"{old} of which came in CP1252; the sound lasts {begin} ms."
        )

    def _words(self, p: Params) -> Solution:
        (film,) = yield read(f"{p.folder}/film.srt")
        lines = [cue.text.replace("\n", " ") for cue in parse(film.text + "\n")]
        (saved,) = yield write(f"{p.folder}/words.txt", "\n".join(lines) + "\n")
        if saved.failed:
            return f"words.txt could not be written: {saved.text}"
        return f"The translators get {plural(len(lines), 'line')} in {p.folder}/words.txt."
