"""Shifts written down in local time at sites whose clocks change."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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

SIZES = {"simple": (5, 8), "medium": (9, 14), "complex": (16, 20)}
"""People, shifts of each."""

RULES = """\
# How shifts are counted

- One file a person in `shifts/`. `start` and `end` are what the clock on the wall of the site said;
  `break` is in minutes.
- `sites.json` has the offset from UTC of each site: an entry counts from the moment `from` (local
  time, by the clock as it was before) until the next one.
- A shift lasts from start to end in UTC, minus the break. It belongs to the month, in UTC, in which
  it starts.
- A shift that would last no time or less, or more than 16 hours, is a slip of the pen. It counts
  nowhere and goes to `slips.txt` as `PERSON START`, one a line, sorted, START as in the file.
- `hours.csv` has the columns person, month (`2025-03`) and hours (two decimals), a row for each
  person and month with any shift that counts.
- `over.txt` names who has more than {limit} hours in any month, one a line, in alphabetical order.
"""

COUNT = """\
import csv, glob, json, os
from collections import defaultdict
from datetime import datetime, timedelta
sites = json.load(open("sites.json"))
def utc(site, local):
    entry = [e for e in sites[site]["offsets"] if e["from"] <= local][-1]
    return datetime.fromisoformat(local) - timedelta(minutes=entry["minutes"])
hours, slips, count = defaultdict(float), [], 0
for path in sorted(glob.glob("shifts/*.csv")):
    person = os.path.basename(path)[:-4]
    for row in csv.DictReader(open(path)):
        count += 1
        start, end = utc(row["site"], row["start"]), utc(row["site"], row["end"])
        length = end - start - timedelta(minutes=int(row["break"]))
        if not timedelta(0) < length <= timedelta(hours=16):
            slips.append(f"{person} {row['start']}\\n")
            continue
        hours[person, f"{start:%Y-%m}"] += length / timedelta(hours=1)
