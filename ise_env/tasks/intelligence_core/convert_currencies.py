"""Expenses in several currencies and a table of rates that has gaps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 14, "medium": 34, "complex": 90}
LEVELS = {"USD": 1.09, "GBP": 0.85, "CHF": 0.95, "SEK": 11.3, "JPY": 161.0}
HUNDREDS = ("SEK", "JPY")

RULES = """\
# Turning expenses into euro

- A rate in `rates.csv` says how many units of the currency one euro buys on that day, except where
  `per` is 100: there it says how many euro a hundred units are worth.
- Where a day has no rate, the latest earlier one of that currency counts, but none that is more
  than {days} days older than the expense. A rate of a later day is never used.
- An expense for which there is no rate then is not converted. Expenses in EUR stay what they are.
- Round each expense to two decimals, halves up, and only then add up.
- `euro.csv` has the columns no and euro, a row for each expense that could be converted.
- `open.txt` has the numbers of the others, one a line, sorted.
- `centres.csv` has the columns centre and euro: what the converted expenses of each cost centre
  come to, the largest first; a centre without any is left out.
"""

CONVERT = """\
import csv
from datetime import date
from decimal import Decimal, ROUND_HALF_UP
rates = list(csv.DictReader(open("rates.csv")))
done, left = [], []
for row in csv.DictReader(open("expenses.csv")):
    day, amount = date.fromisoformat(row["day"]), Decimal(row["amount"])
    if row["currency"] == "EUR":
        done.append((row["no"], amount))
        continue
    usable = [r for r in rates if r["currency"] == row["currency"] and r["day"] <= row["day"]
              and (day - date.fromisoformat(r["day"])).days <= DAYS]
    if not usable:
        left.append(row["no"])
        continue
    r = max(usable, key=lambda r: r["day"])
    rate = Decimal(r["rate"])
    euro = amount * rate / 100 if r["per"] == "100" else amount / rate
    done.append((row["no"], euro.quantize(Decimal("0.01"), ROUND_HALF_UP)))
