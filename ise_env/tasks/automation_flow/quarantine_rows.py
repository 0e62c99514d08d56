"""Feeds from several partners: good rows go on, bad ones into quarantine with a reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Sqlite
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._quarantine_rows_texts import CONTRACT, LOAD, PROGRAM
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

SIZES = {"simple": (3, 10), "medium": (4, 18), "complex": (6, 30)}

Cells = tuple[str, str, str, str, str]


class Params(KitParams):
    """How many feeds, and rows in each."""

    feeds: int = Field(ge=3, le=6)
    rows: int = Field(ge=10, le=30)


@dataclass(frozen=True)
class World:
    """The feeds and what becomes of their rows."""

    contents: dict[str, bytes]
    database: bytes
    clean: tuple[Cells, ...]
    bad: tuple[tuple[str, str, str], ...]
    stored: tuple[tuple[int, str, int, float, str], ...]
    """Rows of the database before."""

    @property
    def added(self) -> list[Cells]:
        """Good rows that the database does not have."""
        known = {row[0] for row in self.stored}
        return [row for row in self.clean if int(row[0]) not in known]


def _spoil(d: Draw, row: list[str], kind: str) -> list[str]:
    """A row that is bad for one reason."""
    row = list(row)
    if kind == "cells":
        return [*row, "late"] if d.chance(0.5) else row[:-1]
    if kind == "id":
        row[0] = d.pick(("n/a", f"A{row[0]}", ""))
    elif kind == "qty":
        row[2] = d.pick(("0", "-3", "2.5", "two", ""))
    elif kind == "price":
        row[3] = d.pick((row[3][:-1], row[3] + "0", "free", f"EUR {row[3]}"))
    elif kind == "day":
        row[4] = d.pick(("2026-02-30", "2026-13-01", "12.03.2026", "2026-06-31"))
    return row


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the feeds from the parameters."""
    d = Draw(p.content)
    names = ("id", "sku", "qty", "price", "day")
    partners = sorted(
        f"{name.split()[0].lower()}.csv" for name in d.different("companies", p.feeds)
    )
    number = d.integer(1_000, 5_000)
    clean: list[Cells] = []
    bad: list[tuple[str, str, str]] = []
    contents: dict[str, bytes] = {}
    for at, partner in enumerate(partners):
        order = d.shuffled(range(5))
        cut = ";" if at % 2 else ","
        lines = [cut.join(names[i] for i in order)]
        for line in range(2, p.rows + 2):
            number += d.integer(1, 4)
            sku = f"{d.pick('ABCDE')}-{d.integer(100, 999)}"
            day = d.day(2026).isoformat()
            row = [str(number), sku, str(d.integer(1, 60)), money(d.cents(1, 90)), day]
            kind = (
                d.pick(("cells", "id", "qty", "price", "day", "repeated"))
                if d.chance(0.25) or line == 3 + at
                else ""
            )
            if kind == "repeated" and clean:
                row[0] = d.pick(clean)[0]
            elif kind == "repeated":
                kind = ""
            elif kind:
                row = _spoil(d, row, kind)
            if kind:
                bad.append((partner, str(line), kind))
            else:
                clean.append((row[0], row[1], row[2], row[3], row[4]))
            cells = [row[i] for i in order if i < len(row)] + row[5:]
            lines.append(cut.join(cells))
        text = "\n".join(lines) + "\n"
        windows = at == 1
        data = text.replace("\n", "\r\n").encode("utf-8-sig") if windows else text.encode()
        contents[f"{p.folder}/in/{partner}"] = data
    contents[f"{p.folder}/CONTRACT.md"] = CONTRACT.format(person=d.person()).encode()
    stored = [
        (800 + n, f"{d.pick('ABCDE')}-{d.integer(100, 999)}", d.integer(1, 60),
         d.cents(1, 90) / 100, d.day(2025).isoformat())
        for n in range(15)
    ]  # fmt: skip
    # Deliveries that came in before by telephone, with figures that were put right since.
    for id_, sku, qty, price, day in d.some(clean, 3):
        stored.append((int(id_), sku, int(qty) + 1, float(price), day))
    return World(contents, _database(stored), tuple(clean), tuple(bad), tuple(stored))


def _database(rows: list[tuple[int, str, int, float, str]]) -> bytes:
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute(
            "create table deliveries (id integer primary key, sku text, qty integer, price real, "
            "day text)"
        )
        base.executemany("insert into deliveries values (?, ?, ?, ?, ?)", rows)
        base.commit()
        return base.serialize()


