"""A report whose figures do not all follow from the table that it cites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": (6, 2), "medium": (10, 3), "complex": (16, 5)}
"""Claims, wrong ones."""
MONTHS = ("January", "February", "March", "April", "May", "June")

NOTES = """\
# About figures.csv

- One row for each branch and month: orders, and how many of them came back (`returned`).
- Corrections are appended: where a branch and month come up again further down, the later row
  holds and the earlier one is void.
- Kept orders are orders minus those that came back.
- `wrong.csv`, the list of claims that do not hold, has the columns claim (its number), said (the
  figure in the report) and right (the figure that the table gives).
"""

CLAIMS = """\
import csv, re
rows = {}
for row in csv.DictReader(open("figures.csv")):
    rows[row["branch"], row["month"]] = (int(row["orders"]), int(row["returned"]))
def orders(test, kept=False):
    return sum(o - b * kept for (branch, month), (o, b) in rows.items() if test(branch, month))
def right(text):
    if m := re.match(r"All branches together took \\d+ orders in (\\w+)", text):
        return orders(lambda b, when: when == m[1])
    if m := re.match(r"(.+) took \\d+ orders in (\\w+)", text):
        return orders(lambda b, when: (b, when) == m.groups())
    if m := re.match(r"In the half-year (.+) kept \\d+ orders", text):
        return orders(lambda b, when: b == m[1], kept=True)
    m = re.match(r"From (\\w+) to (\\w+) the orders of (.+) changed by -?\\d+", text)
    first, last, name = m.groups()
    return rows[name, last][0] - rows[name, first][0]
found, lines = [], []
for line in open("report.md"):
    m = re.match(r"(\\d+)\\. (.+)", line)
    if m:
        said = re.search(r"-?\\d+", m[2])[0]
        value = str(right(m[2]))
        if said != value:
            found.append((m[1], said, value))
            line = f"{m[1]}. {m[2].replace(said, value, 1)}\\n"
    lines.append(line)
