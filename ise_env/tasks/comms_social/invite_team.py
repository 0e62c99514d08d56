"""Invite a team by mail; one of them has left and the server names whoever came after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import MailNotSent, MailSent, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import MailSeed, Person
from ise_env.tasks.correspondence import contact, noise, people, send
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, read

SIZES = {"simple": 4, "medium": 6, "complex": 8}


class Params(KitParams):
    """How many are on the team."""

    size: int = Field(ge=4, le=8)


@dataclass(frozen=True)
class World:
    """The team, the one who left, and who came after."""

    contents: dict[str, str]
    mail: MailSeed
    team: tuple[Person, ...]
    gone: Person
    heir: Person
    event: str
    day: str
    hour: str
    room: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, p.size + 7)
    heir, place = staff[p.size], d.integer(1, p.size - 1)
    gone = staff[place].model_copy(
        update={"bounces": f"has left us; please write to {heir.address} instead"}
    )
    team = (*staff[:place], gone, *staff[place + 1 : p.size])
    rows = [(person.name, d.pick(("core", "guest"))) for person in team]
    project = d.word("projects")
    contents = {f"{p.folder}/team.csv": csv_text(("name", "role"), d.shuffled(rows))}
    for number in range(1, 9):
        topic = d.word("topics")
        contents[f"{p.folder}/minutes/2025-{number:02d}.md"] = (
            f"# {project}, meeting {number}\n\nPresent: {', '.join(n for n, _ in rows[:3])}\n\n"
            f"- {topic}: nothing new\n- next meeting in room {d.integer(100, 399)}\n"
        )
    everybody = (*team, *staff[p.size :])
    return World(
        contents,
        MailSeed(people=everybody, messages=noise(d, staff[p.size :], 16)),
        team,
        gone,
        heir,
        f"{project} kickoff",
        f"2026-02-{d.integer(2, 27):02d}",
        f"{d.integer(9, 16):02d}:{d.pick(('00', '15', '30', '45'))}",
        str(d.integer(100, 399)),
    )


class InviteTeam(Kit[Params]):
    """A team to invite."""

    name = "comms-social/invite-team"
    title = "Invite a team by mail"
    description = "Mail everybody on a list on their own; find out who came after the one who left."
    obstacle = "one address is refused, and the refusal names whom to write to instead"
    folders = ("kickoff", "team-days", "project-circle")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a larger team."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), size=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The list, old minutes, the address book."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """One step: everybody is invited."""
        w = world(p)
        team = f"{p.folder}/team.csv"
        return (
            SubGoal(
                id="invite",
                request=f"send everybody in {team} an invitation to the {w.event}, each by a mail "
                f"to them alone with the subject Invitation: {w.event} and the date {w.day}, the "
                f"time {w.hour} and room {w.room} in its text; the addresses are in my address "
                "book, and where a mail is refused, invite whoever the refusal names instead and "
                "tell me their address",
                label="the invitations",
                facts=(
                    Fact("team", team), Fact("event", w.event), Fact("day", w.day),
                    Fact("hour", w.hour), Fact("room", w.room),
                ),
                question="Should the guests on the list be invited as well?",
                answer="Yes, everybody on it",
            ),
        )  # fmt: skip

    def checks(self, p: Params) -> tuple[Check, ...]:
        """One mail for each, and none for anybody else."""
        w = world(p)
        invited = [w.heir if person == w.gone else person for person in w.team]
        return (
            *(
                MailSent(
                    id=f"mail{number}",
                    subgoal="invite",
                    to=(person.address,),
                    subject=TextMatch(equals=f"Invitation: {w.event}"),
                    body=TextMatch(contains=(w.day, w.hour, w.room)),
                )
                for number, person in enumerate(invited)
            ),
            Said(id="heir", subgoal="invite", text=TextMatch(contains=(w.heir.address,))),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example",),
                allowed=tuple(person.address for person in invited),
                weight=0,
                forbidden=True,
                failure="somebody who is not on the team was invited",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look everybody up, write, and write again where it was refused."""
        return self._invite(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare the list with whom was written to."""
        (team,) = yield read(f"{p.folder}/team.csv")
        return f"The list has {len(team.text.strip().splitlines()) - 1} names, all invited."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """One mail to all; the refusal not read."""
        return (
            WrongSolution("one mail for all", self._invite(p, together=True)),
            WrongSolution("the refusal ignored", self._invite(p, again=False)),
        )

    def _invite(self, p: Params, together: bool = False, again: bool = True) -> Solution:
        w = world(p)
        (team,) = yield read(f"{p.folder}/team.csv")
        names = [line.split(",")[0] for line in team.text.strip().splitlines()[1:]]
        cards = yield [contact(name) for name in names]
        addresses = [found(r"EMAIL:(\S+)", card.text) for card in cards]
        subject = f"Invitation: {w.event}"
        body = f"You are invited to the {w.event} on {w.day} at {w.hour}, room {w.room}."
        if together:
            (sent,) = yield send(addresses, subject, body)
            return f"Everybody is invited: {sent.text.strip()}"
        replies = yield [send([address], subject, body) for address in addresses]
        told = [f"{len(names)} people are on the list."]
        for reply in replies:
            if "REFUSED" in reply.text and again:
                instead = found(r"write to (\S+)", reply.text)
                (sent,) = yield send([instead], subject, body)
                told.append(f"One had left; instead I invited {found(r'sent to (.+)', sent.text)}")
        return " ".join(told)
