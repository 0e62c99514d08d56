"""Answer a question from a shop's database, and mark the orders that nobody placed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Sqlite
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files
from ise_env.tasks.steps import found, plural, read, sh, write

SCHEMA = """
create table customers (id integer primary key, name text not null, town text not null);
create table orders (
  id integer primary key, customer_id integer not null, placed_on text not null,
  status text not null, cents integer not null
);
create table settings (key text primary key, value text);
"""
STATES = ("shipped", "shipped", "shipped", "open", "cancelled")

Order = tuple[int, int, str, str, int]


class Params(KitParams):
    """The month in question and the size of the shop."""

    month: str
    customers: int = Field(ge=8, le=45)
    orders: int = Field(ge=30, le=260)


@dataclass(frozen=True)
class World:
    """Rows of both tables, and the database they make."""

    customers: list[tuple[int, str, str]]
    orders: list[Order]
    database: bytes
    readme: str

    @property
    def orphans(self) -> list[Order]:
        """Orders whose customer is gone."""
        known = {customer[0] for customer in self.customers}
        return [order for order in self.orders if order[1] not in known]

    def revenue(self, month: str) -> list[tuple[str, str, str]]:
        """Town, orders and revenue of what was shipped, highest revenue first."""
        towns = {number: town for number, _, town in self.customers}
        sums: dict[str, list[int]] = {}
        for _, customer, day, status, cents in self.orders:
            if status == "shipped" and day.startswith(month) and customer in towns:
                sums.setdefault(towns[customer], []).append(cents)
        rows = sorted(sums.items(), key=lambda item: -sum(item[1]))
        return [(town, str(len(cents)), money(sum(cents))) for town, cents in rows]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the shop from the parameters."""
    d = Draw(p.content)
    towns = d.different("towns", 5)
    customers = [(100 + n, d.person(), d.pick(towns)) for n in range(p.customers)]
    gone = [900 + n for n in range(3)]
    orders = []
    for number in range(p.orders):
        owner = d.pick(gone) if number % 9 == 4 else d.pick(customers)[0]
        day = d.day(2025, int(p.month[5:])) if d.chance(0.6) else d.day(2025)
        orders.append((5000 + number, owner, day.isoformat(), d.pick(STATES), d.cents(8, 900)))
    readme = (
        "# Shop database\n\n`orders.cents` is the amount in cents. `orders.status` is one of open, "
        f"shipped, cancelled, orphaned.\nAsk {d.person()} for the rest.\n"
    )
    return World(customers, orders, _database(customers, orders), readme)


