"""Filing that a sub-agent does, and a follow-up for the same one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Delegated, Said, Text, TextMatch, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    Wait,
    WrongSolution,
)
from ise_env.tasks.seeding import csv_text, files, sha256, untouched
from ise_env.tasks.steps import found, plural, read, sh
from ise_env.tasks.surroundings import surroundings

LABELS = ("filing", "scans", "paper-pile", "letters")
SCANS = {"simple": 12, "medium": 20, "complex": 32}
KINDS = ("invoice", "receipt", "contract", "letter", "reminder", "quote")

_FILE = """\
tail -n +2 index.csv | while IFS=, read -r scan year sender; do
  if [ ! -e "scans/$scan" ]; then echo "not there: $scan"; continue; fi
  mkdir -p "sorted/$year" && mv "scans/$scan" "sorted/$year/"
done"""


class Params(KitParams):
    """How many scans there are, and the sub-agent's label."""

    scans: int = Field(ge=12, le=32)
    label: str


@dataclass(frozen=True)
class World:
    """Scans, their index, and where each belongs."""

    contents: dict[str, str]
    placed: dict[str, str]
    """Path of every listed scan at the end, to its text."""
    unlisted: tuple[str, ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the scans from the parameters."""
    d = Draw(p.content)
    numbers = sorted(d.some(range(100, 900), p.scans))
    contents, placed, rows, unlisted = {}, {}, [], []
    for number in numbers:
        name, sender, day = (
            f"scan-{number:04d}.txt",
            d.word("companies"),
            d.day(d.integer(2021, 2025)),
        )
        text = (
            f"{d.pick(KINDS).upper()}\nfrom {sender}\ndated {day.isoformat()}\n"
            f"about {d.word('products')}, {money(d.cents(8, 900))}\n"
        )
        contents[f"{p.folder}/scans/{name}"] = text
        if d.chance(0.2) or number == numbers[p.scans // 2]:
            unlisted.append(name)
        else:
            rows.append((name, day.year, sender))
            placed[f"{p.folder}/sorted/{day.year}/{name}"] = text
    for _ in range(2):
        gone = f"scan-{d.integer(901, 999):04d}.txt"
        rows.insert(d.integer(1, len(rows) - 1), (gone, d.integer(2021, 2025), d.word("companies")))
    contents[f"{p.folder}/index.csv"] = csv_text(("scan", "year", "sender"), rows)
    return World(contents, placed, tuple(unlisted))


class DelegateFollowUp(Kit[Params]):
    """One sub-agent, two messages."""

    name = "agent-memory/delegate-follow-up"
    title = "Hand filing to a sub-agent and follow up"
    description = "Let a labelled sub-agent file scans, then send it a follow-up in its session."
    tools = (
        *("exec", "read", "agents_list", "sessions_spawn", "sessions_send", "sessions_list"),
        *("sessions_history", "session_status", "subagents"),
    )
    obstacle = "the index lists scans that are not there"
    folders = ("scan-room", "paper-scans", "filing-desk")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more scans."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            scans=SCANS[complexity],
            label=one(rng, LABELS),
        )

    def seed(self, p: Params) -> Seed:
        """Scans, an index that does not quite fit, and what else lies there."""
        around = surroundings(p.content, f"{p.folder}/office")
        return Seed(files({**world(p).contents, **around}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The filing, then what is left of it."""
        f = p.folder
        scans, index, to = f"{f}/scans", f"{f}/index.csv", f"{f}/sorted"
        unlisted, label = f"{f}/unlisted.txt", Fact("label", p.label)
        return (
            SubGoal(
                id="file",
                request=f"hand the filing of the scans in {scans} to a sub-agent labelled "
                f"{p.label}: every scan that {index} lists goes into {to}/<year> under the name "
                "that it has, the others stay where they are",
                label="the filing of the scans",
                facts=(Fact("scans", scans), Fact("index", index), Fact("to", to), label),
                artifacts=(to,),
            ),
            SubGoal(
                id="unlisted",
                request=f"send a follow-up message into the session of the same sub-agent, "
                f"{p.label}: it should write the names of the scans that stayed behind to "
                f"{unlisted}, one a line in alphabetical order; tell me how many there are",
                label="the list of the scans that stayed behind",
                facts=(Fact("unlisted", unlisted), label),
                artifacts=(unlisted,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Where each scan is, the list, who did it; no scan is lost."""
        w, f = world(p), p.folder
        names = [path.removeprefix(f"{f}/sorted/") for path in w.placed]
        left = {f"{f}/scans/{name}": w.contents[f"{f}/scans/{name}"] for name in w.unlisted}
        index = {f"{f}/index.csv": w.contents[f"{f}/index.csv"]}
        return (
            Tree(id="sorted", subgoal="file", path=f"{f}/sorted", names=tuple(sorted(names))),
            Unchanged(
                id="contents",
                subgoal="file",
                sha256={path: sha256(text) for path, text in w.placed.items()},
                failure="a filed scan does not hold what it held",
            ),
            Delegated(id="handed-over", subgoal="file", label=p.label),
            Text(
                id="list",
                subgoal="unlisted",
                path=f"{f}/unlisted.txt",
                text=TextMatch(equals="".join(f"{name}\n" for name in w.unlisted)),
            ),
            Said(id="count", subgoal="unlisted", number=len(w.unlisted)),
            Delegated(
                id="followed-up",
                subgoal="unlisted",
                label=p.label,
                messages=2,
                failure="the same sub-agent was sent no second message",
            ),
            untouched(
                {**left, **index}, id="left", failure="the index or an unlisted scan changed"
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Hand it over and look; send the follow-up and look."""
        return self._hand_over(p) if subgoal == "file" else self._follow_up(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Read what the sub-agent said in its session, and look at the files."""
        (listed,) = yield ToolCall("sessions_list", {"kinds": ["other"]})
        key = _key(listed.text, p.label)
        look = "find sorted -type f | wc -l" if subgoal == "file" else "cat unlisted.txt"
        if not key:
            (shown,) = yield sh(look, workdir=p.folder)
            return f"No sub-agent is called {p.label}; in {p.folder}: {shown.text.strip()}"
        calls = [
            ToolCall("sessions_history", {"sessionKey": key, "limit": 2}),
            ToolCall("session_status", {"sessionKey": key}),
        ]
        history, status, shown = yield [*calls, sh(look, workdir=p.folder)]
        said = json.loads(history.text)["messages"][-1]["content"] if not history.failed else ""
        so_far = found(r"So far: (\d+ messages, \d+ tool calls)", status.text, "unknown")
        return (
            f"The session of {p.label} ({so_far}) ends with: {said}\nI looked myself, too:\n"
            f"{shown.text.strip()}"
        )

    def delegate(self, p: Params, task: str) -> Solution | None:
        """The filing, or the list."""
        if f"{p.folder}/unlisted.txt" in task:
            return self._list(p)
        return self._file(p) if f"{p.folder}/scans" in task else None

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Nobody was asked to help; a new one in place of the same."""
        return (
            WrongSolution("filed alone", self._alone(p)),
            WrongSolution("a new sub-agent", self._another(p), subgoal="unlisted"),
            WrongSolution("list written alone", self._list(p), subgoal="unlisted"),
        )

    def _hand_over(self, p: Params) -> Solution:
        f = p.folder
        agents, before = yield [
            ToolCall("agents_list", {}),
            sh("ls scans | wc -l; head -n 3 index.csv", workdir=f),
        ]
        task = (
            f"File the scans in {f}/scans: move every scan that {f}/index.csv (scan, year, sender) "
            f"lists to {f}/sorted/<year>/ under the same name. Leave scans that it does not list, "
            "and tell me which listed ones are not there."
        )
        who = found(r'"id": "([\w-]+)"', agents.text)
        spawn = {"task": task, "label": p.label, "agentId": who}
        (started,) = yield ToolCall("sessions_spawn", spawn)
        if started.failed:
            return f"No sub-agent could be begun: {started.text}"
        total = before.text.split()[0]
        (told,) = yield Wait(f"The sub-agent {p.label} is filing the {total} scans.")
        (after,) = yield sh(
            "find sorted -type f | wc -l; ls scans | wc -l; ls -d sorted/*", workdir=f
        )
        filed, left, *years = after.text.split()
        gone = plural(told.text.count("not there: "), "listed scan")
        return (
            f"{p.label} has filed {filed} scans into {f}/sorted ({plural(len(years), 'year')}) and "
            f"left {left} that the index does not list. {gone} could not be found."
        )

    def _follow_up(self, p: Params) -> Solution:
        (listed,) = yield ToolCall("sessions_list", {"kinds": ["other"]})
        if not _key(listed.text, p.label):
            return f"No session of mine is labelled {p.label}."
        message = (
            f"Now write the names of the scans that are still in {p.folder}/scans to "
            f"{p.folder}/unlisted.txt, one a line in alphabetical order."
        )
        sent, shown = (
            *(yield ToolCall("sessions_send", {"label": p.label, "message": message})),
            *(yield read(f"{p.folder}/unlisted.txt")),
        )
        if sent.failed or shown.failed:
            return f"{p.label} did not write the list: {sent.text}"
        names = shown.text.split()
        return (
            f"{p.label} wrote {p.folder}/unlisted.txt: {len(names)} scans stayed behind, the first "
            f"is {names[0]}."
        )

    def _file(self, p: Params) -> Solution:
        (index,) = yield sh("head -n 3 index.csv; ls scans | head -n 3", workdir=p.folder)
        if "scan,year" not in index.text:
            return f"{p.folder}/index.csv has other columns than expected: {index.text}"
        (ran,) = yield sh(_FILE, workdir=p.folder)
        (after,) = yield sh("find sorted -type f | wc -l; ls scans | wc -l", workdir=p.folder)
        filed, left = after.text.split()[:2]
        missing = "" if ran.text == "(no output)" else f"\n{ran.text.strip()}"
        return f"Filed {filed} scans, {left} are not listed.{missing}"

    def _list(self, p: Params) -> Solution:
        yield sh("ls scans | LC_ALL=C sort > unlisted.txt", workdir=p.folder)
        (count,) = yield sh("wc -l < unlisted.txt", workdir=p.folder)
        return f"{p.folder}/unlisted.txt has {plural(count.text, 'name')}."

    def _alone(self, p: Params) -> Solution:
        yield sh(_FILE, workdir=p.folder)
        (after,) = yield sh("find sorted -type f | wc -l", workdir=p.folder)
        return f"{after.text.strip()} scans are filed."

    def _another(self, p: Params) -> Solution:
        task = (
            f"Write the names in {p.folder}/scans to {p.folder}/unlisted.txt, one a line, sorted."
        )
        yield ToolCall("sessions_spawn", {"task": task, "label": p.label})
        yield Wait("A sub-agent writes the list.")
        (count,) = yield sh("wc -l < unlisted.txt", workdir=p.folder)
        return f"{plural(count.text, 'scan')} stayed behind."


def _key(listing: str, label: str) -> str:
    """Key of the session with a label; empty if there is none."""
    rows = json.loads(listing)["sessions"]
    return next((str(row["key"]) for row in rows if row.get("label") == label), "")
