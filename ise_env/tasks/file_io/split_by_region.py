"""One long CSV to split by a column that was typed by many hands."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

SIZES = {"simple": 30, "medium": 80, "complex": 200}
ZONES = {
    "region": ("north", "south", "east", "west", "central"),
    "branch": ("harbour", "old-town", "airport", "campus"),
    "team": ("red", "blue", "green", "amber", "violet", "grey"),
}
BAD = ("n/a", "", "12,5O", "tbc", "-")

Row = tuple[str, str, str, str]
"""Number, customer, zone, amount."""

FORMAT = """\
# How {source} is split

- One file for each {column} in `parts/`, named after it in lower case: `parts/{example}.csv`.
  Blanks around the {column} and upper case are typing mistakes, not another {column}.
- Each part starts with the header line of {source} and keeps the rows in their order, with the
  {column} written in lower case and everything else as it was.
- A row with an empty {column} goes to `parts/unknown.csv`.
- A row whose amount is not a number goes to `parts/rejected.csv` and nowhere else.
- Customers' names may hold commas; such cells are quoted.
"""

PROGRAM = """\
import csv, sys
from pathlib import Path

source, column, parts = sys.argv[1], sys.argv[2], Path(sys.argv[3])
out = {}
with open(source, newline="") as file:
    reader = csv.DictReader(file)
    for row in reader:
        zone = row[column].strip().lower()
        row[column] = zone
        try:
            float(row["amount"])
        except ValueError:
            zone = "rejected"
        out.setdefault(zone or "unknown", []).append(row)
