"""Find the timetable in force by searching; old ones, drafts and copies are found, too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from pydantic import JsonValue

from ise_env.rewards.checks import CsvRows, JsonEquals, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import EPOCH, Page, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.web_extraction._sites import (
    SiteKit,
    SiteParams,
    addresses,
    cells,
    document,
    fetch,
    news,
    search,
    table,
    text_of,
)

TODAY = EPOCH.date()


@dataclass(frozen=True)
class World:
    """The sites, and the departures that hold."""

    contents: dict[str, str]
    sites: tuple[SiteSeed, ...]
    ferry: str
    url: str
    rows: tuple[tuple[str, str], ...]


def _departures(d: Draw, count: int) -> list[tuple[str, str]]:
    minutes = sorted(d.some(range(330, 1380, 5), count))
    return [(f"{m // 60:02d}:{m % 60:02d}", d.pick(("daily", "weekdays"))) for m in minutes]


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the sites from the parameters."""
    d = Draw(p.content)
    here, there = d.different("towns", 2)
    own, copy = f"www.{p.folder}.example", f"travel.{p.folder}.example"
    ferry = f"{here} to {there}"

    def page(path: str, state: str, since: int, until: int, published: int, back: bool) -> Page:
        line = f"{there} to {here}" if back else ferry
        first, last = TODAY + timedelta(days=since), TODAY + timedelta(days=until)
        rows = _departures(d, p.size)
        body = document(
            f"Ferry timetable {line}",
            f"<p>Status: {state}. Valid from {first} to {last}.</p>\n"
            + table(("Departure", "Days"), rows),
        )
        return Page(path=path, body=body, published=EPOCH - timedelta(days=published))

    slugs = [f"/tables/{number}.html" for number in d.some(range(100, 999), 6)]
    pages = [
        page(slugs[0], "final", -400, -200, 410, False),
        page(slugs[1], "final", -150, -10, 160, False),
        page(slugs[2], "final", -9, 90, 30, False),
        page(slugs[3], "draft", -5, 80, 2, False),
        page(slugs[4], "final", 91, 200, 5, False),
        page(slugs[5], "final", -9, 90, 30, True),
    ]
    copied = page("/ferries.html", "final", -7, 100, 1, False)
    rows = tuple((a, b) for a, b in cells_of(pages[2]))
    sites = (
        SiteSeed(host=own, pages=(*d.shuffled(pages), *news(d, 16))),
        SiteSeed(host=copy, pages=(copied, *news(d, 8))),
    )
    rules = (
        "# Which timetable counts\n\n"
        f"- Only {own} publishes for the ferry; other sites copy, with mistakes.\n"
        f"- It has to be final, not a draft, and today ({TODAY}) has to lie in the time for which "
        "it is valid.\n- The direction matters: both have timetables.\n"
    )
    contents = {f"{p.folder}/which.md": rules, **surroundings(p.content, p.folder, 15)}
    return World(contents, sites, ferry, f"http://{own}{slugs[2]}", rows)


def cells_of(page: Page) -> list[tuple[str, str]]:
    """The departures that a page shows."""
    return re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", str(page.body))


