"""Pictures of a day to lay out on one sheet, in the order in which they were taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Patch, Picture, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._picture import COLOURS, bmp, ppm, quarter_patches, quarters
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

CELL = (48, 36)
GUIDE = """\
# Contact sheets

- {columns} pictures in a row, as many rows as it takes, no border and no space between; a PNG.
- Every picture is scaled to {width}x{height} pixels (all have that shape).
- They come in the order in which they were taken, which is in `taken.csv`; names say nothing.
- Cells that are left over at the end are black.
- A picture that cannot be read takes no cell: the next one moves up. Pictures stay as they are.
"""
SCRIPT = """\
set -e
rm -rf cells && mkdir cells
n=0; bad=0
for p in $(ORDER); do
  if ffmpeg -v error -nostdin -xerror -i "pictures/$p" -vf scale=SIZE -pix_fmt rgb24 \\
      "cells/$(printf %02d $n).png" 2>/dev/null; then
    n=$((n + 1)); echo "$p" >> cells/list
  else
    rm -f "cells/$(printf %02d $n).png"; bad=$((bad + 1))
  fi
done
rows=$(( (n + COLUMNS - 1) / COLUMNS ))
ffmpeg -v error -y -i cells/%02d.png -frames:v 1 -vf "tile=COLUMNSx$rows:color=black" sheet.png
ffprobe -v error -show_entries stream=width,height -of csv=p=0:s=x sheet.png
echo "on the sheet $n, unreadable $bad"
rm -r cells
"""
PLACES = """\
{ echo row,column,file
  tail -n +2 taken.csv | sort -t, -k2 | cut -d, -f1 | while read -r p; do
    ffmpeg -v error -nostdin -xerror -i "pictures/$p" -f null - 2>/dev/null && echo "$p"
  done | awk '{ printf "%d,%d,%s\\n", int((NR - 1) / COLUMNS) + 1, (NR - 1) % COLUMNS + 1, $1 }'
} > places.csv
echo "$(ls pictures | wc -l) pictures, $(($(wc -l < places.csv) - 1)) placed"
"""


class Params(KitParams):
    """How many pictures, and how many in a row."""

    pictures: int = Field(ge=7, le=13)
    columns: int = Field(ge=3, le=4)


@dataclass(frozen=True)
class World:
    """The pictures, and which lies where."""

    contents: dict[str, str | bytes]
    patches: tuple[Patch, ...]
    rows: int
    places: list[tuple[str, str, str]]
    broken: int


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the pictures from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = [f"IMG_{number}" for number in d.some(range(1000, 9999), p.pictures)]
    day = d.day(2025, 8)
    moments = sorted(d.moment(day, 8, 19) for _ in names)
    broken = set(d.some(range(1, p.pictures - 1), 2 + (p.pictures > 9)))
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/SHEET.md": GUIDE.format(columns=p.columns, width=CELL[0], height=CELL[1]),
    }
    taken: list[tuple[str, str]] = []
    patches: list[Patch] = []
    places: list[tuple[str, str, str]] = []
    for number, (name, moment) in enumerate(zip(names, moments, strict=True)):
        colours = d.some(sorted(COLOURS.values()), 4)
        scale = d.pick((1, 2, 3))
        pixels = quarters(CELL[0] * scale, CELL[1] * scale, colours)
        file = f"{name}.{d.pick(('ppm', 'bmp'))}"
        data = ppm(pixels) if file.endswith("ppm") else bmp(pixels)
        taken.append((file, moment.isoformat(sep=" ")))
        if number in broken:
            data = b"\0" * 40 + data[40 : len(data) // 3]
        else:
            row, column = divmod(len(places), p.columns)
            patches += quarter_patches(*CELL, colours, column * CELL[0], row * CELL[1])
            places.append((str(row + 1), str(column + 1), file))
        contents[f"{f}/pictures/{file}"] = data
    rows = -(-len(places) // p.columns)
    for spare in range(len(places), rows * p.columns):
        x, y = spare % p.columns * CELL[0], (rows - 1) * CELL[1]
        patches.append(
            Patch(x=x + 4, y=y + 4, width=CELL[0] - 8, height=CELL[1] - 8, rgb=(0, 0, 0))
        )
    contents[f"{f}/taken.csv"] = csv_text(("file", "taken"), sorted(taken))
    return World(contents, tuple(patches), rows, places, len(broken))


class ContactSheet(Kit[Params]):
    """Pictures to lay out."""

    name = "multimedia/contact-sheet"
    title = "Make a contact sheet"
    description = "Tile pictures in the order they were taken, without those that cannot be read."
    tools = ("exec", "read")
    requires = ("ffmpeg",)
    obstacle = "some pictures are damaged, and file names do not give the order"
    folders = ("photo-day", "site-visit", "product-shoot")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more pictures."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            pictures={"simple": 7, "medium": 9, "complex": 13}[complexity],
            columns=int(rng.integers(3, 5)),
        )

    def seed(self, p: Params) -> Seed:
        """Pictures, when they were taken, and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The sheet, then its key."""
        pictures, guide, sheet, places = (
            f"{p.folder}/{n}" for n in ("pictures", "SHEET.md", "sheet.png", "places.csv")
        )
        return (
            SubGoal(
                id="sheet",
                request=f"make the contact sheet {sheet} from the pictures in {pictures} the way "
                f"{guide} describes",
                label=f"the contact sheet {sheet}",
                facts=(Fact("sheet", sheet), Fact("pictures", pictures), Fact("guide", guide)),
                artifacts=(sheet,),
                question="What happens with a picture that is damaged?",
                answer="It takes no cell, the next one moves up",
            ),
            SubGoal(
                id="places",
                request=f"write {places} with the columns row, column and file, counted from 1, "
                "for each picture on the sheet, and tell me how many pictures could not be read",
                label="the key to the contact sheet",
                facts=(Fact("places", places),),
                artifacts=(places,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Colours in every cell, the key; pictures stay."""
        w, f = world(p), p.folder
        return (
            Picture(
                id="sheet",
                subgoal="sheet",
                weight=2,
                path=f"{f}/sheet.png",
                format="png",
                width=p.columns * CELL[0],
                height=w.rows * CELL[1],
                patches=w.patches,
                failure="the sheet does not have every picture in its cell",
            ),
            CsvRows(
                id="places",
                subgoal="places",
                path=f"{f}/places.csv",
                columns=("row", "column", "file"),
                rows=tuple(w.places),
            ),
            Said(
                id="told",
                subgoal="places",
                number=w.broken,
                unit=("unread", "could not be read", "cannot be read", "damaged", "broken"),
            ),
            untouched({k: v for k, v in w.contents.items() if "/pictures/" in k}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Scale each that can be read, tile; then say where each is."""
        return self._sheet(p) if subgoal == "sheet" else self._places(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the size, or at the end of the key."""
        if subgoal == "sheet":
            (shown,) = yield sh("ffprobe -v error -show_entries stream=width,height -of "
                                "csv=p=0:s=x sheet.png", workdir=p.folder)  # fmt: skip
            return f"I looked again: sheet.png measures {shown.text.strip()}."
        (shown,) = yield sh("tail -n 1 places.csv", workdir=p.folder)
        return f"I looked again: the last line of the key is `{shown.text.strip()}`"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """By name; a hole for what cannot be read."""
        return (
            WrongSolution("in order of name", self._sheet(p, order="ls pictures")),
            WrongSolution(
                "newest first",
                self._sheet(p, order="tail -n +2 taken.csv | sort -t, -k2 -r | cut -d, -f1"),
            ),
        )

    def _sheet(
        self, p: Params, order: str = "tail -n +2 taken.csv | sort -t, -k2 | cut -d, -f1"
    ) -> Solution:
        guide, taken = yield [read(f"{p.folder}/SHEET.md"), read(f"{p.folder}/taken.csv")]
        script = SCRIPT.replace("COLUMNS", found(r"^- (\d+) pictures in a row", guide.text))
        size = found(r"scaled to (\d+x\d+)", guide.text).replace("x", ":")
        script = script.replace("SIZE", size).replace("ORDER", order)
        (done,) = yield sh(script, workdir=p.folder)
        if done.failed:
            return f"The sheet could not be made: {last_line(done.text)}."
        listed = taken.text.count("IMG_")
        shown, bad = found(r"sheet (\d+),", done.text), found(r"unreadable (\d+)", done.text)
        return (
            f"{p.folder}/sheet.png, {done.text.split()[0]} pixels, shows {shown} of "
            f"{plural(listed, 'picture')}; unreadable: {bad}."
        )

    def _places(self, p: Params) -> Solution:
        (guide,) = yield read(f"{p.folder}/SHEET.md")
        columns = found(r"^- (\d+) pictures in a row", guide.text)
        (done,) = yield sh(PLACES.replace("COLUMNS", columns), workdir=p.folder)
        whole = int(found(r"^(\d+) pictures", done.text))
        placed = int(found(r"(\d+) placed", done.text))
        return f"{p.folder}/places.csv has {placed} rows; {whole - placed} could not be read."
