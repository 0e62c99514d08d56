"""A person who asks to be forgotten, everywhere, and nobody else with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, NeverSaid, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.agent_memory._diary import diary, pages, put
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    WrongSolution,
)
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

GUIDE = """\
# When somebody asks to be forgotten

1. Every line in {memory} that is about the person goes as a whole. About a person is a line
   with the full name, or with a short form that the person has in {memory}/people.md.
2. The person's line in people.md goes, too. All other lines stay to the letter, also those about
   people with the same first name.
3. Headings stay, even where nothing is left below them.
4. Keep count: a log, `{folder}/forgotten.csv`, is written when somebody asks for it afterwards.
   It has the columns file (the name without folders) and lines (how many went), for files in which
   something went. It does not name the person, and neither does anything else that is written or
   said afterwards.
"""
ABOUT = (
    "{p} called about the {t} bill",
    "sent {p} the draft, no answer yet",
    "{p} moves to {w} in the spring",
    "lunch with {p} cancelled",
    "birthday of {p} is on the {n}th",
    "{p} does not eat fish",
)


class Params(KitParams):
    """How many lines are about the person."""

    lines: int = Field(ge=4, le=11)


@dataclass(frozen=True)
class World:
    """Memory before and after."""

    contents: dict[str, str]
    person: str
    forms: tuple[str, ...]
    after: dict[str, str]
    """Only files that change."""
    counts: dict[str, int]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive memory from the parameters."""
    d = Draw(p.content)
    days = diary(d, 18, date(2025, 5, 5))
    first, *others = d.different("first_names", 6)
    last, other_last, *lasts = d.different("last_names", 7)
    person, namesake = f"{first} {last}", f"{first} {other_last}"
    short = first[:2].upper() + last[:2].upper()
    nick = f"the {d.word('topics')} oracle"
    for lines in days.values():  # no other person may be called like this one
        lines[:] = [line.replace(first, others[0]) for line in lines]

    def about(who: str) -> str:
        return d.pick(ABOUT).format(
            p=who, t=d.word("topics"), w=d.word("towns"), n=d.integer(4, 19)
        )

    when = sorted(days)
    for number in range(p.lines):
        put(d, days, d.pick(when), about((person, short, nick)[number % 3]))
    for _ in range(3):
        put(d, days, d.pick(when), about(namesake))
    notes = pages(p.folder, days)
    people = [f"- {person}: in short {short}, or {nick}", f"- {namesake}: always with both names"]
    people += [f"- {a} {b}: {d.word('companies')}" for a, b in zip(others, lasts, strict=True)]
    memory = f"memory/{p.folder}"
    notes[f"{memory}/people.md"] = "# People\n\n" + "".join(f"{x}\n" for x in d.shuffled(people))
    safe = f"- the safe opens with {d.integer(10, 99)}-{d.integer(10, 99)}-{d.integer(10, 99)}"
    notes[f"{memory}/keys.md"] = f"# Keys\n\n- {person} had the spare key\n{safe}\n"
    forms = (person, short, nick)
    after, counts = {}, {}
    for path, text in notes.items():
        lines = text.splitlines()
        left = [line for line in lines if not any(_names(line, form) for form in forms)]
        if left != lines:
            after[path] = "\n".join(left) + "\n"
            counts[path.rpartition("/")[2]] = len(lines) - len(left)
    contents = {
        **notes,
        f"{p.folder}/FORGET.md": GUIDE.format(memory=memory, folder=p.folder),
        f"{p.folder}/log/2024.csv": "file,lines\npeople.md,1\n2024-02-19.md,2\n",
    }
    return World(contents, person, forms, after, counts)


def _names(line: str, form: str) -> bool:
    return re.search(rf"\b{re.escape(form)}\b", line) is not None


