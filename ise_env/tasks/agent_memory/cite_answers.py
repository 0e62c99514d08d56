"""Questions to answer from memory, each with the path and the line that says so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, JsonEquals
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

THINGS = {
    "lease": ("the {x} lease ends on {v}", "When does the {x} lease end?"),
    "audit": ("the {x} audit begins on {v}", "When does the {x} audit begin?"),
    "permit": ("the {x} permit runs out on {v}", "When does the {x} permit run out?"),
    "service": ("the {x} lift is serviced on {v}", "When is the {x} lift serviced?"),
    "handover": ("the {x} keys are handed over on {v}", "When are the {x} keys handed over?"),
}
FORM = """\
# Answers

`answers.json` is an object with the number of each question as its key (`"1"`), and as its value

    {"answer": "<day as YYYY-MM-DD>", "path": "<memory file>", "line": <number of the line, from 1>}

Path and line are those of the note that the answer rests on. Where notes contradict each other, the
newest note counts: the day of a note is its file name.

`outdated.csv` has the columns path and line, for every line that says something else on one of the
questions than the answer.
"""


class Params(KitParams):
    """How many questions there are."""

    questions: int = Field(ge=4, le=7)


@dataclass(frozen=True)
class World:
    """Notes, answers, and what contradicts them."""

    contents: dict[str, str]
    answers: dict[str, dict[str, Any]]
    outdated: list[tuple[str, str]]


def _statements(contents: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Line, path and number of every line of the notes."""
    return [
        (line, path, number)
        for path, text in sorted(contents.items())
        if path.startswith("memory/")
        for number, line in enumerate(text.splitlines(), 1)
    ]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive notes and questions from the parameters."""
    d = Draw(p.content)
    days = diary(d, 20, date(2025, 3, 3))
    towns = d.different("towns", 4)
    pairs = d.some([(kind, town) for kind in THINGS for town in towns], p.questions + 4)
    said: dict[int, list[str]] = {}
    for number, (kind, town) in enumerate(pairs):
        times = 2 if number in (0, 2) else 3 if number == 3 else 1
        values = sorted({f"{d.day(2026, month)}" for month in d.some(range(1, 13), times)})
        for day, value in zip(sorted(d.some(sorted(days), times)), d.shuffled(values), strict=True):
            line = THINGS[kind][0].format(x=town, v=value)
            put(d, days, day, line)
            said.setdefault(number, []).append(line)
    notes = pages(p.folder, days)
    asked = pairs[: p.questions]
    questions = [
        f"{n}. {THINGS[kind][1].format(x=town)}" for n, (kind, town) in enumerate(asked, 1)
    ]
    places = _statements(notes)
    answers: dict[str, dict[str, Any]] = {}
    outdated = []
    for number in range(p.questions):
        lines = [f"- {line}" for line in said[number]]
        at = [(text, path, n) for text, path, n in places if text in lines]
        text, path, line_number = at[-1]
        answers[str(number + 1)] = {"answer": text[-10:], "path": path, "line": line_number}
        outdated += [(old, str(n)) for _, old, n in at[:-1]]
    f = p.folder
    contents = {
        **notes,
        f"{f}/questions.md": "# Questions\n\n" + "\n".join(questions) + "\n",
        f"{f}/FORM.md": FORM,
    }
    return World(contents, answers, outdated)


class CiteAnswers(Kit[Params]):
    """Questions to answer."""

    name = "agent-memory/cite-answers"
    title = "Answer from memory, with citations"
    description = "Answer questions from dated notes, name path and line, list what is outdated."
    tools = ("exec", "read", "write", "memory_search", "memory_get")
    obstacle = "notes contradict each other; only the newest is right"
    folders = ("help-desk", "facility-desk", "front-office")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more questions."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            questions={"simple": 4, "medium": 5, "complex": 7}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Notes, questions, the form of an answer."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Answer, then say what is outdated."""
        f = p.folder
        questions, form, answers, outdated = (
            f"{f}/{n}" for n in ("questions.md", "FORM.md", "answers.json", "outdated.csv")
        )
        return (
            SubGoal(
                id="answer",
                request=f"answer the questions in {questions} from your notes in memory/{f} and "
                f"save the answers with their sources in {answers}, formed as {form} says",
                label="the answers from memory",
                facts=(
                    Fact("questions", questions),
                    Fact("notes", f"memory/{f}"),
                    Fact("answers", answers),
                    Fact("form", form),
                ),
                artifacts=(answers,),
            ),
            SubGoal(
                id="outdated",
                request=f"list in {outdated} the lines of memory/{f} that contradict {answers}, in "
                f"the form that {form} gives, and change none of them",
                label="the list of outdated lines",
                facts=(
                    Fact("outdated", outdated),
                    Fact("notes", f"memory/{f}"),
                    Fact("answers", answers),
                    Fact("form", form),
                ),
                artifacts=(outdated,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each answer with its source, the outdated lines; notes stay."""
        w, f = world(p), p.folder
        answers = tuple(
            JsonEquals(
                id=f"answer-{number}",
                subgoal="answer",
                path=f"{f}/answers.json",
                at=(number,),
                equals=answer,
                failure=f"question {number} has the wrong answer or the wrong source",
            )
            for number, answer in w.answers.items()
        )
        notes = {k: v for k, v in w.contents.items() if k.startswith("memory/")}
        return (
            *answers,
            CsvRows(
                id="outdated",
                subgoal="outdated",
                path=f"{f}/outdated.csv",
                columns=("path", "line"),
                rows=tuple(w.outdated),
            ),
            untouched(notes, id="notes", failure="a note was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Search for each, look at the lines; then those that differ."""
        return self._answer(p) if subgoal == "answer" else self._outdated(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Read a cited line again, or count."""
        if subgoal == "outdated":
            (shown,) = yield sh(f"tail -n +2 {p.folder}/outdated.csv | wc -l")
            return f"I counted again: {plural(shown.text, 'outdated line')}."
        (answers,) = yield read(f"{p.folder}/answers.json")
        given = json.loads(answers.text)
        first = given["1"]
        (line,) = yield ToolCall(
            "memory_get", {"path": first["path"], "from": first["line"], "lines": 1}
        )
        days = ", ".join(f"{number}: {value['answer']}" for number, value in given.items())
        source = json.loads(line.text)["text"].removeprefix("- ")
        return f"The answers are {days}. I read the source of the first again: “{source}”."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The oldest note; lines counted without the heading."""
        return (
            WrongSolution("the oldest note", self._answer(p, which=0)),
            WrongSolution("lines counted from 0", self._answer(p, off=-1)),
        )

    def _answer(self, p: Params, which: int = -1, off: int = 0) -> Solution:
        f = p.folder
        questions, form = yield [read(f"{f}/questions.md"), read(f"{f}/FORM.md")]
        asked = re.findall(r"^(\d+)\. (.+)$", questions.text, re.MULTILINE)
        subjects = [_subject(question) for _, question in asked]
        searched = yield [ToolCall("memory_search", {"query": s, "minScore": 0}) for s in subjects]
        lines = yield [sh(f"grep -rn '{subject}' memory/{f} | sort") for subject in subjects]
        if "newest note" not in form.text or any(reply.failed for reply in lines):
            return f"My notes do not hold all of it: {searched[0].text[:80]}"
        answers: dict[str, dict[str, Any]] = {}
        for (number, _), reply in zip(asked, lines, strict=True):
            path, line, text = reply.text.strip().splitlines()[which].split(":", 2)
            answers[number] = {"answer": text[-10:], "path": path, "line": int(line) + off}
        (saved,) = yield write(f"{f}/answers.json", json.dumps(answers, indent=2) + "\n")
        if saved.failed:
            return f"answers.json could not be written: {saved.text}"
        hits = sum(reply.text.count('"citation"') for reply in searched)
        return (
            f"{plural(len(answers), 'answer')} are in {f}/answers.json; searching turned up "
            f"{plural(hits, 'passage')}, and the newest note decided."
        )

    def _outdated(self, p: Params) -> Solution:
        f = p.folder
        questions, saved = yield [read(f"{f}/questions.md"), read(f"{f}/answers.json")]
        answers = json.loads(saved.text)
        asked = re.findall(r"^(\d+)\. (.+)$", questions.text, re.MULTILINE)
        lines = yield [sh(f"grep -rn '{_subject(q)}' memory/{f} | sort") for _, q in asked]
        rows = []
        for (number, _), reply in zip(asked, lines, strict=True):
            for hit in reply.text.strip().splitlines():
                path, line, text = hit.split(":", 2)
                if text[-10:] != answers[number]["answer"]:
                    rows.append((path, line))
        (written,) = yield write(f"{f}/outdated.csv", csv_text(("path", "line"), rows))
        if written.failed:
            return f"outdated.csv could not be written: {written.text}"
        return f"{plural(len(rows), 'line')} say something else; see {f}/outdated.csv."


def _subject(question: str) -> str:
    """`the Ashby lease`, as notes put it, too."""
    return found(r"(the .+ (?:lease|audit|permit|lift|keys))\b", question)
