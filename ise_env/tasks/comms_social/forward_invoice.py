"""Save an invoice from the inbox and forward it; a corrected one came later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import AttachmentMatch, Hash, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import EPOCH, Attachment, Mail, MailSeed, Person
from ise_env.tasks.correspondence import contact, mails, noise, people, person, send
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, sh

SUPPLIERS = {"simple": 3, "medium": 5, "complex": 7}


class Params(KitParams):
    """How many suppliers write."""

    suppliers: int = Field(ge=3, le=7)


@dataclass(frozen=True)
class World:
    """The mails and what lies in the folder."""

    contents: dict[str, str]
    mail: MailSeed
    supplier: str
    number: str
    name: str
    content: str
    accountant: Person


def _invoice(d: Draw, number: str, supplier: str) -> str:
    lines = [(d.word("products"), d.integer(1, 12), d.cents(2, 60)) for _ in range(6)]
    text = "".join(f"{n:>3} x {what:<18} {money(n * cents):>10}\n" for what, n, cents in lines)
    total = money(sum(n * cents for _, n, cents in lines))
    return f"INVOICE {number}\n{supplier}\n\n{text}\nTotal {total:>28}\n"


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 5)
    accountant = staff[0].model_copy(update={"title": "Accountant"})
    first = accountant.name.split()[0]
    namesake = person(d, f"{first} {d.word('last_names')}son", p.folder, title="Driver")
    names = d.different("companies", p.suppliers)
    letters, contents = [], {}
    wanted: tuple[str, str, str] = ("", "", "")
    for place, company in enumerate(names):
        seller = person(d, d.person(), p.folder, at=f"supplier{place}", organisation=company)
        staff = (*staff, seller)
        number = str(d.integer(10_000, 99_999))
        when = EPOCH - timedelta(days=d.integer(3, 9), minutes=d.integer(0, 600))
        versions = [_invoice(d, number, company)]
        if place == 0:
            versions.append(_invoice(d, number, company))
        for version, text in enumerate(versions):
            name = f"invoice-{number}{'-corrected' if version else ''}.txt"
            note = (
                f"the invoice of last week had a wrong price in it. Please throw it away; the one "
                f"attached to this mail, with the same number {number}, is right."
                if version
                else f"attached is our invoice {number} for the last delivery."
            )
            letters.append(
                Mail(
                    sender=seller.address,
                    subject=f"{'Correction: invoice' if version else 'Invoice'} {number}",
                    body=f"Dear customer,\n\n{note}\n\n{seller.name}\n{company}\n",
                    when=when + timedelta(days=2 * version),
                    attachments=(Attachment(name=name, content=text.encode()),),
                )
            )
            if place == 0:
                wanted = (number, name, text)
        old = str(d.integer(1_000, 9_999))
        contents[f"{p.folder}/paid/invoice-{old}.txt"] = _invoice(d, old, company)
    everybody = (accountant, *staff[1:], namesake)
    mail = MailSeed(people=everybody, messages=(*noise(d, staff[1:5], 15), *letters))
    return World(contents, mail, names[0], *wanted, accountant)


class ForwardInvoice(Kit[Params]):
    """An invoice to pass on."""

    name = "comms-social/forward-invoice"
    title = "Save and forward the invoice that counts"
    description = "Save the attachment of the right mail, then mail it to the accountant."
    obstacle = "a later mail replaces the invoice, and two colleagues share a first name"
    folders = ("incoming-bills", "supplier-post", "bills")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more suppliers."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            suppliers=SUPPLIERS[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Paid invoices, and the inbox."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Save, then forward."""
        w = world(p)
        place = f"{p.folder}/open/{w.number}.txt"
        first = w.accountant.name.split()[0]
        return (
            SubGoal(
                id="save",
                request=f"save the invoice {w.number} that {w.supplier} mailed me, in the version "
                f"that counts, as {place}, without changing a byte of it",
                label="the saved invoice",
                facts=(
                    Fact("number", w.number), Fact("supplier", w.supplier), Fact("place", place),
                ),
                artifacts=(place,),
                question="Which one is it if several mails are about that invoice?",
                answer="The one that the supplier says is right",
            ),
            SubGoal(
                id="forward",
                request=f"email {place} as an attachment to {first}, our accountant (the address "
                f"book knows the address), and to nobody else, with the subject Invoice {w.number}",
                label="the forwarded invoice",
                facts=(Fact("place", place), Fact("first", first), Fact("number", w.number)),
            ),
        )  # fmt: skip

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The bytes in the folder and in the mail."""
        w = world(p)
        digest = sha256(w.content)
        return (
            Hash(id="saved", subgoal="save", path=f"{p.folder}/open/{w.number}.txt", sha256=digest),
            MailSent(
                id="forwarded",
                subgoal="forward",
                to=(w.accountant.address,),
                subject=TextMatch(matches=(rf"^\s*invoice {w.number}\s*$",), ignore_case=True),
                attachments=(AttachmentMatch(sha256=digest),),
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example", f"*.{p.folder}.example"),
                allowed=(w.accountant.address,),
                weight=0,
                forbidden=True,
                failure="mail went to somebody else",
            ),
            untouched(w.contents, id="paid", failure="a paid invoice was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the newest mail about it, save the attachment; then send it on."""
        return self._save(p) if subgoal == "save" else self._forward(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the saved file."""
        (shown,) = yield sh(f"head -n 2 {p.folder}/open/{world(p).number}.txt")
        return f"The saved file begins with: {shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The invoice that was withdrawn; the colleague of the same first name."""
        return (
            WrongSolution("the withdrawn invoice", self._save(p, newest=False)),
            WrongSolution("to the namesake", self._forward(p, title="driver"), "forward"),
            WrongSolution("without the file", self._forward(p, attach=False), "forward"),
        )

    def _save(self, p: Params, newest: bool = True) -> Solution:
        w = world(p)
        (shown,) = yield mails(f"invoice {w.number}")
        parts = [part for part in shown.text.split("-----") if "Attachments: invoice" in part]
        chosen = next(part for part in parts if ("Correction" in part) == newest)
        path, name = found(r"^(/\S+)$", chosen), found(r"Attachments: (\S+)", chosen)
        place = f"{p.folder}/open/{w.number}.txt"
        (done,) = yield sh(
            f"mkdir -p {p.folder}/open && python3 - <<'PY'\n"
            "import email, email.policy\n"
            f"mail = email.message_from_binary_file(open({path!r}, 'rb'), "
            "policy=email.policy.default)\n"
            f"part = next(a for a in mail.iter_attachments() if a.get_filename() == {name!r})\n"
            f"open({place!r}, 'wb').write(part.get_payload(decode=True))\n"
            f"PY\nwc -c {place}"
        )
        size = found(r"^(\d+) ", done.text)
        return f"The attachment {name} is saved as {place}, {size} bytes."

    def _forward(self, p: Params, title: str = "accountant", attach: bool = True) -> Solution:
        w = world(p)
        (cards,) = yield contact(w.accountant.name.split()[0])
        mine = [c for c in cards.text.split("END:VCARD") if f"title:{title}" in c.lower()]
        address = found(r"EMAIL:(\S+)", mine[0] if mine else cards.text)
        (sent,) = yield send(
            [address],
            f"Invoice {w.number}",
            f"Here is the invoice {w.number} of {w.supplier}.",
            attach=[f"{p.folder}/open/{w.number}.txt"] if attach else [],
        )
        to = found(r"sent to (\S+)", sent.text)
        return f"I mailed the invoice {w.number} to {to}."
