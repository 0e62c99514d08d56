"""Letters from a template and a list of people, not all of whom may get one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Archive, Command, CsvRows, Said, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 8, "medium": 16, "complex": 30}

RULES = """\
# How the letters are made

- One letter for each row of `people.csv` that may have one: `letters/NO.txt`, NO as in the row.
- `{{field}}` in the template is the cell of that name. Two fields are worked out: `{{greeting}}` is
  `Dear Ms LAST`, `Dear Mr LAST` or, where `title` is empty, `Dear FIRST LAST`; `{{due}}` is
  `amount` with two decimals and a comma between thousands, as in 1,234.50.
- A line between `{{if late}}` and `{{end}}` is for people whose `late` is `yes`; for the others it
  is left out. The two marks, each on a line of its own, are left out for everybody.
- No letter goes to anybody in `do-not-write.txt` (numbers, one a line).
- No letter is made where a cell that the template needs is empty; `title` may be. Such rows go to
  `incomplete.csv` with the columns no and field, a row for each empty cell. People who get no
  letter anyway are not listed.
- Letters go to the printer as `letters.zip`, without any folder inside.
"""

TEMPLATE = """\
{{town}}, {{day}}

{{greeting}},

{opening}
Your number with us is {{no}}, your balance {{due}}.
{{if late}}
{reminder}
{{end}}
{closing}

Yours,
{{clerk}}
"""

MAKE = """\
import csv, os, re, shutil
shutil.rmtree("letters", ignore_errors=True)
template = open("template.txt").read()
silent = set(open("do-not-write.txt").read().split())
os.makedirs("letters")
empty = []
for row in csv.DictReader(open("people.csv")):
    row = {key: value.strip() for key, value in row.items()}
    if row["no"] in silent:
        continue
    needed = set(re.findall(r"{(\\w+)}", template)) - {"end", "greeting", "due"}
    needed |= {"last", "amount"} | (set() if row["title"] else {"first"})
    gaps = sorted(field for field in needed if not row[field])
    if gaps:
        empty += [(row["no"], field) for field in gaps]
        continue
    who = row["title"] or row["first"]
    row |= {"greeting": f"Dear {who} {row['last']}", "due": f"{float(row['amount']):,.2f}"}
    late = r"\\1" if row["late"] == "yes" else ""
    text = re.sub(r"{if late}\\n((?:.*\\n)*?){end}\\n", late, template)
    text = re.sub(r"{(\\w+)}", lambda m: row[m[1]], text)
    open(f"letters/{row['no']}.txt", "w").write(text)