class QueryDatabase(Kit[Params]):
    """An SQLite database to question and to mend."""

    name = "intelligence-core/query-database"
    title = "Query and mend a shop database"
    description = "Aggregate shipped orders by town; mark orders whose customer no longer exists."
    obstacle = "amounts in cents, and orders that point at customers who are gone"
    requires = ("python3",)
    folders = ("shop", "sales-desk", "orders")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a bigger shop. Drawn again until there is something to count."""
        folder = one(rng, self.folders)
        while True:
            p = Params(
                folder=folder,
                content=content_seed(rng),
                month=f"2025-{int(rng.integers(1, 13)):02d}",
                customers={"simple": 8, "medium": 20, "complex": 45}[complexity],
                orders={"simple": 30, "medium": 90, "complex": 260}[complexity],
            )
            if len(world(p).revenue(p.month)) > 1 and len(world(p).orphans) > 1:
                return p

    def seed(self, p: Params) -> Seed:
        """The database and a readme."""
        w = world(p)
        return Seed(files({f"{p.folder}/shop.db": w.database, f"{p.folder}/README.md": w.readme}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """A report, then a repair."""
        base, report = f"{p.folder}/shop.db", f"{p.folder}/revenue.csv"
        return (
            SubGoal(
                id="report",
                request=f"work out from {base} what was earned per town with the shipped orders "
                f"placed in {p.month} and write it to {report} with the columns town, orders (how "
                "many) and revenue (in whole currency with two decimals), highest revenue first; "
                "orders of customers who no longer exist stay out",
                label="the revenue by town",
                facts=(Fact("base", base), Fact("month", p.month), Fact("report", report)),
                artifacts=(report,),
                question="Are the amounts in the database in cents?",
                answer="Yes, the column cents is in cents; I want whole currency in the report",
            ),
            SubGoal(
                id="orphans",
                request=f"set the status to `orphaned` for every order in {base} whose customer no "
                "longer exists, whatever its status was, change nothing else there, and tell me "
                "what those orders are worth altogether",
                label="the orphaned orders",
                facts=(Fact("base", base), Fact("status", "orphaned")),
                artifacts=(base,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The report row by row; the marked orders; everything else as it was."""
        w = world(p)
        base = f"{p.folder}/shop.db"
        orphans = {order[0] for order in w.orphans}
        rest = [order for order in w.orders if order[0] not in orphans]
        worth = sum(order[4] for order in w.orphans) / 100
        return (
            CsvRows(
                id="revenue",
                subgoal="report",
                path=f"{p.folder}/revenue.csv",
                columns=("town", "orders", "revenue"),
                rows=tuple(w.revenue(p.month)),
                ordered=True,
            ),
            Sqlite(
                id="marked",
                subgoal="orphans",
                path=base,
                query="select id from orders where status = 'orphaned' order by id",
                rows=tuple((number,) for number in sorted(orphans)),
                integrity=True,
            ),
            Said(id="told", subgoal="orphans", unit=("worth", "altogether", "total"), number=worth),
            Sqlite(
                id="rest",
                path=base,
                query="select count(*), sum(cents), sum(id * cents), "
                "group_concat(case when status <> 'orphaned' then status end, '') from orders "
                "where customer_id in (select id from customers)",
                rows=(_fingerprint(rest),),
                weight=0,
                forbidden=True,
                failure="other orders were changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look at the schema, query, write; update, and query again."""
        return self._report(p) if subgoal == "report" else self._orphans(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the report or ask the database once more."""
        if subgoal == "report":
            (shown,) = yield read(f"{p.folder}/revenue.csv")
            lines = shown.text.strip().splitlines()
            return (
                f"The report has {plural(len(lines) - 1, 'town')}; the first line is `{lines[1]}`."
            )
        (count,) = yield sh(_ask(p, "select status, count(*) from orders group by status"))
        return f"Orders by status now:\n{count.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Taking every status; leaving cents as they are; deleting instead of marking."""
        every = self._report(p, where="1")
        return (
            WrongSolution("all statuses counted", every),
            WrongSolution("cents reported", self._report(p, unit=1)),
            WrongSolution("orphans deleted", self._delete(p), "orphans"),
        )

    def _report(self, p: Params, where: str = "o.status = 'shipped'", unit: int = 100) -> Solution:
        schema, about = yield [
            sh(_ask(p, "select sql from sqlite_master where sql not null")),
            read(f"{p.folder}/README.md"),
        ]
        scale = unit if "cents" in schema.text + about.text else 1
        query = (
            f"select c.town, count(*), printf('%.2f', sum(o.cents) / {scale}.0) from orders o "
            f"join customers c on c.id = o.customer_id where {where} "
            f"and o.placed_on like '{p.month}-%' group by c.town order by sum(o.cents) desc"
        )
        (rows,) = yield sh(_ask(p, query))
        if rows.failed:
            return f"The query failed: {rows.text}"
        lines = [",".join(line.split("|")) for line in rows.text.strip().splitlines()]
        report = f"{p.folder}/revenue.csv"
        (saved,) = yield write(report, "\n".join(["town,orders,revenue", *lines]) + "\n")
        if saved.failed:
            return f"{report} could not be written: {saved.text}"
        (shown,) = yield read(report)
        top = shown.text.splitlines()[1].split(",")
        return (
            f"The report has {plural(len(lines), 'town')}; {top[0]} leads with {top[2]} from "
            f"{plural(top[1], 'order')}."
        )

    def _orphans(self, p: Params) -> Solution:
        gone = "customer_id not in (select id from customers)"
        total = f"select count(*), printf('%.2f', sum(cents) / 100.0) from orders where {gone}"
        (before,) = yield sh(_ask(p, total))
        count, worth = before.text.strip().split("|")
        (marked,) = yield sh(_ask(p, f"update orders set status = 'orphaned' where {gone}"))
        if marked.failed:
            return f"The update failed: {marked.text}"
        (after,) = yield sh(_ask(p, "select count(*) from orders where status = 'orphaned'"))
        done = found(r"^(\d+)", after.text)
        return f"Orders marked as orphaned now: {done} of {count}; they are worth {worth}."

    def _delete(self, p: Params) -> Solution:
        gone = "customer_id not in (select id from customers)"
        (worth,) = yield sh(_ask(p, f"select sum(cents) / 100.0 from orders where {gone}"))
        (done,) = yield sh(_ask(p, f"delete from orders where {gone}"))
        state = "still there" if done.failed else "out"
        return f"The orders of customers who are gone, worth {worth.text.strip()}, are {state}."


def _ask(p: Params, query: str) -> str:
    """A shell command that runs a query and prints rows with `|` between the columns."""
    program = (
        "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1])\n"
        'for row in base.execute(sys.argv[2]): print(*row, sep="|")\nbase.commit()\n'
    )
    return f"python3 -c '{program}' {p.folder}/shop.db \"{query}\""


def _fingerprint(orders: list[Order]) -> tuple[int, int, int, str]:
    amounts = [order[4] for order in orders]
    weighted = sum(order[0] * order[4] for order in orders)
    return (len(orders), sum(amounts), weighted, "".join(order[3] for order in orders))


def _database(customers: list[tuple[int, str, str]], orders: list[Order]) -> bytes:
    """The database file, its library version blanked so that bytes do not depend on it."""
    base = sqlite3.connect(":memory:")
    base.executescript(SCHEMA)
    base.executemany("insert into customers values (?, ?, ?)", customers)
    base.executemany("insert into orders values (?, ?, ?, ?, ?)", orders)
    base.execute("insert into settings values ('currency', 'EUR')")
    base.commit()
    data = bytearray(base.serialize())
    base.close()
    data[96:100] = bytes(4)
    return bytes(data)
