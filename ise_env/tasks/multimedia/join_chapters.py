"""Chapters recorded on different machines to join into one book."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Sound
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import (
    PITCHES,
    Part,
    heard,
    samples,
    seconds,
    silence,
    stereo,
    wav,
)
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# How the book is put together

`order.txt` has one chapter a line, `<file> | <title>`, in the order of the book. A line that begins
with `#` was dropped by the editor.

`book.wav` is mono, 16 bit, 8000 Hz. Between two chapters there are {gap} ms of silence; there is
none before the first and none after the last. No chapter may sound higher or lower, faster or
slower than it was read, whatever machine it was read on.
"""
JOIN = """\
set -e
rm -rf parts && mkdir parts
ffmpeg -v error -f lavfi -i anullsrc=r=8000:cl=mono -t GAP -c:a pcm_s16le parts/gap.wav
: > parts/list.txt
while IFS='|' read -r file title; do
  case "$file" in '#'*|'') continue ;; esac
  file=$(echo $file)
  ffmpeg -v error -nostdin -i "chapters/$file" -ac 1 -ar 8000 -c:a pcm_s16le "parts/$file"
  [ -s parts/list.txt ] && echo "file 'gap.wav'" >> parts/list.txt
  echo "file '$file'" >> parts/list.txt
done < ORDER
ffmpeg -v error -y -f concat -safe 0 -i parts/list.txt -c copy book.wav
ffprobe -v error -show_entries format=duration -of csv=p=0 book.wav
grep -vc gap parts/list.txt
rm -r parts
"""
MARKS = """\
import csv, wave
start, rows = 0, []
for line in open("order.txt"):
    file, bar, title = line.strip().partition(" | ")
    if not bar or file.startswith("#"):
        continue
    with wave.open("chapters/" + file) as chapter:
        length = round(chapter.getnframes() * 1000 / chapter.getframerate())
    rows.append((start, title))
    start += length + GAP
with wave.open("book.wav") as book:
    whole = round(book.getnframes() * 1000 / book.getframerate())
assert abs(whole - (start - GAP)) < 50, (whole, start - GAP)
with open("marks.csv", "w", newline="") as file:
    csv.writer(file).writerows([("start_ms", "title"), *rows])
print(f"last chapter {rows[-1][1]} at {rows[-1][0]} ms of {whole}")
"""


class Params(KitParams):
    """How many chapters, and the gap between them."""

    chapters: int = Field(ge=4, le=9)
    gap: int = Field(ge=300, le=800)


