"""Readings of many sensors, some of which are off by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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

SIZES = {"simple": (5, 20), "medium": (8, 40), "complex": (12, 90)}
"""Sensors, readings of each."""
ROOMS = (
    "cold store",
    "bakery",
    "archive",
    "greenhouse",
    "server room",
    "lobby",
    "laundry",
    "vault",
)

RULE = """\
# When a reading is anomalous

- `sensors.csv` says which unit a sensor reports in (C or F) and between which temperatures in C
  it has to stay, both ends included. Convert first: C = (F - 32) * 5 / 9.
- Go through the readings of each sensor by time. The buffer empties itself when it likes, so
  lines of `readings.csv` are not in order.
- `range`: the temperature is outside of what the sensor has to stay within.
- `jump`: it is inside, but differs by more than {jump} C from the latest earlier reading of the
  same sensor that was not anomalous itself. A first reading is never a jump.
- Readings of sensors that `sensors.csv` does not know are left out.
- `anomalies.csv` has the columns time, sensor and reason (`range` or `jump`), in any order.
- A sensor with {limit} anomalies or more goes to the workshop: `workshop.txt` has their names, one
  a line, the one with most anomalies on top; equal ones in alphabetical order.
"""

DETECT = """\
import csv
sensors = {s["sensor"]: s for s in csv.DictReader(open("sensors.csv"))}
rows = sorted(csv.DictReader(open("readings.csv")), key=lambda r: r["time"])
last, found = {}, []
for r in rows:
    s = sensors.get(r["sensor"])
    if s is None:
        continue
    value = float(r["value"])
    if s["unit"] == "F":
        value = (value - 32) * 5 / 9
    before = last.get(r["sensor"])
    if not float(s["low"]) <= value <= float(s["high"]):
        found.append((r["time"], r["sensor"], "range"))
    elif before is not None and abs(value - before) > JUMP:
        found.append((r["time"], r["sensor"], "jump"))
    else:
        last[r["sensor"]] = value
