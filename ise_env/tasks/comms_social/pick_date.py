"""Find the date on which everybody can, from votes in a channel, and tell the guest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import ChatNotPosted, ChatPosted, MailNotSent, MailSent, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import Channel, ChatMessage, ChatSeed, MailSeed, Person
from ise_env.tasks.correspondence import asked, contact, noise, people, post, send, talk
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found

SIZES = {"simple": 4, "medium": 6, "complex": 8}


class Params(KitParams):
    """How many vote."""

    size: int = Field(ge=4, le=8)


@dataclass(frozen=True)
class World:
    """The votes, and what they come to."""

    contents: dict[str, str]
    mail: MailSeed
    chat: ChatSeed
    channel: str
    guest: Person
    days: tuple[str, ...]
    best: str
    hasty: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, p.size + 3)
    voters, guest = staff[: p.size], staff[p.size]
    nicks = [person.nick for person in voters]
    days = sorted(f"2026-03-{n:02d}" for n in d.some(range(2, 29), 5))
    best, hasty = d.some(days, 2)
    # Everybody can on the best day; on the hasty one only until somebody votes again.
    votes = {nick: {best, *d.some(days, d.integer(1, 2))} - {hasty} for nick in nicks}
    for other in days:
        if other != best and all(other in mine for mine in votes.values()):
            votes[nicks[0]].discard(other)
    turncoat = d.pick(nicks)
    first = {nick: mine | {hasty} for nick, mine in votes.items()}
    first[turncoat] = (first[turncoat] - {best}) | {hasty}
    said = talk(d, nicks, 70)
    start = said[10].when

    def vote(nick: str, mine: set[str], at: int) -> ChatMessage:
        text = f"vote: {', '.join(sorted(mine))}"
        return ChatMessage(sender=nick, text=text, when=start + timedelta(seconds=at))

    cast = [vote(nick, first[nick], n) for n, nick in enumerate(d.shuffled(nicks))]
    cast += [vote(nick, votes[nick], 40_000 + n) for n, nick in enumerate(d.shuffled(nicks))]
    messages = tuple(sorted([*said, *cast], key=lambda m: m.when))
    channel = f"{p.folder}-dates"
    channels = (
        Channel(
            name=channel,
            topic="Votes begin with `vote:`; whoever votes again replaces the former vote",
            members=tuple(nicks),
            messages=messages,
        ),
        Channel(
            name=f"{p.folder}-general", members=tuple(nicks), messages=tuple(talk(d, nicks, 25))
        ),
    )
    contents = {
        f"{p.folder}/guest.md": f"# Guest\n\n{guest.name} gives the talk; the address is in the "
        "address book. They were promised the date by mail.\n",
        f"{p.folder}/days.txt": "".join(f"{day}\n" for day in days),
    }
    mail = MailSeed(people=staff, messages=noise(d, staff, 15))
    chat = ChatSeed(people=staff, channels=channels)
    return World(contents, mail, chat, channel, guest, tuple(days), best, hasty)


class PickDate(Kit[Params]):
    """A date to find."""

    name = "comms-social/pick-date"
    title = "Pick the date on which everybody can"
    description = "Read votes in a chat channel, announce the date there, and mail it to a guest."
    obstacle = "votes lie on several pages of the channel, and people voted twice"
    folders = ("guest-talk", "open-evening", "reading-night")
    people = True
    requires = ("curl",)
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more voters."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), size=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The days, the channel, the address book."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail, w.chat))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Announce the date, then tell the guest."""
        w = world(p)
        days, about = f"{p.folder}/days.txt", f"{p.folder}/guest.md"
        return (
            SubGoal(
                id="announce",
                request=f"find the one day of {days} on which everybody who voted in the chat "
                f"channel {w.channel} can come (the last vote of each counts), and post it there "
                "in one message that names this day as 2026-03-15 would be written, and no other",
                label="the announced day",
                facts=(Fact("days", days), Fact("channel", w.channel)),
                question="What if somebody voted twice?",
                answer="Then the later vote counts",
            ),
            SubGoal(
                id="guest",
                request=f"email that day to the guest whom {about} names, written the same way, "
                "and to nobody else",
                label="the mail to the guest",
                facts=(Fact("about", about),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The day in the channel and in the mail, no other day."""
        w = world(p)
        others = tuple(day for day in w.days if day != w.best)
        text = TextMatch(contains=(w.best,), lacks=others)
        return (
            ChatPosted(id="announced", subgoal="announce", channel=w.channel, text=text),
            MailSent(id="mailed", subgoal="guest", to=(w.guest.address,), body=text),
            ChatNotPosted(
                id="elsewhere",
                channels=(f"{p.folder}-general",),
                to=(f"*.{p.folder}",),
                weight=0,
                forbidden=True,
                failure="it was posted where nobody asked for it",
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example",),
                allowed=(w.guest.address,),
                weight=0,
                forbidden=True,
                failure="somebody else got mail",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Page through the channel, intersect the votes; mail what was announced."""
        return self._announce(p) if subgoal == "announce" else self._guest(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Read the last message of the channel."""
        (shown,) = yield asked(f"channels/{world(p).channel}/messages?limit=1")
        return f"The channel ends with: {json.loads(shown.text)['messages'][-1]['text']}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """First votes; a day that does not suit all."""
        w = world(p)
        return (
            WrongSolution("first votes counted", self._announce(p, last=False)),
            WrongSolution("the day mailed to everybody", self._guest(p, to_all=True), "guest"),
            WrongSolution("another day mailed", self._guest(p, day=w.hasty), "guest"),
        )

    def _announce(self, p: Params, last: bool = True) -> Solution:
        w = world(p)
        votes: dict[str, list[str]] = {}
        before, more = "", True
        pages: list[list[dict[str, str]]] = []
        while more:
            (shown,) = yield asked(f"channels/{w.channel}/messages?limit=40{before}")
            page = json.loads(shown.text)
            pages.insert(0, page["messages"])
            before, more = f"&before={page['messages'][0]['id']}", page["more"]
        for message in (message for page in pages for message in page):
            if message["text"].startswith("vote:") and (last or message["from"] not in votes):
                votes[message["from"]] = re.findall(r"[\d-]{10}", message["text"])
        common = set.intersection(*map(set, votes.values()))
        if len(common) != 1:
            return f"{len(common)} days suit everybody; I posted nothing."
        day = min(common)
        (said,) = yield post(f"channels/{w.channel}", f"Everybody can come on {day}.")
        if '"error"' in said.text:
            return f"It could not be posted: {said.text.strip()}"
        return f"{day} suits all {len(votes)} who voted; it is posted in {w.channel}."

    def _guest(self, p: Params, day: str = "", to_all: bool = False) -> Solution:
        w = world(p)
        last, cards = yield [
            asked(f"channels/{w.channel}/messages?limit=1"),
            contact("email" if to_all else w.guest.name),
        ]
        day = day or found(r"come on ([\d-]{10})", last.text)
        addresses = re.findall(rf"EMAIL:(\S+@{p.folder}\.example)", cards.text)
        (sent,) = yield send(addresses, "The date", f"Hello,\n\nthe talk is on {day}.")
        return f"I mailed {day} to {found(r'sent to (.+)', sent.text)}."
