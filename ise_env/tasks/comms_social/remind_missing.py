"""Remind those who have not answered a survey; an absence note is no answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import MailNotSent, MailSent, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import EPOCH, Mail, MailSeed, Person
from ise_env.tasks.correspondence import mails, noise, people, send
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import plural, read, sh, write

SIZES = {"simple": 6, "medium": 9, "complex": 13}


class Params(KitParams):
    """How many were asked."""

    size: int = Field(ge=6, le=13)


@dataclass(frozen=True)
class World:
    """Who was asked, who answered how."""

    contents: dict[str, str]
    mail: MailSeed
    missing: tuple[Person, ...]
    topic: str
    deadline: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, p.size + 3)
    asked, others = staff[: p.size], staff[p.size :]
    answered = asked[: p.size // 2]
    away, missing = asked[p.size // 2], asked[p.size // 2 :]
    topic = d.word("topics")
    subject = f"Survey: {topic}"
    letters = [
        Mail(
            sender=person.address,
            subject=d.pick((f"Re: {subject}", f"AW: {subject}", f"RE: {subject}")),
            body=f"My answers: {', '.join(d.pick('12345') for _ in range(4))}\n\n{person.name}",
            when=EPOCH - timedelta(hours=d.integer(3, 90)),
        )
        for person in answered
    ]
    letters += [
        Mail(
            sender=away.address,
            subject=f"Automatic reply: {subject}",
            body="Thank you for your mail. I am out of the office and will answer when I am back.",
            when=EPOCH - timedelta(hours=91),
        ),
        Mail(
            sender=others[0].address,
            subject=f"Re: {subject}",
            body=f"I was not asked, {missing[-1].name} told me about it. My answers: 1, 1, 1, 1",
            when=EPOCH - timedelta(hours=2),
        ),
    ]
    rows = [(person.name, person.address) for person in d.shuffled(asked)]
    contents = {
        f"{p.folder}/invited.csv": csv_text(("name", "address"), rows),
        f"{p.folder}/questions.txt": "\n".join(
            f"{n}. How do you like the {d.word('topics')} here (1 to 5)?" for n in range(1, 5)
        )
        + "\n",
    }
    mail = MailSeed(people=staff, messages=(*noise(d, staff, 16), *letters))
    return World(contents, mail, missing, topic, f"2026-01-{d.integer(12, 30)}")


class RemindMissing(Kit[Params]):
    """A survey with answers missing."""

    name = "comms-social/remind-missing"
    title = "Remind those who have not answered"
    description = "Find out who of a list has not answered a mail, list them, and remind them."
    obstacle = "an automatic reply is no answer, and somebody answered who was not asked"
    folders = ("opinion-round", "feedback-round", "staff-poll")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), size=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """Who was asked, and the inbox."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List them, then remind them."""
        w = world(p)
        invited, missing = f"{p.folder}/invited.csv", f"{p.folder}/missing.txt"
        subject = f"Reminder: {w.topic} survey"
        return (
            SubGoal(
                id="list",
                request=f"find out who of those in {invited} has not yet answered my survey about "
                f"{w.topic} by mail (automatic replies are no answers), and write their addresses "
                f"to {missing}, one a line and sorted",
                label="the list of missing answers",
                facts=(Fact("invited", invited), Fact("topic", w.topic), Fact("missing", missing)),
                artifacts=(missing,),
            ),
            SubGoal(
                id="remind",
                request=f"send everybody in {missing} a mail of their own with the subject "
                f"{subject}, asking them to answer by {w.deadline}, and nobody else",
                label="the reminders",
                facts=(
                    Fact("missing", missing), Fact("subject", subject), Fact("day", w.deadline),
                ),
                question="Should those who are away be reminded as well?",
                answer="Yes, they will read it when they are back",
            ),
        )  # fmt: skip

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The list; a mail for each on it."""
        w = world(p)
        listed = "".join(f"{a}\n" for a in sorted(person.address for person in w.missing))
        return (
            Text(
                id="list",
                subgoal="list",
                weight=len(w.missing),
                path=f"{p.folder}/missing.txt",
                text=TextMatch(equals=listed),
            ),
            *(
                MailSent(
                    id=f"mail{number}",
                    subgoal="remind",
                    to=(person.address,),
                    subject=TextMatch(equals=f"Reminder: {w.topic} survey"),
                    body=TextMatch(contains=(w.deadline,)),
                )
                for number, person in enumerate(w.missing)
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example",),
                allowed=tuple(person.address for person in w.missing),
                weight=0,
                forbidden=True,
                failure="somebody who had answered was bothered",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Subtract who answered from who was asked; write to the rest."""
        return self._list(p) if subgoal == "list" else self._remind(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the list again."""
        f = p.folder
        shown, known = yield [
            sh(f"wc -l < {f}/missing.txt"),
            sh(f"grep -cFf {f}/missing.txt {f}/invited.csv"),
        ]
        count = plural(shown.text, "address", "addresses")
        return f"{f}/missing.txt has {count}; invited.csv has {known.text.strip()} of them."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The absence note taken for an answer; everybody reminded."""
        return (
            WrongSolution("the absence note counts", self._list(p, automatic=True)),
            WrongSolution("everybody reminded", self._remind(p, "invited.csv"), "remind"),
            WrongSolution("one mail for all", self._remind(p, together=True), "remind"),
        )

    def _list(self, p: Params, automatic: bool = False) -> Solution:
        w = world(p)
        invited, shown = yield [read(f"{p.folder}/invited.csv"), mails(f"survey: {w.topic}")]
        letters = [part for part in shown.text.split("-----") if f"Survey: {w.topic}" in part]
        counted = [part for part in letters if automatic or "Automatic reply" not in part]
        rows = [line.split(",") for line in invited.text.strip().splitlines()[1:]]
        left = sorted(row[1] for row in rows if not any(f"<{row[1]}>" in c for c in counted))
        path = f"{p.folder}/missing.txt"
        (saved,) = yield write(path, "".join(f"{address}\n" for address in left))
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (count,) = yield sh(f"wc -l < {path}")
        return f"{plural(count.text, 'answer is', 'answers are')} missing; they are in {path}."

    def _remind(self, p: Params, source: str = "missing.txt", together: bool = False) -> Solution:
        w = world(p)
        (listed,) = yield sh(f"grep -oE '[a-z.]+@[a-z0-9.-]+' {p.folder}/{source}")
        addresses = listed.text.split()
        subject = f"Reminder: {w.topic} survey"
        body = f"Hello,\n\nplease answer the survey about {w.topic} by {w.deadline}."
        groups = [addresses] if together else [[address] for address in addresses]
        replies = yield [send(group, subject, body) for group in groups]
        done = sum("sent to" in reply.text for reply in replies)
        return f"I sent {plural(done, 'reminder')}."
