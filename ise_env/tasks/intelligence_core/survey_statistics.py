"""A survey whose codes for a missing answer look like answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": (4, 24), "medium": (6, 60), "complex": (9, 150)}
"""Questions, people."""
SCALES = ((1, 5, "8;9"), (0, 10, "88;99"), (1, 7, "8;9"), (1, 4, "0;9"))
TEXTS = (
    "The rooms are clean",
    "I know whom to ask",
    "The queue is too long",
    "I feel safe on my way home",
    "The opening hours suit me",
    "The forms are hard to understand",
    "I would come again",
    "The staff take their time",
    "The signs lead me astray",
)

METHOD = """\
# How the answers are counted

- `codebook.csv` has a line for each question: its scale (`low` to `high`), the codes that stand
  for no answer (`missing`, separated by `;`), and whether it is asked the wrong way round.
- A code for no answer is missing, and so is an empty cell. Codes differ from question to question.
- Somebody who answered twice (same `person`) counts once, with the row whose `submitted` is latest;
  rows are not in order of time.
- A question with `reversed` = `yes` is turned round before the mean: low + high - answer.
- `results.csv` has the columns question, answers, missing and mean, a row for each question of the
  codebook. The mean is over the answers that are there, with two decimals.
- The line for the summary reads `Weakest: QUESTION (MEAN)`, with the question whose mean lies
  lowest on its own scale, (mean - low) / (high - low), and its mean as in `results.csv`.
"""

COUNT = """\
import csv
book = list(csv.DictReader(open("codebook.csv")))
latest = {}
for row in csv.DictReader(open("answers.csv")):
    known = latest.get(row["person"])
    if known is None or row["submitted"] > known["submitted"]:
        latest[row["person"]] = row
