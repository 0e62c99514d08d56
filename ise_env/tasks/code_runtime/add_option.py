"""A small command-line program that is to learn new options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one, words
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh

SUBJECTS = {
    "stock": ("item", "pieces", "place"),
    "loans": ("title", "days", "branch"),
    "jobs": ("job", "minutes", "machine"),
    "beds": ("room", "beds", "house"),
}

PROGRAM = '''\
"""List what a table holds: python3 {name}.py TABLE."""

import argparse
import csv


def load(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["{number}"] = int(row["{number}"])
    return rows


def main():
    parser = argparse.ArgumentParser(description="List what a table holds.")
    parser.add_argument("table", help="CSV file")
    args = parser.parse_args()
    rows = load(args.table)
    for row in rows:
        print(f"{{row['{key}']}}: {{row['{number}']}} ({{row['{place}']}})")


if __name__ == "__main__":
    main()
'''

OPTIONS = {
    "min": (
        "`--min N` keeps only rows with at least N {number}.",
        'parser.add_argument("--min", type=int, metavar="N")',
        "if args.min is not None:\n        rows = [r for r in rows if r['{number}'] >= args.min]",
    ),
    "place": (
        "`--{place} NAME` keeps only rows of that {place}; upper and lower case do not matter.",
        'parser.add_argument("--{place}", metavar="NAME")',
        "if args.{place} is not None:\n"
        "        rows = [r for r in rows if r['{place}'].lower() == args.{place}.lower()]",
    ),
    "largest": (
        "`--largest` sorts by {number}, the largest first; rows with equal {number} are sorted by\n"
        "  {key}.",
        'parser.add_argument("--largest", action="store_true")',
        "if args.largest:\n        rows.sort(key=lambda r: (-r['{number}'], r['{key}']))",
    ),
}
"""What the specification says, the declaration, the code, in the order in which they apply."""

EMPTY = "if not rows:\n        raise SystemExit(1)"
FLAWS = {"min": (">=", ">"), "place": (".lower() ==", " =="), "largest": ("-r[", "r[")}
CHOSEN = {"simple": 1, "medium": 2, "complex": 3}

Row = tuple[str, int, str]


class Params(KitParams):
    """Which program, and what it is to learn."""

    subject: str
    options: tuple[str, ...]
    minimum: int = Field(ge=20, le=44)
    rows: int = Field(ge=9, le=28)


@dataclass(frozen=True)
class World:
    """The program's folder, and its rows."""

    contents: dict[str, str]
    rows: list[Row]
    hidden: list[Row]
    place: str


def names(p: Params) -> dict[str, str]:
    """Names of program and columns, for formatting."""
    key, number, place = SUBJECTS[p.subject]
    return {"name": p.subject, "key": key, "number": number, "place": place}


def listing(rows: list[Row], options: dict[str, str]) -> str:
    """What the finished program should print."""
    if "min" in options:
        rows = [row for row in rows if row[1] >= int(options["min"])]
    if "place" in options:
        rows = [row for row in rows if row[2].lower() == options["place"].lower()]
    if "largest" in options:
        rows = sorted(rows, key=lambda row: (-row[1], row[0]))
    return "".join(f"{name}: {number} ({place})\n" for name, number, place in rows)


