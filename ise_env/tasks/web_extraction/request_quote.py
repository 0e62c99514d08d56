"""Ask for a quote by a form on the web: once, in the right words, and without ordering."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from ise_env.rewards.checks import HttpNotReceived, HttpReceived, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Failure, Page, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, read, sh
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


@dataclass(frozen=True)
class World:
    """The site, and the request that it should get."""

    contents: dict[str, str]
    site: SiteSeed
    product: str
    wanted: dict[str, str | int]


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the site from the parameters."""
    d = Draw(p.content)
    host = f"www.{p.folder}.example"
    names = d.different("products", p.size)
    articles = [(f"A-{number}", name) for number, name in zip(
        d.some(range(1000, 9999), p.size), names, strict=True)]  # fmt: skip
    article, product = d.pick(articles)
    quantity, company = d.integer(12, 480), d.word("companies")
    mail = f"buying@{p.folder}.example"
    guide = document(
        "How to request a quote",
        "<p>POST a JSON object to <code>/quotes</code>, with exactly the keys article (number "
        "from the list of articles), quantity (a number), company and mail. If we answer 503, "
        "nothing has reached us: send it again. One request a customer, please.</p>"
        "<p>POST to <code>/orders</code> orders at once, with costs.</p>",
    )
    catalogue = document("List of articles", table(("Article", "Name"), articles))
    pages = (Page(path="/quote-guide", body=guide), Page(path="/articles", body=catalogue))
    site = SiteSeed(
        host=host, pages=(*pages, *news(d, 16)), forms=("/quotes", "/orders"),
        failures=(Failure(path="/quotes", method="POST", status=503, times=1),),
        first_receipt=d.integer(2_000, 90_000),
    )  # fmt: skip
    contents = {
        f"{p.folder}/company.txt": f"Company: {company}\nMail: {mail}\n",
        **surroundings(p.content, p.folder, 15),
    }
    wanted: dict[str, str | int] = {
        "article": article,
        "quantity": quantity,
        "company": company,
        "mail": mail,
    }
    return World(contents, site, product, wanted)


class RequestQuote(SiteKit):
    """A form to send once."""

    name = "web-extraction/request-quote"
    version = 2
    title = "Request a quote by a web form"
    description = "Find how a site takes requests, send one that is right, and order nothing."
    obstacle = "the form answers 503 at first, and a wrong address would order at once"
    tools = ("exec", "read", "write", "edit", "web_search", "web_fetch")
    requires = ("curl",)
    folders = ("quote-request", "wholesale-inquiry", "buying-office")
    sizes = (6, 12, 24)

    def seed(self, p: SiteParams) -> Seed:
        """The company's data, and the site."""
        return Seed(files(world(p).contents), services=(world(p).site,))

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """One step: send it."""
        w, company = world(p), f"{p.folder}/company.txt"
        amount = f"{w.wanted['quantity']} pieces of the {w.product}"
        return (
            SubGoal(
                id="send",
                request=f"request a quote for {amount} from {w.site.host} the way the site's guide "
                f"to quotes says, for the company in {company}; it has to arrive exactly once, "
                "nothing may be ordered, and tell me the article number and the receipt number",
                label="the request for a quote",
                facts=(Fact("amount", amount), Fact("host", w.site.host), Fact("company", company)),
            ),
        )

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """One request, no order."""
        w = world(p)
        return (
            HttpReceived(
                id="quote", subgoal="send", weight=2, host=w.site.host, route="/quotes",
                fields=dict(w.wanted), exactly=True,
            ),
            HttpReceived(id="once", subgoal="send", host=w.site.host, route="/quotes"),
            Said(
                id="article", subgoal="send", like=r"A-\d{4}",
                text=TextMatch(contains=(str(w.wanted["article"]),)),
            ),
            Said(
                id="receipt", subgoal="send", unit=("receipt",), number=w.site.first_receipt
            ),
            HttpNotReceived(
                id="order", host=w.site.host, route="/orders", weight=0, forbidden=True,
                failure="something was ordered",
            ),
            untouched(w.contents, id="files", failure="a file was changed"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Search for the guide, look the article up, send until it arrives."""
        return self._send(p, "/quotes")

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Look at the guide again."""
        (guide,) = yield fetch(f"http://{world(p).site.host}/quote-guide")
        where = found(r"JSON object to `?(/\w+)", text_of(guide))
        return f"The guide says {where}; that is where the one request went."

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """Sent twice; ordered."""
        return (
            WrongSolution("sent twice", self._send(p, "/quotes", again=True)),
            WrongSolution("ordered", self._send(p, "/orders")),
        )

    def _send(self, p: SiteParams, path: str, again: bool = False) -> Solution:
        w = world(p)
        site = f"http://{w.site.host}"
        company, hits = yield [read(f"{p.folder}/company.txt"), search("how to request a quote")]
        guides = [url for url in addresses(hits) if url.startswith(site) and "guide" in url]
        guide, listed = yield [fetch(guides[0]), fetch(f"{site}/articles")]
        if path not in text_of(guide):
            return f"The guide does not say how: {text_of(guide)[:200]}"
        article = next(row[0] for row in cells(text_of(listed)) if row[1] == w.product)
        sent = {
            "article": article,
            "quantity": w.wanted["quantity"],
            "company": found(r"Company: (.*)", company.text),
            "mail": found(r"Mail: (\S+)", company.text),
        }
        command = f"curl -s {site}{path} --json @- <<'EOF'\n{json.dumps(sent)}\nEOF"
        (reply,) = yield sh(command)
        tries = 1
        while "receipt" not in reply.text and tries < 4:
            (reply,) = yield sh(command)
            tries += 1
        if again:
            (reply,) = yield sh(command)
        number = found(r'"receipt": (\d+)', reply.text)
        return f"The receipt number is {number}. It was article {article}; try {tries} arrived."