with open("results.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("question", "answers", "missing", "mean"))
    for q in book:
        codes = {"", *q["missing"].split(";")}
        given = [r[q["question"]].strip() for r in latest.values()]
        values = [int(v) for v in given if v not in codes]
        if q["reversed"] == "yes":
            values = [int(q["low"]) + int(q["high"]) - v for v in values]
        mean = sum(values) / len(values)
        out.writerow((q["question"], len(values), len(given) - len(values), f"{mean:.2f}"))
print(len(latest), "people")
"""

WEAKEST = """\
import csv
book = {q["question"]: q for q in csv.DictReader(open("codebook.csv"))}
def level(row):
    low, high = int(book[row["question"]]["low"]), int(book[row["question"]]["high"])
    return (float(row["mean"]) - low) / (high - low)
row = min(csv.DictReader(open("results.csv")), key=level)
before = [line for line in open("summary.md") if not line.startswith("Weakest: ")]
with open("summary.md", "w") as file:
    file.writelines(before)
    file.write(f"Weakest: {row['question']} ({row['mean']})\\n")
"""


class Params(KitParams):
    """How many questions, and how many people answered."""

    questions: int = Field(ge=4, le=9)
    people: int = Field(ge=24, le=150)


@dataclass(frozen=True)
class World:
    """The survey, its results, and the weakest question with its mean."""

    contents: dict[str, str]
    results: list[tuple[str, str, str, str]]
    weakest: tuple[str, float]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the answers from the parameters."""
    d = Draw(p.content)
    names = [f"q{n}" for n in range(1, p.questions + 1)]
    scales = [SCALES[n % 4] for n in range(p.questions)]
    turned = ["yes" if n in (2, 5, 8) else "no" for n in range(p.questions)]
    # Levels far enough apart for one question to be clearly the weakest.
    levels = [0.12, *(0.45 + 0.05 * d.integer(0, 8) for _ in names[1:])]
    levels = d.shuffled(levels)
    rows, counted = [], []
    for number in range(p.people):
        person = f"P{number + 201}"
        when = d.moment(d.day(2025, 5), 8, 20)
        twice = number % 9 == 3
        for again in (True, False) if twice else (True,):
            answers = [
                _answer(d, *s, level, back == "yes")
                for s, level, back in zip(scales, levels, turned, strict=True)
            ]
            day = when if again else when.replace(month=4)
            rows.append((person, f"{day:%Y-%m-%dT%H:%M}", *answers))
            if again:
                counted.append(answers)
    results, weakest = [], ("", 0.0, 2.0)
    for at, name in enumerate(names):
        low, high, codes = scales[at]
        given = [int(a[at]) for a in counted if a[at] not in ("", *codes.split(";"))]
        values = [low + high - v if turned[at] == "yes" else v for v in given]
        mean = sum(values) / len(values)
        results.append((name, str(len(values)), str(len(counted) - len(values)), f"{mean:.4f}"))
        weakest = min(weakest, (name, mean, (mean - low) / (high - low)), key=lambda w: w[2])
    f = p.folder
    book = [
        (name, TEXTS[at], scales[at][0], scales[at][1], scales[at][2], turned[at])
        for at, name in enumerate(names)
    ]
    columns = ("question", "text", "low", "high", "missing", "reversed")
    contents = {
        f"{f}/answers.csv": csv_text(("person", "submitted", *names), d.shuffled(rows)),
        f"{f}/codebook.csv": csv_text(columns, book),
        f"{f}/METHOD.md": METHOD,
        f"{f}/summary.md": f"# Survey of visitors in {d.word('towns')}\n\nAsked by {d.person()}.\n",
        **surroundings(p.content, f),
    }
    return World(contents, results, weakest[:2])


def _answer(d: Draw, low: int, high: int, codes: str, level: float, back: bool) -> str:
    if d.chance(0.15):
        return d.pick((*codes.split(";"), ""))
    at = level + (d.integer(-20, 20) / 100)
    value = round(low + (high - low) * min(1.0, max(0.0, at)))
    return str(low + high - value if back else value)


class SurveyStatistics(Kit[Params]):
    """A survey to count."""

    name = "intelligence-core/survey-statistics"
    title = "Count a survey with missing answers"
    description = "Means of survey questions by a codebook, missing codes and second answers."
    obstacle = "codes for no answer that look like answers, people who answered twice"
    folders = ("survey", "visitor-poll", "questionnaire")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more questions and people."""
        questions, people = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            questions=questions,
            people=people,
        )

    def seed(self, p: Params) -> Seed:
        """Answers, codebook, method, the summary so far."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The table, then the line that comes from it."""
        answers, method, results, summary = (
            f"{p.folder}/{n}" for n in ("answers.csv", "METHOD.md", "results.csv", "summary.md")
        )
        return (
            SubGoal(
                id="count",
                request=f"count the answers in {answers} by the method in {method} and write "
                f"{results}",
                label="the survey's results",
                facts=(
                    Fact("answers", answers),
                    Fact("method", method),
                    Fact("results", results),
                ),
                artifacts=(results,),
                question="What if somebody sent the form twice?",
                answer="Only the later one counts, as METHOD.md says",
            ),
            SubGoal(
                id="weakest",
                request=f"see from {results} which question does worst, add the line about it to "
                f"the end of {summary} as {method} words it, and tell me its mean",
                label="the line about the weakest question",
                facts=(
                    Fact("results", results),
                    Fact("summary", summary),
                    Fact("method", method),
                ),
                artifacts=(summary,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The table, the line, what was said."""
        w, f = world(p), p.folder
        question, mean = w.weakest
        shown = "|".join(sorted({f"{mean + off:.2f}" for off in (-0.0049, 0, 0.0049)}))
        before = w.contents[f"{f}/summary.md"]
        given = {k: v for k, v in w.contents.items() if k != f"{f}/summary.md"}
        return (
            CsvRows(
                id="results",
                subgoal="count",
                weight=2,
                path=f"{f}/results.csv",
                columns=("question", "answers", "missing", "mean"),
                rows=tuple(w.results),
                tolerance=0.006,
            ),
            Text(
                id="line",
                subgoal="weakest",
                path=f"{f}/summary.md",
                text=TextMatch(
                    contains=(before.strip(),),
                    matches=(rf"^Weakest: {question} \(({shown})\)\s*\Z",),
                ),
            ),
            Said(
                id="told", subgoal="weakest", unit=("mean", question), number=mean, tolerance=0.006
            ),
            untouched(given, failure="the answers or another file were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the method, count with Python; take the lowest."""
        return self._count(p) if subgoal == "count" else self._weakest(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the table or the summary's end."""
        if subgoal == "count":
            (shown,) = yield read(f"{p.folder}/results.csv")
            lines = shown.text.strip().splitlines()
            return f"I looked again: {plural(len(lines) - 1, 'question')}, the first `{lines[1]}`."
        (end,) = yield sh("tail -n 1 summary.md", workdir=p.folder)
        return f"I looked again, the last line reads `{end.text.strip()}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Codes counted as answers; both forms of a person counted."""
        codes = COUNT.replace('{"", *q["missing"].split(";")}', '{""}')
        twice = COUNT.replace('latest[row["person"]]', 'latest[row["person"], row["submitted"]]')
        return (
            WrongSolution("codes taken for answers", self._count(p, codes)),
            WrongSolution("second forms counted too", self._count(p, twice)),
        )

    def _count(self, p: Params, program: str = COUNT) -> Solution:
        method, book, rows = yield [
            read(f"{p.folder}/METHOD.md"),
            read(f"{p.folder}/codebook.csv"),
            sh("head -n 4 answers.csv; wc -l answers.csv", workdir=p.folder),
        ]
        if "missing" not in book.text or "results.csv" not in method.text:
            return "The codebook does not say which answers are missing."
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The count stopped: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/results.csv")
        people = found(r"^(\d+) people", ran.text)
        forms = int(found(r"^ *(\d+) answers", rows.text)) - 1
        return (
            f"{plural(forms, 'form')} came from {people} people, each counted once:\n"
            f"{shown.text.strip()}"
        )

    def _weakest(self, p: Params) -> Solution:
        (ran,) = yield python(WEAKEST, workdir=p.folder)
        if ran.failed:
            return f"{p.folder}/results.csv could not be used: {ran.text.strip()}"
        (end,) = yield sh("tail -n 1 summary.md", workdir=p.folder)
        question, mean = found(r"Weakest: (\w+)", end.text), found(r"\(([\d.]+)", end.text)
        return f"The weakest is {question} with a mean of {mean}."