@dataclass(frozen=True)
class World:
    """Chapters and the book."""

    contents: dict[str, str | bytes]
    book: list[Part]
    marks: list[tuple[int, str]]


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the chapters from the parameters."""
    d = Draw(p.content)
    f = p.folder
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/BOOK.md": GUIDE.format(gap=p.gap),
    }
    titles = [f"{a.capitalize()} at {b}" for a, b in zip(
        d.different("projects", p.chapters + 1), d.different("towns", p.chapters + 1), strict=True
    )]  # fmt: skip
    names = d.shuffled([f"take{number:02d}.wav" for number in range(1, p.chapters + 2)])
    dropped, fast, wide = d.some(range(1, p.chapters), 3)
    order: list[str] = []
    book: list[Part] = []
    marks: list[tuple[int, str]] = []
    for number, (name, title) in enumerate(zip(names, titles, strict=True)):
        parts = [Part(d.integer(4, 9) * 100, hz) for hz in d.some(PITCHES, 2)]
        rate = 16_000 if number == fast else 8_000
        data = samples(parts, rate)
        if number == wide:
            data = stereo(data, data)
        contents[f"{f}/chapters/{name}"] = wav(data, rate, 2 if number == wide else 1)
        order.append(f"{'# ' if number == dropped else ''}{name} | {title}\n")
        if number == dropped:
            continue
        if book:
            book.append(silence(p.gap))
        marks.append((round(seconds(book) * 1000), title))
        book += parts
    contents[f"{f}/order.txt"] = "".join(order)
    return World(contents, book, marks)


class JoinChapters(Kit[Params]):
    """Chapters to join."""

    name = "multimedia/join-chapters"
    title = "Join chapters into an audio book"
    description = "Concatenate recordings in a given order with gaps, then mark where each begins."
    tools = ("exec", "read")
    requires = ("ffmpeg", "python3")
    obstacle = "one chapter has another sample rate, one is stereo, and one was dropped"
    folders = ("audiobook", "narration", "lecture-cut")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more chapters."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            chapters={"simple": 4, "medium": 6, "complex": 9}[complexity],
            gap=int(rng.integers(3, 9)) * 100,
        )

    def seed(self, p: Params) -> Seed:
        """Chapters, their order, the guide."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Join, then mark."""
        chapters, guide, book, marks = (
            f"{p.folder}/{n}" for n in ("chapters", "BOOK.md", "book.wav", "marks.csv")
        )
        return (
            SubGoal(
                id="join",
                request=f"join the recordings in {chapters} into {book} the way {guide} describes",
                label=f"the joined {book}",
                facts=(Fact("chapters", chapters), Fact("book", book), Fact("guide", guide)),
                artifacts=(book,),
                question="What about chapters that are commented out in the order?",
                answer="They were dropped by the editor, leave them out",
            ),
            SubGoal(
                id="marks",
                request=f"write {marks} with the columns start_ms and title for each chapter in "
                f"{book}, start_ms being the millisecond at which it begins there, and tell me at "
                "which millisecond the last one begins",
                label="the chapter marks",
                facts=(Fact("marks", marks), Fact("book", book)),
                artifacts=(marks,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is heard when; the marks; chapters stay."""
        w = world(p)
        return (
            Sound(
                id="book",
                subgoal="join",
                weight=2,
                path=f"{p.folder}/book.wav",
                duration_s=seconds(w.book),
                duration_tolerance=0.1,
                sample_rate=8000,
                channels=1,
                sample_bits=16,
                tones=heard(w.book),
                failure="the book does not have every chapter at its pitch in its place",
            ),
            CsvRows(
                id="marks",
                subgoal="marks",
                path=f"{p.folder}/marks.csv",
                columns=("start_ms", "title"),
                rows=tuple((str(start), title) for start, title in w.marks),
                ordered=True,
                tolerance=60,
            ),
            Said(
                id="told",
                subgoal="marks",
                number=w.marks[-1][0],
                tolerance=60,
                unit=("ms", "milli"),
            ),
            untouched({k: v for k, v in w.contents.items() if "/chapters/" in k}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Bring all to one format, then join; add lengths up."""
        return self._join(p) if subgoal == "join" else self._marks(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Measure the book, or show the marks."""
        if subgoal == "join":
            shown_of = "stream=sample_rate,channels:format=duration"
            (shown,) = yield sh(
                f"ffprobe -v error -show_entries {shown_of} -of default=nw=1 book.wav",
                workdir=p.folder,
            )
            return f"ffprobe says of the book: {', '.join(shown.text.split())}."
        (shown,) = yield read(f"{p.folder}/marks.csv")
        return f"The marks read:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """By file name; joined without a look at the rates."""
        return (
            WrongSolution("in order of name", self._join(p, order="<(ls chapters)")),
            WrongSolution("samples joined as they are", self._blindly(p)),
        )

    def _join(self, p: Params, order: str = "order.txt") -> Solution:
        guide, listed = yield [
            read(f"{p.folder}/BOOK.md"),
            sh(
                "cat order.txt; for c in chapters/*; do ffprobe -v error -show_entries "
                "stream=sample_rate,channels -of csv=p=0 $c; done | sort | uniq -c",
                workdir=p.folder,
            ),
        ]
        gap = int(found(r"there are (\d+) ms", guide.text))
        script = JOIN.replace("GAP", f"{gap / 1000}").replace("ORDER", order)
        (done,) = yield sh(script, workdir=p.folder)
        if done.failed:
            return f"The joining stopped: {last_line(done.text)}."
        kinds = len([line for line in listed.text.splitlines() if line.rstrip()[-2:-1] == ","])
        length, count = done.text.split()[:2]
        return (
            f"{p.folder}/book.wav has {plural(count, 'chapter')} and lasts {float(length):.2f} s; "
            f"the recordings came in {plural(kinds, 'format')}, which I made one first."
        )

    def _blindly(self, p: Params) -> Solution:
        script = (
            "import wave\nout = wave.open('book.wav', 'wb')\n"
            "out.setparams((1, 2, 8000, 0, 'NONE', ''))\n"
            "for line in open('order.txt'):\n"
            "    if not line.startswith('#'):\n"
            "        with wave.open('chapters/' + line.split(' | ')[0]) as part:\n"
            "            out.writeframes(part.readframes(10**8) + bytes(GAP * 16))\n"
            "out.close()\n"
        )
        (done,) = yield sh(
            f"python3 - <<'EOF'\n{script.replace('GAP', str(p.gap))}EOF\nls -l book.wav",
            workdir=p.folder,
        )
        return f"Joined: {last_line(done.text)}."

    def _marks(self, p: Params) -> Solution:
        (guide,) = yield read(f"{p.folder}/BOOK.md")
        script = MARKS.replace("GAP", found(r"there are (\d+) ms", guide.text))
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The lengths do not add up: {last_line(done.text)}."
        start = found(r" at (\d+) ms of", done.text)
        title = found(r"^last chapter (.+) at ", done.text)
        return f"The marks are written; the last chapter, {title}, begins at {start} ms."