with open("incomplete.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("no", "field"))
    out.writerows(empty)
"""

PACK = """\
import glob, os, zipfile
with zipfile.ZipFile("letters.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(glob.glob("letters/*.txt")):
        archive.write(path, os.path.basename(path))
"""

OPENINGS = (
    "as every year we are writing to all our members.",
    "thank you for staying with us.",
    "our office has moved, and we have put our books in order.",
)
REMINDERS = (
    "Please let us have the amount within two weeks.",
    "We have not heard from you since our last letter; please get in touch.",
)
CLOSINGS = ("Do call us if anything is not right.", "You need not answer this letter.")


class Params(KitParams):
    """How many people."""

    people: int = Field(ge=8, le=30)


@dataclass(frozen=True)
class World:
    """The list, the letters that it makes, and who gets none."""

    contents: dict[str, str]
    letters: dict[str, str]
    incomplete: list[tuple[str, str]]
    silent: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive people and letters from the parameters."""
    d = Draw(p.content)
    opening, reminder, closing = d.pick(OPENINGS), d.pick(REMINDERS), d.pick(CLOSINGS)
    template = TEMPLATE.format(opening=opening, reminder=reminder, closing=closing)
    clerk, day = d.person(), f"{d.integer(2, 28)} {d.pick(('March', 'June', 'October'))} 2025"
    rows, letters, incomplete, silent = [], {}, [], []
    for number, name in enumerate(d.people(p.people)):
        first, last = name.split(" ")
        no = f"M{d.integer(10, 99)}{number:02d}"
        cents, town = d.cents(20, 4000), d.word("towns")
        title, late = d.pick(("Ms", "Mr", "")), d.pick(("yes", "no"))
        quiet = number % 6 == 2
        gap = {3: "town", 5: "amount", 9: "last", 13: "town"}.get(number % 16, "")
        if number % 16 == 8:
            quiet, gap = True, "town"
        row = {"no": no, "title": title, "first": first, "last": last, "town": town}
        row |= {"amount": money(cents), "late": late, "clerk": clerk, "day": day}
        if gap:
            row[gap] = d.pick(("", " "))
        rows.append(tuple(row.values()))
        if quiet:
            silent.append(no)
        elif gap:
            incomplete.append((no, gap))
        else:
            whole = f"{cents // 100:,}.{cents % 100:02d}"
            extra = f"{reminder}\n" if late == "yes" else ""
            letters[f"{no}.txt"] = (
                f"{town}, {day}\n\nDear {title or first} {last},\n\n{opening}\nYour number with us "
                f"is {no}, your balance {whole}.\n{extra}{closing}\n\nYours,\n{clerk}\n"
            )
    columns = ("no", "title", "first", "last", "town", "amount", "late", "clerk", "day")
    f = p.folder
    contents = {
        f"{f}/people.csv": csv_text(columns, rows),
        f"{f}/template.txt": template,
        f"{f}/do-not-write.txt": "".join(f"{no}\n" for no in d.shuffled(silent)),
        f"{f}/RULES.md": RULES.replace("{{", "{").replace("}}", "}"),
        **surroundings(p.content, f),
    }
    return World(contents, letters, incomplete, silent)


class MailMerge(Kit[Params]):
    """Letters to make."""

    name = "file-io/mail-merge"
    title = "Make letters from a template"
    description = "Fill a template for each person who may have a letter; pack the letters."
    obstacle = "cells that are empty, lines for some only, people who must not be written to"
    folders = ("letters-2025", "form-letters", "members-mail")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), people=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """People, template, rules, who wants no letter."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Make the letters, then pack them."""
        template, people, rules, letters, gaps, packed = (
            f"{p.folder}/{n}"
            for n in (
                "template.txt",
                "people.csv",
                "RULES.md",
                "letters",
                "incomplete.csv",
                "letters.zip",
            )
        )
        return (
            SubGoal(
                id="make",
                request=f"fill {template} for the people in {people} by {rules}, put the letters "
                f"into {letters} and what is incomplete into {gaps}, and tell me how many letters "
                "there are",
                label="the letters",
                facts=(
                    Fact("template", template),
                    Fact("people", people),
                    Fact("rules", rules),
                    Fact("letters", letters),
                    Fact("gaps", gaps),
                ),
                artifacts=(letters, gaps),
                question="What if a cell that the letter needs is empty?",
                answer="No letter then; the row goes to incomplete.csv",
            ),
            SubGoal(
                id="pack",
                request=f"pack those letters into {packed} for the printer, as {rules} says",
                label="the zip for the printer",
                facts=(Fact("packed", packed), Fact("rules", rules)),
                artifacts=(packed,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every letter to the letter, what is incomplete, the zip; nobody who wants none."""
        w, f = world(p), p.folder
        sums = {name: sha256(text) for name, text in w.letters.items()}
        unwanted = " ".join(f"letters/{no}.txt" for no in w.silent)
        return (
            Tree(id="names", subgoal="make", path=f"{f}/letters", names=tuple(w.letters)),
            Unchanged(
                id="texts",
                subgoal="make",
                weight=2,
                sha256={f"{f}/letters/{name}": digest for name, digest in sums.items()},
                failure="a letter does not read as it should",
            ),
            CsvRows(
                id="incomplete",
                subgoal="make",
                path=f"{f}/incomplete.csv",
                columns=("no", "field"),
                rows=tuple(w.incomplete),
            ),
            Said(id="told", subgoal="make", unit=("letter",), number=len(w.letters)),
            Archive(
                id="zip",
                subgoal="pack",
                path=f"{f}/letters.zip",
                format="zip",
                names=tuple(w.letters),
                sha256=sums,
            ),
            Command(
                id="unwanted",
                argv=("bash", "--noprofile", "--norc", "-c", f"! ls {unwanted} 2>/dev/null"),
                cwd=f,
                weight=0,
                forbidden=True,
                failure="somebody who wants no letter has one",
            ),
            untouched(w.contents, failure="the list, the template or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Fill, leave out, list; zip."""
        return self._make(p) if subgoal == "make" else self._pack(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at a letter or into the zip."""
        if subgoal == "make":
            (shown,) = yield sh("cat $(ls letters/*.txt | head -n 1)", workdir=p.folder)
            return f"I looked at the first one again:\n{shown.text.strip()}"
        (listing,) = yield sh(
            "python3 -m zipfile -l letters.zip | tail -n +2 | wc -l", workdir=p.folder
        )
        return f"I looked again; {plural(listing.text, 'file')} in the zip."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Letters to everybody; letters with holes."""
        everybody = MAKE.replace('if row["no"] in silent', "if False")
        holes = MAKE.replace("    if gaps:\n", "    if False:\n").replace(
            "float(row['amount'])", "float(row['amount'] or 0)"
        )
        return (
            WrongSolution("letters to everybody", self._make(p, everybody)),
            WrongSolution("letters with holes", self._make(p, holes)),
        )

    def _make(self, p: Params, program: str = MAKE) -> Solution:
        rules, template, silent = yield [
            read(f"{p.folder}/RULES.md"),
            read(f"{p.folder}/template.txt"),
            sh("wc -l < do-not-write.txt; head -n 4 people.csv", workdir=p.folder),
        ]
        if "{greeting}" not in template.text or "incomplete.csv" not in rules.text:
            return "The template is not the one that the rules are about."
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The letters could not be made: {ran.text.strip()}"
        (after,) = yield sh("ls letters | wc -l; tail -n +2 incomplete.csv", workdir=p.folder)
        count, *gaps = after.text.split()
        listed = ", ".join(re.sub(",", " without ", gap) for gap in gaps) or "nobody"
        quiet = found(r"^(\d+)$", silent.text)
        return (
            f"There are {plural(count, 'letter')}. {plural(quiet, 'person', 'people')} may get "
            f"none, for want of data: {listed}."
        )

    def _pack(self, p: Params) -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        if "without any folder inside" not in " ".join(rules.text.split()):
            return "The rules do not say how the zip should look."
        (ran,) = yield python(PACK, workdir=p.folder)
        if ran.failed:
            return f"The zip could not be made: {ran.text.strip()}"
        (listing,) = yield sh("python3 -m zipfile -l letters.zip | tail -n +2", workdir=p.folder)
        names = [line.split()[0] for line in listing.text.strip().splitlines()]
        first = found(r"^(\S+)", listing.text)
        return f"letters.zip holds {plural(len(names), 'file')}, from {first} to {names[-1]}."
