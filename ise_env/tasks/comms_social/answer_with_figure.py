"""Answer a mail with a figure from a table; the question was corrected in a later mail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import EPOCH, Mail, MailSeed, Person
from ise_env.tasks.correspondence import mails, noise, people, send
from ise_env.tasks.draw import Draw, amount_pattern, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, read, sh, write

MONTHS = ("January", "February", "March", "April", "May", "June")
ROWS = {"simple": 60, "medium": 140, "complex": 300}


class Params(KitParams):
    """How long the table is."""

    rows: int = Field(ge=60, le=300)


@dataclass(frozen=True)
class World:
    """The table, the thread, and the figures."""

    contents: dict[str, str]
    mail: MailSeed
    asker: Person
    shop: str
    month: str
    amount: int
    first_month: str
    first_amount: int
    last_id: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 6)
    asker, other = staff[0], staff[1]
    shops = d.different("towns", 5)
    rows = [
        (MONTHS[n % 6] if n < 30 else d.pick(MONTHS), shops[n % 5], d.cents(40, 900))
        for n in range(p.rows)
    ]
    rows = d.shuffled(rows)
    shop = d.pick(shops)
    first_month, month = d.some(MONTHS, 2)

    def total(name: str) -> int:
        return sum(cents for m, s, cents in rows if (m, s) == (name, shop))

    about = f"Takings of {shop}"
    ids = [f"{d.integer(10**9, 10**10)}.{n}@{p.folder}.example" for n in range(3)]
    start = EPOCH - timedelta(days=2)

    def letter(n: int, sender: Person, text: str, answers: str = "") -> Mail:
        return Mail(
            sender=sender.address,
            cc=() if n == 1 else (other.address,),
            subject=about if n == 0 else f"Re: {about}",
            body=f"{text}\n\n{sender.name}\n",
            when=start + timedelta(hours=5 * n),
            id=ids[n],
            in_reply_to=answers,
            seen=False,
        )

    thread = (
        letter(0, asker, f"Hello,\n\nwhat did {shop} take in {first_month} altogether? I need it "
               "for the plan."),
        letter(1, other, f"I wonder about {shop}, too, but any month will do for me.", ids[0]),
        letter(2, asker, f"Sorry, I looked at the wrong sheet: it is {month} that I need for "
               f"{shop}, not {first_month}.", ids[0]),
    )  # fmt: skip
    table = [(m, s, money(cents)) for m, s, cents in rows]
    contents = {
        f"{p.folder}/takings.csv": csv_text(("month", "shop", "amount"), table),
        f"{p.folder}/README": "takings.csv: one line a day and shop, amounts in pounds.\n",
    }
    mail = MailSeed(people=staff, messages=(*noise(d, staff[2:], 18), *thread))
    return World(
        contents, mail, asker, shop, month, total(month), first_month, total(first_month), ids[2]
    )


class AnswerWithFigure(Kit[Params]):
    """A question in the inbox."""

    name = "comms-social/answer-with-figure"
    title = "Answer a mail with a figure from a table"
    description = "Reply to the newest mail of a thread with a total, then note what was answered."
    obstacle = "a later mail of the thread corrects the question"
    folders = ("takings", "branch-figures", "shop-letters")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer table."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), rows=ROWS[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The table and the inbox."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The answer, then a note of it."""
        w = world(p)
        table, note = f"{p.folder}/takings.csv", f"{p.folder}/answered.json"
        return (
            SubGoal(
                id="answer",
                request=f"reply to the newest mail of {w.asker.name} in the thread about the "
                f"takings of {w.shop} in my inbox, to them alone, with the total that they need "
                f"from {table}, in the form 1234.50",
                label="the answer to the mail",
                facts=(Fact("asker", w.asker.name), Fact("shop", w.shop), Fact("table", table)),
                question="Which month do they mean?",
                answer="Whatever their last mail says",
            ),
            SubGoal(
                id="note",
                request=f"record what you answered in {note}, a JSON object with the keys to (the "
                "address that got it), month (its name) and amount (a number)",
                label="the note of the answer",
                facts=(Fact("note", note),),
                artifacts=(note,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """One reply, to one person, with one figure; and the note."""
        w = world(p)
        note = f"{p.folder}/answered.json"
        right = amount_pattern(w.amount / 100)
        body = TextMatch(matches=(rf"(?<![\d.,]){right}(?!\d)",), lacks=(money(w.first_amount),))

        def key(name: str, value: str | float) -> Check:
            return JsonEquals(id=name, subgoal="note", path=note, at=(name,), equals=value)

        return (
            MailSent(
                id="reply", subgoal="answer", weight=3, to=(w.asker.address,),
                body=body, reply_to=w.last_id,
            ),
            key("to", w.asker.address),
            key("month", w.month),
            key("amount", w.amount / 100),
            MailNotSent(
                id="others", to=(f"*@{p.folder}.example",), allowed=(w.asker.address,),
                weight=0, forbidden=True, failure="mail went to somebody who did not ask",
            ),
            untouched(w.contents, id="table", failure="the table was changed"),
        )  # fmt: skip

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the thread, add up, reply; then write the note."""
        return self._answer(p) if subgoal == "answer" else self._note(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the note, or add up once more."""
        w = world(p)
        if subgoal == "note":
            (shown,) = yield read(f"{p.folder}/answered.json")
            return f"The note says: {shown.text.strip()}"
        total = yield from self._total(p, w.month)
        return f"Added up again, the takings of {w.shop} in {w.month} are {total}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The question as it was first asked; a copy to the other one in the thread."""
        w = world(p)
        curious = w.mail.people[1].address
        return (
            WrongSolution("the first question answered", self._answer(p, month=w.first_month)),
            WrongSolution("a copy to somebody else", self._answer(p, copies=(curious,))),
            WrongSolution("a new mail, no reply", self._answer(p, reply=False)),
        )

    def _total(self, p: Params, month: str) -> Solution:
        script = (
            f'$1 == "{month}" && $2 == "{world(p).shop}" {{ t += $3 }} END {{ printf "%.2f", t }}'
        )
        (total,) = yield sh(f"awk -F, '{script}' {p.folder}/takings.csv")
        return total.text.strip()

    def _answer(
        self, p: Params, month: str = "", copies: tuple[str, ...] = (), reply: bool = True
    ) -> Solution:
        w = world(p)
        (thread,) = yield mails(f"takings of {w.shop}")
        mine = [part for part in thread.text.split("-----") if w.asker.name in part]
        newest = mine[-1]
        wanted = month or found(r"it is (\w+) that", newest)
        address = found(rf"From: {w.asker.name} <([^>]+)>", newest)
        answered = found(r"Message-ID: <([^>]+)>", newest)
        total = yield from self._total(p, wanted)
        (sent,) = yield send(
            [address],
            f"Re: Takings of {w.shop}",
            f"Hello,\n\nin {wanted} {w.shop} took {total} altogether.",
            cc=copies,
            reply_to=answered if reply else "",
        )
        to = found(r"sent to (\S+)", sent.text)
        return f"I answered {w.asker.name} ({to}): {w.shop} took {total} in {wanted}."

    def _note(self, p: Params) -> Solution:
        w = world(p)
        (thread,) = yield mails(f"takings of {w.shop}")
        wanted = found(r"it is (\w+) that", thread.text)
        address = found(rf"From: {w.asker.name} <([^>]+)>", thread.text)
        total = yield from self._total(p, wanted)
        note = {"to": address, "month": wanted, "amount": float(total)}
        (saved,) = yield write(f"{p.folder}/answered.json", json.dumps(note, indent=2) + "\n")
        if saved.failed:
            return f"The note could not be written: {saved.text}"
        return f"{p.folder}/answered.json holds the address, {wanted} and {total}."
