"""Stock to reorder by a stated reorder point, in packs, with what is on its way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
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

SIZES = {"simple": 10, "medium": 18, "complex": 30}

RULES = """\
# When and how much we reorder

- Daily use of an item is what `sales.csv` sold of it over the {days} days that the file covers,
  divided by {days}; a negative quantity is a return and counts as such. Days on which an item was
  not sold have no row.
- Reorder point = daily use x (lead time of its supplier + {safety} days of safety), rounded up to
  whole pieces. `suppliers.csv` has the lead times in days; where it is empty, take {default}.
- Position = on hand + on its way. `incoming.csv` has what is on its way; rows whose `status` is
  `cancelled` are not.
- An item is reordered when its position is at or below its reorder point, except when `active` in
  `items.csv` is `no`. Its quantity fills the position up to twice the reorder point, rounded up to
  full packs (`pack` pieces each).
- `orders.csv` has the columns item, supplier and pieces.
- A supplier whose orders come to less than its `minimum` (in euro, by `price` a piece) waits:
  `waiting.txt` has the names of those suppliers, one a line, in alphabetical order.
"""

ORDER = """\
import csv, math
from collections import defaultdict
from decimal import Decimal
def table(name):
    return list(csv.DictReader(open(name + ".csv")))
sold, coming = defaultdict(int), defaultdict(int)
for row in table("sales"):
    sold[row["item"]] += int(row["pieces"])
for row in table("incoming"):
    if row["status"] != "cancelled":
        coming[row["item"]] += int(row["pieces"])
lead = {s["supplier"]: int(s["lead_days"] or DEFAULT) for s in table("suppliers")}
rows = []
for i in table("items"):
    point = math.ceil(Decimal(sold[i["item"]] * (lead[i["supplier"]] + SAFETY)) / DAYS)
    position = int(i["on_hand"]) + coming[i["item"]]
    if i["active"] == "yes" and position <= point:
        packs = math.ceil((2 * point - position) / int(i["pack"]))
        if packs:
            rows.append((i["item"], i["supplier"], packs * int(i["pack"])))
