"""A letter to finish as somebody likes it; what they like is all over the notes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, Text, TextMatch
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
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import plural, read, sh, write

GUIDE = """\
# Drafts

A draft has its facts in a neutral form, and the finished letter has them as the person who signs it
likes them: see the lines `preference of <person>: <what>: <how>` in the notes of {memory}. The
newest note on a matter counts, and preferences of one person say nothing about another.

| what | neutral form | how it may be wanted |
| --- | --- | --- |
| dates | `2025-03-09` | `9 March 2025`, `09.03.2025`, `March 9, 2025` |
| amounts | `EUR 1250.00` | `€1,250.00`, `1 250,00 EUR`, `EUR 1,250.00` |
| closing | `[closing]` | the words of the preference, without a comma |
| greeting | `[greeting]` | the words of the preference, without a comma |

The examples in the notes are those of the table. Everything else in a draft is kept to the letter.
`preferences.json` is an object with the keys dates, amounts, closing and greeting and, as values,
the words of the preferences that count.
"""
CHOICES = {
    "dates": ("9 March 2025", "09.03.2025", "March 9, 2025"),
    "amounts": ("€1,250.00", "1 250,00 EUR", "EUR 1,250.00"),
    "closing": ("Kind regards", "With best wishes", "Yours", "Until soon"),
    "greeting": ("Dear {x}", "Hello {x}", "Good day {x}"),
}
MONTHS = (
    "January February March April May June July August September October November December".split()
)
NOTED = re.compile(r"preference of (.+?): (\w+): (.+)$")


class Params(KitParams):
    """How many notes contradict each other, and how long the letter is."""

    paragraphs: int = Field(ge=2, le=5)
    changes: int = Field(ge=1, le=4)


@dataclass(frozen=True)
class World:
    """Notes, the draft, the letter, and what counts."""

    contents: dict[str, str]
    person: str
    letter: str
    wanted: dict[str, str]


def dressed(draft: str, wanted: Mapping[str, str]) -> str:
    """A draft with its facts as they are wanted."""
    text = draft.replace("[closing]", wanted["closing"]).replace("[greeting]", wanted["greeting"])
    text = re.sub(
        r"\b(\d{4})-(\d\d)-(\d\d)\b",
        lambda m: _date(date(int(m[1]), int(m[2]), int(m[3])), wanted["dates"]),
        text,
    )
    return re.sub(
        r"\bEUR (\d+)\.(\d\d)\b", lambda m: _amount(int(m[1]), m[2], wanted["amounts"]), text
    )


def _date(day: date, like: str) -> str:
    month = MONTHS[day.month - 1]
    return {
        "9 March 2025": f"{day.day} {month} {day.year}",
        "09.03.2025": f"{day:%d.%m.%Y}",
        "March 9, 2025": f"{month} {day.day}, {day.year}",
    }[like]


def _amount(whole: int, cents: str, like: str) -> str:
    return {
        "€1,250.00": f"€{whole:,}.{cents}",
        "1 250,00 EUR": f"{whole:,}".replace(",", " ") + f",{cents} EUR",
        "EUR 1,250.00": f"EUR {whole:,}.{cents}",
    }[like]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive notes and letter from the parameters."""
    d = Draw(p.content)
    days = diary(d, 18, date(2025, 2, 3))
    person, other, customer = d.people(3)
    wanted: dict[str, str] = {}
    for number, (what, choices) in enumerate(CHOICES.items()):
        times = 2 if number < p.changes else 1
        hows = d.some(choices, times)
        for day, how in zip(sorted(d.some(sorted(days)[:-2], times)), hows, strict=True):
            how = how.format(x=customer.split()[0])
            put(d, days, day, f"preference of {person}: {what}: {how}")
            wanted[what] = how
        distinct = [how for how in choices if how.format(x=customer.split()[0]) != wanted[what]]
        foreign = d.pick(distinct).format(x=customer.split()[0])
        put(d, days, sorted(days)[-1], f"preference of {other}: {what}: {foreign}")
    sentences = (
        "Our visit is set for {day}; the second date, should you prefer it, is {second}.",
        "The work comes to EUR {a}.00, of which EUR {b}.50 fall due on {day}.",
        "Since {second} the price of the material has gone up by EUR {b}.00 to EUR {a}.75.",
        "Please note order EUR-{b} and reply before {day}.",
        "The guarantee runs to {second} and covers damage of up to EUR {a}.00.",
    )
    body = [
        line.format(
            day=d.day(2025), second=d.day(2026), a=d.integer(1_050, 9_800), b=d.integer(110, 980)
        )
        for line in d.some(sentences, p.paragraphs)
    ]
    draft = "\n\n".join(["[greeting],", *body, f"[closing],\n{person}"]) + "\n"
    f = p.folder
    contents = {
        **pages(f, days),
        f"{f}/draft.md": draft,
        f"{f}/DRAFTS.md": GUIDE.format(memory=f"memory/{f}"),
    }
    return World(contents, person, dressed(draft, wanted), wanted)


