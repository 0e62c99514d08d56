"""Two saved versions of one page: what really changed."""

from __future__ import annotations

import html
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

SIZES = {"simple": 8, "medium": 14, "complex": 24}
ROW = re.compile(r"<tr[^>]*>\s*<td[^>]*>(.*?)</td>\s*<td[^>]*>(.*?)</td>", re.DOTALL)
KINDS = {
    "fees": ("service", "fee"),
    "staff": ("person", "extension"),
    "hours": ("place", "hours"),
    "timetable": ("line", "first departure"),
}


class Params(KitParams):
    """What the page lists, and how much of it changed."""

    topic: str
    rows: int = Field(ge=8, le=24)


@dataclass(frozen=True)
class World:
    """Both pages and their differences."""

    contents: dict[str, str]
    old: str
    new: str
    changes: list[tuple[str, str, str, str]]
    """Change, key, before, now."""


def _value(d: Draw, topic: str) -> str:
    if topic == "fees":
        return f"{money(d.cents(5, 300))} €"
    if topic == "staff":
        return f"ext. {d.integer(100, 989)}"
    if topic == "hours":
        return f"{d.integer(7, 10)}:{d.pick(('00', '30'))} – {d.integer(16, 20)}:00"
    return f"{d.integer(4, 7):02d}:{d.integer(0, 59):02d}"