with open("orders.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("item", "supplier", "pieces"))
    out.writerows(rows)
"""

WAIT = """\
import csv
from collections import defaultdict
from decimal import Decimal
price = {i["item"]: Decimal(i["price"]) for i in csv.DictReader(open("items.csv"))}
least = {s["supplier"]: Decimal(s["minimum"]) for s in csv.DictReader(open("suppliers.csv"))}
sums = defaultdict(Decimal)
for row in csv.DictReader(open("orders.csv")):
    sums[row["supplier"]] += price[row["item"]] * int(row["pieces"])
waiting = sorted(name for name in sums if sums[name] < least[name])
open("waiting.txt", "w").write("".join(name + "\\n" for name in waiting))
sent = sum((total for name, total in sums.items() if name not in waiting), Decimal(0))
print("go out", f"{sent:.2f}")
"""


class Params(KitParams):
    """How many items, and the figures of the rule."""

    items: int = Field(ge=10, le=30)
    days: int = Field(ge=21, le=30)
    safety: int = Field(ge=2, le=5)
    default: int = Field(ge=6, le=10)


@dataclass(frozen=True)
class World:
    """The stock and what has to be ordered."""

    contents: dict[str, str]
    orders: list[tuple[str, str, str]]
    waiting: list[str]
    sent: int
    """Cents of what is ordered at once."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive stock and sales from the parameters."""
    d = Draw(p.content)
    names = d.different("companies", 4)
    lead = {name: d.integer(4, 15) for name in names}
    lead[names[1]] = 0  # not known
    start = date(2025, d.integer(2, 10), 1)
    items, sales, incoming, orders = [], [], [], []
    sums: dict[str, int] = {}
    for number, what in enumerate(d.different("products", p.items)):
        item = what.replace(" ", "-")
        supplier = names[number % 4]
        sold = 0
        for step in range(p.days):
            if d.chance(0.6):
                pieces = d.integer(1, 7) if d.chance(0.94) else -1
                sold += pieces
                sales.append((str(start + timedelta(days=step)), item, pieces))
        point = math.ceil(sold * ((lead[supplier] or p.default) + p.safety) / p.days)
        position = point + d.pick((0, -3, -9, 1, 8, 25))
        coming = d.integer(1, max(1, position // 2)) if number % 3 == 0 and position > 4 else 0
        if coming:
            incoming.append((f"B{number + 31}", item, coming, d.pick(("sent", "confirmed"))))
        if number % 4 == 1:
            incoming.append((f"B{number + 61}", item, d.integer(30, 90), "cancelled"))
        active = number % 7 != 5
        pack, price = d.pick((1, 6, 10, 12, 25)), d.cents(1, 14)
        on_hand = max(0, position - coming)
        row = (item, supplier, on_hand, pack, money(price), "yes" if active else "no")
        items.append(row)
        position = on_hand + coming
        if active and position <= point and 2 * point > position:
            pieces = -(-(2 * point - position) // pack) * pack
            orders.append((item, supplier, str(pieces)))
            sums[supplier] = sums.get(supplier, 0) + pieces * price
    # Every other supplier's minimum is above what is ordered there.
    least = {
        name: sums.get(name, 5000) * (130 if at % 2 else 60) // 100 // 500 * 500
        for at, name in enumerate(names)
    }
    waiting = sorted(name for name in sums if sums[name] < least[name])
    f = p.folder
    columns = ("item", "supplier", "on_hand", "pack", "price", "active")
    suppliers = [(name, lead[name] or "", money(least[name])) for name in names]
    contents = {
        f"{f}/items.csv": csv_text(columns, items),
        f"{f}/sales.csv": csv_text(("day", "item", "pieces"), sorted(sales)),
        f"{f}/incoming.csv": csv_text(("no", "item", "pieces", "status"), d.shuffled(incoming)),
        f"{f}/suppliers.csv": csv_text(("supplier", "lead_days", "minimum"), suppliers),
        f"{f}/RULES.md": RULES.format(days=p.days, safety=p.safety, default=p.default),
        **surroundings(p.content, f),
    }
    sent = sum(total for name, total in sums.items() if name not in waiting)
    return World(contents, orders, waiting, sent)


class ReorderStock(Kit[Params]):
    """Stock to reorder."""

    name = "intelligence-core/reorder-stock"
    title = "Work out what to reorder"
    description = "Reorder points from sales and lead times, orders in packs, minimum values."
    obstacle = "cancelled deliveries, returns, an unknown lead time, items no longer sold"
    folders = ("replenishment", "reorder", "stock-planning")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more items."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            items=SIZES[complexity],
            days=one(rng, (21, 28, 30)),
            safety=int(rng.integers(2, 6)),
            default=int(rng.integers(6, 11)),
        )

    def seed(self, p: Params) -> Seed:
        """Items, sales, what is on its way, suppliers, rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The orders, then which suppliers have to wait."""
        items, rules, orders, waiting = (
            f"{p.folder}/{n}" for n in ("items.csv", "RULES.md", "orders.csv", "waiting.txt")
        )
        return (
            SubGoal(
                id="order",
                request=f"work out what has to be reordered of {items} by {rules}, write {orders}, "
                "and tell me how many items are on it",
                label="the orders",
                facts=(Fact("items", items), Fact("rules", rules), Fact("orders", orders)),
                artifacts=(orders,),
                question="What if a supplier has no lead time?",
                answer=f"Take {p.default} days then",
            ),
            SubGoal(
                id="wait",
                request=f"see which suppliers in {orders} stay below their minimum, list them in "
                f"{waiting} as {rules} says, and tell me what the orders to all the others come to",
                label="the suppliers who wait",
                facts=(Fact("orders", orders), Fact("waiting", waiting), Fact("rules", rules)),
                artifacts=(waiting,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The orders, who waits, what was said."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="orders",
                subgoal="order",
                weight=2,
                path=f"{f}/orders.csv",
                columns=("item", "supplier", "pieces"),
                rows=tuple(w.orders),
            ),
            Said(
                id="told", subgoal="order", unit=("item", "reorder", "order"), number=len(w.orders)
            ),
            Text(
                id="waiting",
                subgoal="wait",
                path=f"{f}/waiting.txt",
                text=TextMatch(equals="\n".join(w.waiting)),
            ),
            Said(
                id="sent",
                subgoal="wait",
                unit=("come", "euro", "eur", "total", "order"),
                number=w.sent / 100,
            ),
            untouched(w.contents, failure="the stock or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Use, lead time, position, packs; sums by supplier."""
        return self._order(p) if subgoal == "order" else self._wait(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the files once more."""
        name = "orders.csv" if subgoal == "order" else "waiting.txt"
        (shown,) = yield read(f"{p.folder}/{name}")
        lines = shown.text.strip().splitlines()
        return f"I looked again: {name} has {plural(len(lines), 'line')}, the last `{lines[-1]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Cancelled deliveries counted; deliveries on their way forgotten."""
        cancelled = ORDER.replace('if row["status"] != "cancelled"', "if True")
        stopped = ORDER.replace('i["active"] == "yes" and ', "").replace('+ coming[i["item"]]', "")
        return (
            WrongSolution("cancelled ones counted", self._order(p, cancelled)),
            WrongSolution("on hand only, stopped items too", self._order(p, stopped)),
        )

    def _order(self, p: Params, program: str = ORDER) -> Solution:
        rules, states = yield [
            read(f"{p.folder}/RULES.md"),
            sh(
                "head -n 3 *.csv; cut -d, -f4 incoming.csv | sort | uniq -c; "
                "tail -n +2 items.csv | wc -l",
                workdir=p.folder,
            ),
        ]
        text = " ".join(rules.text.split())
        for key, pattern in (
            ("DEFAULT", r"is empty, take (\d+)"),
            ("SAFETY", r"[+] (\d+) days of safety"),
            ("DAYS", r"divided by (\d+)"),
        ):
            program = program.replace(key, found(pattern, text))
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The orders could not be worked out: {ran.text.strip()}"
        (count,) = yield sh("tail -n +2 orders.csv | wc -l", workdir=p.folder)
        total = states.text.strip().splitlines()[-1].strip()
        gone = found(r"(\d+) cancelled", states.text, "0")
        return (
            f"There are {plural(count.text, 'item')} to reorder. We have {total} in all; of what "
            f"is on its way, {gone} deliveries are cancelled and do not count."
        )

    def _wait(self, p: Params) -> Solution:
        (ran,) = yield python(WAIT, workdir=p.folder)
        if ran.failed:
            return f"The sums could not be made: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/waiting.txt")
        total = found(r"^go out ([\d.]+)", ran.text)
        names = ", ".join(shown.text.strip().splitlines())
        return f"The orders to all the others come to {total} euro.\nWaiting: {names}."
