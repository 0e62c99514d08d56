"""Pictures that know more than the public should: their maker, their place, who may see them."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Picture, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._picture import COLOURS, Pixels, png, quarters
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

POLICY = """\
# What we publish

1. A picture that says of itself `Rights: private` (a text chunk of the PNG file) is not published,
   not even in part and not even without its data. Nothing of it goes into `public/`.
2. Every other picture goes to `public/` under its name: the same pixels, PNG, and nothing written
   into it. No texts, no Exif, no time stamps.
3. `pictures/` is the archive and stays as it is, with all that is written in it.

Text chunks are `tEXt`: a keyword, a zero byte, a value. The place, where there is one, is under the
keyword `Location`.
"""
SCRIPT = """\
import glob, os, struct, zlib
os.makedirs("public", exist_ok=True)
def chunks(data):
    at = 8
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8:at + 8 + size], data[at:at + 12 + size]
        at += 12 + size
published = private = dropped = 0
for path in sorted(glob.glob("pictures/*.png")):
    data = open(path, "rb").read()
    texts = dict(body.split(b"\\0", 1) for name, body, _ in chunks(data) if name == b"tEXt")
    if texts.get(b"Rights") == b"private" and HEED:
        private += 1
        continue
    kept = [whole for name, _, whole in chunks(data) if name not in (DROP)]
    dropped += sum(1 for _ in chunks(data)) - len(kept)
    open("public/" + os.path.basename(path), "wb").write(data[:8] + b"".join(kept))
    published += 1
print(f"published {published}, private {private}, chunks dropped {dropped}")
"""
PLACES = """\
import csv, glob, os, struct
rows, private = [], 0
for path in sorted(glob.glob("pictures/*.png")):
    data, at = open(path, "rb").read(), 8
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"tEXt":
            key, value = data[at + 8:at + 8 + size].split(b"\\0", 1)
            if key == b"Location":
                rows.append((os.path.basename(path), value.decode("latin-1")))
            private += (key, value) == (b"Rights", b"private")
        at += 12 + size
with open("places.csv", "w", newline="") as file:
    csv.writer(file).writerows([("file", "place"), *rows])