with open("anomalies.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("time", "sensor", "reason"))
    out.writerows(found)
print(len(rows), "readings")
"""

WORKSHOP = """\
import csv
from collections import Counter
counts = Counter(row["sensor"] for row in csv.DictReader(open("anomalies.csv")))
names = sorted((n for n in counts if counts[n] >= LIMIT), key=lambda n: (-counts[n], n))
open("workshop.txt", "w").write("".join(name + "\\n" for name in names))
print(names[0], counts[names[0]])
"""


class Params(KitParams):
    """How many sensors and readings, and the rule's figures."""

    sensors: int = Field(ge=5, le=12)
    readings: int = Field(ge=20, le=90)
    jump: int = Field(ge=4, le=7)
    limit: int = Field(ge=3, le=5)


@dataclass(frozen=True)
class World:
    """The readings and what is wrong with them."""

    contents: dict[str, str]
    anomalies: list[tuple[str, str, str]]
    workshop: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the readings from the parameters, at a distance from every limit."""
    d = Draw(p.content)
    names = [f"T{n}" for n in d.some(range(11, 99), p.sensors + 1)]
    stranger = names.pop()
    units = ["F" if n % 3 == 1 else "C" for n in range(p.sensors)]
    start = datetime(2025, d.integer(1, 12), d.integer(1, 20), 6)
    table, readings, anomalies = [], [], []
    counts: dict[str, int] = {}
    for at, name in enumerate(names):
        base = d.integer(4, 24)
        low, high = base - p.jump - 9, base + p.jump + 9
        table.append((name, d.pick(ROOMS), units[at], low, high))
        # The first two go to the workshop, the others stay below the limit.
        wanted = p.limit + 1 - at if at < 2 else d.integer(0, p.limit - 1)
        odd = set(d.some(range(2, p.readings), wanted))
        counts[name] = wanted
        for step in range(p.readings):
            when = f"{start + timedelta(minutes=10 * step + at):%Y-%m-%dT%H:%M}"
            value = base + d.integer(-9, 9) / 10
            if step in odd:
                reason = d.pick(("range", "jump", "jump"))
                extra = d.integer(3, 7) + p.jump if reason == "jump" else d.integer(14, 30) + p.jump
                value += extra * d.pick((-1, 1))
                anomalies.append((when, name, reason))
            shown = value if units[at] == "C" else value * 9 / 5 + 32
            readings.append((when, name, f"{shown:.2f}"))
    for step in range(0, p.readings, 4):
        when = f"{start + timedelta(minutes=10 * step + 9):%Y-%m-%dT%H:%M}"
        readings.append((when, stranger, f"{d.integer(-40, 90)}.00"))
    again = [name for name in counts if counts[name] >= p.limit]
    f = p.folder
    contents = {
        f"{f}/readings.csv": csv_text(("time", "sensor", "value"), d.shuffled(readings)),
        f"{f}/sensors.csv": csv_text(("sensor", "room", "unit", "low", "high"), sorted(table)),
        f"{f}/RULE.md": RULE.format(jump=p.jump, limit=p.limit),
        **surroundings(p.content, f),
    }
    return World(contents, anomalies, sorted(again, key=lambda name: (-counts[name], name)))


class SensorAnomalies(Kit[Params]):
    """Readings to go through."""

    name = "intelligence-core/sensor-anomalies"
    title = "Find anomalous readings by a stated rule"
    description = "Flag readings outside a range or jumping; say which sensors need the workshop."
    obstacle = "readings out of order, in two units, and the reading after a jump is a normal one"
    folders = ("sensor-room", "probes", "climate-log")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sensors, longer series."""
        sensors, readings = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            sensors=sensors,
            readings=readings,
            jump=int(rng.integers(4, 8)),
            limit=int(rng.integers(3, 6)),
        )

    def seed(self, p: Params) -> Seed:
        """Readings, sensors, the rule."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The anomalies, then who has too many of them."""
        readings, rule, anomalies, workshop = (
            f"{p.folder}/{n}" for n in ("readings.csv", "RULE.md", "anomalies.csv", "workshop.txt")
        )
        return (
            SubGoal(
                id="detect",
                request=f"find the anomalous readings in {readings} by the rule in {rule}, write "
                f"them to {anomalies}, and tell me how many anomalies there are",
                label="the anomalies",
                facts=(
                    Fact("readings", readings),
                    Fact("rule", rule),
                    Fact("anomalies", anomalies),
                ),
                artifacts=(anomalies,),
                question="Are all sensors in the same unit?",
                answer="No, sensors.csv has the unit of each",
            ),
            SubGoal(
                id="workshop",
                request=f"list in {workshop} the sensors that {anomalies} sends to the workshop "
                f"under {rule}, and tell me which one has most anomalies",
                label="the list for the workshop",
                facts=(
                    Fact("workshop", workshop),
                    Fact("anomalies", anomalies),
                    Fact("rule", rule),
                ),
                artifacts=(workshop,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each anomaly with its reason, the list, what was said."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="anomalies",
                subgoal="detect",
                weight=2,
                path=f"{f}/anomalies.csv",
                columns=("time", "sensor", "reason"),
                rows=tuple(w.anomalies),
            ),
            Said(id="told", subgoal="detect", unit=("anomal",), number=len(w.anomalies)),
            Text(
                id="list",
                subgoal="workshop",
                path=f"{f}/workshop.txt",
                text=TextMatch(equals="\n".join(w.workshop)),
            ),
            Said(
                id="most",
                subgoal="workshop",
                text=TextMatch(matches=(rf"\b{w.workshop[0]}\b",)),
                like=r"\bT\d\d\b",
            ),
            untouched(w.contents, failure="the readings or another file were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Sort, convert, compare with the last good one; count."""
        return self._detect(p) if subgoal == "detect" else self._workshop(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the files once more."""
        if subgoal == "detect":
            (kinds,) = yield sh(
                "tail -n +2 anomalies.csv | cut -d, -f3 | sort | uniq -c", workdir=p.folder
            )
            seen = " and ".join(" ".join(line.split()) for line in kinds.text.splitlines())
            return f"I looked again, the reasons are: {seen}."
        (shown,) = yield read(f"{p.folder}/workshop.txt")
        return f"I looked again, for the workshop: {', '.join(shown.text.split())}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Compared with whatever came before; units overlooked."""
        naive = DETECT.replace("    else:\n        last[r", "    if True:\n        last[r")
        units = DETECT.replace('s["unit"] == "F"', "False")
        return (
            WrongSolution("compared with the reading before", self._detect(p, naive)),
            WrongSolution("all taken for Celsius", self._detect(p, units)),
        )

    def _detect(self, p: Params, program: str = DETECT) -> Solution:
        rule, sensors = yield [
            read(f"{p.folder}/RULE.md"),
            sh(
                "head -n 4 readings.csv sensors.csv; cut -d, -f3 sensors.csv | sort | uniq -c",
                workdir=p.folder,
            ),
        ]
        jump = found(r"by more than (\d+) C", rule.text)
        (ran,) = yield python(program.replace("JUMP", jump), workdir=p.folder)
        if ran.failed:
            return f"The search stopped: {ran.text.strip()}"
        (counted,) = yield sh("tail -n +2 anomalies.csv | wc -l", workdir=p.folder)
        kinds = [found(rf"^ +(\d+) {unit}$", sensors.text, "0") for unit in "CF"]
        seen = found(r"^(\d+)", ran.text)
        return (
            f"There are {counted.text.strip()} anomalies. I went through {seen} readings; "
            f"{' sensors report in C and '.join(kinds)} in F."
        )

    def _workshop(self, p: Params) -> Solution:
        (rule,) = yield read(f"{p.folder}/RULE.md")
        limit = found(r"A sensor with (\d+) anomalies", rule.text)
        (ran,) = yield python(WORKSHOP.replace("LIMIT", limit), workdir=p.folder)
        if ran.failed:
            return f"The list could not be made: {ran.text.strip()}"
        (shown,) = yield sh("wc -l < workshop.txt", workdir=p.folder)
        name, count = ran.text.split()[:2]
        return (
            f"{name} has most anomalies, namely {count}. The list has "
            f"{plural(shown.text, 'sensor')}."
        )