def _keys(d: Draw, topic: str, count: int) -> list[str]:
    if topic == "fees":
        return [f"{x} & {y}" for x in d.different("topics", 6) for y in d.different("services", 5)][
            :count
        ]
    if topic == "staff":
        return d.people(count)
    if topic == "hours":
        return [f"{x} {y}" for x in d.different("towns", 15) for y in ("branch", "depot")][:count]
    return [f"Line {n}" for n in d.some(range(1, 99), count)]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both versions from the parameters."""
    d = Draw(p.content)
    keys = _keys(d, p.topic, p.rows + 2)
    before = {key: _value(d, p.topic) for key in keys[: p.rows]}
    now = dict(before)
    touched = d.some(list(before), 2 + p.rows // 5)
    changes: list[tuple[str, str, str, str]] = []
    for key in touched[:1]:
        del now[key]
        changes.append(("removed", key, before[key], ""))
    for key in touched[1:]:
        fresh = _value(d, p.topic)
        while fresh == before[key]:
            fresh = _value(d, p.topic)
        now[key] = fresh
        changes.append(("changed", key, before[key], fresh))
    for key in keys[p.rows :]:
        now[key] = _value(d, p.topic)
        changes.append(("added", key, "", now[key]))
    f = p.folder
    old = f"{f}/{p.topic}-2025-0{d.integer(1, 4)}.html"
    new = f"{f}/{p.topic}-2025-0{d.integer(5, 9)}.html"
    title = f"{p.topic.title()} of {d.word('companies')}"
    names = KINDS[p.topic]
    contents = {
        old: _page(title, names, list(before.items()), plain=True),
        new: _page(title, names, d.shuffled(list(now.items())), plain=False),
        f"{f}/FORMAT.md": "# What counts as a change\n\n"
        f"- Rows belong together by their {names[0]}, wherever they stand.\n"
        "- Only what a reader of the page sees counts: order, spacing, mark-up and the spelling\n"
        "  of a character as an entity do not.\n"
        "- The result has the columns `change`, `key`, `before`, `now`. `change` is `added`,\n"
        f"  `removed` or `changed`, `key` is the {names[0]}, and a value that there is none of is\n"
        "  left empty. Texts are as a reader sees them, without entities, blanks around them or\n"
        "  double blanks.\n",
        f"{f}/about.html": f"<p>Kept by {html.escape(d.person())}</p>\n",
    }
    return World(contents, old, new, changes)


def _page(title: str, names: tuple[str, str], rows: list[tuple[str, str]], plain: bool) -> str:
    lines = []
    for number, (key, value) in enumerate(rows):
        k, v = html.escape(key), html.escape(value)
        if plain:
            lines.append(f"<tr><td>{k}</td><td>{v}</td></tr>")
            continue
        k = k.replace(" ", "\n      ", 1) if number % 3 == 0 else k
        v = v.replace("€", "&euro;").replace("–", "&ndash;")
        v = f"<em>{v}</em>" if number % 4 == 1 else v
        lines.append(f'<tr class="r{number % 2}">\n    <td> {k}</td>\n    <td>{v} </td></tr>')
    heads = "".join(f"<th>{name}</th>" for name in names)
    body = "\n".join(lines)
    shell = "<table>" if plain else '<table class="wide" id="main">'
    return (
        f"<!doctype html>\n<title>{html.escape(title)}</title>\n<h1>{html.escape(title)}</h1>\n"
        f"{shell}\n<tr>{heads}</tr>\n{body}\n</table>\n"
    )


class ComparePages(Kit[Params]):
    """Two versions to compare."""

    name = "web-extraction/compare-pages"
    title = "Compare two saved versions of a page"
    description = "Report which rows of a page were added, removed or changed between two saves."
    obstacle = "order, mark-up and entities differ everywhere although little has changed"
    folders = ("page-watch", "saved-pages", "web-archive")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: longer pages with more changes."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            topic=one(rng, sorted(KINDS)),
            rows=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Both pages, and what counts."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The differences, then a summary."""
        w, target, summary = world(p), f"{p.folder}/changes.csv", f"{p.folder}/summary.csv"
        return (
            SubGoal(
                id="compare",
                request=f"compare the saved pages {w.old} and {w.new} and write what changed to "
                f"{target} as {p.folder}/FORMAT.md says",
                label=f"the changes of the {p.topic} page",
                facts=(Fact("old", w.old), Fact("new", w.new), Fact("target", target)),
                artifacts=(target,),
                question="Does it count if only the order of the rows differs?",
                answer="No, only what is added, removed or has another value",
            ),
            SubGoal(
                id="summary",
                request=f"count the rows of {target} by kind into {summary} with the columns "
                "change and rows, and tell me how many changes there are in all",
                label="the summary of the changes",
                facts=(Fact("target", target), Fact("summary", summary)),
                artifacts=(summary,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every change, the counts, the number."""
        w, f = world(p), p.folder
        kinds = sorted({change[0] for change in w.changes})
        counts = tuple((kind, str(sum(c[0] == kind for c in w.changes))) for kind in kinds)
        return (
            CsvRows(
                id="changes",
                subgoal="compare",
                weight=2,
                path=f"{f}/changes.csv",
                columns=("change", "key", "before", "now"),
                rows=tuple(w.changes),
                tolerance=0,
                failure="these are not the changes that a reader of both pages sees",
            ),
            CsvRows(
                id="summary",
                subgoal="summary",
                path=f"{f}/summary.csv",
                columns=("change", "rows"),
                rows=counts,
            ),
            Said(
                id="told",
                subgoal="summary",
                unit=("changes? in (all|total)", "in all", "altogether"),
                number=len(w.changes),
            ),
            untouched(w.contents, failure="a saved page was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read both, compare by key; count."""
        return self._compare(p) if subgoal == "compare" else self._summary(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the result."""
        name = "changes.csv" if subgoal == "compare" else "summary.csv"
        (shown,) = yield read(f"{p.folder}/{name}")
        return f"I looked again, {p.folder}/{name} says:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Comparing the mark-up; overlooking rows that are gone."""
        return (
            WrongSolution("mark-up compared", self._compare(p, raw=True)),
            WrongSolution(
                "only rows of the new page",
                self._compare(p, gone=False),
            ),
        )

    def _compare(self, p: Params, raw: bool = False, gone: bool = True) -> Solution:
        w, target = world(p), f"{p.folder}/changes.csv"
        (rules,) = yield read(f"{p.folder}/FORMAT.md")
        pages = yield [read(w.old), read(w.new)]
        before, now = (
            {_seen(k, raw): _seen(v, raw) for k, v in ROW.findall(x.text)} for x in pages
        )
        rows = [("removed", key, before[key], "") for key in before if key not in now and gone]
        rows += [("added", key, "", now[key]) for key in now if key not in before]
        rows += [
            ("changed", key, before[key], now[key])
            for key in before
            if key in now and before[key] != now[key]
        ]
        if "`before`" not in rules.text:
            return "FORMAT.md does not say which columns there should be."
        (saved,) = yield write(target, csv_text(("change", "key", "before", "now"), rows))
        if saved.failed:
            return f"{target} could not be written: {saved.text}"
        (counted,) = yield sh(f"tail -n +2 {target} | wc -l; cut -d, -f1 {target} | sort | uniq -c")
        return (
            f"The old page has {plural(len(before), 'row')}, the new one {len(now)}; "
            f"{target} has {plural(counted.text.split()[0], 'change')} now."
        )

    def _summary(self, p: Params) -> Solution:
        f = p.folder
        (counts,) = yield sh(
            "tail -n +2 changes.csv | cut -d, -f1 | sort | uniq -c | awk '{ print $2 \",\" $1 }'",
            workdir=f,
        )
        rows = [line.split(",") for line in counts.text.split()]
        (saved,) = yield write(f"{f}/summary.csv", csv_text(("change", "rows"), rows))
        if saved.failed:
            return f"The summary could not be written: {saved.text}"
        (total,) = yield sh(f"awk -F, 'NR > 1 {{ s += $2 }} END {{ print s }}' {f}/summary.csv")
        number = found(r"(\d+)", total.text)
        return f"There are {number} changes in all: {', '.join(counts.text.split())}."


def _seen(cell: str, raw: bool) -> str:
    """What a reader sees of a cell."""
    if raw:
        return cell
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", cell)).split())
