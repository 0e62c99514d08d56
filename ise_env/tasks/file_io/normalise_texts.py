"""A tree of texts in several encodings and line endings, and files that are no texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import Content, files, sha256, untouched
from ise_env.tasks.steps import plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 9, "medium": 16, "complex": 30}
KINDS = ("utf-8", "utf-8-sig", "utf-16", "iso-8859-1")
ENDINGS = {"txt": "\n", "md": "\n", "csv": "\r\n"}

RULES = """\
# How texts are kept in `texts/`

- Texts are `.txt`, `.md` and `.csv`. Everything else stays as it is to the byte, and so does a file
  with one of these endings that has a zero byte and no byte order mark of UTF-16 (FF FE) at its
  start: it is no text, whatever its name says.
- Found so far: UTF-8, UTF-8 with a byte order mark, UTF-16 with one, and ISO-8859-1. A file that is
  valid UTF-8 is UTF-8.
- Wanted: UTF-8 without a byte order mark; lines end with LF in `.txt` and `.md` and with CRLF in
  `.csv`, and a last line without an end gets one. Within a file both endings may be mixed.
- Nothing else about a text changes, blanks at line ends included.
- `report.csv` has the columns file (path below `texts/`) and was (`utf-8`, `utf-8-sig`, `utf-16` or
  `iso-8859-1`), a row for each file that does not follow this.
"""

LOOK = """\
import csv, glob, os
ends = {".txt": "\\n", ".md": "\\n", ".csv": "\\r\\n"}
def decoded(data):
    if data.startswith(b"\\xff\\xfe"):
        return "utf-16"
    if b"\\0" in data:
        return None
    if data.startswith(b"\\xef\\xbb\\xbf"):
        return "utf-8-sig"
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        return "iso-8859-1"
rows = []
for path in sorted(glob.glob("texts/**/*", recursive=True)):
    end = ends.get(os.path.splitext(path)[1])
    if end is None or os.path.isdir(path):
        continue
    data = open(path, "rb").read()
    was = decoded(data)
    if was is None:
        continue
    text = data.decode(was).replace("\\r\\n", "\\n")
    text = (text if text.endswith("\\n") else text + "\\n").replace("\\n", end)
    if text.encode("utf-8") != data:
        rows.append((path[6:], was))
