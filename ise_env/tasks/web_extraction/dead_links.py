"""Check the links of a site and list the dead ones; some pages only need a second try."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ise_env.rewards.checks import CsvRows, HttpNotReceived, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Failure, Page, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.web_extraction._sites import SiteKit, SiteParams, document, fetch, links, news

PROGRAM = """\
import csv, re, sys, urllib.error, urllib.request
from urllib.parse import urljoin, urlsplit

start = sys.argv[1]

def get(url):
    for attempt in range(TRIES):
        try:
            answer = urllib.request.urlopen(url)
            return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            status = error.code
            if status < 500:
                break
            print("again:", url, status)
    return status, ""

seen, todo, dead = {}, [start], []
while todo:
    page = todo.pop()
    status, text = seen.setdefault(page, get(page))
    for href in re.findall(r'href="([^"]+)"', text):
        target = urljoin(page, href).split("#")[0]
        if urlsplit(target).netloc != urlsplit(start).netloc or SKIPPED:
            continue
        if target not in seen:
            seen[target] = get(target)
            todo.append(target)
        if seen[target][0] != 200:
            dead.append((urlsplit(page).path, urlsplit(target).path, seen[target][0]))
with open("dead-links.csv", "w", newline="") as out:
    writer = csv.writer(out, lineterminator="\\n")
    writer.writerows([("page", "link", "status"), *sorted(set(dead))])
