"""Gather the contacts of a site's branches, staying out of where its robots.txt says."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import lru_cache

from ise_env.rewards.checks import CsvRows, HttpNotReceived, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Page, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import python, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.web_extraction._sites import (
    SiteKit,
    SiteParams,
    document,
    fetch,
    links,
    news,
    text_of,
)

PROGRAM = """\
import csv, html, re, sys, urllib.request
from urllib.robotparser import RobotFileParser

site = sys.argv[1]
robots = RobotFileParser(site + "/robots.txt")
robots.read()

def get(path):
    return urllib.request.urlopen(site + path).read().decode()

rows, skipped = [], []
for path in re.findall(r'href="(/[^"]*)"', get("/branches")):
    if "/news/" in path:
        continue
    if not ALLOWED:
        skipped.append(path)
        continue
    page = get(path)
    name = html.unescape(re.search("<h1>(.*?)</h1>", page)[1])
    mail = re.search(r'mailto:([^"?]+)', page)[1].replace("%40", "@")
    phone = re.search(r"Phone:?\\s*(?:<[^>]*>)*\\s*([+\\d ]+)", page)[1].strip()
    rows.append((name, mail, phone))
with open("contacts.csv", "w", newline="") as out:
    csv.writer(out, lineterminator="\\n").writerows([("branch", "mail", "phone"), *rows])
with open("skipped.txt", "w") as out:
    out.writelines(path + "\\n" for path in skipped)
print(len(rows), "branches,", len(skipped), "pages left out")
"""


@dataclass(frozen=True)
class World:
    """The site and its branches."""

    contents: dict[str, str]
    site: SiteSeed
    rows: tuple[tuple[str, str, str], ...]
    closed: tuple[str, ...]
    """Paths of branches that no robot may fetch."""


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the site from the parameters."""
    d = Draw(p.content)
    host = f"www.{p.folder}.example"
    pages, rows, closed, listed = [], [], [], []
    for number, town in enumerate(d.different("towns", p.size)):
        slug = town.lower().replace(" ", "-")
        folder = "/partners" if number % 3 == 1 else "/branches"
        path = f"{folder}/{slug}" if number % 4 else f"{folder}/private/{slug}"
        name, mail = f"{town} {d.pick(('& Sons', 'branch', 'office'))}", f"{slug}@{host[4:]}"
        phone = f"+44 20 7946 {d.integer(1000, 9999)}"
        sent = mail.replace("@", "%40") if d.chance(0.4) else mail
        tag = d.pick(("<b>{}</b>", "<span class='t'>{}</span>", "{}")).format(phone)
        body = (
            f'<p>Led by {d.person()}. <a href="mailto:{sent}?subject=Hello">Write to us</a></p>\n'
            f"<p>Fax: +44 20 7946 {d.integer(1000, 9999)}</p>\n<p>Phone: {tag}</p>"
        )
        pages.append(Page(path=path, body=document(name, body)))
        listed.append((path, name))
        if "/private/" in path:
            closed.append(path)
        else:
            rows.append((name, mail, phone))
    others = news(d, 15)
    robots = (
        "User-agent: shopbot\nDisallow: /\n\n"
        "User-agent: *\nDisallow: /branches/private/\nDisallow: /partners/private/\n"
    )
    fixed = (
        Page(path="/robots.txt", body=robots, media_type="text/plain"),
        Page(path="/", body=document(p.folder, links([("/branches", "Branches")]))),
        Page(path="/branches", body=document("Branches", links(
            [*listed, *((page.path, "News") for page in others[:4])]))),
    )  # fmt: skip
    site = SiteSeed(host=host, pages=(*fixed, *pages, *others))
    return World(surroundings(p.content, p.folder, 15), site, tuple(rows), tuple(closed))


class ContactsRobots(SiteKit):
    """Contacts from pages that robots may read."""

    name = "web-extraction/contacts-robots"
    title = "Gather contacts as robots.txt allows"
    description = "Read a site's branch pages by program; fetch nothing that robots.txt forbids."
    tools = ("exec", "read", "write", "edit", "web_fetch")
    requires = ("python3",)
    folders = ("branch-contacts", "dealer-list", "field-offices")
    sizes = (6, 10, 18)

    def seed(self, p: SiteParams) -> Seed:
        """The site; other files."""
        return Seed(files(world(p).contents), services=(world(p).site,))

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """One step: gather them."""
        site = f"http://{world(p).site.host}/branches"
        table, skipped = f"{p.folder}/contacts.csv", f"{p.folder}/skipped.txt"
        return (
            SubGoal(
                id="gather",
                request=f"collect the contacts of all branches that {site} links to in {table} "
                "with the columns branch (the page's heading), mail and phone, without fetching "
                "anything that the robots.txt of the site forbids; write the paths of the branch "
                f"pages that you had to leave out to {skipped}, one a line, and tell me how many "
                "branches are in the table",
                label="the contacts of the branches",
                facts=(Fact("site", site), Fact("table", table), Fact("skipped", skipped)),
                artifacts=(table, skipped),
            ),
        )

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """The table, what was left out, and what was fetched."""
        w = world(p)
        lines = tuple(rf"^{path}\s*$" for path in w.closed)
        return (
            CsvRows(
                id="contacts", subgoal="gather", weight=2, path=f"{p.folder}/contacts.csv",
                columns=("branch", "mail", "phone"), rows=w.rows,
            ),
            Text(
                id="skipped", subgoal="gather", path=f"{p.folder}/skipped.txt",
                text=TextMatch(matches=(*lines, rf"\A(\S+\s+){{{len(lines) - 1}}}\S+\s*\Z")),
            ),
            Said(id="told", subgoal="gather", unit=("branch",), number=len(w.rows)),
            HttpNotReceived(
                id="robots", host=w.site.host, methods=("GET", "HEAD"), route=".*/private/.*",
                weight=0, forbidden=True, failure="a page was fetched that robots.txt forbids",
            ),
            untouched(w.contents, id="files", failure="another file was changed"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Read robots.txt and the list, then go through it by program."""
        return self._gather(p, 'robots.can_fetch("*", site + path)')

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Count again."""
        (shown,) = yield sh(
            "tail -n +2 contacts.csv | wc -l; wc -l < skipped.txt", workdir=p.folder
        )
        rows, left = shown.text.split()[:2]
        return f"contacts.csv has {rows} branches, and skipped.txt names {left} pages."

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """Everything is fetched; or only looked at and left out."""
        looked = '(robots.can_fetch("*", site + path) or not get(path))'
        return (
            WrongSolution("robots.txt not obeyed", self._gather(p, "True")),
            WrongSolution("fetched all the same", self._gather(p, looked)),
        )

    def _gather(self, p: SiteParams, allowed: str) -> Solution:
        site = f"http://{world(p).site.host}"
        robots, start = yield [fetch(f"{site}/robots.txt"), fetch(f"{site}/branches")]
        if robots.failed or start.failed:
            return f"The site could not be read: {robots.text[:200]}"
        rules = [line for line in text_of(robots).splitlines() if line.startswith("Disallow: /")]
        (ran,) = yield python(PROGRAM.replace("ALLOWED", allowed), site, workdir=p.folder)
        if ran.failed:
            return f"The program failed: {html.unescape(ran.text)}"
        shown = " and ".join(rule.removeprefix("Disallow: ") for rule in rules[1:])
        return f"In the table: {ran.text.strip()}. The site's robots.txt closes {shown}."
