"""Pictures for the web: what they are decides how large they may be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Picture, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._picture import COLOURS, Rgb, bmp, png, ppm, quarter_patches, quarters
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Pictures for the web

| kind | longest side, pixels |
| --- | --- |
{rows}

- `catalogue.csv` has the kind of each picture.
- The longest side becomes what the table says, the other one follows so that nothing is stretched.
- A picture whose longest side is smaller than that keeps its size: nothing is ever enlarged.
- Results are PNG files in `web/`, with the name of the original and `.png` in place of its ending.
- Originals stay. Some were saved with the wrong ending by the old camera software; what is in a
  file counts, not what it is called.
"""
SCRIPT = """\
set -e
mkdir -p web
tail -n +2 catalogue.csv | while IFS=, read -r file kind; do
  case "$kind" in
CASES
  esac
  case "$(head -c 2 "originals/$file")" in
    BM) as=bmp_pipe ;;
    P6) as=ppm_pipe ;;
    *) as=png_pipe ;;
  esac
  ffmpeg -v error -nostdin -y FORMAT -i "originals/$file" -vf "scale=w='FITW':h='FITH'" \\
    -frames:v 1 -pix_fmt rgb24 "web/${file%.*}.png" || echo "bad $file"
done
ls web | wc -l
"""
SIZES = """\
{ echo file,width,height
  for p in web/*.png; do
    echo "${p#web/},$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 "$p")"
  done
} > sizes.csv
kept=0
for o in originals/*; do
  case "$(head -c 2 "$o")" in BM) as=bmp_pipe ;; P6) as=ppm_pipe ;; *) as=png_pipe ;; esac
  size=$(ffprobe -v error -f $as -show_entries stream=width,height -of csv=p=0 "$o")
  name=$(basename "${o%.*}").png
  grep -qx "$name,$size" sizes.csv && kept=$((kept + 1))
done
echo "kept $kept of $(($(wc -l < sizes.csv) - 1))"
"""
KINDS = {"banner": (96, 120), "portrait": (60, 80), "thumbnail": (24, 32), "map": (100, 140)}


class Params(KitParams):
    """How many pictures there are, and how large a kind may be."""

    pictures: int = Field(ge=4, le=11)
    limits: dict[str, int]


@dataclass(frozen=True)
class World:
    """Originals, and size and colours of each result by its file name."""

    contents: dict[str, str | bytes]
    results: dict[str, tuple[int, int, tuple[Rgb, ...]]]
    kept: int


