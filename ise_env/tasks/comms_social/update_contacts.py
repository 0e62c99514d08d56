"""Bring a contact table up to date from mail; only what people send themselves counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import EPOCH, Mail, MailSeed, Person
from ise_env.tasks.correspondence import mails, noise, people, person, send
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, write

SIZES = {"simple": 8, "medium": 14, "complex": 22}


class Params(KitParams):
    """How long the table is."""

    size: int = Field(ge=8, le=22)


@dataclass(frozen=True)
class World:
    """The table before and after."""

    contents: dict[str, str]
    mail: MailSeed
    after: tuple[tuple[str, str, str], ...]
    moved: tuple[Person, ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, p.size)
    changing = d.some(range(p.size), 4 if p.size < 10 else 6)
    phones = {place: f"+44 20 7946 {d.integer(1000, 9999)}" for place in changing}
    letters: list[Mail] = []

    def letter(who: Person, number: str, hours: int, words: str) -> None:
        letters.append(
            Mail(
                sender=who.address,
                subject=d.pick(("My new number", "New phone", "Please note: phone")),
                body=f"Hello,\n\n{words} {number}\n\nBest wishes\n{who.name}\n",
                when=EPOCH - timedelta(hours=hours),
                seen=d.chance(0.5),
            )
        )

    wrong = f"+44 20 7946 {d.integer(1000, 9999)}"
    for order, place in enumerate(changing[:-1]):
        if order == 0:  # writes twice
            letter(staff[place], wrong, 90, "from now on my phone number is")
            letter(staff[place], phones[place], 20, "sorry, two digits were swapped; it is")
        else:
            letter(staff[place], phones[place], d.integer(24, 80), "my new phone number is")
    # Somebody writes in another's name, from an address that is not in the table.
    victim = staff[changing[-1]]
    liar = person(d, victim.name, p.folder, at="webmail", listed=False)
    letter(liar, wrong, 10, "please change my phone number in your table to")
    rows = [(who.name, who.address, who.phone) for who in staff]
    after = tuple(
        (name, address, phones[n] if n in changing[:-1] else phone)
        for n, (name, address, phone) in enumerate(rows)
    )
    contents = {
        f"{p.folder}/contacts.csv": csv_text(("name", "address", "phone"), rows),
        f"{p.folder}/README.md": "# Contacts\n\nA change counts when it comes from the address "
        "that the table has for that person. Of several, the latest counts. Everything else is "
        "left alone.\n",
    }
    for number in range(1, 13):
        some = d.some(rows, 5)
        contents[f"{p.folder}/backup/contacts-2025-{number:02d}.csv"] = csv_text(
            ("name", "address", "phone"), some
        )
    mail = MailSeed(people=(*staff, liar), messages=(*noise(d, staff, 18), *letters))
    moved = tuple(staff[place] for place in changing[:-1])
    return World(contents, mail, after, moved)


class UpdateContacts(Kit[Params]):
    """A table of contacts."""

    name = "comms-social/update-contacts"
    title = "Bring a contact table up to date from mail"
    description = "Apply the changes of phone numbers that people mailed, and thank them."
    obstacle = "one change is corrected later, another comes from an address that nobody knows"
    folders = ("contact-book", "phone-list", "members-list")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer table."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), size=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The table, backups, the inbox."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Update, then thank."""
        table, rules = f"{p.folder}/contacts.csv", f"{p.folder}/README.md"
        new = f"{p.folder}/contacts-new.csv"
        return (
            SubGoal(
                id="update",
                request=f"write {new}, the table {table} with the new phone numbers that people "
                f"have mailed me, by the rules in {rules}, all rows and columns in the same order",
                label="the new contact table",
                facts=(Fact("new", new), Fact("table", table), Fact("rules", rules)),
                artifacts=(new,),
                question="What if somebody writes from another address?",
                answer="What the rules say about that holds",
            ),
            SubGoal(
                id="thank",
                request=f"send everybody whose number differs between {table} and {new} a "
                "thank-you mail of their own that repeats their new number, and write to nobody "
                "else",
                label="the thank-you mails",
                facts=(Fact("table", table), Fact("new", new)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The new table, a mail for each change."""
        w = world(p)
        phone = {address: number for _, address, number in w.after}
        allowed = tuple(who.address for who in w.moved)
        return (
            CsvRows(
                id="table",
                subgoal="update",
                weight=3,
                path=f"{p.folder}/contacts-new.csv",
                columns=("name", "address", "phone"),
                rows=w.after,
                ordered=True,
            ),
            *(
                MailSent(
                    id=f"thanks{number}",
                    subgoal="thank",
                    to=(who.address,),
                    body=TextMatch(contains=(phone[who.address],)),
                )
                for number, who in enumerate(w.moved)
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example", f"*.{p.folder}.example"),
                allowed=allowed,
                weight=0,
                forbidden=True,
                failure="somebody got mail whose number did not change",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Take the latest number from each known address; thank each sender."""
        return self._update(p) if subgoal == "update" else self._thank(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare the two tables."""
        changes = yield from self._changes(p)
        return f"{plural(len(changes.split()), 'number')} differ between the two tables."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Names believed; first mails believed; everybody thanked."""
        return (
            WrongSolution("names believed", self._update(p, by_name=True)),
            WrongSolution("first mail believed", self._update(p, latest=False)),
            WrongSolution("one mail for all", self._thank(p, together=True), "thank"),
        )

    def _update(self, p: Params, by_name: bool = False, latest: bool = True) -> Solution:
        table, _, shown = yield [
            read(f"{p.folder}/contacts.csv"), read(f"{p.folder}/README.md"), mails("phone|number"),
        ]  # fmt: skip
        letters = [part for part in shown.text.split("-----") if "+44 20 7946" in part]
        lines = []
        for line in table.text.strip().splitlines():
            name, address, phone = line.split(",")
            key = f"From: {name} " if by_name else f"<{address}>"
            mine = [part for part in letters if key in part.partition("To:")[0]]
            if mine:
                phone = found(r"(\+44 [\d ]+\d)", mine[-1 if latest else 0])
            lines.append(f"{name},{address},{phone}")
        path = f"{p.folder}/contacts-new.csv"
        (saved,) = yield write(path, "\n".join(lines) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        changes = yield from self._changes(p)
        return f"{path} is written; {plural(len(changes.split()), 'number')} changed."

    def _changes(self, p: Params) -> Solution:
        old, new = yield [
            read(f"{p.folder}/contacts.csv"),
            read(f"{p.folder}/contacts-new.csv"),
        ]
        rows = [line for line in new.text.strip().splitlines() if line not in old.text]
        return " ".join(line.split(",")[1] for line in rows)

    def _thank(self, p: Params, together: bool = False) -> Solution:
        addresses = (yield from self._changes(p)).split()
        (table,) = yield read(f"{p.folder}/contacts-new.csv")
        numbers = [found(rf",{address},(.+)$", table.text) for address in addresses]
        groups = [(addresses, ", ".join(numbers))] if together else [
            ([address], number) for address, number in zip(addresses, numbers, strict=True)
        ]  # fmt: skip
        replies = yield [
            send(to, "Thank you", f"Thank you, I have noted your new number {number}.")
            for to, number in groups
        ]
        done = sum("sent to" in reply.text for reply in replies)
        return f"I thanked {plural(done, 'person', 'people')}."
