"""Three tables of one business that hang together by ids, not all of them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

SIZES = {"simple": (5, 10), "medium": (9, 24), "complex": (16, 50)}
SETTINGS = {
    "shop": ("customers", "orders", "payments"),
    "clinic": ("patients", "treatments", "receipts"),
    "club": ("members", "bookings", "transfers"),
    "school": ("families", "lessons", "deposits"),
}

README = """\
# The three files

- `{people}.csv`: one line for each of the {people}, with an `id` such as `K-0042`.
- `{orders}.csv`: what they owe. `{who}` refers to `{people}.csv`; the clerks leave out the `K-` and
  the zeros as they like, so `42`, `0042` and `K-0042` are the same.
- `{payments}.csv`: what came in. `{what}` refers to the `no` of `{orders}.csv`.

Open is what somebody owes minus what came in for it. A line of `{orders}.csv` that belongs to
nobody in `{people}.csv`, and one of `{payments}.csv` for a `no` that is not there, is an orphan and
counts for nobody.
"""


class Params(KitParams):
    """Whose tables, and how long they are."""

    setting: str
    people: int = Field(ge=5, le=16)
    orders: int = Field(ge=10, le=50)


@dataclass(frozen=True)
class World:
    """The tables and what they come to."""

    contents: dict[str, str]
    open: list[tuple[str, str, str]]
    orphans: list[tuple[str, str]]

    @property
    def total(self) -> float:
        """Sum of what is open."""
        return round(sum(float(row[2]) for row in self.open), 2)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the tables from the parameters."""
    d = Draw(p.content)
    people, orders, payments = SETTINGS[p.setting]
    numbers = sorted(d.some(range(3, 900), p.people + 2))
    strangers = d.some(numbers, 2)
    ids = [n for n in numbers if n not in strangers]
    names = {n: d.word("companies") if d.chance(0.3) else d.person() for n in ids}
    first = d.integer(4000, 8000)
    order_rows, payment_rows = list[tuple[str, ...]](), list[tuple[str, ...]]()
    orphans: list[tuple[str, str]] = []
    owed = dict.fromkeys(ids, 0)

    def typed(n: int) -> str:
        return d.pick((f"K-{n:04d}", f"{n}", f"{n:04d}", f"K-{n:04d}"))

    for number in range(first, first + p.orders):
        stranger = number - first in (2, 5)
        who = strangers[number % 2] if stranger else d.pick(ids)
        cents = d.cents(10, 700)
        order_rows.append((str(number), typed(who), d.day(2025).isoformat(), money(cents)))
        paid = d.pick((cents, cents, 0, cents // 2, cents))
        for part in [paid // 3, paid - paid // 3] if d.chance(0.2) else [paid]:
            if part:
                payment_rows.append((f"Z{d.integer(10**5, 10**6 - 1)}", str(number), money(part)))
        if stranger:
            orphans.append((orders, str(number)))
        else:
            owed[who] += cents - paid
    for number in (first - d.integer(1, 40), first + p.orders + d.integer(0, 40)):
        code = f"Z{d.integer(10**5, 10**6 - 1)}"
        payment_rows.append((code, str(number), money(d.cents(10, 300))))
        orphans.append((payments, code))
    f = p.folder
    owner, what = people.replace("ies", "ys").rstrip("s") + "_id", orders.rstrip("s") + "_no"
    contents = {
        f"{f}/{people}.csv": csv_text(("id", "name"), [(f"K-{n:04d}", names[n]) for n in ids]),
        f"{f}/{orders}.csv": csv_text(("no", owner, "day", "amount"), order_rows),
        f"{f}/{payments}.csv": csv_text(("code", what, "amount"), d.shuffled(payment_rows)),
        f"{f}/README.md": README.format(
            people=people, orders=orders, payments=payments, who=owner, what=what
        ),
    }
    left = [(f"K-{n:04d}", names[n], money(cents)) for n, cents in owed.items() if cents]
    return World(contents, left, sorted(orphans))


class JoinTables(Kit[Params]):
    """Tables to join."""

    name = "intelligence-core/join-tables"
    title = "Join three tables and find the orphans"
    description = (
        "Join three CSV files by ids that are typed unevenly; report balances and orphans."
    )
    obstacle = "ids written in several ways, and rows that refer to nothing"
    folders = ("receivables", "open-items", "front-desk")
    version = 2
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: longer tables."""
        people, orders = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            setting=one(rng, sorted(SETTINGS)),
            people=people,
            orders=orders,
        )

    def seed(self, p: Params) -> Seed:
        """Three tables and how they hang together."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The orphans, then the balances."""
        people, orders, payments = (f"{p.folder}/{n}.csv" for n in SETTINGS[p.setting])
        orphans, balances = f"{p.folder}/orphans.csv", f"{p.folder}/open.csv"
        return (
            SubGoal(
                id="orphans",
                request=f"find the rows of {orders} and {payments} that refer to nothing, see "
                f"{p.folder}/README.md, and list them in {orphans} with the columns file (its name "
                "without .csv) and id (its first column)",
                label="the list of orphans",
                facts=(Fact("orders", orders), Fact("payments", payments), Fact("list", orphans)),
                artifacts=(orphans,),
                question=f"If a row of {orders} is an orphan, is what came in for it one too?",
                answer="No, what it was paid for is in the table, so only that row is one",
            ),
            SubGoal(
                id="open",
                request=f"work out what everybody in {people} has open, write those with anything "
                f"open to {balances} with the columns id, name and open, and tell me the sum",
                label="the open balances",
                facts=(Fact("people", people), Fact("balances", balances)),
                artifacts=(balances,),
                question="Do orphans count for anybody?",
                answer="No, they are left out of the balances",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Orphans, balances, their sum."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="orphans",
                subgoal="orphans",
                path=f"{f}/orphans.csv",
                columns=("file", "id"),
                rows=tuple(w.orphans),
            ),
            CsvRows(
                id="open",
                subgoal="open",
                weight=2,
                path=f"{f}/open.csv",
                columns=("id", "name", "open"),
                rows=tuple(w.open),
                failure="the balances are not what the three files say",
            ),
            Said(
                id="told",
                subgoal="open",
                unit=("open", "altogether", "sum", "total"),
                number=w.total,
            ),
            untouched(w.contents, failure="one of the tables was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the tables, bring the ids into one form, join."""
        return self._orphans(p) if subgoal == "orphans" else self._open(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the result."""
        name = "orphans.csv" if subgoal == "orphans" else "open.csv"
        (shown,) = yield read(f"{p.folder}/{name}")
        lines = shown.text.strip().splitlines()
        return (
            f"I looked again: {p.folder}/{name} has {plural(len(lines) - 1, 'row')}, the "
            f"first is `{lines[1]}`."
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Ids as they are typed; what was ordered for what is open."""
        return (
            WrongSolution("ids as typed", self._orphans(p, loose=False)),
            WrongSolution("payments forgotten", self._open(p, settled=False), "open"),
        )

    def _tables(self, p: Params) -> list[str]:
        return [f"{p.folder}/{name}.csv" for name in SETTINGS[p.setting]]

    def _orphans(self, p: Params, loose: bool = True) -> Solution:
        _, orders, payments = SETTINGS[p.setting]
        (readme,) = yield read(f"{p.folder}/README.md")
        replies = yield [read(path) for path in self._tables(p)]
        known, owed, paid = (_rows(reply.text) for reply in replies)
        ids = {_plain(row[0], loose) for row in known}
        numbers = {row[0] for row in owed}
        lost = [(orders, row[0]) for row in owed if _plain(row[1], loose) not in ids]
        lost += [(payments, row[0]) for row in paid if row[1] not in numbers]
        if "orphan" not in readme.text:
            return "The README does not say what an orphan is."
        target = f"{p.folder}/orphans.csv"
        (saved,) = yield write(target, csv_text(("file", "id"), lost))
        if saved.failed:
            return f"{target} could not be written: {saved.text}"
        (counted,) = yield sh(f"tail -n +2 {target} | cut -d, -f1 | sort | uniq -c")
        kinds = [" ".join(line.split()) for line in counted.text.splitlines()]
        return f"The orphans are in {target}: {' and '.join(kinds)}."

    def _open(self, p: Params, settled: bool = True) -> Solution:
        replies = yield [read(path) for path in self._tables(p)]
        known, owed, paid = (_rows(reply.text) for reply in replies)
        came = dict[str, int]()
        for row in paid if settled else ():
            came[row[1]] = came.get(row[1], 0) + round(float(row[2]) * 100)
        left = dict[str, int]()
        for row in owed:
            key = _plain(row[1], True)
            cents = round(float(row[3]) * 100) - came.get(row[0], 0)
            left[key] = left.get(key, 0) + cents
        rows = [
            (row[0], row[1], money(left[_plain(row[0], True)]))
            for row in known
            if left.get(_plain(row[0], True))
        ]
        target = f"{p.folder}/open.csv"
        (saved,) = yield write(target, csv_text(("id", "name", "open"), rows))
        if saved.failed:
            return f"{target} could not be written: {saved.text}"
        (total,) = yield sh(
            "python3 -c \"import csv; print('%.2f' % sum(float(r['open']) for r in "
            f"csv.DictReader(open('{target}'))))\"; wc -l {target}"
        )
        amount, count = found(r"^(-?[\d.]+)$", total.text), found(r"^ *(\d+) ", total.text)
        return f"Altogether {amount} is open, see {target} ({plural(int(count) - 1, 'row')})."


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))[1:]


def _plain(id_: str, loose: bool) -> str:
    return id_.removeprefix("K-").lstrip("0") if loose else id_
