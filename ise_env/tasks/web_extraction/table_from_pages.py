"""Extract a product table from saved pages of a web shop."""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, JsonEquals, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

COLOURS = ("amber", "black", "coral", "ivory", "moss", "navy", "rust", "slate")

PARSER = '''\
"""Product cards of saved shop pages as CSV."""

import csv
import glob
import sys
from html.parser import HTMLParser


class Cards(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.field = [], None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("class") == "product":
            self.rows.append({"sku": attrs["data-sku"], "name": "", "price": "", "stock": ""})
        self.field = {"h2": "name", "%(price)s": "price", "em": "stock"}.get(tag)

    def handle_endtag(self, tag):
        self.field = None

    def handle_data(self, data):
        if self.field and self.rows:
            self.rows[-1][self.field] += data.strip()


cards = Cards()
for page in sorted(glob.glob("page-*.html")):
    cards.feed(open(page, encoding="utf-8").read())
out = csv.writer(sys.stdout, lineterminator="\\n")
out.writerow(["sku", "name", "price", "stock"])
for row in cards.rows:
    price = "".join(c for c in row["price"] if c.isdigit() or c == ".")
    stock = "0" if "out" in row["stock"] else row["stock"].split()[0]
    out.writerow([row["sku"], row["name"], price, stock])
'''


class Params(KitParams):
    """How many products on how many pages."""

    products: int = Field(ge=7, le=28)
    pages: int = Field(ge=2, le=5)
    currency: str