class QuarantineRows(Kit[Params]):
    """Feeds to sort into good and bad."""

    name = "automation-flow/quarantine-rows"
    title = "Load feeds and quarantine bad rows"
    description = "Split feeds into clean and quarantined rows by a contract, then load the clean."
    obstacle = "bad rows of six kinds, files of several layouts, and deliveries already loaded"
    requires = ("python3", "sqlite3")
    folders = ("partner-feeds", "goods-in", "delivery-feeds")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more feeds, more rows."""
        feeds, rows = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), feeds=feeds, rows=rows
        )

    def seed(self, p: Params) -> Seed:
        """The feeds, the contract, the database."""
        w = world(p)
        base = SeedFile(f"{p.folder}/stock.db", w.database)
        return Seed((*files(w.contents), *files(surroundings(p.content, p.folder, 13)), base))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Split; load."""
        f = p.folder
        feeds, contract = f"{f}/in", f"{f}/CONTRACT.md"
        clean, bad, base = f"{f}/clean.csv", f"{f}/quarantine.csv", f"{f}/stock.db"
        return (
            SubGoal(
                id="split",
                request=f"split the rows of all feeds in {feeds} into {clean} and {bad} as "
                f"{contract} says",
                label="the clean and the quarantined rows",
                facts=(
                    Fact("feeds", feeds),
                    Fact("clean", clean),
                    Fact("bad", bad),
                    Fact("contract", contract),
                ),
                artifacts=(clean, bad),
                question="What if the same id comes twice?",
                answer="The first good row counts, later ones are repeated",
            ),
            SubGoal(
                id="load",
                request=f"load {clean} into the table deliveries of {base}, leaving deliveries "
                "that are in there already as they are, and tell me how many rows were added",
                label="the load of the clean rows",
                facts=(Fact("clean", clean), Fact("base", base)),
                artifacts=(base,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both tables, the database, and what was in it before."""
        w, f = world(p), p.folder
        everything = [
            *w.stored,
            *((int(i), sku, int(qty), float(price), day) for i, sku, qty, price, day in w.added),
        ]
        known = ",".join(str(row[0]) for row in w.stored)
        return (
            CsvRows(
                id="clean",
                subgoal="split",
                weight=2,
                path=f"{f}/clean.csv",
                columns=("id", "sku", "qty", "price", "day"),
                rows=w.clean,
            ),
            CsvRows(
                id="quarantine",
                subgoal="split",
                weight=2,
                path=f"{f}/quarantine.csv",
                columns=("file", "line", "reason"),
                rows=w.bad,
            ),
            Sqlite(
                id="loaded",
                subgoal="load",
                weight=2,
                path=f"{f}/stock.db",
                query="select id, sku, cast(qty as integer), cast(price as real), day "
                "from deliveries",
                rows=tuple(everything),
            ),
            Said(id="told", subgoal="load", unit=("row", "added", "deliver"), number=len(w.added)),
            Sqlite(
                id="kept",
                path=f"{f}/stock.db",
                query=f"select * from deliveries where id in ({known})",
                rows=w.stored,
                weight=0,
                forbidden=True,
                failure="a delivery that was there before was changed or lost",
            ),
            untouched(w.contents, failure="a feed or the contract was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """A short program after the contract; insert what is new."""
        return self._split(p) if subgoal == "split" else self._load(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count by reason, or in the database."""
        if subgoal == "split":
            (shown,) = yield sh(
                "tail -n +2 quarantine.csv | cut -d, -f3 | sort | uniq -c", workdir=p.folder
            )
            kinds = ", ".join(" ".join(line.split()) for line in shown.text.strip().splitlines())
            return f"I counted the quarantine again by reason: {kinds}."
        (shown,) = yield sh(f"sqlite3 {p.folder}/stock.db 'select max(id) from deliveries'")
        return f"I looked again; the last id in the database is {shown.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Repeated ids let through; old deliveries replaced; nothing loaded."""
        return (
            WrongSolution("repeated ids let through", self._split(p, remember="pass")),
            WrongSolution("old deliveries replaced", self._load(p, what="replace"), "load"),
            WrongSolution("only told", self._told(p), "load"),
        )

    def _split(self, p: Params, remember: str = 'seen.add(row["id"])') -> Solution:
        (contract,) = yield read(f"{p.folder}/CONTRACT.md")
        (ran,) = yield sh(
            f"cat > /tmp/split.py <<'EOF'\n{PROGRAM.format(remember=remember)}EOF\n"
            "python3 /tmp/split.py && sed -n 2p quarantine.csv",
            workdir=p.folder,
        )
        if ran.failed or "`repeated`" not in contract.text:
            return f"The feeds could not be split: {last_line(ran.text)}"
        good, bad = found(r"^(\d+) good", ran.text), found(r"(\d+) bad", ran.text)
        return (
            f"{plural(good, 'row')} are clean, {plural(bad, 'row')} are in quarantine, the first "
            f"being `{last_line(ran.text)}`."
        )

    def _load(self, p: Params, what: str = "ignore") -> Solution:
        (ran,) = yield sh(f"python3 - <<'EOF'\n{LOAD.format(what=what)}EOF", workdir=p.folder)
        if ran.failed:
            return f"Loading failed: {last_line(ran.text)}"
        added = found(r"^(\d+) added", ran.text)
        return f"{plural(added, 'row')} were added to the database."

    def _told(self, p: Params) -> Solution:
        (count,) = yield sh("tail -n +2 clean.csv | wc -l", workdir=p.folder)
        return f"{plural(count.text, 'row')} were added."
