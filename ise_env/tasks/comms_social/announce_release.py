"""Announce a release in the chat room; the channel that was named has moved."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import ChatNotPosted, ChatPosted, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import CHAT_HOST, Channel, ChatMessage, ChatSeed, Person
from ise_env.tasks.correspondence import asked, people, post, talk
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, read, sh

RELEASES = {"simple": 4, "medium": 8, "complex": 12}


class Params(KitParams):
    """How long the changelog is."""

    releases: int = Field(ge=4, le=12)


@dataclass(frozen=True)
class World:
    """The changelog, the rota, the channels."""

    contents: dict[str, str]
    chat: ChatSeed
    old: str
    new: str
    version: str
    fixes: tuple[str, ...]
    week: str
    on_duty: Person


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 6)
    nicks = [person.nick for person in staff]
    product = d.word("projects")
    major = d.integer(2, 6)
    versions = [f"{major}.{n}.{d.integer(0, 9)}" for n in range(p.releases, 0, -1)]
    ids = [f"{d.word('services')[:4].upper()}-{n}" for n in d.some(range(100, 999), 4 * p.releases)]
    parts: list[str] = []
    at, fixes = 0, tuple[str, ...]()
    for number, version in enumerate(versions):
        mine = tuple(ids[at : at + d.integer(2, 4)])
        at += len(mine)
        if number == 0:
            fixes = mine
        lines = "".join(f"- {i}: {d.word('services')} is {d.pick(CHANGES)}\n" for i in mine)
        parts.append(f"## {version}\n\n{lines}")
    weeks = [f"2026-W{n:02d}" for n in range(2, 14)]
    rota = [(week, d.pick(staff)) for week in weeks]
    week, on_duty = rota[d.integer(1, 9)]
    slug = p.folder
    old, new = f"{slug}-releases", f"{slug}-shipping"
    moved = f"moved to #{new}; this channel is closed"
    channels = (
        Channel(
            name=old,
            topic=moved,
            members=tuple(nicks),
            archived=True,
            messages=(
                *talk(d, nicks, 22),
                ChatMessage(sender=nicks[0], text=f"We have {moved}."),
            ),
        ),
        *(
            Channel(name=name, topic=topic, members=tuple(nicks), messages=tuple(talk(d, nicks, n)))
            for name, topic, n in ((new, "What ships", 12), (f"{slug}-lunch", "Food", 30))
        ),
    )
    contents = {
        f"{p.folder}/CHANGELOG.md": f"# {product}\n\n" + "\n".join(parts),
        f"{p.folder}/rota.csv": csv_text(
            ("week", "name", "chat"), [(week, who.name, who.nick) for week, who in rota]
        ),
    }
    chat = ChatSeed(people=staff, channels=channels)
    return World(contents, chat, old, new, versions[0], fixes, week, on_duty)


CHANGES = ("faster now", "no longer lost on restart", "safe against empty names", "back in order")


class AnnounceRelease(Kit[Params]):
    """A release to announce."""

    name = "comms-social/announce-release"
    title = "Announce a release in the chat room"
    description = "Post the newest changes to a channel, then tell whoever is on duty."
    obstacle = "the channel that the user names is archived; its topic says where it went"
    folders = ("release-desk", "ship-room", "launch-notes")
    people = True
    requires = ("curl",)
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer changelog."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), releases=RELEASES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The changelog, the rota, the room."""
        w = world(p)
        return Seed(files(w.contents), services=(w.chat,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Announce, then tell the one on duty."""
        w = world(p)
        changes, rota = f"{p.folder}/CHANGELOG.md", f"{p.folder}/rota.csv"
        return (
            SubGoal(
                id="announce",
                request=f"post the newest version in {changes} to the chat channel {w.old}, or to "
                "the channel that took its place, as one message that names the version and the "
                "id of every change in it, and of no other version's",
                label="the announcement",
                facts=(Fact("changes", changes), Fact("channel", w.old)),
                question="Where should it go if the channel is closed?",
                answer="Wherever the channel has moved to",
            ),
            SubGoal(
                id="duty",
                request=f"send whoever {rota} has on duty in {w.week} a direct message in the chat "
                "that names the channel in which you announced the version, and the version",
                label="the message to the one on duty",
                facts=(Fact("rota", rota), Fact("week", w.week)),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """One post, one message, nothing elsewhere."""
        w = world(p)
        every = set(found_ids(w.contents[f"{p.folder}/CHANGELOG.md"]))
        return (
            ChatPosted(
                id="announced",
                subgoal="announce",
                weight=2,
                channel=w.new,
                text=TextMatch(
                    contains=(w.version, *w.fixes), lacks=tuple(sorted(every - set(w.fixes)))
                ),
            ),
            ChatPosted(
                id="told",
                subgoal="duty",
                to=w.on_duty.nick,
                text=TextMatch(contains=(w.new, w.version)),
            ),
            ChatNotPosted(
                id="elsewhere",
                channels=(f"{p.folder}-*",),
                to=(f"*.{p.folder}",),
                allowed=(w.new, w.on_duty.nick),
                weight=0,
                forbidden=True,
                failure="it was posted where it does not belong",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read, post, follow the topic where it is refused; then look up the rota."""
        return self._announce(p) if subgoal == "announce" else self._duty(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Read what was posted."""
        w = world(p)
        place = f"channels/{w.new}" if subgoal == "announce" else f"users/{w.on_duty.nick}"
        (shown,) = yield asked(f"{place}/messages?limit=1")
        return f"The last message there is: {json.loads(shown.text)['messages'][-1]['text']}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The whole changelog; the one on duty in another week; told in the open."""
        w = world(p)
        return (
            WrongSolution("the whole changelog", self._announce(p, versions=99)),
            WrongSolution("given up at the closed channel", self._announce(p, follow=False)),
            WrongSolution("told in the channel", self._duty(p, place=f"channels/{w.new}"), "duty"),
        )

    def _announce(self, p: Params, versions: int = 1, follow: bool = True) -> Solution:
        w = world(p)
        (text,) = yield read(f"{p.folder}/CHANGELOG.md")
        newest = "## ".join(text.text.split("## ")[1 : versions + 1])
        version = found(r"^([\d.]+)", newest)
        message = f"{version} is out: {', '.join(found_ids(newest))}"
        (said,) = yield post(f"channels/{w.old}", message)
        channel = w.old
        if "archived" in said.text and follow:
            (channels,) = yield asked("channels")
            topic = next(c["topic"] for c in json.loads(channels.text) if c["name"] == w.old)
            channel = found(r"#([\w.-]+)", topic)
            (said,) = yield post(f"channels/{channel}", message)
        if '"error"' in said.text:
            return f"It could not be posted: {said.text.strip()}"
        return f"{version} is announced in {channel}."

    def _duty(self, p: Params, place: str = "") -> Solution:
        w = world(p)
        (line,) = yield sh(f"grep '^{w.week},' {p.folder}/rota.csv")
        nick = line.text.strip().split(",")[2]
        (where,) = yield sh(
            f"for c in $(curl -s http://{CHAT_HOST}/api/channels | grep -oE "
            f"'\"{p.folder}-[a-z]+\"' | tr -d '\"'); do echo $c $(curl -s "
            f"http://{CHAT_HOST}/api/channels/$c/messages | grep -oE '\"me\"[^}}]*is out' ); done"
        )
        channel = found(r"^(\S+) .*is out", where.text)
        version = found(r"([\d.]+) is out", where.text)
        (said,) = yield post(place or f"users/{nick}", f"{version} is announced in {channel}.")
        if '"error"' in said.text:
            return f"It could not be sent: {said.text.strip()}"
        return f"{nick} is on duty in {w.week} and knows about {version} now."


def found_ids(text: str) -> list[str]:
    """Ids of changes, in order."""
    return re.findall(r"[A-Z]{4}-\d{3}", text)