with open("hours.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("person", "month", "hours"))
    out.writerows((*key, f"{value:.2f}") for key, value in sorted(hours.items()))
open("slips.txt", "w").writelines(sorted(slips))
print(count, "shifts")
"""

OVER = """\
import csv
rows = csv.DictReader(open("hours.csv"))
names = sorted({row["person"] for row in rows if float(row["hours"]) > LIMIT})
open("over.txt", "w").write("".join(name + "\\n" for name in names))
"""


class Params(KitParams):
    """How many people and shifts."""

    people: int = Field(ge=5, le=16)
    shifts: int = Field(ge=8, le=20)


@dataclass(frozen=True)
class World:
    """The shifts and their hours."""

    contents: dict[str, str]
    hours: list[tuple[str, str, str]]
    slips: list[str]
    over: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the shifts, in UTC first, then as the clocks showed them."""
    d = Draw(p.content)
    change = date(2025, 3, 30)
    zones = {}
    sites = d.different("towns", 4)
    for site, minutes in zip(sites, d.some((-300, 0, 60, 120, 330), 4), strict=True):
        # The site that is half an hour off never changes its clocks.
        zones[site] = (minutes, minutes if minutes == 330 else minutes + 60)
    offsets = {}
    for site, (minutes, summer) in zones.items():
        entries: list[dict[str, str | int]] = [{"from": "2025-01-01T00:00", "minutes": minutes}]
        if summer != minutes:
            entries.append({"from": f"{change}T02:00", "minutes": summer})
        offsets[site] = {"offsets": entries}
    totals: dict[tuple[str, str], timedelta] = {}
    slips, contents = [], {}
    f = p.folder
    for number, name in enumerate(d.people(p.people)):
        person = name.split(" ")[1].lower()
        rows = []
        for step in range(p.shifts):
            # From 24 March on a day at a time, so that some shifts span the change.
            day = change + timedelta(days=step - p.shifts // 2)
            site = d.pick(sorted(zones))
            old, new = zones[site]
            night = day == change - timedelta(days=1)
            begin = datetime(day.year, day.month, day.day, 21 if night else d.integer(4, 14))
            begin += timedelta(minutes=5 * d.integer(0, 10))
            length = timedelta(minutes=15 * d.integer(16, 36))
            before = begin < datetime(2025, 3, 30, 2)
            start = begin - timedelta(minutes=old if before else new)
            end = start + length
            later = end + timedelta(minutes=old) >= datetime(2025, 3, 30, 2)
            wall = end + timedelta(minutes=new if later else old)
            pause = d.pick((0, 15, 30, 45))
            if step == 2 and number % 3 == 1:
                wall -= timedelta(days=1)
                slips.append(f"{person} {begin:%Y-%m-%dT%H:%M}")
            elif step == 3 and number % 4 == 2:
                wall += timedelta(days=1)
                slips.append(f"{person} {begin:%Y-%m-%dT%H:%M}")
            else:
                key = (person, f"{start:%Y-%m}")
                totals[key] = totals.get(key, timedelta(0)) + length - timedelta(minutes=pause)
            rows.append((site, f"{begin:%Y-%m-%dT%H:%M}", f"{wall:%Y-%m-%dT%H:%M}", pause))
        contents[f"{f}/shifts/{person}.csv"] = csv_text(("site", "start", "end", "break"), rows)
    hours = {key: value / timedelta(hours=1) for key, value in totals.items()}
    most = dict[str, float]()
    for (person, _), value in hours.items():
        most[person] = max(value, most.get(person, 0))
    # About half of them are over it.
    limit = math.ceil(sorted(most.values())[len(most) // 2 - 1])
    contents |= {
        f"{f}/sites.json": json.dumps(offsets, indent=2) + "\n",
        f"{f}/RULES.md": RULES.format(limit=limit),
        **surroundings(p.content, f, 10),
    }
    over = sorted(person for person, value in most.items() if value > limit)
    return World(contents, [(*k, f"{v:.4f}") for k, v in hours.items()], sorted(slips), over)


class AggregateShifts(Kit[Params]):
    """Shifts to add up."""

    name = "intelligence-core/aggregate-shifts"
    version = 2
    title = "Add up shifts over time zones"
    description = "Hours by person and month from local times at sites whose clocks change."
    obstacle = "shifts across the change of clocks and the end of a month, slips of the pen"
    folders = ("shift-books", "rota", "hours-worked")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people and shifts."""
        people, shifts = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            people=people,
            shifts=shifts,
        )

    def seed(self, p: Params) -> Seed:
        """A file for each person, the sites, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The hours, then who has too many."""
        shifts, rules, hours, over = (
            f"{p.folder}/{n}" for n in ("shifts", "RULES.md", "hours.csv", "over.txt")
        )
        slips = f"{p.folder}/slips.txt"
        return (
            SubGoal(
                id="hours",
                request=f"add up the shifts in {shifts} by person and month as {rules} says, write "
                f"{hours} and {slips}, and tell me how many shifts were slips of the pen",
                label="the hours by person and month",
                facts=(
                    Fact("shifts", shifts),
                    Fact("rules", rules),
                    Fact("hours", hours),
                    Fact("slips", slips),
                ),
                artifacts=(hours, slips),
                question="Are the times local or UTC?",
                answer="Local; sites.json has the offsets of every site",
            ),
            SubGoal(
                id="over",
                request=f"write to {over} who is over the limit of {rules} according to {hours}",
                label="the list of who is over the limit",
                facts=(Fact("over", over), Fact("rules", rules), Fact("hours", hours)),
                artifacts=(over,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Hours, slips, who is over."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="hours",
                subgoal="hours",
                weight=2,
                path=f"{f}/hours.csv",
                columns=("person", "month", "hours"),
                rows=tuple(w.hours),
                tolerance=0.006,
            ),
            Text(
                id="slips",
                subgoal="hours",
                path=f"{f}/slips.txt",
                text=TextMatch(equals="\n".join(w.slips)),
            ),
            Said(id="told", subgoal="hours", unit=("slip",), number=len(w.slips)),
            Text(
                id="over",
                subgoal="over",
                path=f"{f}/over.txt",
                text=TextMatch(equals="\n".join(w.over)),
            ),
            untouched(w.contents, failure="a person's shifts or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """To UTC, subtract, add up; compare with the limit."""
        return self._hours(p) if subgoal == "hours" else self._over(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the files once more."""
        name = "hours.csv" if subgoal == "hours" else "over.txt"
        (shown,) = yield sh(f"wc -l {name}; tail -n 1 {name}", workdir=p.folder)
        count, last = found(r"^ *(\d+) ", shown.text), shown.text.strip().splitlines()[-1]
        return f"I looked again: {name} has {plural(count, 'line')}, the last is `{last}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Walls subtracted as they are; slips counted."""
        wall = COUNT.replace("<= local][-1]", "<= local][0]")
        slips = COUNT.replace("if not timedelta(0) < length <= timedelta(hours=16)", "if False")
        return (
            WrongSolution("change of clocks overlooked", self._hours(p, wall)),
            WrongSolution("slips counted", self._hours(p, slips)),
        )

    def _hours(self, p: Params, program: str = COUNT) -> Solution:
        rules, sites = yield [
            read(f"{p.folder}/RULES.md"),
            sh(
                "jq -c . sites.json; ls shifts | wc -l; head -n 2 shifts/*.csv | head -n 2",
                workdir=p.folder,
            ),
        ]
        if "UTC" not in rules.text or "==>" not in sites.text:
            return "I do not know how the shifts are written down."
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The sums could not be made: {ran.text.strip()}"
        (slips,) = yield sh("cat slips.txt", workdir=p.folder)
        lines = [line for line in slips.text.splitlines() if line.count(" ") == 1 and "T" in line]
        people = found(r"^(\d+)$", sites.text)
        shifts = found(r"^(\d+) shifts", ran.text)
        return (
            f"{plural(len(lines), 'slip')} of the pen: {'; '.join(lines) or 'none'}.\n"
            f"hours.csv covers the other {int(shifts) - len(lines)} shifts of {people} people."
        )

    def _over(self, p: Params) -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        limit = found(r"more than (\d+) hours\s+in any", rules.text)
        (ran,) = yield python(OVER.replace("LIMIT", limit), workdir=p.folder)
        if ran.failed:
            return f"The list could not be made: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/over.txt")
        names = shown.text.split()
        return f"Over {limit} hours in a month: {', '.join(names)}."