@lru_cache(maxsize=16)
def _world(content: int, folder: str, pictures: int, limits: tuple[tuple[str, int], ...]) -> World:
    d = Draw(content)
    rows = "\n".join(f"| {kind} | {limit} |" for kind, limit in limits)
    contents: dict[str, str | bytes] = {
        **surroundings(content, folder),
        f"{folder}/WEB.md": GUIDE.format(rows=rows),
    }
    catalogue, kept = [], 0
    results: dict[str, tuple[int, int, tuple[Rgb, ...]]] = {}
    lying = d.integer(1, pictures - 1)
    small = d.pick([n for n in range(pictures) if n != lying])
    for number, name in enumerate(d.different("products", pictures)):
        kind, limit = limits[number % len(limits)]
        # Sides in a ratio of 4 to 2 or 3, so that the shorter one comes out whole.
        other = limit // 4 * d.pick((2, 3))
        width, height = (limit, other) if d.chance(0.6) else (other, limit)
        colours = tuple(d.some(sorted(COLOURS.values()), 4))
        stem = name.replace(" ", "_")
        if number == small:
            factor, (width, height) = 1, (width // 2 // 2 * 2, height // 2 // 2 * 2)
            kept += 1
        else:
            factor = d.pick((2, 2, 3))
        pixels = quarters(width * factor, height * factor, colours)
        true = "bmp" if number == lying else d.pick(("png", "bmp", "ppm"))
        data = {"png": png, "bmp": bmp, "ppm": ppm}[true](pixels)
        file = f"{stem}.{'png' if number == lying else true}"
        contents[f"{folder}/originals/{file}"] = data
        catalogue.append((file, kind))
        results[f"{stem}.png"] = (width, height, colours)
    contents[f"{folder}/catalogue.csv"] = csv_text(("file", "kind"), d.shuffled(catalogue))
    return World(contents, results, kept)


def world(p: Params) -> World:
    """Derive the pictures from the parameters."""
    return _world(p.content, p.folder, p.pictures, tuple(p.limits.items()))


class ResizeByRule(Kit[Params]):
    """Pictures to resize."""

    name = "multimedia/resize-by-rule"
    title = "Resize pictures by their kind"
    description = "Scale pictures down by a table of kinds, enlarge none, and list the sizes."
    tools = ("exec", "read")
    requires = ("ffmpeg",)
    obstacle = "a picture's ending does not say what it is, so it cannot be opened by name"
    folders = ("web-shop", "web-gallery", "brochure")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more pictures and kinds."""
        count = {"simple": 2, "medium": 3, "complex": 4}[complexity]
        kinds = [str(kind) for kind in rng.permutation(sorted(KINDS))[:count]]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            pictures={"simple": 4, "medium": 7, "complex": 11}[complexity],
            limits={kind: KINDS[kind][int(rng.integers(2))] for kind in kinds},
        )

    def seed(self, p: Params) -> Seed:
        """Originals, the catalogue, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Resize, then measure what came out."""
        originals, guide, sizes = (f"{p.folder}/{n}" for n in ("originals", "WEB.md", "sizes.csv"))
        return (
            SubGoal(
                id="resize",
                request=f"make the web pictures from {originals} as {guide} demands",
                label="the web pictures",
                facts=(Fact("originals", originals), Fact("guide", guide)),
                artifacts=(f"{p.folder}/web",),
                question="What about a picture that is smaller than its kind may be?",
                answer="It keeps its size, nothing is enlarged",
            ),
            SubGoal(
                id="sizes",
                request=f"write {sizes} with the columns file, width and height for all web "
                "pictures and tell me how many of them kept their size",
                label="the list of sizes",
                facts=(Fact("sizes", sizes),),
                artifacts=(sizes,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Size and colours of each, the list; originals stay."""
        w, f = world(p), p.folder
        pictures = tuple(
            Picture(
                id=name.removesuffix(".png"),
                subgoal="resize",
                path=f"{f}/web/{name}",
                format="png",
                width=width,
                height=height,
                patches=quarter_patches(width, height, colours),
                failure=f"web/{name} is not what WEB.md asks for",
            )
            for name, (width, height, colours) in w.results.items()
        )
        rows = tuple((name, str(size[0]), str(size[1])) for name, size in w.results.items())
        return (
            *pictures,
            CsvRows(
                id="sizes",
                subgoal="sizes",
                path=f"{f}/sizes.csv",
                columns=("file", "width", "height"),
                rows=rows,
            ),
            Said(id="told", subgoal="sizes", number=w.kept, unit=("kept", "keep")),
            untouched({k: v for k, v in w.contents.items() if "/originals/" in k}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Scale each by its kind; then measure."""
        return self._resize(p) if subgoal == "resize" else self._sizes(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count results, or show the list."""
        if subgoal == "sizes":
            (shown,) = yield read(f"{p.folder}/sizes.csv")
            return f"I looked again: the list has {plural(shown.text.count('.png'), 'picture')}."
        (counted,) = yield sh("ls originals | wc -l; ls web | wc -l", workdir=p.folder)
        given, made = counted.text.split()[:2]
        return f"I counted again: {given} originals, {made} web pictures."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Enlarging; trusting the endings."""
        return (
            WrongSolution("small ones enlarged", self._resize(p, enlarge=True)),
            WrongSolution("endings believed", self._resize(p, form='-f "${file##*.}_pipe"')),
        )

    def _resize(self, p: Params, enlarge: bool = False, form: str = "-f $as") -> Solution:
        guide, catalogue = yield [
            read(f"{p.folder}/WEB.md"),
            sh(
                "cat catalogue.csv; cd originals; for o in *; do "
                "echo $o $(head -c 2 $o | od -An -c); done",
                workdir=p.folder,
            ),
        ]
        table = [
            line.strip("| ").split(" | ") for line in guide.text.splitlines() if line[:2] == "| "
        ]
        cases = "\n".join(f"    {row[0]}) m={row[1]} ;;" for row in table if row[1].isdigit())
        limit = "$m" if enlarge else "min($m\\,max(iw\\,ih))"
        wide = f"if(gt(iw\\,ih)\\,{limit}\\,-1)"
        high = f"if(gt(iw\\,ih)\\,-1\\,{limit})"
        script = SCRIPT.replace("CASES", cases).replace("FORMAT", form)
        (done,) = yield sh(script.replace("FITW", wide).replace("FITH", high), workdir=p.folder)
        if done.failed:
            return f"The resizing stopped: {last_line(done.text)}."
        lies = sum(".png B" in line for line in catalogue.text.splitlines())
        return (
            f"{plural(last_line(done.text), 'picture')} are in {p.folder}/web; "
            f"{lies} of the originals is not what its ending says."
        )

    def _sizes(self, p: Params) -> Solution:
        (done,) = yield sh(SIZES, workdir=p.folder)
        kept, count = found(r"^kept (\d+)", done.text), found(r"of (\d+)$", done.text)
        return f"The list has {plural(count, 'picture')}. Their size was kept by {kept}."
