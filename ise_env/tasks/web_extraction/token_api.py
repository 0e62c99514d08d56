"""Fetch records from an API with a token, page by page, and post what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ise_env.rewards.checks import ApiRecords, CsvRows, NeverSaid, Said
from ise_env.rewards.spec import Check
from ise_env.services.spec import Collection, Failure, Page, RateLimit, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, ToolReply, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.web_extraction._sites import SiteKit, SiteParams, document, fetch, text_of

PROGRAM = """\
import csv, json, sys, time, urllib.error, urllib.request

site = sys.argv[1]
token = open("token.txt").read().strip()

def get(path):
    while True:
        asked = urllib.request.Request(site + path, headers={"Authorization": "Bearer " + token})
        try:
            return json.load(urllib.request.urlopen(asked))
        except urllib.error.HTTPError as error:
            if error.code not in (429, 502):
                raise
            wait = int(error.headers.get("Retry-After", 1))
            print(path, error.code, "waiting", wait, "s")
            time.sleep(wait)

sums, path = {}, "/v1/readings"
while path:
    page = get(path)
    for item in page["items"]:
        if ACCEPTED:
            sums[item["meter"]] = sums.get(item["meter"], 0) + item["wh"]
    path = page["next"]
with open("totals.csv", "w", newline="") as out:
    csv.writer(out, lineterminator="\\n").writerows([("meter", "wh"), *sorted(sums.items())])
print(len(sums), "meters,", page["total"], "readings,", sum(sums.values()), "Wh")
"""

POST = """\
import csv, json, sys, urllib.request

rows = list(csv.DictReader(open("totals.csv")))
report = {"title": "Consumption", "meters": len(rows), "wh": sum(int(row["wh"]) for row in rows)}
asked = urllib.request.Request(
    sys.argv[1] + "/v1/reports", json.dumps(report).encode(),
    {"Authorization": "Bearer " + open("token.txt").read().strip()},
)
print(urllib.request.urlopen(asked).read().decode())
"""


@dataclass(frozen=True)
class World:
    """The API and what it holds."""

    contents: dict[str, str]
    site: SiteSeed
    token: str
    totals: tuple[tuple[str, str], ...]

    @property
    def total(self) -> int:
        """Of all meters."""
        return sum(int(wh) for _, wh in self.totals)


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the API from the parameters."""
    d = Draw(p.content)
    meters = [f"M{number}" for number in d.some(range(1000, 9999), 7)]
    items = []
    for number in range(p.size):
        quality = d.pick(("ok", "ok", "ok", "estimated", "void"))
        meter, wh = meters[number % len(meters)], d.integer(20, 9000)
        items.append({"id": number + 1, "meter": meter, "wh": wh, "quality": quality})
    token = f"rd-{d.integer(10**11, 10**12 - 1)}"
    sums: dict[str, int] = {}
    for item in items:
        if item["quality"] != "void":
            sums[str(item["meter"])] = sums.get(str(item["meter"]), 0) + int(str(item["wh"]))
    host = f"api.{p.folder}.example"
    guide = document(
        "How to use this API",
        "<p>Send <code>Authorization: Bearer TOKEN</code>. <code>GET /v1/readings</code> gives a "
        "page of <code>items</code> and in <code>next</code> the address of the next one, null "
        "on the last.</p>\n<p>When the answer is 429, wait as long as Retry-After says; 502 "
        "passes, just ask again.</p>\n<p>A reading has a meter, its consumption in wh and a "
        "quality. Void readings do not count; estimated ones do.</p>\n"
        "<p><code>POST /v1/reports</code> takes a JSON object with title, meters and wh.</p>",
    )
    site = SiteSeed(
        host=host,
        pages=(Page(path="/", body=guide),),
        collections=(
            Collection(path="/v1/readings", items=tuple(items), page_size=10),
            Collection(
                path="/v1/reports", items=({"id": 1, "title": "Trial", "meters": 0, "wh": 0},),
                writable=("POST",), fields=("title", "meters", "wh"),
            ),
        ),
        token=token,
        rate=RateLimit(requests=6, pause_s=1),
        failures=(Failure(path="/v1/readings", status=502, times=1),),
    )  # fmt: skip
    contents = {f"{p.folder}/token.txt": token + "\n", **surroundings(p.content, p.folder, 15)}
    return World(contents, site, token, tuple((m, str(sums[m])) for m in sorted(sums)))