print(f"{len(rows)} with a place, {private} private")
"""
DROPPED = 'b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME"'


class Params(KitParams):
    """How many pictures there are."""

    pictures: int = Field(ge=5, le=12)


@dataclass(frozen=True)
class World:
    """The archive, and what may be seen of it."""

    contents: dict[str, str | bytes]
    public: dict[str, Pixels]
    private: list[str]
    places: list[tuple[str, str]]


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the pictures from the parameters."""
    d = Draw(p.content)
    f = p.folder
    contents: dict[str, str | bytes] = {**surroundings(p.content, f), f"{f}/PUBLISH.md": POLICY}
    public: dict[str, Pixels] = {}
    private, places = [], []
    hidden = set(d.some(range(p.pictures), max(p.pictures // 4, 2)))
    names = d.different("projects", p.pictures)
    for number, name in enumerate(names):
        width, height = d.integer(12, 24) * 2, d.integer(12, 24) * 2
        pixels = quarters(width, height, d.some(sorted(COLOURS.values()), 4))
        file = f"{name}.png"
        place = f"{d.word('towns')}, {d.word('topics')} room" if d.chance(0.7) else ""
        texts = [("Author", d.person()), ("Software", "Shutterbox 2.1")]
        texts += [("Location", place)] if place else []
        texts += [("Rights", "private" if number in hidden else "all rights reserved")]
        if number not in hidden:  # the word alone decides nothing
            texts.append(
                ("Comment", d.pick(("not a private picture", "for the annual report", "ok")))
            )
        note = f"GPS {d.integer(10, 59)}.{d.integer(1000, 9999)}N".encode()
        exif = b"MM\0*\0\0\0\x08" + struct.pack(">H", 0) + note if d.chance(0.6) else b""
        contents[f"{f}/pictures/{file}"] = png(pixels, d.shuffled(texts), exif)
        if place:
            places.append((file, place))
        if number in hidden:
            private.append(file)
        else:
            public[file] = pixels
    return World(contents, public, sorted(private), places)


class StripPictureData(Kit[Params]):
    """Pictures to publish."""

    name = "multimedia/strip-picture-data"
    title = "Publish pictures without their data"
    description = "Strip all metadata from pictures, keep their pixels, and hold private ones back."
    tools = ("exec", "read")
    requires = ("python3", "ffmpeg")
    obstacle = "only what is written inside a picture says that it is private"
    folders = ("press-photos", "newsroom", "open-day")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more pictures."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            pictures={"simple": 5, "medium": 8, "complex": 12}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The archive and the policy."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Publish, then note the places for the archive."""
        pictures, policy, places = (
            f"{p.folder}/{n}" for n in ("pictures", "PUBLISH.md", "places.csv")
        )
        return (
            SubGoal(
                id="publish",
                request=f"prepare the pictures in {pictures} for publication by {policy}",
                label="the pictures for publication",
                facts=(Fact("pictures", pictures), Fact("policy", policy)),
                artifacts=(f"{p.folder}/public",),
                question="May a private picture be published without its data?",
                answer="No, nothing of it goes public",
            ),
            SubGoal(
                id="places",
                request=f"write {places} with the columns file and place for all pictures in "
                f"{pictures} that name one, and tell me how many pictures are private",
                label="the list of places",
                facts=(Fact("places", places), Fact("pictures", pictures)),
                artifacts=(places,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The same pixels and nothing else; nothing private; the archive stays."""
        w, f = world(p), p.folder
        shown = tuple(
            Picture(
                id=name.removesuffix(".png"),
                subgoal="publish",
                path=f"{f}/public/{name}",
                format="png",
                width=pixels.shape[1],
                height=pixels.shape[0],
                pixels_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
                bare=True,
                failure=f"public/{name} is not the bare picture",
            )
            for name, pixels in w.public.items()
        )
        hidden = [f"{f}/public/{name}" for name in w.private]
        return (
            *shown,
            Absent(
                id="private",
                weight=0,
                forbidden=True,
                path=hidden[0],
                others=tuple(hidden[1:]),
                failure="a private picture was published",
            ),
            CsvRows(
                id="places",
                subgoal="places",
                path=f"{f}/places.csv",
                columns=("file", "place"),
                rows=tuple(w.places),
            ),
            Said(id="told", subgoal="places", number=len(w.private), unit=("private",)),
            untouched({k: v for k, v in w.contents.items() if "/pictures/" in k}, id="archive"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Go through the chunks; copy what shows the picture."""
        return self._publish(p) if subgoal == "publish" else self._places(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look for what should not be there."""
        if subgoal == "places":
            (shown,) = yield read(f"{p.folder}/places.csv")
            return f"I looked again: {plural(shown.text.count('.png'), 'picture')} with a place."
        (left,) = yield sh("grep -alE 'tEXt|eXIf|iTXt' public/*.png | wc -l", workdir=p.folder)
        return f"I searched all of public for texts and Exif: {left.text.strip()} with any."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Private ones published, too; Exif forgotten."""
        return (
            WrongSolution("private ones published", self._publish(p, heed="False")),
            WrongSolution("only the place taken out", self._publish(p, drop='b"eXIf",')),
        )

    def _publish(self, p: Params, heed: str = "True", drop: str = DROPPED) -> Solution:
        (policy,) = yield read(f"{p.folder}/PUBLISH.md")
        if "Rights: private" not in policy.text:
            return "The policy does not say how to tell private pictures, so I published none."
        script = SCRIPT.replace("HEED", heed).replace("DROP", drop)
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"It stopped: {last_line(done.text)}."
        count, private = found(r"published (\d+)", done.text), found(r"private (\d+)", done.text)
        chunks = found(r"dropped (\d+)", done.text)
        return (
            f"{plural(count, 'picture')} are in {p.folder}/public, with {chunks} pieces of data "
            f"taken out. Held back as private: {private}."
        )

    def _places(self, p: Params) -> Solution:
        (done,) = yield sh(f"python3 - <<'EOF'\n{PLACES}EOF", workdir=p.folder)
        count, private = found(r"^(\d+) with", done.text), found(r"(\d+) private", done.text)
        return f"{plural(count, 'picture')} name a place, see places.csv. {private} are private."
