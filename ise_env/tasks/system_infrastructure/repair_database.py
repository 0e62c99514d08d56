"""A database whose index has lost rows: queries through it give wrong answers."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Hash, JsonEquals, Said, Sqlite
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

SCHEMA = """
create table bookings (id integer primary key, room text, day text, guests int);
create table rooms (room text primary key, seats int) without rowid;
create index by_room on bookings (room);
create index by_day on bookings (day);
"""
GUIDE = """\
# bookings.db

- `bookings` has one row for each booking, `rooms` one for each room. There are two indexes,
  `by_room` and `by_day`.
- After a crash, SQLite's own check (`PRAGMA integrity_check`) lists what is wrong. Rows of a table
  that are missing from an index are still in the table: the index is rebuilt from it (`REINDEX`).
- Before anybody works on the file, a copy of it as it was goes to `bookings.before.db`; {person}
  wants to see it.
- Rows are never thrown away to make the check happy, and the indexes stay: the desk needs them.
"""
SIZES = {"simple": 60, "medium": 200, "complex": 700}


class Params(KitParams):
    """The room that is asked about, and how many bookings there are."""

    room: str
    rows: int = Field(ge=60, le=700)


Row = tuple[int, str, str, int]


@dataclass(frozen=True)
class World:
    """Every booking, and those that the index does not know."""

    contents: dict[str, str]
    rows: tuple[Row, ...]
    late: tuple[Row, ...]
    database: bytes

    @property
    def all(self) -> tuple[Row, ...]:
        """What the table holds."""
        return (*self.rows, *self.late)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the bookings from the parameters."""
    d = Draw(p.content)
    f = p.folder
    rooms = [p.room, *(town for town in d.different("towns", 7) if town != p.room)]

    def booking(number: int) -> Row:
        room = p.room if number % 5 == 0 else d.pick(rooms)
        return (number, room, d.day(2026).isoformat(), d.integer(1, 12))

    rows = tuple(booking(number) for number in range(1, p.rows + 1))
    lost = d.integer(p.rows // 6, p.rows // 4)
    late = tuple(booking(number) for number in range(p.rows + 1, p.rows + lost + 1))
    contents = {
        f"{f}/GUIDE.md": GUIDE.format(person=d.person()),
        f"{f}/logs/desk.log": "".join(
            f"{row[2]} booking {row[0]} for {row[1]}\n" for row in rows[-12:]
        )
        + "disk I/O error, desk stopped\n",
        **surroundings(p.content, f, 14),
    }
    return World(contents, rows, late, _spoilt(rows, late))


class RepairDatabase(Kit[Params]):
    """A database to repair without losing a row."""

    name = "system-infrastructure/repair-database"
    title = "Repair a damaged SQLite database"
    description = "Find out what is wrong with a database, keep a copy, repair it, lose nothing."
    obstacle = "an index that has lost rows, so that queries give wrong counts without an error"
    requires = ("python3", "sqlite3")
    folders = ("booking-desk", "front-office-db", "room-planner")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more rows."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            room=one(rng, ("Atrium", "Boathouse", "Cloister", "Foundry", "Glasshouse")),
            rows=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The spoilt database and its guide."""
        w = world(p)
        return Seed((*files(w.contents), SeedFile(f"{p.folder}/bookings.db", w.database)))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Examine it and keep a copy; repair it."""
        f = p.folder
        base, guide, report = f"{f}/bookings.db", f"{f}/GUIDE.md", f"{f}/damage.json"
        return (
            SubGoal(
                id="examine",
                request=f"run SQLite's own check on {base}, keep the copy that {guide} asks for, "
                f"and write {report} with the keys index (the name of the index that is damaged) "
                "and missing (how many rows the check misses in it)",
                label="the report on the damage",
                facts=(Fact("base", base), Fact("guide", guide), Fact("report", report)),
                artifacts=(report, f"{f}/bookings.before.db"),
                question="Does the check list everything?",
                answer="By default it stops after a hundred messages, it takes a higher limit",
            ),
            SubGoal(
                id="repair",
                request=f"repair {base} as {guide} says and tell me how many bookings there really "
                f"are for the room {p.room}",
                label="the repair of the database",
                facts=(Fact("base", base), Fact("guide", guide), Fact("room", p.room)),
                artifacts=(base,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The report and the copy; a sound database with every row and index."""
        w, f = world(p), p.folder
        base = f"{f}/bookings.db"
        total, guests = len(w.all), sum(row[3] for row in w.all)
        return (
            JsonEquals(
                id="report",
                subgoal="examine",
                path=f"{f}/damage.json",
                equals={"index": "by_room", "missing": len(w.late)},
            ),
            Hash(
                id="copy",
                subgoal="examine",
                path=f"{f}/bookings.before.db",
                sha256=sha256(w.database),
                failure="bookings.before.db is not the database as it was",
            ),
            Sqlite(
                id="sound",
                subgoal="repair",
                weight=2,
                path=base,
                query="select count(*) from bookings indexed by by_room where room > ''",
                rows=((total,),),
                integrity=True,
                failure="the database is not sound, or its index is not complete",
            ),
            Said(
                id="told",
                subgoal="repair",
                unit=("booking",),
                number=sum(row[1] == p.room for row in w.all),
            ),
            Sqlite(
                id="rows kept",
                path=base,
                query="select count(*), sum(guests), max(id) from bookings not indexed",
                rows=((total, guests, total),),
                weight=0,
                forbidden=True,
                failure="bookings were lost or changed",
            ),
            Sqlite(
                id="indexes kept",
                path=base,
                query="select name from sqlite_master where type = 'index' and sql is not null",
                rows=(("by_room",), ("by_day",)),
                weight=0,
            ),
            untouched(w.contents, failure="the guide or a log was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Check without a limit and copy; rebuild the index and count."""
        return self._examine(p) if subgoal == "examine" else self._repair(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the report, or check again."""
        if subgoal == "examine":
            (shown,) = yield read(f"{p.folder}/damage.json")
            return f"I looked again: damage.json says {shown.text.strip()}"
        (again,) = yield sh(f"sqlite3 {p.folder}/bookings.db 'PRAGMA integrity_check'")
        return f"I ran the check once more; it says `{last_line(again.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """No copy; dropping the index; deleting what it does not know; asking the broken index."""
        gone = "delete from bookings where id in (select id from bookings not indexed except "
        gone += "select id from bookings indexed by by_room where room > '')"
        return (
            WrongSolution("no copy kept", self._examine(p, copy=False)),
            WrongSolution("index dropped", self._repair(p, "drop index by_room"), "repair"),
            WrongSolution("rows thrown away", self._repair(p, f"{gone}; reindex"), "repair"),
            WrongSolution("damaged index asked", self._repair(p, "select 1"), "repair"),
        )

    def _examine(self, p: Params, copy: bool = True) -> Solution:
        f = p.folder
        guide, checked = yield [
            read(f"{f}/GUIDE.md"),
            sh(
                "sqlite3 bookings.db 'PRAGMA integrity_check(100000)' > /tmp/check; "
                "head -n 3 /tmp/check; grep -c 'missing from index' /tmp/check",
                workdir=f,
            ),
        ]
        index = found(r"missing from index (\w+)", checked.text)
        missing = found(r"^(\d+)$", checked.text)
        name = found(r"goes to `(\S+)`", guide.text)
        if copy:
            (copied,) = yield sh(f"cp bookings.db {name} && cmp bookings.db {name}", workdir=f)
            if copied.failed:
                return f"The copy could not be made: {last_line(copied.text)}"
        note = f'{{"index": "{index}", "missing": {missing}}}\n'
        (saved,) = yield write(f"{f}/damage.json", note)
        if saved.failed:
            return f"damage.json could not be written: {saved.text}"
        kept = f" The file as it was is in {name}." if copy else ""
        return f"The index {index} misses {plural(missing, 'row')}; nothing else is wrong.{kept}"

    def _repair(self, p: Params, how: str = "reindex by_room") -> Solution:
        (ran,) = yield sh(
            f'sqlite3 bookings.db "{how}" "pragma integrity_check(1)" '
            f"\"select count(*) from bookings where room = '{p.room}'\"",
            workdir=p.folder,
        )
        lines = ran.text.strip().splitlines()
        verdict, count = (lines[-2], lines[-1]) if len(lines) > 1 else ("nothing", "0")
        return f"The check says `{verdict}` now. {p.room} has {plural(count, 'booking')}."


def _spoilt(rows: tuple[Row, ...], late: tuple[Row, ...]) -> bytes:
    """A database file whose index by_room does not know the late rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bookings.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            base.executescript(SCHEMA)
            base.execute("begin")
            base.executemany("insert into bookings values (?, ?, ?, ?)", rows)
            rooms = sorted({row[1] for row in rows})
            base.executemany("insert into rooms values (?, ?)", [(r, len(r)) for r in rooms])
            base.execute("commit")
            asked = "select * from sqlite_master where name = 'by_room'"
            entry = base.execute(asked).fetchone()
            base.execute("pragma writable_schema = on")
            base.execute("delete from sqlite_master where name = 'by_room'")
        # A new connection does not know the index, whose pages stay as they are.
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            base.execute("begin")
            base.executemany("insert into bookings values (?, ?, ?, ?)", late)
            base.execute("commit")
            base.execute("pragma writable_schema = on")
            base.execute("insert into sqlite_master values (?, ?, ?, ?, ?)", entry)
        return Path(path).read_bytes()