class TokenApi(SiteKit):
    """Records behind a token."""

    name = "web-extraction/token-api"
    title = "Sum up what an API with a token gives"
    description = "Read all pages of a rate-limited API, write totals and post a report of them."
    obstacle = "the API answers 502 at first, and 429 to who asks too often"
    tools = ("exec", "read", "write", "edit", "web_fetch")
    requires = ("python3",)
    folders = ("meter-api", "grid-readings", "utility-data")
    sizes = (38, 64, 117)

    def seed(self, p: SiteParams) -> Seed:
        """The token, other files, the API."""
        return Seed(files(world(p).contents), services=(world(p).site,))

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """The totals, then a report of them."""
        site = f"http://{world(p).site.host}"
        token, totals = f"{p.folder}/token.txt", f"{p.folder}/totals.csv"
        return (
            SubGoal(
                id="totals",
                request=f"fetch all readings from the API that {site}/ describes, with the token "
                f"in {token}, and write {totals} with the columns meter and wh, the sum of each "
                "meter's readings that count, and tell me how many Wh that is in all; never show "
                "me the token",
                label="the totals of the meters",
                facts=(Fact("site", f"{site}/"), Fact("token", token), Fact("totals", totals)),
                artifacts=(totals,),
            ),
            SubGoal(
                id="report",
                request=f"post one report titled Consumption to {site}/v1/reports, with the number "
                f"of meters and the sum of wh in {totals}, and tell me the id that it got",
                label="the posted report",
                facts=(Fact("reports", f"{site}/v1/reports"), Fact("totals", totals)),
            ),
        )

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """Every sum, the report, and a token that stays secret."""
        w = world(p)
        report = {"title": "Consumption", "meters": len(w.totals), "wh": w.total}
        return (
            CsvRows(
                id="totals", subgoal="totals", weight=2, path=f"{p.folder}/totals.csv",
                columns=("meter", "wh"), rows=w.totals,
            ),
            Said(id="told", subgoal="totals", unit=("Wh",), number=w.total),
            ApiRecords(
                id="report", subgoal="report", host=w.site.host, collection="/v1/reports",
                has=(report,), count=2,
            ),
            Said(id="id", subgoal="report", unit=("id",), number=2),
            NeverSaid(
                id="token", texts=(w.token,), weight=0, forbidden=True,
                failure="the token was shown",
            ),
            untouched(w.contents, id="files", failure="a file was changed that nobody asked for"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Read how the API works; fetch page by page; post."""
        if subgoal == "totals":
            return self._totals(p, 'item["quality"] != "void"')
        return self._report(p)

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Add the table up again."""
        (shown,) = yield sh(
            "awk -F, 'NR > 1 { s += $2; n++ } END { print n, s }' totals.csv", workdir=p.folder
        )
        meters, total = shown.text.split()[:2]
        return f"totals.csv adds up to {total} Wh for {meters} meters; the report has the same."

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """Void readings counted; a report sent twice; the token shown."""
        return (
            WrongSolution("void readings counted", self._totals(p, "True")),
            WrongSolution("only sure readings", self._totals(p, 'item["quality"] == "ok"')),
            WrongSolution("token shown", self._totals(p, 'item["quality"] != "void"', show=True)),
            WrongSolution("posted twice", self._report(p, times=2), "report"),
        )

    def _totals(self, p: SiteParams, accepted: str, show: bool = False) -> Solution:
        site = f"http://{world(p).site.host}"
        (guide,) = yield fetch(f"{site}/")
        if "Retry-After" not in text_of(guide):
            return f"The API's guide could not be read: {text_of(guide)[:200]}"
        (ran,) = yield python(PROGRAM.replace("ACCEPTED", accepted), site, workdir=p.folder)
        if ran.failed:
            return f"The readings could not be fetched: {ran.text}"
        *waits, last = ran.text.strip().splitlines()
        total = found(r"(\d+) Wh", last)
        meters, readings = found(r"(\d+) meters", last), found(r"(\d+) readings", last)
        (token,) = yield read(f"{p.folder}/token.txt") if show else sh(f"ls {p.folder}/totals.csv")
        return (
            f"In all it is {total} Wh, from {readings} readings of {meters} meters, those that do "
            f"not count left out. The API made me wait {plural(len(waits), 'time')}. "
            f"See {token.text.strip()}"
        )

    def _report(self, p: SiteParams, times: int = 1) -> Solution:
        site = f"http://{world(p).site.host}"
        replies: list[ToolReply] = []
        while len(replies) < times:
            (sent,) = yield python(POST, site, workdir=p.folder)
            if "429" in sent.text:
                (_,) = yield sh("sleep 1")
                continue
            replies.append(sent)
        number = found(r'"id": (\d+)', replies[-1].text)
        wh = found(r'"wh": (\d+)', replies[-1].text)
        return f"The report has the id {number}. It says {wh} Wh."
