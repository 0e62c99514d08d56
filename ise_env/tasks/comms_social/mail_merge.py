"""Write to every customer with their own figures; some want no mail, and one has no address."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import MailSeed, Person
from ise_env.tasks.correspondence import noise, people, person, send
from ise_env.tasks.draw import Draw, amount_pattern, content_seed, money, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    ToolReply,
    WrongSolution,
)
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import plural, read, write

SIZES = {"simple": 5, "medium": 8, "complex": 12}
LETTER = "Dear {name},\n\nyour subscription of {plan} costs {fee} a month from {start} on.\n"

Lists = Generator[Sequence[ToolCall], list[ToolReply], tuple[list[dict[str, str]], set[str]]]


class Params(KitParams):
    """How many customers there are."""

    size: int = Field(ge=5, le=12)


@dataclass(frozen=True)
class Customer:
    """One line of the list."""

    who: Person
    plan: str
    fee: int
    wants_mail: bool


@dataclass(frozen=True)
class World:
    """The customers and the letter."""

    contents: dict[str, str]
    mail: MailSeed
    customers: tuple[Customer, ...]
    start: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 4)
    names = [name for name in d.people(p.size + 6) if name not in {s.name for s in staff}][: p.size]
    customers = tuple(
        Customer(
            who=person(d, name, p.folder, at="clients", listed=False, bounces=""),
            plan=d.pick(("Weekly", "Daily", "Archive")),
            fee=d.cents(4, 60),
            wants_mail=place % 4 != 1,
        )
        for place, name in enumerate(names)
    )
    start = f"2026-{d.integer(3, 9):02d}-01"
    rows = [(c.who.name, c.who.address, c.plan, money(c.fee)) for c in customers]
    no_mail = [c.who.address.upper() for c in customers if not c.wants_mail]
    contents = {
        f"{p.folder}/customers.csv": csv_text(("name", "address", "plan", "fee"), rows),
        f"{p.folder}/no-mail.txt": "# those who have told us not to mail them\n"
        + "".join(f"{address}\n" for address in d.shuffled(no_mail)),
        f"{p.folder}/letter.txt": LETTER.replace("{start}", start) + "\n",
    }
    for number in range(1, 12):
        contents[f"{p.folder}/sent/2025-{number:02d}.log"] = "".join(
            f"2025-{number:02d}-{d.integer(1, 28):02d} {d.pick(customers).who.address} ok\n"
            for _ in range(6)
        )
    everybody = (*staff, *(c.who for c in customers))
    mail = MailSeed(people=everybody, messages=noise(d, staff, 15))
    return World(contents, mail, customers, start)


class MailMerge(Kit[Params]):
    """Letters to customers."""

    name = "comms-social/mail-merge"
    title = "Write to every customer with their own figures"
    description = "Fill a letter for each line of a list, spare those who want none, keep a log."
    obstacle = "the list of those who want no mail spells addresses in another case"
    folders = ("subscribers", "price-letters", "client-mail")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more customers."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), size=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The list, the letter, old logs."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write, then log."""
        table, letter = f"{p.folder}/customers.csv", f"{p.folder}/letter.txt"
        spared, log = f"{p.folder}/no-mail.txt", f"{p.folder}/log.csv"
        return (
            SubGoal(
                id="write",
                request=f"send everybody in {table} the letter {letter} by mail, with their own "
                "name, plan and fee in place of the words in braces, one mail each to them alone "
                f"with the subject Your subscription, but write to nobody whom {spared} lists",
                label="the letters",
                facts=(Fact("table", table), Fact("letter", letter), Fact("spared", spared)),
                question="Does the case of an address matter?",
                answer="No, an address is the same in capitals",
            ),
            SubGoal(
                id="log",
                request=f"write {log} with the columns address and state, one row for everybody in "
                f"{table}, in which state is sent or spared",
                label="the log of the letters",
                facts=(Fact("log", log), Fact("table", table)),
                artifacts=(log,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A mail with the right figures for each, none for the others, and the log."""
        w = world(p)
        wanted = [c for c in w.customers if c.wants_mail]
        rows = tuple((c.who.address, "sent" if c.wants_mail else "spared") for c in w.customers)
        clients = f"*@clients.{p.folder}.example"
        return (
            *(
                MailSent(
                    id=f"letter{number}",
                    subgoal="write",
                    to=(c.who.address,),
                    subject=TextMatch(equals="Your subscription"),
                    body=TextMatch(
                        contains=(c.who.name, c.plan, w.start),
                        matches=(rf"(?<![\d.,]){amount_pattern(c.fee / 100)}(?!\d)",),
                        lacks=("{", "}"),
                    ),
                )
                for number, c in enumerate(wanted)
            ),
            CsvRows(
                id="log",
                subgoal="log",
                weight=2,
                path=f"{p.folder}/log.csv",
                columns=("address", "state"),
                rows=rows,
            ),
            MailNotSent(
                id="spared",
                to=(clients, f"*@{p.folder}.example"),
                allowed=tuple(c.who.address for c in wanted),
                weight=0,
                forbidden=True,
                failure="somebody who wants no mail got some",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Fill the letter line by line; then log."""
        return self._write(p) if subgoal == "write" else self._log(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count the lines of the list and of the exceptions."""
        rows, spared = yield from self._lists(p)
        return f"{plural(len(rows), 'customer')}, {plural(len(spared), 'exception')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Case taken seriously; everybody in one mail; braces left in."""
        return (
            WrongSolution("case taken seriously", self._write(p, fold=False)),
            WrongSolution("one mail for all", self._write(p, together=True)),
            WrongSolution("a field left unfilled", self._write(p, fields=("name", "plan"))),
            WrongSolution("everybody logged as sent", self._log(p, fold=False), "log"),
        )

    def _lists(self, p: Params, fold: bool = True) -> Lists:
        table, spared = yield [read(f"{p.folder}/customers.csv"), read(f"{p.folder}/no-mail.txt")]
        head, *lines = (line.split(",") for line in table.text.strip().splitlines())
        rows = [dict(zip(head, line, strict=True)) for line in lines]
        listed = {line.strip() for line in spared.text.splitlines() if "@" in line}
        return rows, {address.lower() for address in listed} if fold else listed

    def _write(
        self,
        p: Params,
        fold: bool = True,
        together: bool = False,
        fields: tuple[str, ...] = ("name", "plan", "fee"),
    ) -> Solution:
        rows, spared = yield from self._lists(p, fold)
        (letter,) = yield read(f"{p.folder}/letter.txt")
        chosen = [row for row in rows if row["address"] not in spared]
        calls = []
        for row in chosen:
            body = letter.text
            for field in fields:
                body = body.replace(f"{{{field}}}", row[field])
            calls.append(send([row["address"]], "Your subscription", body))
        if together:
            everybody = [row["address"] for row in chosen]
            calls = [send(everybody, "Your subscription", letter.text)]
        replies = yield calls
        done = sum("sent to" in reply.text for reply in replies)
        return f"{plural(done, 'letter')} went out; {len(rows) - len(chosen)} were spared."

    def _log(self, p: Params, fold: bool = True) -> Solution:
        rows, spared = yield from self._lists(p, fold)
        states = [(r["address"], "spared" if r["address"] in spared else "sent") for r in rows]
        path = f"{p.folder}/log.csv"
        (saved,) = yield write(path, "address,state\n" + "".join(f"{a},{s}\n" for a, s in states))
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (shown,) = yield read(path)
        sent = shown.text.count(",sent")
        return f"{path} says sent for {sent} and spared for {shown.text.count(',spared')}."