"""

LIST = """\
with open("wrong.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("claim", "said", "right"))
    out.writerows(found)
print(sum(1 for line in lines if re.match(r"\\d+\\. ", line)), "claims")
"""

CORRECT = """\
import csv, re
wrong = {row["claim"]: row for row in csv.DictReader(open("wrong.csv"))}
with open("TARGET", "w") as file:
    for line in open("report.md").readlines():
        row = wrong.get(line.partition(".")[0])
        file.write(line.replace(f" {row['said']}", f" {row['right']}", 1) if row else line)
"""


class Params(KitParams):
    """How many claims, and how many do not hold."""

    claims: int = Field(ge=6, le=16)
    wrong: int = Field(ge=2, le=5)


@dataclass(frozen=True)
class World:
    """The report as it is and as it should be."""

    contents: dict[str, str]
    wrong: list[tuple[str, str, str]]
    corrected: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive table and report from the parameters."""
    d = Draw(p.content)
    branches = d.different("towns", 5)
    valid: dict[tuple[str, str], tuple[int, int]] = {}
    rows: list[tuple[str, str, int, int]] = []
    for month in MONTHS:
        for branch in branches:
            orders = d.integer(210, 890)
            valid[branch, month] = (orders, d.integer(5, 60))
            rows.append((branch, month, *valid[branch, month]))
    for branch, month in d.some(sorted(valid), 4):
        orders, back = valid[branch, month]
        valid[branch, month] = (orders + d.integer(11, 90), back)
        rows.append((branch, month, *valid[branch, month]))
    corrected = [(r[0], r[1]) for r in rows[len(valid) :]]
    claims: list[tuple[str, int]] = []
    for number in range(p.claims):
        branch, month = corrected[number] if number < 2 else (d.pick(branches), d.pick(MONTHS))
        kind = 0 if number < 2 else number % 4
        if kind == 0:
            claims.append((f"{branch} took {{}} orders in {month}.", valid[branch, month][0]))
        elif kind == 1:
            total = sum(valid[b, month][0] for b in branches)
            claims.append((f"All branches together took {{}} orders in {month}.", total))
        elif kind == 2:
            kept = sum(valid[branch, m][0] - valid[branch, m][1] for m in MONTHS)
            claims.append((f"In the half-year {branch} kept {{}} orders.", kept))
        else:
            at = d.integer(1, 5)
            first, last = MONTHS[at - 1], MONTHS[at]
            change = valid[branch, last][0] - valid[branch, first][0]
            text = f"From {first} to {last} the orders of {branch} changed by {{}}."
            claims.append((text, change))
    bad = {0, *d.some(range(2, p.claims), p.wrong - 1)}
    wrong, told, right = [], [], []
    for at, (text, value) in enumerate(claims):
        said = value
        if at == 0:
            # The figure before the correction: right at first sight.
            said = next(r[2] for r in rows if (r[0], r[1]) == corrected[0])
        elif at in bad:
            said = value + d.pick((-1, 1)) * d.integer(3, 70)
        if said != value:
            wrong.append((str(at + 1), str(said), str(value)))
        told.append(f"{at + 1}. {text.format(said)}\n")
        right.append(f"{at + 1}. {text.format(value)}\n")
    head = f"# The first half-year\n\nWritten by {d.person()} for the board.\n\n"
    foot = "\nAll figures are taken from figures.csv.\n"
    f = p.folder
    contents = {
        f"{f}/figures.csv": csv_text(("branch", "month", "orders", "returned"), rows),
        f"{f}/report.md": head + "".join(told) + foot,
        f"{f}/NOTES.md": NOTES,
        **surroundings(p.content, f),
    }
    return World(contents, wrong, head + "".join(right) + foot)


class CheckClaims(Kit[Params]):
    """A report to check against its source."""

    name = "intelligence-core/check-claims"
    title = "Check the claims of a report against its table"
    description = "List the numbered claims that a table does not bear out; write it corrected."
    obstacle = "later rows of the table correct earlier ones"
    folders = ("board-report", "fact-check", "half-year")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more claims, more of them wrong."""
        claims, wrong = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), claims=claims, wrong=wrong
        )

    def seed(self, p: Params) -> Seed:
        """Report, table, notes about the table."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List what is wrong, then correct a copy by that list."""
        report, figures, notes, wrong, fixed = (
            f"{p.folder}/{n}"
            for n in ("report.md", "figures.csv", "NOTES.md", "wrong.csv", "corrected.md")
        )
        return (
            SubGoal(
                id="list",
                request=f"check the numbered claims in {report} against {figures}, list those that "
                f"do not hold in {wrong} as {notes} describes, and tell me how many claims are "
                "wrong",
                label="the list of wrong claims",
                facts=(
                    Fact("report", report),
                    Fact("figures", figures),
                    Fact("wrong", wrong),
                    Fact("notes", notes),
                ),
                artifacts=(wrong,),
                question="Which row counts when a branch has two for a month?",
                answer="The later one, it is a correction",
            ),
            SubGoal(
                id="correct",
                request=f"write {fixed}, a copy of {report} in which only the figures listed in "
                f"{wrong} are replaced by the right ones, and leave the report itself alone",
                label="the corrected copy",
                facts=(Fact("fixed", fixed), Fact("report", report), Fact("wrong", wrong)),
                artifacts=(fixed,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The list, the number told, the copy; the report stays."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="wrong",
                subgoal="list",
                weight=2,
                path=f"{f}/wrong.csv",
                columns=("claim", "said", "right"),
                rows=tuple(w.wrong),
            ),
            Said(id="told", subgoal="list", unit=("wrong", "claim", "hold"), number=len(w.wrong)),
            Text(
                id="corrected",
                subgoal="correct",
                path=f"{f}/corrected.md",
                text=TextMatch(equals=w.corrected),
            ),
            untouched(w.contents, failure="the report or the table was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Recompute every claim; replace what the list names."""
        return self._list(p) if subgoal == "list" else self._correct(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the list, or compare the copy with the report."""
        if subgoal == "list":
            (shown,) = yield read(f"{p.folder}/wrong.csv")
            return f"I looked again; the list reads:\n{shown.text.strip()}"
        (lines,) = yield sh("diff report.md corrected.md | grep -c '^>'; true", workdir=p.folder)
        return f"I compared the two once more: {plural(lines.text, 'line')} changed."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Corrections overlooked; the report itself overwritten."""
        first = CLAIMS.replace(
            "    rows[row", "    if (row['branch'], row['month']) not in rows: rows[row"
        )
        return (
            WrongSolution("corrections overlooked", self._list(p, first)),
            WrongSolution("report overwritten", self._correct(p, "report.md"), "correct"),
        )

    def _list(self, p: Params, program: str = CLAIMS) -> Solution:
        report, notes, head = yield [
            read(f"{p.folder}/report.md"),
            read(f"{p.folder}/NOTES.md"),
            sh("head -n 4 figures.csv", workdir=p.folder),
        ]
        if "returned" not in head.text or "1. " not in report.text or "wrong.csv" not in notes.text:
            return "The report holds no numbered claims, or the table is another one."
        (ran,) = yield python(program + LIST, workdir=p.folder)
        if ran.failed:
            return f"The check stopped: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/wrong.csv")
        rows = shown.text.strip().splitlines()[1:]
        total = found(r"^(\d+) claims", ran.text)
        numbers = "; ".join("no. {} says {} for {}".format(*row.split(",")) for row in rows)
        return f"{plural(len(rows), 'claim')} of the {total} in the report do not hold.\n{numbers}."

    def _correct(self, p: Params, target: str = "corrected.md") -> Solution:
        (ran,) = yield python(CORRECT.replace("TARGET", target), workdir=p.folder)
        if ran.failed:
            return f"The copy could not be written: {ran.text.strip()}"
        (changed,) = yield sh("diff report.md corrected.md | grep '^>'; true", workdir=p.folder)
        lines = [line[2:] for line in changed.text.splitlines() if line.startswith("> ")]
        return f"{p.folder}/{target} differs from the report in these lines:\n" + "\n".join(lines)
