"""A catalogue saved page by page: follow its links and collect what it offers."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

SIZES = {"simple": 3, "medium": 5, "complex": 9}
ITEM = re.compile(
    r'<li class="item[^"]*"(?: data-id="(\d+)")?>\s*<b>(.*?)</b>\s*<span class="price">(.*?)</span>'
)
NEXT = re.compile(r'<a rel="next" href="([^"]+)"')

Offer = tuple[str, str, str]
"""Name, price, page."""


class Params(KitParams):
    """The shop, and how long its catalogue is."""

    shop: str
    pages: int = Field(ge=3, le=9)
    style: int = Field(ge=0, le=2)
    """How prices are written."""


@dataclass(frozen=True)
class World:
    """The saved pages, and the offers that links lead to."""

    contents: dict[str, str]
    start: str
    offers: list[Offer]

    @property
    def dearest(self) -> Offer:
        """The offer with the highest price."""
        return max(self.offers, key=lambda offer: float(offer[1]))


def price(cents: int, style: int) -> str:
    """A price as this shop writes it."""
    text = f"{cents / 100:,.2f}"
    if style == 1:
        return "€ " + text.translate(str.maketrans(",.", ".,"))
    return f"EUR {text}" if style else f"&euro;{text}"


def parsed(text: str) -> str:
    """The price in plain figures, whichever way it is written."""
    figures = re.sub(r"[^\d.,]", "", html.unescape(text))
    if "," in figures[-3:]:
        figures = figures.translate(str.maketrans(",.", ".,"))
    return f"{float(figures.replace(',', '')):.2f}"


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the saved site from the parameters."""
    d = Draw(p.content)
    files_ = [f"p{code}.html" for code in d.some(range(100, 999), p.pages + 2)]
    places = ["", *(d.pick(("", "", "more/")) for _ in range(p.pages - 1))]
    paths = ["index.html", *(places[n] + files_[n] for n in range(1, p.pages))]
    spare = [files_[-1], f"more/{files_[-2]}"]
    kinds = d.different("products", 18)
    products = d.shuffled(
        [f"{size} {kind}" for size in ("small", "large", "plain") for kind in kinds]
    )
    offers: list[Offer] = []
    contents: dict[str, str] = {}
    seen, shop = set[int](), html.escape(p.shop)
    f = p.folder
    for number, path in enumerate([*paths, *spare]):
        rows = []
        for _ in range(d.integer(3, 5) if p.pages < 9 else 4):
            if not products:
                break
            cents = d.cents(4, 2400)
            while cents in seen:
                cents += 1
            seen.add(cents)
            name = products.pop() + d.pick(("", "", " & case", ' 12"'))
            gone = d.chance(0.2)
            css = "item sold-out" if gone else "item"
            data = f' data-id="{d.integer(100, 999)}"' if d.chance(0.7) else ""
            rows.append(
                f'  <li class="{css}"{data}>\n    <b>{html.escape(name)}</b>\n'
                f'    <span class="price">{price(cents, p.style)}</span>\n  </li>'
            )
            if not gone and number < p.pages:
                offers.append((name, money(cents), _page(path)))
        link = paths[number + 1] if number + 1 < p.pages else ""
        href = ("../" if path.startswith("more/") else "") + link
        back = "../index.html" if path.startswith("more/") else "index.html"
        contents[f"{f}/site/{path}"] = (
            f"<!doctype html>\n<title>{shop}</title>\n<h1>{shop}</h1>\n"
            f'<p><a href="{back}">Start</a> <a href="mailto:shop@example.org">Write to us</a></p>\n'
            "<ul>\n"
            + "\n".join(rows)
            + "\n</ul>\n"
            + (
                f'<a rel="next" href="{href}">next page</a>\n'
                if link
                else "<p>This is the end.</p>\n"
            )
            + f"<!-- saved 2025-0{d.integer(1, 9)}-12 -->\n"
        )
    contents[f"{f}/README.md"] = (
        f"# Saved catalogue of {p.shop}\n\n"
        "- The catalogue is what the `next` links lead to from `site/index.html`. Pages that no\n"
        "  `next` link leads to are old ones.\n"
        "- Entries of the class `sold-out` are not offered.\n"
        "- Prices are in euros; in our files they are plain figures with a point: `1234.50`.\n"
        "- Names are written as a visitor sees them, without HTML entities.\n"
    )
    return World(contents, f"{f}/site/index.html", offers)


