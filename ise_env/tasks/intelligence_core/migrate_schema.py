"""A database whose cells hold lists and whose countries are typed freely, to be normalised."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Sqlite
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, ToolCall, WrongSolution
from ise_env.tasks.seeding import Content, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 10, "medium": 24, "complex": 60}
COUNTRIES = {"AT": "Austria", "CH": "Switzerland", "DE": "Germany", "FR": "France", "NL": "Holland"}
CODES = "".join(f"| {name.lower()} | {code} |\n" for code, name in COUNTRIES.items())

GUIDE = """\
# From the old database to the new one

The old one has one table, `members(id, name, country, phones)`. The new one is a file of its own
with these tables:

    create table members (id integer primary key, name text not null, country text);
    create table phones (member_id integer not null references members(id),
                         number text not null, position integer not null,
                         primary key (member_id, position), unique (member_id, number));

- `country` becomes a code by this list, whatever its letter case and the blanks around it:

| typed | code |
| --- | --- |
{codes}
  A country that is not in the list becomes NULL.
- `phones` holds numbers separated by `;`. Each becomes a row, without any blanks in it; positions
  count from 1 for each member. A number that a member has twice is taken once, at its first place,
  and takes no second position. Empty pieces are nothing.
- Names lose the blanks around them, ids stay. A row of `members` whose name is empty is no member
  and is left out with its phones.
- `countries.csv` has the columns country and members: how many members each code has, sorted by
  code, without those that have none.
"""

MIGRATE = """\
import os, re, sqlite3
if os.path.exists("TARGET"):
    os.remove("TARGET")
guide = open("GUIDE.md").read()
codes = dict(re.findall(r"^\\| (\\w+) \\| ([A-Z]{2}) \\|$", guide, re.M))
old = sqlite3.connect("file:members.db?mode=ro", uri=True)
new = sqlite3.connect("TARGET")
for statement in re.findall(r"create table (?:.|\\n)+?;\\n", guide):
    new.execute(statement)
for id_, name, country, phones in old.execute("select id, name, country, phones from members"):
    if not name.strip():
        continue
    code = codes.get((country or "").strip().lower())
    new.execute("insert into members values (?, ?, ?)", (id_, name.strip(), code))
    numbers = [re.sub(r"\\s", "", piece) for piece in (phones or "").split(";")]
    for position, number in enumerate(dict.fromkeys(filter(None, numbers)), 1):
        new.execute("insert into phones values (?, ?, ?)", (id_, number, position))
new.commit()
"""

COUNT = """\
import csv, sqlite3
rows = sqlite3.connect("members-v2.db").execute(
    "select country, count(*) from members where country is not null group by 1 order by 1")
