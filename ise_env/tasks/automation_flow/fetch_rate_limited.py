"""A paged interface that answers 429 to the hasty, and notes who does not wait."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, JsonLines, Processes, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._fetch_rate_limited_texts import API, FETCH, SERVER
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, until_there, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

PAGES = {"simple": 6, "medium": 9, "complex": 14}


class Params(KitParams):
    """Where the server listens, and how patient it is."""

    port: int = Field(ge=7300, le=7399)
    burst: int = Field(ge=4, le=5)
    pages: int = Field(ge=6, le=14)


@dataclass(frozen=True)
class World:
    """The pages, and what they come to."""

    contents: dict[str, str]
    spec: str
    orders: tuple[dict[str, Any], ...]
    sums: tuple[tuple[str, str], ...]
    best: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the pages from the parameters."""
    d = Draw(p.content)
    f = p.folder
    towns = d.different("towns", 6)
    pages: list[list[dict[str, Any]]] = []
    number = d.integer(10_000, 60_000)
    for _ in range(p.pages):
        # Every other page begins with the order that the page before it ended with.
        page = [pages[-1][-1]] if pages and len(pages) % 2 else []
        for _ in range(d.integer(4, 8)):
            number += d.integer(1, 7)
            page.append(
                {
                    "id": number,
                    "town": d.pick(towns),
                    "cents": d.integer(300, 90_000),
                    "state": "cancelled" if d.chance(0.2) else "open",
                    "customer": d.person(),
                }
            )
        pages.append(page)
    orders = tuple({order["id"]: order for page in pages for order in page}.values())
    cents = {
        town: sum(o["cents"] for o in orders if o["town"] == town and o["state"] != "cancelled")
        for town in sorted({o["town"] for o in orders if o["state"] != "cancelled"})
    }
    contents = {
        f"{f}/API.md": API.format(port=p.port, person=d.person()),
        f"{f}/server.py": SERVER,
        **surroundings(p.content, f, 15),
    }
    spec = json.dumps({"port": p.port, "burst": p.burst, "pages": pages})
    sums = tuple((town, money(total)) for town, total in cents.items())
    return World(contents, spec, orders, sums, max(cents, key=lambda town: cents[town]))