class ApplyPreferences(Kit[Params]):
    """A letter to finish."""

    name = "agent-memory/apply-preferences"
    title = "Finish a letter by remembered preferences"
    description = "Look up how a person wants dates, amounts and phrases, and finish their letter."
    tools = ("exec", "read", "write", "memory_search")
    obstacle = "preferences changed over time, and somebody else's are in the newest note"
    folders = ("correspondence", "letters", "secretariat")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more changes of mind, a longer letter."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            paragraphs={"simple": 2, "medium": 3, "complex": 5}[complexity],
            changes={"simple": 1, "medium": 2, "complex": 4}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Notes, the draft, what drafts are."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Look up, then finish the letter with what was found."""
        f, person = p.folder, world(p).person
        memory, guide, saved, draft, letter = (
            *(f"memory/{f}", f"{f}/DRAFTS.md", f"{f}/preferences.json"),
            *(f"{f}/draft.md", f"{f}/letter.md"),
        )
        return (
            SubGoal(
                id="recall",
                request=f"look up in {memory} how {person} likes letters to be and save that in "
                f"{saved}, with the keys that {guide} names",
                label=f"the preferences of {person}",
                facts=(
                    Fact("memory", memory),
                    Fact("person", person),
                    Fact("saved", saved),
                    Fact("guide", guide),
                ),
                artifacts=(saved,),
                question="What if there are several notes on the same matter?",
                answer="The newest one counts",
            ),
            SubGoal(
                id="letter",
                request=f"finish {draft} as {letter} with the preferences in {saved}, as "
                f"{guide} says",
                label=f"the letter {letter}",
                facts=(
                    Fact("draft", draft),
                    Fact("letter", letter),
                    Fact("saved", saved),
                    Fact("guide", guide),
                ),
                artifacts=(letter,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each preference, the whole letter; draft and notes stay."""
        w, f = world(p), p.folder
        recalled = tuple(
            JsonEquals(
                id=f"recalled-{what}",
                subgoal="recall",
                path=f"{f}/preferences.json",
                at=(what,),
                equals=how,
            )
            for what, how in w.wanted.items()
        )
        return (
            *recalled,
            Text(
                id="letter",
                subgoal="letter",
                weight=2,
                path=f"{f}/letter.md",
                text=TextMatch(equals=w.letter),
                failure="the letter is not as its signer likes it",
            ),
            untouched(w.contents, failure="the draft or a note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Search the notes, take the newest; then put it into the draft."""
        return self._recall(p) if subgoal == "recall" else self._letter(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Read the result."""
        name = "preferences.json" if subgoal == "recall" else "letter.md"
        (shown,) = yield read(f"{p.folder}/{name}")
        return f"I read {p.folder}/{name} again:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first note; whoever's note is newest; the draft as it is."""
        return (
            WrongSolution("the first note counts", self._recall(p, newest=False)),
            WrongSolution("whoever wrote last", self._recall(p, anybody=True)),
            WrongSolution("dates left", self._letter(p, keep_dates=True), subgoal="letter"),
        )

    def _recall(self, p: Params, newest: bool = True, anybody: bool = False) -> Solution:
        f, person = p.folder, world(p).person
        guide, hits, lines = yield [
            read(f"{f}/DRAFTS.md"),
            ToolCall("memory_search", {"query": f"preference of {person}", "maxResults": 20}),
            sh(f"grep -rh 'preference of {'' if anybody else person}' memory/{f}/*.md"),
        ]
        if "newest note" not in guide.text:
            return "DRAFTS.md does not say which note counts."
        wanted: dict[str, str] = {}
        for line in lines.text.splitlines() if newest else reversed(lines.text.splitlines()):
            if match := NOTED.search(line):
                wanted[match[2]] = match[3]
        (saved,) = yield write(
            f"{f}/preferences.json", json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
        )
        if saved.failed:
            return f"preferences.json could not be written: {saved.text}"
        return (
            f"{plural(lines.text.count('preference of'), 'note')} in "
            f"{plural(hits.text.count('citation'), 'passage')}; what counts is saved: "
            f"{'; '.join(f'{what} as in “{how}”' for what, how in wanted.items())}."
        )

    def _letter(self, p: Params, keep_dates: bool = False) -> Solution:
        f = p.folder
        draft, saved, guide = yield [
            read(f"{f}/draft.md"),
            read(f"{f}/preferences.json"),
            read(f"{f}/DRAFTS.md"),
        ]
        wanted = json.loads(saved.text)
        missing = [what for what in CHOICES if what not in wanted or what not in guide.text]
        if missing:
            return f"I do not know the preference for {', '.join(missing)}."
        text = dressed(draft.text, wanted)
        if keep_dates:
            text = draft.text.replace("[closing]", wanted["closing"])
        (done,) = yield write(f"{f}/letter.md", text.rstrip() + "\n")
        if done.failed:
            return f"letter.md could not be written: {done.text}"
        return f"{f}/letter.md is finished: {text.splitlines()[0]} … {wanted['closing']}."