with open("countries.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("country", "members"))
    out.writerows(rows)
"""
ASK = """\
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print(*row, sep=" | ")
"""


class Params(KitParams):
    """How many members there are."""

    members: int = Field(ge=10, le=60)


@dataclass(frozen=True)
class World:
    """The old database and what the new one holds."""

    contents: dict[str, Content]
    members: list[tuple[int, str, str | None]]
    phones: list[tuple[int, str, int]]

    @property
    def countries(self) -> list[tuple[str, str]]:
        """Members of each code, sorted."""
        codes = [code for _, _, code in self.members if code]
        return [(code, str(codes.count(code))) for code in sorted(set(codes))]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the members from the parameters."""
    d = Draw(p.content)
    rows, members, phones = [], list[tuple[int, str, str | None]](), []
    for place, number in enumerate(sorted(d.some(range(100, 999), p.members))):
        name = d.person()
        code = d.pick(sorted(COUNTRIES)) if place % 6 != 4 else None
        country = COUNTRIES[code] if code else d.pick(("Atlantis", "n/a", "", "Ger many"))
        typed = d.pick((country, country.upper(), f" {country}", country.lower() + " "))
        numbers = [f"0{d.integer(20, 99)}{d.integer(10**5, 10**6 - 1)}" for _ in range(3)]
        numbers = numbers[: d.integer(0, 3)] if place else numbers
        pieces = [d.pick((n, f" {n}", f"{n[:3]} {n[3:]}")) for n in numbers]
        if numbers and place % 5 in (0, 3):
            pieces.insert(1, f"{numbers[0]} ")
        if d.chance(0.3):
            pieces.append("")
        nobody = place % 9 == 7
        shown = d.pick(("", "  ")) if nobody else d.pick((name, f" {name}", name))
        rows.append((number, shown, typed if d.chance(0.95) or code else None, ";".join(pieces)))
        if not nobody:
            members.append((number, name, code))
            phones += [(number, n, at) for at, n in enumerate(numbers, 1)]
    f = p.folder
    contents: dict[str, Content] = {
        f"{f}/members.db": _database(rows),
        f"{f}/GUIDE.md": GUIDE.format(codes=CODES),
        **surroundings(p.content, f),
    }
    return World(contents, members, phones)


def _database(rows: list[tuple[int, str, str | None, str]]) -> bytes:
    """The old file, its library version blanked so that bytes do not depend on it."""
    base = sqlite3.connect(":memory:")
    base.execute("create table members (id integer, name text, country text, phones text)")
    base.executemany("insert into members values (?, ?, ?, ?)", rows)
    base.commit()
    data = bytearray(base.serialize())
    base.close()
    data[96:100] = bytes(4)
    return bytes(data)


class MigrateSchema(Kit[Params]):
    """A database to normalise."""

    name = "intelligence-core/migrate-schema"
    title = "Migrate a database to a new schema"
    description = "Normalise lists in cells and free text into a new SQLite file; count by country."
    obstacle = "the same number twice for a member, countries that are not in the list"
    folders = ("membership", "club-database", "schema-move")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more members."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), members=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The old database and the guide."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The new database, then a count from it."""
        old, new, guide, counts = (
            f"{p.folder}/{n}" for n in ("members.db", "members-v2.db", "GUIDE.md", "countries.csv")
        )
        return (
            SubGoal(
                id="migrate",
                request=f"make the new database {new} out of {old} as {guide} describes, without "
                "changing the old one, and tell me how many phone numbers it holds",
                label="the migration to the new schema",
                facts=(Fact("new", new), Fact("old", old), Fact("guide", guide)),
                artifacts=(new,),
                question="What becomes of a country that the list does not have?",
                answer="NULL, and the member stays",
            ),
            SubGoal(
                id="count",
                request=f"count the members of {new} by country in {counts}, in the form that "
                f"{guide} gives",
                label="the members by country",
                facts=(Fact("new", new), Fact("counts", counts), Fact("guide", guide)),
                artifacts=(counts,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Both tables, their keys, the count; the old file stays."""
        w, f = world(p), p.folder
        new = f"{f}/members-v2.db"
        return (
            Sqlite(
                id="members",
                subgoal="migrate",
                path=new,
                query="select id, name, country from members",
                rows=tuple(w.members),
                integrity=True,
            ),
            Sqlite(
                id="phones",
                subgoal="migrate",
                path=new,
                query="select member_id, number, position from phones",
                rows=tuple(w.phones),
            ),
            Sqlite(
                id="keys",
                subgoal="migrate",
                path=new,
                query="select (select count(*) from pragma_index_list('phones') where \"unique\"), "
                "(select count(*) from pragma_foreign_key_list('phones'))",
                rows=((2, 1),),
                failure="the new tables lack the keys that the guide gives them",
            ),
            Said(id="told", subgoal="migrate", unit=("phone", "number"), number=len(w.phones)),
            CsvRows(
                id="counts",
                subgoal="count",
                path=f"{f}/countries.csv",
                columns=("country", "members"),
                rows=tuple(w.countries),
                ordered=True,
            ),
            untouched(w.contents, failure="the old database or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look at the guide and the old rows, move them over, count."""
        return self._migrate(p) if subgoal == "migrate" else self._count(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Ask the new database, or look at the table."""
        if subgoal == "migrate":
            (counts,) = yield _ask(
                p,
                "members-v2.db",
                "select (select count(*) from members), count(*), "
                "sum(member_id not in (select id from members)) from phones",
            )
            members, phones, lost = counts.text.strip().split(" | ")
            return (
                f"I asked the new database: it has {plural(members, 'member')} and "
                f"{plural(phones, 'phone number')}; {lost} of these belong to nobody."
            )
        (shown,) = yield read(f"{p.folder}/countries.csv")
        return f"I looked again, the counts are:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Numbers taken twice; the table copied as it is."""
        twice = MIGRATE.replace("dict.fromkeys(filter(None, numbers))", "filter(None, numbers)")
        twice = twice.replace("if not name.strip()", "if False")
        twice = twice.replace("insert into", "insert or ignore into")
        return (
            WrongSolution("gaps in the positions, nobody left out", self._migrate(p, twice)),
            WrongSolution("migrated in place", self._in_place(p)),
        )

    def _migrate(self, p: Params, program: str = MIGRATE) -> Solution:
        guide, before = yield [
            read(f"{p.folder}/GUIDE.md"),
            _ask(p, "members.db", "select count(*) from members"),
        ]
        if "position integer" not in guide.text:
            return "The guide does not say what the new tables are."
        (ran,) = yield python(program.replace("TARGET", "members-v2.db"), workdir=p.folder)
        if ran.failed:
            return f"The migration stopped: {ran.text.strip()}"
        (after,) = yield _ask(
            p,
            "members-v2.db",
            "select (select count(*) from phones), (select count(*) from members)",
        )
        phones, members = after.text.strip().split(" | ")
        return (
            f"members-v2.db holds {phones} phone numbers. Of {before.text.strip()} old rows, "
            f"{members} are members."
        )

    def _count(self, p: Params) -> Solution:
        (ran,) = yield python(COUNT, workdir=p.folder)
        if ran.failed:
            return f"The count stopped: {ran.text.strip()}"
        (shown,) = yield sh("tail -n +2 countries.csv", workdir=p.folder)
        counts = ", ".join(line.replace(",", " ") for line in shown.text.split())
        return f"Members by country: {counts}."

    def _in_place(self, p: Params) -> Solution:
        program = (
            'import sqlite3\nbase = sqlite3.connect("members.db")\n'
            'base.execute("update members set name = trim(name)")\nbase.commit()\n'
        )
        (ran,) = yield python(program, workdir=p.folder)
        (copied,) = yield sh("cp members.db members-v2.db && ls -l members-v2.db", workdir=p.folder)
        size = found(r" (\d+) \w+ +\d+ ", copied.text + ran.text)
        return f"The new database has {size} bytes."


def _ask(p: Params, base: str, query: str) -> ToolCall:
    return python(ASK, base, f'"{query}"', workdir=p.folder)