@dataclass(frozen=True)
class World:
    """The pages and the table in them."""

    contents: dict[str, str]
    rows: list[tuple[str, str, str, str]]

    @property
    def average(self) -> float:
        """Mean price of what is in stock."""
        prices = [float(price) for _, _, price, stock in self.rows if stock != "0"]
        return round(sum(prices) / len(prices) + 1e-9, 2)

    @property
    def sold_out(self) -> int:
        """How many are not in stock."""
        return sum(stock == "0" for *_, stock in self.rows)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the shop from the parameters."""
    d = Draw(p.content)
    shop = d.word("companies")
    rows, cards = [], []
    for product in d.different("products", p.products):
        sku = f"{product[:2].upper()}-{d.integer(10000, 99999)}"
        name = f'{product.capitalize()} "{d.pick(COLOURS)}" & case'
        cents, stock = d.cents(4, 1900), d.integer(1, 60) if d.chance(0.7) else 0
        rows.append((sku, name, money(cents), str(stock)))
        before = f"<del>{p.currency}{(cents + 700) / 100:,.2f}</del> " if d.chance(0.4) else ""
        state = f"{stock} in stock" if stock else "out of stock"
        cards.append(
            f'<div class="product" data-sku="{sku}">\n  <h2>{html.escape(name)}</h2>\n'
            f"  <p>{before}<b>{p.currency}{cents / 100:,.2f}</b></p>\n  <em>{state}</em>\n</div>\n"
        )
    size = -(-len(cards) // p.pages)
    contents = {}
    for number in range(p.pages):
        body = "".join(cards[number * size : (number + 1) * size])
        contents[f"{p.folder}/page-{number + 1}.html"] = _page(f"Page {number + 1}", shop, body)
    about = f"<p>{html.escape(shop)} sells since 19{d.integer(50, 99)}. Call {d.person()}.</p>\n"
    contents[f"{p.folder}/about.html"] = _page("About us", shop, about)
    return World(contents, rows)


class TableFromPages(Kit[Params]):
    """Saved pages to extract a table from."""

    name = "web-extraction/table-from-pages"
    title = "Extract a product table from saved pages"
    description = "Turn the product cards of saved HTML pages into CSV and summarise prices."
    obstacle = "struck-out old prices beside the current ones, entities, thousands separators"
    requires = ("python3",)
    folders = ("shop-pages", "web-clips", "shop-mirror")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more products on more pages."""
        folder, currency = one(rng, self.folders), one(rng, ("€", "£", "$"))
        while True:
            p = Params(
                folder=folder,
                content=content_seed(rng),
                products={"simple": 7, "medium": 15, "complex": 28}[complexity],
                pages={"simple": 2, "medium": 3, "complex": 5}[complexity],
                currency=currency,
            )
            if 0 < world(p).sold_out < p.products - 1:
                return p

    def seed(self, p: Params) -> Seed:
        """Pages, and one that holds no products."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The table, then its summary."""
        table, summary = f"{p.folder}/catalog.csv", f"{p.folder}/summary.json"
        return (
            SubGoal(
                id="extract",
                request=f"extract all products from the saved pages {p.folder}/page-1.html to "
                f"page-{p.pages}.html into {table} with the columns sku, name, price (the current "
                "one, as a plain number) and stock (how many, 0 if out of stock)",
                label="the product table",
                facts=(Fact("pages", f"{p.folder}/page-1.html"), Fact("table", table)),
                artifacts=(table,),
            ),
            SubGoal(
                id="summary",
                request=f"write {summary} with the keys products, out_of_stock (both counts) and "
                "average_price (of the products in stock, rounded to two decimals), and tell me "
                "that average",
                label="the price summary",
                facts=(Fact("summary", summary),),
                artifacts=(summary,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The table row by row, the three figures, the spoken one."""
        w = world(p)
        figures = {
            "products": len(w.rows),
            "out_of_stock": w.sold_out,
            "average_price": w.average,
        }
        return (
            CsvRows(
                id="table",
                subgoal="extract",
                weight=2,
                path=f"{p.folder}/catalog.csv",
                columns=("sku", "name", "price", "stock"),
                rows=tuple(w.rows),
            ),
            JsonEquals(
                id="summary",
                subgoal="summary",
                path=f"{p.folder}/summary.json",
                equals=dict(figures),
                tolerance=0.011,
            ),
            Said(
                id="told", subgoal="summary", unit=("average",), number=w.average, tolerance=0.011
            ),
            untouched(w.contents, id="pages", failure="a saved page was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look at the markup, write a parser, run it; then compute from the table."""
        return self._extract(p) if subgoal == "extract" else self._summary(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare counts, or show the summary."""
        if subgoal == "extract":
            (count,) = yield sh(
                "grep -c 'class=\"product\"' page-*.html; tail -n +2 catalog.csv | wc -l",
                workdir=p.folder,
            )
            *by_page, rows = count.text.split()
            counted = ", ".join(by_page)
            return f"The table has {plural(rows, 'row')}; products by page: {counted}."
        (shown,) = yield read(f"{p.folder}/summary.json")
        return f"The summary says:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Taking whatever stands in the price paragraph; one page only."""
        one_page = self._extract(p, pages="page-1.html")
        return (
            WrongSolution("first page only", one_page),
            WrongSolution("separators cut", self._extract(p, cut=True)),
        )

    def _extract(self, p: Params, pages: str = "page-*.html", cut: bool = False) -> Solution:
        (listing,) = yield sh("ls; grep -c 'class=\"product\"' *.html", workdir=p.folder)
        (sample,) = yield read(f"{p.folder}/page-1.html", limit=30)
        price = "b" if "<b>" in sample.text else "p"
        program = PARSER % {"price": price}
        program = program.replace("page-*.html", pages)
        if cut:
            program = program.replace('in row["price"] ', 'in row["price"].split(",")[-1] ')
        (saved,) = yield write(f"{p.folder}/extract.py", program)
        if saved.failed:
            return f"The parser could not be written: {saved.text}"
        (ran,) = yield sh(
            "python3 extract.py > catalog.csv && rm extract.py && wc -l catalog.csv",
            workdir=p.folder,
        )
        if ran.failed:
            return f"The parser failed: {ran.text}"
        (shown,) = yield read(f"{p.folder}/catalog.csv")
        rows = shown.text.strip().splitlines()[1:]
        cards = sum(int(n) for n in _counts(listing.text))
        return f"Products in the table: {len(rows)} of {cards}; the first is `{rows[0]}`."

    def _summary(self, p: Params) -> Solution:
        (table,) = yield read(f"{p.folder}/catalog.csv")
        rows = list(csv.DictReader(io.StringIO(table.text)))
        prices = [float(row["price"]) for row in rows if row["stock"] != "0"]
        average = round(sum(prices) / max(len(prices), 1), 2)
        figures = {
            "products": len(rows),
            "out_of_stock": len(rows) - len(prices),
            "average_price": average,
        }
        path = f"{p.folder}/summary.json"
        (saved,) = yield write(path, json.dumps(figures, indent=2) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (check,) = yield sh(
            "awk -F, 'NR > 1 && $NF > 0 { s += $(NF - 1); n++ } END { print s / n, n }' "
            "catalog.csv",
            workdir=p.folder,
        )
        (shown,) = yield sh(f"python3 -m json.tool {path}")
        told = found(r'"average_price": ([\d.]+)', shown.text)
        return f"On average {told} for {check.text.split()[-1]} products in stock; it is in {path}."


def _page(title: str, shop: str, body: str) -> str:
    return (
        f"<!doctype html>\n<html><head><title>{title} - {html.escape(shop)}</title></head>\n"
        f"<body>\n<h1>{title}</h1>\n{body}</body></html>\n"
    )


def _counts(listing: str) -> list[str]:
    return [line.rsplit(":", 1)[1] for line in listing.splitlines() if ".html:" in line]
