"""Clean scraped records: one JSON value a line, some of them broken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonLines, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh, write

PROGRAM = '''\
"""Clean offers.jsonl into clean.jsonl; lines that are no JSON go to rejected.txt."""

import json

kept, rejected = {}, []
for line in open("offers.jsonl", encoding="utf-8"):
    try:
        record = json.loads(line)
    except ValueError:
        rejected.append(line)
        continue
    day, month, year = record["seen"].split("/")
    record = {
        "id": int(record["id"]),
        "title": record["title"].strip(),
        "price": float(str(record["price"]).replace(",", "")),
        "seen": f"{year}-{month}-{day}",
    }
    KEEP
with open("clean.jsonl", "w", encoding="utf-8") as out:
    for record in ORDER:
        out.write(json.dumps(record, ensure_ascii=False) + "\\n")
with open("rejected.txt", "w", encoding="utf-8") as out:
    out.writelines(rejected)
print(len(kept), "kept,", len(rejected), "rejected")
'''


class Params(KitParams):
    """How many records, and how many of their lines are torn."""

    records: int = Field(ge=10, le=60)
    torn: int = Field(ge=1, le=6)


@dataclass(frozen=True)
class World:
    """The scraped lines and what they come to."""

    contents: dict[str, str]
    clean: list[dict[str, Any]]
    rejected: list[str]

    @property
    def dearest(self) -> float:
        """Highest price."""
        return max(float(record["price"]) for record in self.clean)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the lines from the parameters."""
    d = Draw(p.content)
    numbers = d.some(range(2000, 9999), p.records)
    scraped = [*numbers, *d.some(numbers, p.records // 4)]
    lines, clean = [], {}
    for number in scraped:
        day, cents = d.day(2025), d.cents(5, 3200)
        title = f"{d.word('products').capitalize()} from {d.word('towns')}"
        price: object = d.pick((f"{cents / 100:,.2f}", cents / 100))
        shown = {
            "id": d.pick((str(number), number)),
            "title": d.pick((title, f"  {title} ")),
            "price": price,
            "seen": day.strftime("%d/%m/%Y"),
        }
        lines.append(json.dumps(shown))
        record = {"id": number, "title": title, "price": cents / 100, "seen": day.isoformat()}
        clean[number] = record
    rejected = []
    for _ in range(p.torn):
        place = d.integer(0, len(lines))
        torn = json.dumps({"id": d.integer(2000, 9999), "title": d.word("products")})[
            : d.integer(12, 24)
        ]
        lines.insert(place, torn)
    rejected = [line for line in lines if not line.endswith("}")]
    contents = {
        f"{p.folder}/offers.jsonl": "\n".join(lines) + "\n",
        f"{p.folder}/offers-old.jsonl": json.dumps({"id": 1, "title": "old", "seen": "01/01/2019"})
        + "\n",
        f"{p.folder}/SOURCE.txt": f"Scraped for {d.word('companies')} by {d.person()}.\n",
    }
    return World(contents, [clean[number] for number in sorted(clean)], rejected)


class CleanRecords(Kit[Params]):
    """Scraped records to clean."""

    name = "web-extraction/clean-records"
    title = "Clean scraped JSON lines"
    description = "Unify types, drop outdated and torn records, report the dearest offer."
    obstacle = "torn lines, and ids that come as numbers and as text"
    requires = ("python3",)
    folders = ("scrape", "crawl", "harvest")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more records, more torn lines."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            records={"simple": 10, "medium": 24, "complex": 60}[complexity],
            torn={"simple": 1, "medium": 3, "complex": 6}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The scraped file, an old one, a note."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The clean file, then a note about it."""
        raw, clean = f"{p.folder}/offers.jsonl", f"{p.folder}/clean.jsonl"
        rejected, source = f"{p.folder}/rejected.txt", f"{p.folder}/SOURCE.txt"
        return (
            SubGoal(
                id="clean",
                request=f"clean {raw} into {clean}, one JSON object a line and sorted by id, with "
                "id as an integer, title without blanks around it, price as a number and seen as "
                "YYYY-MM-DD instead of DD/MM/YYYY; where an id comes up more than once only its "
                f"last line counts, and lines that are no valid JSON go to {rejected} as they are",
                label="the clean records",
                facts=(Fact("raw", raw), Fact("clean", clean), Fact("rejected", rejected)),
                artifacts=(clean, rejected),
            ),
            SubGoal(
                id="note",
                request=f"tell me the highest price in {clean} and add a line to the end of "
                f"{source} that reads `Records: ` and how many there are in the clean file",
                label="the note about the clean file",
                facts=(Fact("clean", clean), Fact("source", source)),
                artifacts=(source,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every record, the rejected lines, the note, the spoken price."""
        w = world(p)
        source = f"{p.folder}/SOURCE.txt"
        raw = {k: v for k, v in w.contents.items() if k.endswith(".jsonl")}
        note = rf"^Records: *{len(w.clean)}\s*\Z"
        return (
            JsonLines(
                id="records",
                subgoal="clean",
                weight=2,
                path=f"{p.folder}/clean.jsonl",
                values=tuple(w.clean),
            ),
            Text(
                id="rejected",
                subgoal="clean",
                path=f"{p.folder}/rejected.txt",
                text=TextMatch(equals="\n".join(w.rejected) + "\n"),
            ),
            Text(
                id="note",
                subgoal="note",
                path=source,
                text=TextMatch(contains=(w.contents[source].strip(),), matches=(note,)),
            ),
            Said(id="told", subgoal="note", unit=("highest",), number=w.dearest),
            untouched(raw, id="raw", failure="the scraped lines were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look, write a program, run it; then read its output."""
        if subgoal == "clean":
            return self._clean(p, "kept[record['id']] = record")
        return self._note(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at both files, or at the note."""
        if subgoal == "clean":
            (shown,) = yield sh(
                "wc -l < clean.jsonl; wc -l < rejected.txt; tail -n 1 clean.jsonl", workdir=p.folder
            )
            kept, torn, last = shown.text.strip().splitlines()[:3]
            return (
                f"I counted again: {plural(kept, 'record')} in clean.jsonl, "
                f"{plural(torn, 'line')} in "
                f"rejected.txt. The last record is `{last}`."
            )
        (shown,) = yield sh(f"tail -n 1 {p.folder}/SOURCE.txt")
        return f"The note ends with the line `{shown.text.strip()}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first of each id; the order of the file."""
        first = self._clean(p, "kept.setdefault(record['id'], record)")
        unsorted = self._clean(p, "kept[record['id']] = record", order="kept.values()")
        return (
            WrongSolution("first record of an id", first),
            WrongSolution("not sorted", unsorted),
        )

    def _clean(
        self, p: Params, keep: str, order: str = "(kept[number] for number in sorted(kept))"
    ) -> Solution:
        (listing,) = yield sh("ls -l; wc -l offers.jsonl", workdir=p.folder)
        (sample,) = yield read(f"{p.folder}/offers.jsonl", limit=12)
        if "/20" not in sample.text:
            return f"The dates in offers.jsonl are not what you said: {sample.text[:200]}"
        program = PROGRAM.replace("KEEP", keep).replace("ORDER", order)
        (saved,) = yield write(f"{p.folder}/clean.py", program)
        if saved.failed:
            return f"The program could not be written: {saved.text}"
        (ran,) = yield sh("python3 clean.py && rm clean.py", workdir=p.folder)
        if ran.failed:
            return f"The program failed: {ran.text}"
        torn, first = yield [
            sh(f"cat {p.folder}/rejected.txt"),
            sh(f"head -n 1 {p.folder}/clean.jsonl"),
        ]
        total = listing.text.strip().splitlines()[-1].split()[0]
        return (
            f"Of {total} lines: {ran.text.strip()}. Rejected:\n{torn.text.strip()}\n"
            f"The first record is `{first.text.strip()}`."
        )

    def _note(self, p: Params) -> Solution:
        clean, source = f"{p.folder}/clean.jsonl", f"{p.folder}/SOURCE.txt"
        (records,) = yield read(clean)
        prices = [json.loads(line)["price"] for line in records.text.strip().splitlines()]
        (before,) = yield read(source)
        last = before.text.rstrip().splitlines()[-1]
        (edited,) = yield edit(source, last, f"{last}\nRecords: {len(prices)}")
        if edited.failed:
            return f"{source} could not be edited: {edited.text}"
        (shown,) = yield sh(f"tail -n 1 {source}; wc -l < {clean}")
        count = found(r"Records: (\d+)", shown.text)
        return (
            f"The highest price is {max(prices):.2f}. {source} now says {plural(count, 'record')}."
        )