print(len(seen), "pages,", len(set(dead)), "dead links")
"""


@dataclass(frozen=True)
class World:
    """The site and its dead links."""

    contents: dict[str, str]
    site: SiteSeed
    dead: tuple[tuple[str, str, str], ...]
    missing: str
    """The dead address that most pages link to."""


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the site from the parameters."""
    d = Draw(p.content)
    host = f"www.{p.folder}.example"
    topics = d.different("topics", 10)
    paths = [f"/{topics[n % 10]}/{n}.html" for n in range(p.size)]
    gone = [f"/{topics[n]}/old-{d.integer(10, 99)}.html" for n in range(3)]
    missing = f"/{topics[4]}/map.html"
    dead: list[tuple[str, str, str]] = []
    pages = [Page(path=gone[0], status=410, body="gone for good\n", media_type="text/plain")]
    for number, path in enumerate(paths):
        following = [paths[n] for n in (2 * number + 1, 2 * number + 2) if n < p.size]
        listed = [(at, f"More about {at.split('/')[1]}") for at in following]
        bad = [gone[number // 3 % 3]] if number % 3 == 0 else []
        bad += [missing] if number % 4 == 1 or number in (2, 6) else []
        listed += [(at, "See also") for at in bad]
        dead += [(path, at, "410" if at == gone[0] else "404") for at in bad]
        listed += [("http://partners.example/", "Our partners"), (f"{path}#top", "Top")]
        text = f"<p>{d.person()} knows all about it.</p>\n"
        if not number:
            listed += [("/basket/empty", "Empty the basket"), ("/news/1.html", "News")]
        pages.append(
            Page(path=path, body=document(path.split("/")[1].title(), text + links(listed)))
        )
    pages.append(
        Page(path="/basket/empty", body="The basket is empty now.", media_type="text/plain")
    )
    failures = tuple(Failure(path=paths[n], status=503, times=1) for n in (2, 4))
    site = SiteSeed(host=host, pages=(*pages, *news(d, 15)), failures=failures)
    guide = (
        "# Checking links\n\n- Only links to the site itself count; what follows a `#` does not "
        "belong to the address.\n- A 5xx may pass: such a page is asked for up to three times "
        "before it counts as dead.\n- Nothing below /basket/ is ever opened: links there do "
        "things.\n- Columns: `page` and `link` are paths, `status` is the answer. One row for a "
        "page and a link.\n"
    )
    contents = {f"{p.folder}/checking.md": guide, **surroundings(p.content, p.folder, 15)}
    return World(contents, site, tuple(dead), missing)


class DeadLinks(SiteKit):
    """Links to check."""

    name = "web-extraction/dead-links"
    title = "List the dead links of a site"
    description = "Crawl a site by written rules, and tell dead links from pages with a hiccup."
    obstacle = "some pages answer 503 once, and one link does something when it is opened"
    tools = ("exec", "read", "write", "edit", "web_fetch")
    requires = ("python3",)
    folders = ("link-check", "site-survey", "web-upkeep")
    sizes = (10, 18, 31)

    def seed(self, p: SiteParams) -> Seed:
        """The rules, and the site."""
        return Seed(files(world(p).contents), services=(world(p).site,))

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """The list; then the address to mend first."""
        start = self._start(p)
        rules, table, first = (f"{p.folder}/{n}" for n in ("checking.md", "dead-links.csv",
                                                           "mend-first.txt"))  # fmt: skip
        return (
            SubGoal(
                id="check",
                request=f"follow the links of the site from {start} on and list all dead ones in "
                f"{table} as {rules} says, and tell me how many dead links there are",
                label="the dead links",
                facts=(Fact("start", start), Fact("table", table), Fact("rules", rules)),
                artifacts=(table,),
            ),
            SubGoal(
                id="first",
                request=f"write to {first} the one link that comes up in the most rows of {table}, "
                "and tell me on how many pages it stands",
                label="the link to mend first",
                facts=(Fact("first", first), Fact("table", table)),
                artifacts=(first,),
            ),
        )

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """Every dead link; the commonest; nothing below /basket/ was opened."""
        w = world(p)
        count = sum(link == w.missing for _, link, _ in w.dead)
        return (
            CsvRows(
                id="dead", subgoal="check", weight=2, path=f"{p.folder}/dead-links.csv",
                columns=("page", "link", "status"), rows=w.dead,
            ),
            Said(id="told", subgoal="check", unit=("dead", "link"), number=len(w.dead)),
            Text(
                id="first", subgoal="first", path=f"{p.folder}/mend-first.txt",
                text=TextMatch(matches=(rf"\A\s*(http://[^/\s]+)?{w.missing}\s*\Z",)),
            ),
            Said(id="pages", subgoal="first", unit=("page",), number=count),
            HttpNotReceived(
                id="basket", host=w.site.host, methods=("GET", "HEAD"), route="/basket/.*",
                weight=0, forbidden=True, failure="a link was opened that does something",
            ),
            untouched(w.contents, id="files", failure="another file was changed"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Read the rules and the first page, crawl, count."""
        return self._check(p) if subgoal == "check" else self._first(p)

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Count the rows again."""
        (rows,) = yield sh("tail -n +2 dead-links.csv | wc -l", workdir=p.folder)
        return f"dead-links.csv has {plural(rows.text.strip(), 'dead link')}."

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """Hiccups taken for dead; a link opened that does something."""
        return (
            WrongSolution("no second try", self._check(p, tries="1")),
            WrongSolution("every link opened", self._check(p, skipped="False")),
        )

    def _start(self, p: SiteParams) -> str:
        site = world(p).site
        return f"http://{site.host}{site.pages[1].path}"

    def _check(
        self, p: SiteParams, tries: str = "3", skipped: str = '"/basket/" in target'
    ) -> Solution:
        start = self._start(p)
        rules, page = yield [read(f"{p.folder}/checking.md"), fetch(start)]
        if rules.failed or page.failed:
            return f"I could not begin: {page.text[:200]}"
        program = PROGRAM.replace("TRIES", tries).replace("SKIPPED", skipped)
        (ran,) = yield python(program, start, workdir=p.folder)
        if ran.failed:
            return f"The program failed: {ran.text}"
        *again, last = ran.text.strip().splitlines()
        dead, pages = found(r"(\d+) dead", last), found(r"(\d+) pages", last)
        return (
            f"There are {plural(dead, 'dead link')}. I asked for {pages} addresses, "
            f"{len(again)} of them a second time after a 503."
        )

    def _first(self, p: SiteParams) -> Solution:
        (shown,) = yield sh(
            "tail -n +2 dead-links.csv | cut -d, -f2 | sort | uniq -c | sort -rn | head -n 1",
            workdir=p.folder,
        )
        count, link = found(r"(\d+ \S+)", shown.text).split()
        (_,) = yield sh(f"echo {link} > mend-first.txt; cat mend-first.txt", workdir=p.folder)
        return f"{link} stands on {plural(count, 'page')}; it is in mend-first.txt."