class FetchRateLimited(Kit[Params]):
    """An interface to read at its own pace."""

    name = "automation-flow/fetch-rate-limited"
    title = "Fetch all pages of a rate-limited interface"
    description = "Fetch every page from a server that limits the rate, and sum up what came."
    obstacle = "the server answers 429 and wants to be left alone for as long as it says"
    tools = ("exec", "process", "read", "write", "edit")
    requires = ("python3",)
    folders = ("order-feed", "api-client", "paged-export")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more pages, fewer at a time."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            port=int(rng.integers(7300, 7399)),
            burst={"simple": 4, "medium": 5, "complex": 5}[complexity],
            pages=PAGES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The server, running."""
        w, log = world(p), f"{p.folder}/server/access.log"
        run = (
            f"cd {p.folder}\nsetsid python3 server.py >/dev/null 2>&1 <<'SPEC' &\n{w.spec}\nSPEC\n"
            f"{until_there('server/up')}\nrm server/up"
        )
        return Seed(files(w.contents | {log: "started\n"}), (run,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Fetch; sum up."""
        f = p.folder
        api, orders, table = f"{f}/API.md", f"{f}/orders.jsonl", f"{f}/towns.csv"
        return (
            SubGoal(
                id="fetch",
                request=f"fetch all orders from the interface that {api} describes, keeping to its "
                f"rules, and save each order once in {orders}, one JSON object a line with all of "
                "its fields",
                label="the orders from the interface",
                facts=(Fact("api", api), Fact("orders", orders)),
                artifacts=(orders,),
                question="What if it answers 429?",
                answer="Wait as long as its Retry-After header says before you ask anything again",
            ),
            SubGoal(
                id="sum",
                request=f"add up the orders of {orders} that are not cancelled in {table}, with "
                "the columns town and amount (with two decimals, cents divided by 100), and tell "
                "me which town has the highest amount",
                label="the amounts by town",
                facts=(Fact("orders", orders), Fact("table", table)),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every order once, the sums, and a server that was treated well."""
        w, f = world(p), p.folder
        return (
            JsonLines(
                id="orders",
                subgoal="fetch",
                weight=2,
                path=f"{f}/orders.jsonl",
                values=w.orders,
                ordered=False,
            ),
            CsvRows(
                id="towns",
                subgoal="sum",
                path=f"{f}/towns.csv",
                columns=("town", "amount"),
                rows=w.sums,
            ),
            Said(
                id="told",
                subgoal="sum",
                text=TextMatch(contains=(w.best,)),
                like="|".join(town for town, _ in w.sums),
            ),
            Text(
                id="waited",
                path=f"{f}/server/access.log",
                text=TextMatch(lacks=("too early",), matches=(r"\Astarted\n",)),
                weight=0,
                forbidden=True,
                failure="the server was asked before the time it had set was over",
            ),
            Processes(
                id="server",
                command=TextMatch(matches=(r"server\.py$",)),
                since_start=True,
                weight=0,
                forbidden=True,
                failure="the server was stopped",
            ),
            untouched(w.contents, failure="the server or its description was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Fetch with patience; sum up."""
        return self._fetch(p) if subgoal == "fetch" else self._sum(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count lines, or show the table."""
        if subgoal == "fetch":
            (shown,) = yield sh(
                "wc -l < orders.jsonl; grep -c '^429' server/access.log; "
                "grep -c early server/access.log; true",
                workdir=p.folder,
            )
            lines, refused, early = shown.text.split()[:3]
            return (
                f"I looked again: {plural(lines, 'line')} in orders.jsonl; the server refused "
                f"{plural(refused, 'request')} and found {early} too early."
            )
        (shown,) = yield sh("sort -t, -k2,2nr towns.csv | head -n 1", workdir=p.folder)
        return f"I looked again; the highest is {shown.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Not waiting; keeping both copies of an order; cancelled orders summed."""
        return (
            WrongSolution("not waited", self._fetch(p, wait="0.3")),
            WrongSolution("orders kept twice", self._fetch(p, key="len(found)")),
            WrongSolution("cancelled orders summed", self._sum(p, state="True"), "sum"),
        )

    def _fetch(
        self, p: Params, wait: str = 'int(error.headers["Retry-After"])', key: str = 'order["id"]'
    ) -> Solution:
        (api,) = yield read(f"{p.folder}/API.md")
        url = found(r"GET (http://[\d.:]+/\w+)\?page=1", api.text)
        (ran,) = yield sh(
            f"cat > /tmp/fetch.py <<'EOF'\n{FETCH.format(url=url, wait=wait, key=key)}EOF\n"
            "python3 /tmp/fetch.py",
            workdir=p.folder,
            yieldMs=60_000,
        )
        if ran.failed:
            return f"Fetching stopped: {last_line(ran.text)}"
        orders, waits = found(r"^(\d+) orders", ran.text), found(r"(\d+) waits", ran.text)
        return (
            f"{plural(orders, 'order')} are in orders.jsonl; the server asked me to wait "
            f"{plural(waits, 'time')}."
        )

    def _sum(self, p: Params, state: str = 'o["state"] != "cancelled"') -> Solution:
        (ran,) = yield sh(
            "python3 - <<'EOF'\nimport collections, json\nsums = collections.Counter()\n"
            "for o in map(json.loads, open('orders.jsonl')):\n"
            f"    if {state}:\n        sums[o['town']] += o['cents']\n"
            "with open('towns.csv', 'w') as out:\n    print('town,amount', file=out)\n"
            "    for town, cents in sums.items():\n"
            "        print(f'{town},{cents / 100:.2f}', file=out)\n"
            "town, cents = sums.most_common(1)[0]\nprint(f'{town}: {cents / 100:.2f}')\nEOF",
            workdir=p.folder,
        )
        town, _, amount = last_line(ran.text).partition(": ")
        return f"towns.csv is written. {town} has the highest amount, {amount}."