def _rows(d: Draw, p: Params, count: int) -> list[Row]:
    places = d.some([town for town in words("towns") if " " not in town], 3)
    rows = [
        (f"{d.word('products')} {n}", d.integer(1, 60), d.pick(places)) for n in range(1, count + 1)
    ]
    # One row exactly at the limit, and two equal ones in the wrong order.
    rows[0] = (rows[0][0], p.minimum, places[0])
    rows[1] = (f"z {rows[1][0]}", 77, places[0])
    rows[2] = (f"a {rows[2][0]}", 77, places[0].upper())
    return rows


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the program from the parameters."""
    d = Draw(p.content)
    n, f = names(p), p.folder
    rows, hidden = _rows(d, p, p.rows), _rows(d, p, 30)
    columns = (n["key"], n["number"], n["place"])
    wishes = "".join(f"- {OPTIONS[o][0].format(**n)}\n" for o in p.options)
    contents = {
        f"{f}/{p.subject}.py": PROGRAM.format(**n),
        f"{f}/{p.subject}.csv": csv_text(columns, rows),
        f"{f}/CHANGES.md": f"# Wishes for {p.subject}.py\n\n{wishes}"
        "- Where nothing is left to print, it prints nothing and exits with status 1.\n"
        "- Options can be combined. Without any of them everything is as before.\n",
        f"{f}/old/{p.subject}-2023.csv": csv_text(columns, []),
        f"{f}/AUTHORS": f"{d.person()}\n",
    }
    return World(contents, rows, hidden, hidden[0][2])


class AddOption(Kit[Params]):
    """A program to extend."""

    name = "code-runtime/add-option"
    title = "Add options to a command-line program"
    description = "Teach a small Python program new options as a note describes, and use them."
    requires = ("python3",)
    folders = ("cli", "lister", "small-tools")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more options, which combine."""
        order = [list(OPTIONS)[int(n)] for n in rng.permutation(len(OPTIONS))]
        chosen = order[: CHOSEN[complexity]]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            subject=one(rng, sorted(SUBJECTS)),
            options=tuple(o for o in OPTIONS if o in chosen),
            minimum=int(rng.integers(20, 45)),
            rows={"simple": 9, "medium": 16, "complex": 28}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The program, a table, the wishes."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Extend it, then use it."""
        program, wishes = f"{p.folder}/{p.subject}.py", f"{p.folder}/CHANGES.md"
        table, saved = f"{p.folder}/{p.subject}.csv", f"{p.folder}/listing.txt"
        shown = " ".join(self._arguments(p, self._used(p)))
        return (
            SubGoal(
                id="extend",
                request=f"add to {program} what {wishes} asks for, without changing what it prints "
                "when none of it is used",
                label=f"the new options of {program}",
                facts=(Fact("program", program), Fact("wishes", wishes)),
                artifacts=(program,),
                question="What should happen when nothing is left to print?",
                answer="It prints nothing and exits with status 1, as CHANGES.md says",
            ),
            SubGoal(
                id="use",
                request=f"run it on {table} with `{shown}`, save what it prints as {saved}, and "
                "tell me how many lines that are",
                label="the saved listing",
                facts=(Fact("table", table), Fact("options", shown), Fact("saved", saved)),
                artifacts=(saved,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A hidden table under every option, alone and together; the saved listing."""
        w, f, n = world(p), p.folder, names(p)
        program = f"{f}/{p.subject}.py"
        table = csv_text((n["key"], n["number"], n["place"]), w.hidden)
        hidden = {f"{f}/later.csv": table}
        values = {"min": str(p.minimum), "place": w.place, "largest": ""}

        def ran(name: str, options: dict[str, str], code: int = 0) -> Check:
            return Command(
                id=name,
                subgoal="extend",
                argv=(
                    "python3",
                    "-I",
                    f"{p.subject}.py",
                    "later.csv",
                    *self._arguments(p, options),
                ),
                cwd=f,
                files=hidden,
                exit_code=code,
                stdout=TextMatch(equals=listing(w.hidden, options)),
                failure="the program prints something else for a table that it has not seen",
            )

        alone = tuple(ran(f"option-{o}", {o: values[o]}) for o in p.options)
        together = (ran("together", {o: values[o] for o in p.options}),) if len(alone) > 1 else ()
        nothing = {"min": "9999", "place": "Nowhere"}
        left = next((o for o in p.options if o in nothing), "")
        empty = (ran("empty", {left: nothing[left]}, 1),) if left else ()
        result = listing(w.rows, self._used(p))
        plain = Command(
            id="plain",
            argv=("python3", "-I", f"{p.subject}.py", "later.csv"),
            cwd=f,
            files=hidden,
            stdout=TextMatch(equals=listing(w.hidden, {})),
            weight=0,
            failure="without options the program no longer prints what it did",
        )
        rest = {path: text for path, text in w.contents.items() if path != program}
        return (
            *alone,
            *together,
            *empty,
            Text(
                id="saved",
                subgoal="use",
                path=f"{f}/listing.txt",
                text=TextMatch(equals=result),
            ),
            Said(id="told", subgoal="use", number=result.count("\n")),
            plain,
            untouched(rest, failure="a table or the wishes were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read, declare, apply, try; run and count."""
        return self._extend(p) if subgoal == "extend" else self._use(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the help, or the listing."""
        if subgoal == "extend":
            (shown,) = yield sh(f"python3 {p.subject}.py --help | grep -e '--'", workdir=p.folder)
            own = [line for line in shown.text.splitlines() if line.strip().startswith("--")]
            return f"I looked again; its help names {plural(len(own), 'option')} of its own."
        (shown,) = yield sh(f"wc -l {p.folder}/listing.txt; head -n 1 {p.folder}/listing.txt")
        return f"I looked again: the listing has {plural(shown.text.split()[0], 'line')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """One option that is not quite what was asked; the status forgotten."""
        flaw = FLAWS[p.options[-1]]
        return (
            WrongSolution("nearly right", self._extend(p, flaw)),
            WrongSolution("declared only", self._extend(p, None)),
        )

    def _used(self, p: Params) -> dict[str, str]:
        values = {"min": str(p.minimum), "place": world(p).rows[0][2], "largest": ""}
        return {o: values[o] for o in p.options}

    def _arguments(self, p: Params, options: dict[str, str]) -> tuple[str, ...]:
        """Options as they are typed."""
        arguments: list[str] = []
        for option, value in options.items():
            arguments.append(f"--{names(p)['place'] if option == 'place' else option}")
            arguments += [value] if value else []
        return tuple(arguments)

    def _extend(self, p: Params, flaw: tuple[str, str] | None = ("", "")) -> Solution:
        f, n = p.folder, names(p)
        path = f"{f}/{p.subject}.py"
        wishes, code = yield [read(f"{f}/CHANGES.md"), read(path)]
        declared = [OPTIONS[o][1].format(**n) for o in p.options if "`--" in wishes.text]
        anchor = found(r'^    (parser\.add_argument\("table".*)$', code.text)
        (first,) = yield edit(path, anchor, "\n    ".join([anchor, *declared]))
        applied = [OPTIONS[o][2].format(**n) for o in p.options] if flaw is not None else []
        if flaw and flaw[0]:
            applied[-1] = applied[-1].replace(*flaw)
        load = "rows = load(args.table)"
        (second,) = yield edit(path, load, "\n    ".join([load, *applied, EMPTY]))
        if first.failed or second.failed:
            return f"{path} could not be edited: {first.text} {second.text}"
        tried = " ".join(self._arguments(p, self._used(p)))
        run = f"python3 {p.subject}.py {p.subject}.csv"
        (ran,) = yield sh(f"{run} {tried} | wc -l", workdir=f)
        (plain,) = yield sh(f"{run} | wc -l", workdir=f)
        return (
            f"{path} knows {plural(len(declared), 'new option')}. With `{tried}` it prints "
            f"{plural(ran.text, 'line')}, without it {plain.text.strip()} as before."
        )

    def _use(self, p: Params) -> Solution:
        options = " ".join(self._arguments(p, self._used(p)))
        (ran,) = yield sh(
            f"python3 {p.subject}.py {p.subject}.csv {options} > listing.txt; wc -l listing.txt",
            workdir=p.folder,
        )
        (shown,) = yield read(f"{p.folder}/listing.txt")
        count = found(r"^(\d+)", ran.text)
        first = shown.text.splitlines()[0]
        return f"The listing has {plural(count, 'line')}; it starts with `{first}`."