with open("euro.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("no", "euro"))
    out.writerows(done)
open("open.txt", "w").write("".join(no + "\\n" for no in sorted(left)))
print("sum", sum(euro for _, euro in done))
"""

CENTRES = """\
import csv
from collections import defaultdict
from decimal import Decimal
centre = {row["no"]: row["centre"] for row in csv.DictReader(open("expenses.csv"))}
sums = defaultdict(Decimal)
for row in csv.DictReader(open("euro.csv")):
    sums[centre[row["no"]]] += Decimal(row["euro"])
with open("centres.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("centre", "euro"))
    out.writerows(sorted(sums.items(), key=lambda item: -item[1]))
"""


class Params(KitParams):
    """How many expenses, and how old a rate may be."""

    expenses: int = Field(ge=14, le=90)
    days: int = Field(ge=3, le=5)


@dataclass(frozen=True)
class World:
    """Expenses, rates, and what they come to in cents."""

    contents: dict[str, str]
    euro: dict[str, int]
    left: list[str]
    centres: list[tuple[str, str]]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive expenses and rates from the parameters."""
    d = Draw(p.content)
    start = date(2025, d.integer(2, 9), d.integer(1, 12))
    span = [start + timedelta(days=n) for n in range(30)]
    gap = d.integer(8, 14)
    table: dict[str, dict[date, str]] = {}
    for code, level in LEVELS.items():
        held = d.pick(("USD", "GBP")) if code == "CHF" else code
        rates = {}
        for at, day in enumerate(span):
            # Weekends, and in one currency each a gap that is longer than a rate may be old.
            away = day.weekday() > 4 or (held == code and gap <= at <= gap + p.days + 4)
            if not away:
                moved = level * d.integer(970, 1030) / 1000
                rates[day] = f"{100 / moved if code in HUNDREDS else moved:.4f}"
        table[code] = rates
    centres = [f"C{n}" for n in d.some(range(10, 60), 4)]
    rows, euro, left = [], {}, []
    sums: dict[str, Decimal] = {}
    for number in range(1, p.expenses + 1):
        code = d.pick(("EUR", *LEVELS)) if number > 5 else tuple(LEVELS)[number - 1]
        at = gap + p.days + 2 if number in (1, 3) else d.integer(0, 29)
        day, centre, no = span[at], d.pick(centres), f"E{number:03d}"
        amount = money(d.cents(8, 900) * (100 if code == "JPY" else 1))
        what = d.pick(("train", "hotel", "books", "lunch with guests", "parts", "courier"))
        rows.append((no, day.isoformat(), centre, what, amount, code))
        value = Decimal(amount)
        if code != "EUR":
            past = [x for x in table[code] if timedelta(0) <= day - x <= timedelta(days=p.days)]
            if not past:
                left.append(no)
                continue
            rate = Decimal(table[code][max(past)])
            value = value * rate / 100 if code in HUNDREDS else value / rate
        value = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
        euro[no] = int(value * 100)
        sums[centre] = sums.get(centre, Decimal(0)) + value
    lines = [
        (day.isoformat(), code, 100 if code in HUNDREDS else 1, rate)
        for code, rates in table.items()
        for day, rate in rates.items()
    ]
    f = p.folder
    columns = ("no", "day", "centre", "what", "amount", "currency")
    contents = {
        f"{f}/expenses.csv": csv_text(columns, rows),
        f"{f}/rates.csv": csv_text(("day", "currency", "per", "rate"), sorted(lines)),
        f"{f}/RULES.md": RULES.format(days=p.days),
        **surroundings(p.content, f),
    }
    ranked = sorted(sums.items(), key=lambda item: -item[1])
    return World(contents, euro, left, [(centre, str(value)) for centre, value in ranked])


class ConvertCurrencies(Kit[Params]):
    """Expenses to convert."""

    name = "intelligence-core/convert-currencies"
    title = "Convert expenses with a table of rates"
    description = "Convert expenses to euro by dated rates with gaps; total them by cost centre."
    obstacle = "days without a rate, rates too old to use, two ways of quoting"
    folders = ("expenses", "travel-costs", "reimbursements")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more expenses."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            expenses=SIZES[complexity],
            days=int(rng.integers(3, 6)),
        )

    def seed(self, p: Params) -> Seed:
        """Expenses, rates, rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Convert, then total what was converted."""
        expenses, rates, rules, euro, left, centres = (
            f"{p.folder}/{n}"
            for n in (
                "expenses.csv",
                "rates.csv",
                "RULES.md",
                "euro.csv",
                "open.txt",
                "centres.csv",
            )
        )
        return (
            SubGoal(
                id="convert",
                request=f"convert {expenses} to euro with {rates}, following {rules}; the results "
                f"belong in {euro}, what cannot be converted in {left}, and I want to know the "
                "sum in euro",
                label="the expenses in euro",
                facts=(
                    Fact("expenses", expenses),
                    Fact("rates", rates),
                    Fact("rules", rules),
                    Fact("euro", euro),
                    Fact("left", left),
                ),
                artifacts=(euro, left),
                question="What about days without a rate?",
                answer=f"Take the latest earlier one, if it is no more than {p.days} days older",
            ),
            SubGoal(
                id="centres",
                request=f"total {euro} by cost centre in {centres} in the form that {rules} gives, "
                "and tell me which centre spent most",
                label="the totals by cost centre",
                facts=(Fact("euro", euro), Fact("centres", centres), Fact("rules", rules)),
                artifacts=(centres,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every expense, what is left open, the totals."""
        w, f = world(p), p.folder
        top = w.centres[0][0]
        return (
            CsvRows(
                id="euro",
                subgoal="convert",
                weight=2,
                path=f"{f}/euro.csv",
                columns=("no", "euro"),
                rows=tuple((no, money(cents)) for no, cents in w.euro.items()),
            ),
            Text(
                id="open",
                subgoal="convert",
                path=f"{f}/open.txt",
                text=TextMatch(equals="\n".join(w.left)),
            ),
            Said(
                id="told",
                subgoal="convert",
                unit=("sum", "total", "euro", "eur"),
                number=sum(w.euro.values()) / 100,
            ),
            CsvRows(
                id="centres",
                subgoal="centres",
                path=f"{f}/centres.csv",
                columns=("centre", "euro"),
                rows=tuple(w.centres),
                ordered=True,
            ),
            Said(
                id="most",
                subgoal="centres",
                text=TextMatch(matches=(rf"\b{top}\b",)),
                like=r"\bC\d\d\b",
            ),
            untouched(w.contents, failure="the expenses or the rates were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look up the latest usable rate of each expense; add up."""
        return self._convert(p) if subgoal == "convert" else self._centres(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the files once more."""
        name = "euro.csv" if subgoal == "convert" else "centres.csv"
        (shown,) = yield sh(f"wc -l {name}; sed -n 2p {name}", workdir=p.folder)
        count, first = found(r"^ *(\d+) ", shown.text), shown.text.strip().splitlines()[-1]
        return (
            f"I looked again: {name} has {plural(count, 'line')}, first after the head `{first}`."
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Old rates used all the same; all currencies quoted alike."""
        old = CONVERT.replace("<= DAYS", "<= 99")
        alike = CONVERT.replace('r["per"] == "100"', "False")
        return (
            WrongSolution("rates however old", self._convert(p, old)),
            WrongSolution("all quoted alike", self._convert(p, alike)),
        )

    def _convert(self, p: Params, program: str = CONVERT) -> Solution:
        rules, kinds = yield [
            read(f"{p.folder}/RULES.md"),
            sh(
                "head -n 4 rates.csv expenses.csv; cut -d, -f6 expenses.csv | sort | uniq -c",
                workdir=p.folder,
            ),
        ]
        days = found(r"than (\d+) days older", " ".join(rules.text.split()))
        (ran,) = yield python(program.replace("DAYS", days), workdir=p.folder)
        if ran.failed:
            return f"The conversion stopped: {ran.text.strip()}"
        (left,) = yield read(f"{p.folder}/open.txt")
        total = found(r"^sum ([\d.]+)", ran.text)
        count = len(re.findall(r"^ +\d+ [A-Z]{3}$", kinds.text, re.MULTILINE))
        missing = ", ".join(left.text.split())
        return (
            f"In euro the sum is {total}. There were {plural(count, 'currency', 'currencies')}; "
            f"without a usable rate: {missing}."
        )

    def _centres(self, p: Params) -> Solution:
        (ran,) = yield python(CENTRES, workdir=p.folder)
        if ran.failed:
            return f"The totals could not be made: {ran.text.strip()}"
        (shown,) = yield sh("sed -n 2p centres.csv", workdir=p.folder)
        centre, amount = shown.text.strip().split(",")
        return f"{centre} spent most, {amount} euro."