class CrawlCatalogue(Kit[Params]):
    """A saved site to follow."""

    name = "web-extraction/crawl-catalogue"
    title = "Crawl a saved catalogue"
    description = "Follow the links of a saved multi-page catalogue and collect its offers."
    obstacle = "pages without a link to them, links between folders, sold-out entries"
    folders = ("catalogue", "saved-shop", "offline-site")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more pages."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            shop=Draw(content_seed(rng)).word("companies"),
            pages=SIZES[complexity],
            style=int(rng.integers(3)),
        )

    def seed(self, p: Params) -> Seed:
        """The saved pages, old ones among them."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Collect, then look at the dearest."""
        start, target = world(p).start, f"{p.folder}/offers.csv"
        dear = f"{p.folder}/dear.csv"
        return (
            SubGoal(
                id="collect",
                request=f"follow the next links from {start} and collect all offers in {target} "
                f"with the columns name, price and page, as {p.folder}/README.md says, page being "
                "its file name without .html",
                label=f"the offers of {p.shop}",
                facts=(Fact("start", start), Fact("target", target)),
                artifacts=(target,),
                question="Do pages count that no link leads to?",
                answer="No, those are old; only what the next links lead to",
            ),
            SubGoal(
                id="dearest",
                request=f"copy the three dearest offers from {target} to {dear}, dearest first, "
                "and tell me the price of the dearest",
                label="the dearest offers",
                facts=(Fact("target", target), Fact("dear", dear)),
                artifacts=(dear,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """All offers, the dearest in order, the highest price."""
        w, f = world(p), p.folder
        top = sorted(w.offers, key=lambda offer: -float(offer[1]))[:3]
        columns = ("name", "price", "page")
        return (
            CsvRows(
                id="offers",
                subgoal="collect",
                weight=2,
                path=f"{f}/offers.csv",
                columns=columns,
                rows=tuple(w.offers),
                failure="the offers are not those that the links lead to",
            ),
            CsvRows(
                id="dearest",
                subgoal="dearest",
                path=f"{f}/dear.csv",
                columns=columns,
                rows=tuple(top),
                ordered=True,
            ),
            Said(
                id="told",
                subgoal="dearest",
                unit=("dearest costs", "dearest price", "highest"),
                number=float(w.dearest[1]),
            ),
            untouched(w.contents, failure="a saved page was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read page after page; sort."""
        return self._collect(p) if subgoal == "collect" else self._dearest(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count by page, or look at the three."""
        if subgoal == "collect":
            (counted,) = yield sh("wc -l < offers.csv; tail -n 1 offers.csv", workdir=p.folder)
            count, _, last = counted.text.partition("\n")
            return (
                f"I counted again: {plural(int(count) - 1, 'offer')}, the last one reads "
                f"`{last.strip()}`."
            )
        (shown,) = yield read(f"{p.folder}/dear.csv")
        return f"I looked again, the three dearest are:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Every page that lies there; sold-out entries as well."""
        return (
            WrongSolution("all pages", self._grep(p)),
            WrongSolution("first page only", self._collect(p, 1)),
        )

    def _collect(self, p: Params, most: int = 99) -> Solution:
        f = p.folder
        readme, listing = yield [read(f"{f}/README.md"), sh(f"find {f}/site -name '*.html'")]
        here, page = found(r"from `site/(\S+)`", readme.text), ""
        offers: list[Offer] = []
        visited: list[str] = []
        while here and here not in visited and len(visited) < most:
            visited.append(here)
            (shown,) = yield read(f"{f}/site/{here}")
            page = _page(here)
            for block in re.findall(r"<li.*?</li>", shown.text, re.DOTALL):
                match = ITEM.search(block)
                if match and "sold-out" not in block:
                    offers.append((html.unescape(match[2]), parsed(match[3]), page))
            link = NEXT.search(shown.text)
            folder = here.rpartition("/")[0]
            here = _joined(folder, link[1]) if link else ""
        target = f"{f}/offers.csv"
        (saved,) = yield write(target, csv_text(("name", "price", "page"), offers))
        if saved.failed:
            return f"{target} could not be written: {saved.text}"
        (counted,) = yield sh(f"tail -n +2 {target} | wc -l")
        return (
            f"The links lead to {len(visited)} of the {len(listing.text.split())} saved pages; "
            f"{target} has {plural(counted.text, 'offer')} now."
        )

    def _dearest(self, p: Params) -> Solution:
        (table,) = yield read(f"{p.folder}/offers.csv")
        rows = list(csv.DictReader(io.StringIO(table.text)))
        rows.sort(key=lambda row: -float(row["price"]))
        top = [(row["name"], row["price"], row["page"]) for row in rows[:3]]
        (saved,) = yield write(f"{p.folder}/dear.csv", csv_text(("name", "price", "page"), top))
        if saved.failed:
            return f"dear.csv could not be written: {saved.text}"
        (shown,) = yield sh(f"sed -n 2p {p.folder}/dear.csv")
        return f"The dearest costs {top[0][1]}: `{shown.text.strip()}`. The three are in dear.csv."

    def _grep(self, p: Params) -> Solution:
        (pages,) = yield sh("grep -rl price site", workdir=p.folder)
        offers = []
        for path in sorted(pages.text.split()):
            (shown,) = yield read(f"{p.folder}/{path}")
            offers += [
                (html.unescape(m[2]), parsed(m[3]), _page(path)) for m in ITEM.finditer(shown.text)
            ]
        (saved,) = yield write(
            f"{p.folder}/offers.csv", csv_text(("name", "price", "page"), offers)
        )
        return f"I found {plural(len(offers), 'offer')}. {saved.text.strip()}"


def _page(path: str) -> str:
    """How a page is called in the table: its file name, the ending left out."""
    return path.rpartition("/")[2].removesuffix(".html")


def _joined(folder: str, link: str) -> str:
    if link.startswith("../"):
        return link.removeprefix("../")
    return f"{folder}/{link}" if folder else link
