"""Ask a colleague by mail for what only they know, and use the answer when it comes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Mail, MailReply, MailSeed, Person
from ise_env.tasks.correspondence import contact, noise, people, send
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

ROWS = {"simple": 8, "medium": 14, "complex": 24}


class Params(KitParams):
    """How long the list is."""

    rows: int = Field(ge=8, le=24)


@dataclass(frozen=True)
class World:
    """The list with gaps, and who can fill them."""

    contents: dict[str, str]
    mail: MailSeed
    keeper: Person
    filled: tuple[tuple[str, str, str], ...]
    gaps: tuple[str, ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    *staff, former = people(d, p.folder, 8)
    keeper = staff[0].model_copy(update={"title": "Warehouse keeper"})
    former = former.model_copy(update={"title": "Warehouse keeper (until 2025)"})
    items = d.some([f"{prefix}{n}" for prefix in "ABCK" for n in range(100, 400)], p.rows)
    filled = tuple(
        (item, d.word("products"), f"{d.pick('NSEW')}{d.integer(1, 9)}-{d.integer(10, 99)}")
        for item in items
    )
    gaps = tuple(sorted(d.some(items, 2 if p.rows < 10 else 3)))
    shelves = {item: shelf for item, _, shelf in filled}
    rows = [(item, what, "" if item in gaps else shelf) for item, what, shelf in filled]
    said = "\n".join(f"{item} is on shelf {shelves[item]}." for item in d.shuffled(gaps))
    answer = Mail(
        sender=keeper.address,
        subject="Re: shelves",
        body=f"Hello,\n\nI went and looked:\n\n{said}\n\n{keeper.name}\n",
    )
    contents = {f"{p.folder}/shelves.csv": csv_text(("item", "what", "shelf"), rows)}
    for number in range(1, 13):
        contents[f"{p.folder}/deliveries/2025-{number:02d}.txt"] = "".join(
            f"{d.pick(items)}  {d.word('products')}  {d.integer(1, 40)} pieces\n" for _ in range(8)
        )
    mail = MailSeed(
        people=(keeper, former, *staff[1:]),
        messages=noise(d, staff[1:], 16),
        replies=(MailReply(person=keeper.address, contains=gaps, answer=answer),),
    )
    return World(contents, mail, keeper, filled, gaps)


class AskColleague(Kit[Params]):
    """A list with gaps."""

    name = "comms-social/ask-colleague"
    version = 2
    title = "Ask a colleague and use the answer"
    description = "Find out what is missing in a list, ask who knows by mail, fill in the answer."
    obstacle = "the answer comes by mail after the question, and the former keeper is still listed"
    folders = ("shelf-list", "store-rooms", "spare-parts")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer list."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), rows=ROWS[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The list, deliveries, the address book, and who answers."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Ask, then fill in."""
        table, full = f"{p.folder}/shelves.csv", f"{p.folder}/shelves-full.csv"
        return (
            SubGoal(
                id="ask",
                request=f"find the items in {table} that have no shelf and ask the one who is the "
                "warehouse keeper now, by one mail that names all of these items, where they are",
                label="the question to the keeper",
                facts=(Fact("table", table),),
                question="Who is the warehouse keeper?",
                answer="My address book says so",
            ),
            SubGoal(
                id="fill",
                request=f"write {full}, the same table as {table} with the shelves that the keeper "
                "answers filled in, all rows in the same order",
                label="the completed list",
                facts=(Fact("full", full), Fact("table", table)),
                artifacts=(full,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """One question, to one person; the whole table."""
        w = world(p)
        return (
            MailSent(
                id="asked",
                subgoal="ask",
                to=(w.keeper.address,),
                body=TextMatch(contains=w.gaps),
            ),
            CsvRows(
                id="filled",
                subgoal="fill",
                weight=2,
                path=f"{p.folder}/shelves-full.csv",
                columns=("item", "what", "shelf"),
                rows=w.filled,
                ordered=True,
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example",),
                allowed=(w.keeper.address,),
                weight=0,
                forbidden=True,
                failure="somebody else was asked",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the gaps and ask; read the answer and fill it in."""
        return self._ask(p) if subgoal == "ask" else self._fill(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """See what came back; count the gaps that are left."""
        if subgoal == "ask":
            (answer,) = yield sh("grep -hE 'is on shelf' ~/Maildir/new/*")
            if answer.failed:
                return "There is no answer about the shelves in the inbox yet."
            return f"The keeper has answered: {' '.join(answer.text.split())}"
        (count,) = yield sh(f"grep -c ',$' {p.folder}/shelves-full.csv; true")
        return f"{plural(count.text.split()[0], 'row')} without a shelf in shelves-full.csv."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The former keeper; shelves made up."""
        return (
            WrongSolution("the former keeper", self._ask(p, title="until 2025")),
            WrongSolution("a shelf made up", self._fill(p, guess="N1-11"), "fill"),
        )

    def _ask(self, p: Params, title: str = "") -> Solution:
        gaps, cards = yield [
            sh(f"grep ',$' {p.folder}/shelves.csv | cut -d, -f1"),
            contact("warehouse keeper"),
        ]
        items = gaps.text.split()
        mine = [
            card
            for card in cards.text.split("END:VCARD")
            if "EMAIL" in card and ("until" in card) == bool(title)
        ]
        address = found(r"EMAIL:(\S+)", mine[0])
        (sent,) = yield send(
            [address], "Shelves", f"Hello,\n\non which shelves are {', '.join(items)}?"
        )
        to = found(r"sent to (\S+)", sent.text)
        return f"I asked {to} about {plural(len(items), 'item')}: {', '.join(items)}."

    def _fill(self, p: Params, guess: str = "") -> Solution:
        table, answer = yield [
            read(f"{p.folder}/shelves.csv"),
            sh("grep -hE 'is on shelf' ~/Maildir/new/*"),
        ]
        lines = []
        for line in table.text.strip().splitlines():
            item = line.split(",")[0]
            if line.endswith(","):
                line += guess or found(rf"^{item} is on shelf (\S+)\.", answer.text)
            lines.append(line)
        path = f"{p.folder}/shelves-full.csv"
        (saved,) = yield write(path, "\n".join(lines) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (left,) = yield sh(f"grep -c ',$' {path}; true")
        return f"{path} is written; {plural(left.text.split()[0], 'gap')} left."
