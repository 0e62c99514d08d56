"""Write an overview of the threads of one project; subjects change, references do not."""

from __future__ import annotations

import json
import re
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
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

THREADS = {"simple": 3, "medium": 4, "complex": 6}


class Params(KitParams):
    """How many threads there are."""

    threads: int = Field(ge=3, le=6)


@dataclass(frozen=True)
class World:
    """The threads and what is true of them."""

    contents: dict[str, str]
    mail: MailSeed
    project: str
    overview: dict[str, dict[str, object]]
    longest: str
    starter: Person


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive everything from the parameters."""
    d = Draw(p.content)
    staff = people(d, p.folder, 6)
    project, other = d.different("projects", 2)
    letters: list[Mail] = []
    overview: dict[str, dict[str, object]] = {}
    longest, starter, most = "", staff[0], 0
    topics = d.different("topics", p.threads + 2)
    sizes = d.some(range(2, 2 + p.threads + 2), p.threads)
    for number, topic in enumerate(topics):
        mine = number < p.threads
        tag = project if mine else other
        subject = f"[{tag}] {topic}"
        size = sizes[number] if mine else 3
        when = EPOCH - timedelta(hours=d.integer(80, 400))
        former, who, first = "", staff[0], staff[0]
        for step in range(size):
            # Whoever began a thread does not end it.
            unfit = (who, first) if step else ()
            who = d.pick([person for person in staff if person not in unfit])
            first = first if step else who
            when += timedelta(minutes=d.integer(20, 900))
            prefix = d.pick(("Re: ", "RE: ", "AW: ")) if step else ""
            # From the third mail on, a thread may bear another subject.
            shown = f"{topic}, continued" if step > 1 and number % 2 == 0 else subject
            name = f"{d.integer(10**8, 10**9)}.{number}.{step}@{p.folder}.example"
            text = d.pick(("I agree.", "One more point.", "See below.", "Let us wait.", "Fine."))
            letters.append(
                Mail(sender=who.address, subject=prefix + shown, id=name, in_reply_to=former,
                     body=f"{text}\n\n{who.name}\n", when=when, seen=d.chance(0.7))
            )  # fmt: skip
            former = name
        if mine:
            overview[subject] = {"mails": size, "last": who.address}
            if size > most:
                longest, starter, most = subject, first, size
    contents = {
        f"{p.folder}/README.md": f"# {project}\n\nThe first mail of each thread about it has "
        f"[{project}] at the beginning of its subject.\n"
    }
    for number in range(1, 15):
        contents[f"{p.folder}/notes/{number:02d}.md"] = (
            f"# {d.word('topics')}\n\n{d.person()} asked about {d.word('products')}.\n"
        )
    mail = MailSeed(people=staff, messages=(*noise(d, staff, 16), *letters))
    return World(contents, mail, project, overview, longest, starter)


class ThreadOverview(Kit[Params]):
    """Threads in the inbox."""

    name = "comms-social/thread-overview"
    title = "Write an overview of a project's mail threads"
    description = "Group mails into threads by their references; write to who began the longest."
    obstacle = "some answers have another subject, so only their references say where they belong"
    folders = ("mail-threads", "project-post", "discussions")
    people = True
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more threads."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), threads=THREADS[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """Notes and the inbox."""
        w = world(p)
        return Seed(files(w.contents), services=(w.mail,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The overview, then a mail."""
        w = world(p)
        path = f"{p.folder}/threads.json"
        tag = f"[{w.project}]"
        return (
            SubGoal(
                id="overview",
                request="look at the mail threads in my inbox whose first mail has a subject that "
                f"begins with {tag}, and write {path} as a JSON object with the subject of that "
                "first mail of each thread as the key and, as its value, an object with the keys "
                "mails (how many mails the thread has, answers under another subject included) "
                "and last (the address of whoever wrote its latest mail)",
                label="the overview of the threads",
                facts=(Fact("tag", tag), Fact("path", path)),
                artifacts=(path,),
                question="Do answers that changed the subject belong to the thread?",
                answer="Yes, what they answer decides",
            ),
            SubGoal(
                id="write",
                request=f"email whoever began the thread with the most mails in {path}, and nobody "
                "else, with the subject Longest thread and the number of its mails in the text",
                label="the mail about the longest thread",
                facts=(Fact("path", path),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The whole object, and one mail."""
        w = world(p)
        count = w.overview[w.longest]["mails"]
        return (
            JsonEquals(
                id="overview",
                subgoal="overview",
                path=f"{p.folder}/threads.json",
                equals=json.loads(json.dumps(w.overview)),
            ),
            MailSent(
                id="mailed",
                subgoal="write",
                to=(w.starter.address,),
                subject=TextMatch(equals="Longest thread"),
                body=TextMatch(matches=(rf"(?<!\w){count}(?!\w)",)),
            ),
            MailNotSent(
                id="others",
                to=(f"*@{p.folder}.example",),
                allowed=(w.starter.address,),
                weight=0,
                forbidden=True,
                failure="somebody else got mail",
            ),
            untouched(w.contents),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Follow references; then look up who began the longest thread."""
        return self._overview(p) if subgoal == "overview" else self._write(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Parse the overview again."""
        (shown,) = yield sh(f"python3 -m json.tool {p.folder}/threads.json")
        return f"The overview has {plural(shown.text.count('mails'), 'thread')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Grouped by subject; written to the last instead of the first."""
        return (
            WrongSolution("grouped by subject", self._overview(p, by_subject=True)),
            WrongSolution("to whoever wrote last", self._write(p, last=True), "write"),
        )

    def _overview(self, p: Params, by_subject: bool = False) -> Solution:
        w = world(p)
        (begun,) = yield mails(rf"^subject: \[{w.project}\]")
        # Answers may have another subject, but they come from the same people.
        domain = found(r"^From: .*(@[\w.-]+)>", begun.text)
        (shown,) = yield mails(re.escape(domain))
        thread_of: dict[str, str] = {}
        threads: dict[str, list[str]] = {}
        for part in sorted(shown.text.split("-----"), key=_moment):
            subject = found(r"^Subject: (.*)$", part, "")
            name = found(r"^Message-ID: <(.+)>", part, "")
            former = found(r"^In-Reply-To: <(.+)>", part, "")
            if former:
                plain = re.sub(r"^(Re|RE|AW): ", "", subject)
                thread = plain if by_subject else thread_of.get(former, "")
            else:
                thread = subject if subject.startswith(f"[{w.project}]") else ""
            thread_of[name] = thread
            if thread.startswith(f"[{w.project}]"):
                threads.setdefault(thread, []).append(found(r"^From: .*<(.+)>", part))
        overview = {key: {"mails": len(who), "last": who[-1]} for key, who in threads.items()}
        path = f"{p.folder}/threads.json"
        (saved,) = yield write(path, json.dumps(overview, indent=2) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (seen,) = yield read(path)
        return f"{path} describes {plural(seen.text.count('mails'), 'thread')}."

    def _write(self, p: Params, last: bool = False) -> Solution:
        (table,) = yield read(f"{p.folder}/threads.json")
        overview = json.loads(table.text)
        longest = max(overview, key=lambda key: int(overview[key]["mails"]))
        (shown,) = yield mails(f"^subject: {re.escape(longest)}$")
        address = found(rf"From: .*<(.+@{p.folder}\.example)>", shown.text)
        if last:
            address = overview[longest]["last"]
        count = overview[longest]["mails"]
        (sent,) = yield send([address], "Longest thread", f"Your thread has {count} mails so far.")
        return f"I wrote to {found(r'sent to (.+)', sent.text)}: {count} mails in {longest}."


def _moment(part: str) -> str:
    """When a mail was written, from the name of its file."""
    return found(r"/(\d+)\.\d+\.mail", part, "")