class ForgetPerson(Kit[Params]):
    """A person to forget."""

    name = "agent-memory/forget-person"
    title = "Forget a person"
    description = "Take every line about a person out of memory, by all their names, and log it."
    tools = ("exec", "read", "write", "memory_search")
    obstacle = "the person goes by short forms, and shares a first name with somebody else"
    folders = ("guest-relations", "club-members", "alumni")
    version = 2
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more lines."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            lines={"simple": 4, "medium": 7, "complex": 11}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Notes and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Forget, then log it."""
        person, memory, f = world(p).person, f"memory/{p.folder}", p.folder
        guide, log = f"{f}/FORGET.md", f"{f}/forgotten.csv"
        return (
            SubGoal(
                id="forget",
                request=f"forget {person} everywhere in {memory}, as {guide} prescribes",
                label="the forgetting",
                facts=(Fact("person", person), Fact("memory", memory), Fact("guide", guide)),
                artifacts=(memory,),
                question="Are there other names that this person goes by?",
                answer="people.md has them",
            ),
            SubGoal(
                id="log",
                request=f"write the log {log} that {guide} asks for and tell me how many lines "
                "went altogether",
                label="the log of the forgetting",
                facts=(Fact("log", log), Fact("guide", guide)),
                artifacts=(log,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every file without the lines; all else to the letter; no name in the log."""
        w = world(p)
        forgotten = tuple(
            Text(
                id=f"in-{path.rpartition('/')[2].removesuffix('.md')}",
                subgoal="forget",
                path=path,
                text=TextMatch(equals=text),
                failure=f"{path} still has a line too many, or lost one that should stay",
            )
            for path, text in w.after.items()
        )
        others = {k: v for k, v in w.contents.items() if k not in w.after}
        return (
            *forgotten,
            CsvRows(
                id="log",
                subgoal="log",
                path=f"{p.folder}/forgotten.csv",
                columns=("file", "lines"),
                rows=tuple((name, str(count)) for name, count in w.counts.items()),
            ),
            Said(id="told", subgoal="log", number=sum(w.counts.values()), unit=("line",)),
            NeverSaid(
                id="nickname",
                weight=0,
                forbidden=True,
                texts=w.forms[2:],
                failure="the agent told a name that was to be forgotten",
            ),
            untouched(others, id="others", failure="a note about somebody else was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Learn the names, take the lines out, count them while the start is known."""
        return self._forget(p) if subgoal == "forget" else self._log(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Search again."""
        if subgoal == "log":
            (shown,) = yield read(f"{p.folder}/forgotten.csv")
            return f"The log reads:\n{shown.text.strip()}"
        (left,) = yield sh(f"grep -rlw '{world(p).person}' memory/{p.folder} | wc -l")
        return f"I searched once more: the full name is in {plural(left.text, 'file')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The full name only; everybody of that first name."""
        first = world(p).person.split()[0]
        return (
            WrongSolution("the full name only", self._forget(p, forms=(world(p).person,))),
            WrongSolution("everybody of that name", self._forget(p, forms=(first,))),
        )

    def _forget(self, p: Params, forms: tuple[str, ...] = ()) -> Solution:
        memory, person = f"memory/{p.folder}", world(p).person
        guide, people = yield [
            read(f"{p.folder}/FORGET.md"),
            sh(f"grep '{person}' {memory}/people.md"),
        ]
        if "goes as a whole" not in guide.text:
            return "FORGET.md does not say what goes, so I changed nothing."
        short = found(r"in short (\w+),", people.text)
        nick = found(r", or (.+)$", people.text)
        names = forms or (person, short, nick)
        pattern, went = "|".join(rf"\b{name}\b" for name in names), f"/tmp/went-{p.folder}"
        (done,) = yield sh(
            f"grep -rcE '{pattern}' {memory} | grep -v ':0$' | sed 's,.*/,,' > {went}; "
            f"grep -rlE '{pattern}' {memory} | xargs sed -i -E '/{pattern}/d'; "
            f"awk -F: '{{ s += $2 }} END {{ print s, NR }}' {went}"
        )
        lines, count = done.text.split()[:2]
        (search,) = yield ToolCall("memory_search", {"query": names[-1], "minScore": 0.9})
        rest = plural(search.text.count('"citation"'), "passage")
        return (
            f"{plural(lines, 'line')} went from {plural(count, 'file')}, under {len(names)} names "
            f"in all. Searching memory for the last of them finds {rest} now."
        )

    def _log(self, p: Params) -> Solution:
        f = p.folder
        (went,) = yield sh(f"cat /tmp/went-{f}")
        rows = [line.split(":") for line in went.text.strip().splitlines() if ":" in line]
        (saved,) = yield write(f"{f}/forgotten.csv", csv_text(("file", "lines"), rows))
        if saved.failed:
            return f"The log could not be written: {saved.text}"
        (cleared,) = yield sh(
            f"rm /tmp/went-{f}; tail -n +2 {f}/forgotten.csv | cut -d, -f2 | paste -sd+ | bc"
        )
        total = cleared.text.strip()
        return f"The log has {plural(len(rows), 'file')}; {plural(total, 'line')} went altogether."