"""
REPORT = """\
with open("report.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("file", "was"))
    out.writerows(rows)
"""
WRITE = '        open(path, "wb").write(text.encode("utf-8"))\n'


class Params(KitParams):
    """How many texts."""

    count: int = Field(ge=9, le=30)


@dataclass(frozen=True)
class World:
    """The tree before, and what changes in it."""

    contents: dict[str, Content]
    changed: list[tuple[str, str]]
    after: dict[str, bytes]

    @property
    def kept(self) -> dict[str, Content]:
        """What stays to the byte."""
        return {path: data for path, data in self.contents.items() if path not in self.after}


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the tree from the parameters."""
    d = Draw(p.content)
    f = p.folder
    contents: dict[str, Content] = {}
    changed, after = [], {}
    for number in range(p.count):
        ending = tuple(ENDINGS)[number % 3]
        name = f"{d.pick(('letters', 'minutes', 'lists'))}/{d.word('topics')}-{number:02d}.{ending}"
        right = ENDINGS[ending]
        rows = [f"{d.person()}, {d.pick(PLACES)}, {d.integer(3, 90)}" for _ in range(6)]
        rows[1] += "  " if ending != "csv" else ""
        kind = KINDS[number % 4] if number < 8 else d.pick(KINDS)
        style = d.pick(("right", "other", "mixed", "open"))
        other = "\n" if right == "\r\n" else "\r\n"
        used = {"right": [right], "other": [other], "mixed": [right, other], "open": [right]}[style]
        text = "".join(row + used[at % len(used)] for at, row in enumerate(rows))
        if style == "open":
            text = text.removesuffix(right)
        data = b"\xff\xfe" + text.encode("utf-16-le") if kind == "utf-16" else text.encode(kind)
        wanted = "".join(row + right for row in rows).encode()
        contents[f"{f}/texts/{name}"] = data
        if wanted != data:
            changed.append((name, kind))
            after[f"{f}/texts/{name}"] = wanted
    tail = bytes(d.integer(0, 255) for _ in range(40))
    contents |= {
        f"{f}/texts/lists/sensor-dump.txt": b"REC\x00\r\n\xe9" + tail,
        f"{f}/texts/letters/seal.png": b"\x89PNG\r\n\x1a\n" + tail,
        f"{f}/texts/minutes/old.doc": b"\xd0\xcf\x11\xe0\r\n" + tail,
        f"{f}/texts/lists/run.bat": f"@echo off\r\nrem {d.person()}\r\n",
        f"{f}/RULES.md": RULES,
        **surroundings(p.content, f, 8),
    }
    return World(contents, changed, after)


PLACES = ("Café Löwe", "Málaga", "Zürich", "Århus", "São Tomé", "Besançon")


class NormaliseTexts(Kit[Params]):
    """Texts to bring into one form."""

    name = "file-io/normalise-texts"
    version = 2
    title = "Bring encodings and line endings into one form"
    description = "Turn a tree of texts into UTF-8 with stated line ends; leave what is no text."
    obstacle = "four encodings, mixed line ends, and a binary file that is called .txt"
    folders = ("old-texts", "text-tree", "typed-papers")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more texts."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), count=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The tree and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Say what would change, then change it."""
        texts, rules, report = (f"{p.folder}/{n}" for n in ("texts", "RULES.md", "report.csv"))
        return (
            SubGoal(
                id="report",
                request=f"find out which files in {texts} do not follow {rules}, write {report}, "
                "and tell me how many they are, without changing any of them yet",
                label="the report on the texts",
                facts=(Fact("texts", texts), Fact("rules", rules), Fact("report", report)),
                artifacts=(report,),
            ),
            SubGoal(
                id="convert",
                request=f"now bring the files that {report} lists into the form of {rules}, in "
                "place, and keep your hands off all the others",
                label=f"the conversion of {texts}",
                facts=(Fact("report", report), Fact("rules", rules)),
                artifacts=(texts,),
                question="Is every .txt really a text?",
                answer="No, one with zero bytes and no byte order mark is not; leave it",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The report, every text to the byte, everything else untouched."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="report",
                subgoal="report",
                path=f"{f}/report.csv",
                columns=("file", "was"),
                rows=tuple(w.changed),
            ),
            Said(
                id="told",
                subgoal="report",
                unit=("files?", "texts?", "follow"),
                number=len(w.changed),
            ),
            Unchanged(
                id="converted",
                subgoal="convert",
                weight=2,
                sha256={path: sha256(data) for path, data in w.after.items()},
                failure="a text is not in the wanted form, or lost something",
            ),
            untouched(w.kept, failure="a file that had to stay was changed"),
            untouched(
                {path: w.contents[path] for path in w.after},
                id="not yet",
                until="convert",
                failure="a text was changed before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Tell encodings by their bytes; write what differs."""
        return self._report(p) if subgoal == "report" else self._convert(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the report, or whether anything would still change."""
        if subgoal == "report":
            (kinds,) = yield sh(
                "tail -n +2 report.csv | cut -d, -f2 | sort | uniq -c", workdir=p.folder
            )
            seen = ", ".join(" ".join(line.split()) for line in kinds.text.splitlines())
            return f"I looked again: {seen}."
        (left,) = yield python(LOOK + "print(len(rows))\n", workdir=p.folder)
        return f"I went over the tree once more: {plural(left.text, 'file')} would still change."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Everything taken for ISO-8859-1; binaries converted too."""
        latin = LOOK.replace('return "utf-8"\n', 'return "iso-8859-1"\n')
        binary = LOOK.replace('if b"\\0" in data', "if False")
        return (
            WrongSolution("UTF-8 read as ISO-8859-1", self._convert(p, latin), "convert"),
            WrongSolution("a binary file converted", self._convert(p, binary), "convert"),
        )

    def _report(self, p: Params) -> Solution:
        rules, everything = yield [
            read(f"{p.folder}/RULES.md"),
            sh("find texts -type f | wc -l", workdir=p.folder),
        ]
        if "report.csv" not in rules.text:
            return "RULES.md does not say what the report looks like."
        (ran,) = yield python(LOOK + REPORT, workdir=p.folder)
        if ran.failed:
            return f"I got stuck: {ran.text.strip()}"
        (count,) = yield sh("tail -n +2 report.csv | wc -l", workdir=p.folder)
        total = everything.text.strip()
        return (
            f"{plural(count.text, 'file')} do not follow the rules.\nThere are {total} in the tree."
        )

    def _convert(self, p: Params, program: str = LOOK) -> Solution:
        (before,) = yield read(f"{p.folder}/report.csv")
        (ran,) = yield python(program + WRITE, workdir=p.folder)
        if ran.failed:
            return f"The conversion stopped: {ran.text.strip()}"
        (after,) = yield sh("grep -rlI $'\\r' texts | wc -l", workdir=p.folder)
        listed = len(before.text.strip().splitlines()) - 1
        return (
            f"The {plural(listed, 'file')} of the report are converted; "
            f"{plural(after.text, 'text')} in the tree have CRLF now."
        )