parts.mkdir(exist_ok=True)
for zone, rows in out.items():
    with open(parts / f"{zone}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, reader.fieldnames, lineterminator="\\n")
        writer.writeheader()
        writer.writerows(rows)
    print(zone, len(rows))
"""

OVERVIEW = "export LC_ALL=C; head -qn 1 parts/* | tr -d '\\r' | sort -u; ls parts"
"""Every different first line in the folder, then its names."""


class Params(KitParams):
    """The column and the length of the file."""

    source: str
    column: str
    rows: int = Field(ge=30, le=200)
    rejects: int = Field(ge=2, le=7)


@dataclass(frozen=True)
class World:
    """The file, and what it splits into."""

    contents: dict[str, str]
    parts: dict[str, list[Row]]

    @property
    def totals(self) -> list[tuple[str, str, str]]:
        """Part, rows, sum; parts with amounts only."""
        return [
            (zone, str(len(rows)), money(sum(round(float(r[3]) * 100) for r in rows)))
            for zone, rows in sorted(self.parts.items())
            if zone != "rejected"
        ]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the file from the parameters."""
    d = Draw(p.content)
    zones = d.some(ZONES[p.column], 4)
    table: list[Row] = []
    for number in range(1, p.rows + 1):
        zone = zones[number] if number < 4 else d.pick(zones)
        first, last = d.person().split(" ", 1)
        name = f"{last}, {first}" if d.chance(0.4) else d.word("companies")
        table.append((f"{d.integer(10, 99)}-{number:04d}", name, zone, money(d.cents(3, 900))))
    bad = d.some(range(4, p.rows), p.rejects + 2)
    for at in bad[: p.rejects]:
        table[at] = (*table[at][:3], d.pick(BAD))
    for at in bad[p.rejects :]:
        table[at] = (*table[at][:2], "", table[at][3])
    parts: dict[str, list[Row]] = defaultdict(list)
    shown = []
    for row in table:
        no, name, zone, amount = row
        rejected = amount in BAD
        parts["rejected" if rejected else zone or "unknown"].append(row)
        typed = d.pick((zone, zone, zone.upper(), zone.title(), f" {zone}", f"{zone} "))
        shown.append((no, name, typed if zone else zone, amount))
    f = p.folder
    contents = {
        f"{f}/{p.source}": csv_text(("no", "customer", p.column, "amount"), shown),
        f"{f}/FORMAT.md": FORMAT.format(source=p.source, column=p.column, example=zones[0]),
        f"{f}/CHANGES.txt": f"2025-0{d.integer(1, 9)}-11 {d.person()}: export now weekly\n",
    }
    return World(contents, dict(parts))


class SplitByRegion(Kit[Params]):
    """A CSV to split."""

    name = "file-io/split-by-region"
    title = "Split a CSV by a column"
    description = "Split a long CSV into one file a region, reject broken rows, write the totals."
    obstacle = "the column is typed in many ways, names hold commas, some amounts are no numbers"
    folders = ("split", "exports", "sales-files")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more rows, more of them broken."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            source=one(rng, ("orders.csv", "sales.csv", "bookings.csv")),
            column=one(rng, sorted(ZONES)),
            rows=SIZES[complexity],
            rejects={"simple": 2, "medium": 3, "complex": 7}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The long file and how to split it."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Split, then total."""
        source, parts, totals = (f"{p.folder}/{n}" for n in (p.source, "parts", "totals.csv"))
        return (
            SubGoal(
                id="split",
                request=f"split {source} by {p.column} into CSV files in {parts} as "
                f"{p.folder}/FORMAT.md says, and tell me how many rows had to be rejected",
                label=f"the split of {source}",
                facts=(Fact("source", source), Fact("parts", parts), Fact("column", p.column)),
                artifacts=(parts,),
                question=f"What should I do with rows that have no {p.column}?",
                answer="They go to unknown.csv, as FORMAT.md says",
            ),
            SubGoal(
                id="totals",
                request=f"write {totals} with the columns part, rows and sum, a row for each "
                f"file in {parts} but the rejected one, part being its name without .csv",
                label="the totals of the parts",
                facts=(Fact("totals", totals), Fact("parts", parts)),
                artifacts=(totals,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every part row by row, in order; the totals."""
        w, f = world(p), p.folder
        columns = ("no", "customer", p.column, "amount")
        parts = tuple(
            CsvRows(
                id=f"part-{zone}",
                subgoal="split",
                path=f"{f}/parts/{zone}.csv",
                columns=columns,
                rows=tuple(rows),
                ordered=True,
            )
            for zone, rows in sorted(w.parts.items())
        )
        return (
            *parts,
            Command(
                id="parts",
                subgoal="split",
                argv=("bash", "--noprofile", "--norc", "-c", OVERVIEW),
                cwd=f,
                stdout=TextMatch(
                    equals="\n".join((",".join(columns), *sorted(f"{z}.csv" for z in w.parts)))
                ),
                failure="the files are not just those that there should be, each with the header",
            ),
            Said(id="told", subgoal="split", unit=("reject",), number=len(w.parts["rejected"])),
            CsvRows(
                id="totals",
                subgoal="totals",
                weight=2,
                path=f"{f}/totals.csv",
                columns=("part", "rows", "sum"),
                rows=tuple(w.totals),
            ),
            untouched(w.contents, failure="the source or its description changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Split with Python's csv; total with the same."""
        return self._split(p) if subgoal == "split" else self._totals(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count lines; look at the totals."""
        if subgoal == "split":
            (listing,) = yield sh("wc -l parts/*.csv | tail -n 1; ls parts", workdir=p.folder)
            names = listing.text.split()[2:]
            return f"I looked again, the files in {p.folder}/parts are {', '.join(names)}."
        (shown,) = yield read(f"{p.folder}/totals.csv")
        return f"I looked again, the totals are:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Taking every spelling for a region of its own; splitting cells at every comma."""
        return (
            WrongSolution(
                "every spelling its own part",
                self._split(p, PROGRAM.replace(".strip().lower()", "")),
            ),
            WrongSolution("split at every comma", self._awk(p)),
        )

    def _split(self, p: Params, program: str = PROGRAM) -> Solution:
        f = p.folder
        rules, head = yield [
            read(f"{f}/FORMAT.md"),
            sh(f"head -n 6 {p.source}; wc -l {p.source}", workdir=f),
        ]
        column = found(r"One file for each (\w+) in", rules.text)
        (odd,) = yield sh(f"grep -vE ',[0-9]+[.][0-9]+$' {p.source} | head -n 12", workdir=f)
        if column not in head.text or "rejected.csv" not in rules.text:
            return f"There is no column {column} in {p.source}."
        (saved,) = yield write(f"{f}/.split.py", program)
        if saved.failed:
            return f"The script could not be written: {saved.text}"
        (ran,) = yield sh(f"python3 .split.py {p.source} {column} parts; rm .split.py", workdir=f)
        (counted,) = yield sh("wc -l parts/*.csv | tail -n 1; ls parts", workdir=f)
        rejected = found(r"^rejected (\d+)", ran.text, "0")
        seen = len(odd.text.strip().splitlines()) - 1
        return (
            f"Rows that had to be rejected: {rejected}; odd amounts at first sight: {seen}. "
            f"The parts are {', '.join(counted.text.split()[2:])}."
        )

    def _totals(self, p: Params) -> Solution:
        f = p.folder
        (listing,) = yield sh("ls parts", workdir=f)
        names = [n for n in listing.text.splitlines() if n.endswith(".csv") and n != "rejected.csv"]
        texts = yield [read(f"{f}/parts/{name}") for name in names]
        rows = []
        for name, text in zip(names, texts, strict=True):
            cells = list(csv.DictReader(io.StringIO(text.text)))
            total = sum(round(float(row["amount"]) * 100) for row in cells)
            rows.append((name.removesuffix(".csv"), len(cells), money(total)))
        (saved,) = yield write(f"{f}/totals.csv", csv_text(("part", "rows", "sum"), rows))
        if saved.failed:
            return f"The totals could not be written: {saved.text}"
        (shown,) = yield sh("tail -n +2 totals.csv | sort -t, -k3,3nr | head -n 1", workdir=f)
        largest, _, rest = shown.text.strip().partition(",")
        return (
            f"The totals of {plural(len(rows), 'part')} are written; {largest} is the largest "
            f"with {rest}."
        )

    def _awk(self, p: Params) -> Solution:
        (ran,) = yield sh(
            'mkdir -p parts; awk -F, \'NR == 1 { h = $0; next } { f = "parts/" tolower($3) ".csv";'
            " if (!(f in s)) { print h > f; s[f] } print > f }' " + p.source + "; ls parts",
            workdir=p.folder,
        )
        return f"I split it into {plural(len(ran.text.split()), 'file')}."