class CurrentTimetable(SiteKit):
    """A timetable to find."""

    name = "web-extraction/current-timetable"
    title = "Find the timetable in force"
    description = "Search several sites for a timetable, choose by written rules, write it down."
    obstacle = "older, future and draft timetables and a newer faulty copy are found as well"
    tools = ("exec", "read", "write", "edit", "web_search", "web_fetch")
    folders = ("ferry-desk", "island-trips", "harbour-travel")
    sizes = (5, 9, 16)

    def seed(self, p: SiteParams) -> Seed:
        """The rules, and two sites."""
        return Seed(files(world(p).contents), services=world(p).sites)

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """The timetable; then what follows from it."""
        w = world(p)
        rules, path, out = (f"{p.folder}/{n}" for n in ("which.md", "departures.csv", "trip.json"))
        return (
            SubGoal(
                id="find",
                request=f"search the web for the ferry timetable {w.ferry} that counts by the "
                f"rules in {rules}, copy its departures to {path} with the columns departure and "
                "days, and tell me the address of the page",
                label="the departures of the ferry",
                facts=(Fact("ferry", w.ferry), Fact("rules", rules), Fact("table", path)),
                artifacts=(path,),
            ),
            SubGoal(
                id="trip",
                request=f"write to {out} the keys first and last, the first and the last "
                f"departure in {path} that runs daily (null if none does), and departures, how "
                "many run daily, and tell me that number",
                label="the daily departures",
                facts=(Fact("trip", out), Fact("table", path)),
                artifacts=(out,),
            ),
        )

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """Every departure, the address, what follows from it."""
        w = world(p)
        return (
            CsvRows(
                id="table", subgoal="find", weight=2, path=f"{p.folder}/departures.csv",
                columns=("departure", "days"), rows=w.rows,
            ),
            Said(
                id="address", subgoal="find", text=TextMatch(contains=(w.url[7:],)),
                like=r"/tables/\d+\.html",
            ),
            JsonEquals(
                id="trip", subgoal="trip", path=f"{p.folder}/trip.json", equals=_trip(w.rows)
            ),
            Said(
                id="number", subgoal="trip", unit=("dail", "depart"),
                number=sum(days == "daily" for _, days in w.rows),
            ),
            untouched(w.contents, id="files", failure="another file was changed"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Search, read what was found, choose; then count."""
        return self._find(p) if subgoal == "find" else self._count(p)

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Count again."""
        (shown,) = yield sh(
            "grep -c ,daily departures.csv; wc -l < departures.csv", workdir=p.folder
        )
        daily, lines = (int(number) for number in shown.text.split()[:2])
        return f"Of {plural(lines - 1, 'departure')} in the table, {daily} run daily."

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """The newest page; a draft; another direction."""
        return (
            WrongSolution("the copy believed", self._find(p, trust="travel.")),
            WrongSolution("the draft", self._find(p, state="draft")),
            WrongSolution("an old one", self._find(p, day=TODAY - timedelta(days=60))),
        )

    def _find(
        self, p: SiteParams, trust: str = "www.", state: str = "final", day: object = TODAY
    ) -> Solution:
        w, path = world(p), f"{p.folder}/departures.csv"
        rules, hits = yield [
            read(f"{p.folder}/which.md"), search(f"ferry timetable {w.ferry}"),
        ]  # fmt: skip
        publisher = found(r"Only www\.(\S+) publishes", rules.text)
        candidates = [url for url in addresses(hits) if f"{trust}{publisher}" in url]
        pages = yield [fetch(url) for url in candidates]
        fitting = []
        for url, page in zip(candidates, pages, strict=True):
            text = text_of(page)
            valid = re.search(rf"Status: {state}\. Valid from (\S+) to (\S+)\.", text)
            if f"timetable {w.ferry}" in text and valid and valid[1] <= str(day) <= valid[2]:
                fitting.append((url, text, valid[2]))
        if not fitting:
            return f"None of the {len(candidates)} timetables that I found counts by the rules."
        url, text, until = fitting[0]
        rows = cells(text)[1:]
        (saved,) = yield write(path, csv_text(("departure", "days"), rows))
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        return (
            f"The one that counts is {url}, valid to {until}. I read {len(candidates)} pages; "
            f"its {plural(len(rows), 'departure')} are in {path}."
        )

    def _count(self, p: SiteParams) -> Solution:
        path = f"{p.folder}/trip.json"
        (shown,) = yield read(f"{p.folder}/departures.csv")
        rows = [tuple(line.split(",")) for line in shown.text.strip().splitlines()[1:]]
        trip = _trip([(row[0], row[-1]) for row in rows])
        (saved,) = yield write(path, json.dumps(trip, indent=2) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        return f"{trip['departures']} departures run daily; see {path}."


def _trip(rows: Sequence[tuple[str, str]]) -> dict[str, JsonValue]:
    daily = [departure for departure, days in rows if days == "daily"]
    return {
        "first": daily[0] if daily else None,
        "last": daily[-1] if daily else None,
        "departures": len(daily),
    }
