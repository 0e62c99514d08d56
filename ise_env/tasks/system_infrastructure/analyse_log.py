"""Find the service that failed most on one day in a rotated log."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, read, sh, write

CAUSES = ("upstream timed out", "connection reset by peer", "out of file handles", "bad checksum")
LINES = {"simple": 90, "medium": 220, "complex": 420}


class Params(KitParams):
    """The day and the size of the log."""

    day: str
    lines: int = Field(ge=90, le=420)


@dataclass(frozen=True)
class World:
    """The files, and what they say."""

    contents: dict[str, str]
    service: str
    errors: int
    first: str
    requests: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the log from the parameters: the day before, the day, the day after."""
    d = Draw(p.content)
    services = d.different("services", 5)
    worst = services[0]
    year, month, day = (int(part) for part in p.day.split("-"))
    clock = d.moment(d.day(year, month).replace(day=day), 0, 0) - timedelta(hours=5)
    lines, hits = [], []
    ids = [f"{d.integer(0x100000, 0xFFFFFF):x}" for _ in range(p.lines // 3)]
    for _ in range(p.lines):
        clock += timedelta(seconds=d.integer(60, 2 * 34 * 3600 // p.lines - 60))
        name = worst if d.chance(0.25) else d.pick(services)
        level = "ERROR" if d.chance(0.45 if name == worst else 0.15) else d.pick(("INFO", "WARN"))
        when, request = clock.strftime("%Y-%m-%dT%H:%M:%SZ"), d.pick(ids)
        cause = d.pick(CAUSES) if level == "ERROR" else f"done in {d.integer(4, 900)} ms"
        lines.append(f"{when} {level} {name} req={request} {cause}")
        if level == "ERROR":
            if d.chance(0.3):
                lines.append(f"    at {d.pick(services)}.handle (ERROR {name} retried)")
            if when.startswith(p.day):
                hits.append((name, when, request))
    counts = Counter(name for name, _, _ in hits)
    service = max(counts, key=lambda name: (counts[name], name))
    mine = [hit for hit in hits if hit[0] == service]
    cut = next(n for n in range(len(lines) * 2 // 3, len(lines)) if not lines[n].startswith(" "))
    contents = {
        f"{p.folder}/app.log.1": "\n".join(lines[:cut]) + "\n",
        f"{p.folder}/app.log": "\n".join(lines[cut:]) + "\n",
        f"{p.folder}/access.log": "".join(
            f"{p.day} GET /{d.word('services')}/{d.integer(1, 90)} {d.pick((200, 200, 404, 500))}\n"
            for _ in range(40)
        ),
        f"{p.folder}/README": f"app.log rotates to app.log.1. Call {d.person()} when in doubt.\n",
    }
    return World(contents, service, len(mine), mine[0][1], len({hit[2] for hit in mine}))


class AnalyseLog(Kit[Params]):
    """A log to analyse."""

    name = "system-infrastructure/analyse-log"
    title = "Find the failing service in a rotated log"
    description = "Count errors by service and day over rotated files; report the worst service."
    obstacle = "the day is spread over two files, and stack traces repeat the word that is counted"
    folders = ("server-logs", "incident", "oncall")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a longer log. Drawn again until one service clearly leads."""
        folder = one(rng, self.folders)
        while True:
            day = f"2025-{int(rng.integers(1, 13)):02d}-{int(rng.integers(2, 28)):02d}"
            p = Params(folder=folder, content=content_seed(rng), day=day, lines=LINES[complexity])
            if self._decided(p):
                return p

    def seed(self, p: Params) -> Seed:
        """The log in two files, and another log."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The worst service, then how many requests it hurt."""
        new, old, report = (f"{p.folder}/{n}" for n in ("app.log", "app.log.1", "report.json"))
        day = Fact("day", p.day)
        return (
            SubGoal(
                id="worst",
                request=f"go through {old} and {new}, find the service with the most log lines of "
                f"level ERROR on {p.day}, and write {report} as a JSON object with the keys "
                "service, errors (how many such lines it has on that day) and first_error (the "
                "timestamp of the first of them)",
                label="the error report",
                facts=(Fact("old", old), Fact("new", new), day, Fact("report", report)),
                artifacts=(report,),
                question="Do the indented stack trace lines count as errors too?",
                answer="No, only log lines that have the level ERROR themselves",
            ),
            SubGoal(
                id="requests",
                request="count how many different requests (the req= ids) the ERROR lines of that "
                f"service on {p.day} belong to, tell me the number, and add it to {report} under "
                "the key requests",
                label="the number of requests hit",
                facts=(day, Fact("report", report)),
                artifacts=(report,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each key of the report, and the spoken number."""
        w = world(p)
        report = f"{p.folder}/report.json"

        def key(name: str, value: str | int, subgoal: str) -> Check:
            return JsonEquals(id=name, subgoal=subgoal, path=report, at=(name,), equals=value)

        return (
            key("service", w.service, "worst"),
            key("errors", w.errors, "worst"),
            key("first_error", w.first, "worst"),
            key("requests", w.requests, "requests"),
            Said(id="told", subgoal="requests", unit=("requests?",), number=w.requests),
            untouched(w.contents, id="logs", failure="a log was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Count with grep and awk, then write; extend the report by an edit."""
        return self._worst(p) if subgoal == "worst" else self._requests(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Parse the report again."""
        report = f"{p.folder}/report.json"
        (shown,) = yield sh(f"python3 -m json.tool {report}")
        return f"{report} is valid JSON and says:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Forgetting the day, or counting stack traces."""
        anytime = self._worst(p, lines="^20.* ERROR ")
        return (
            WrongSolution("errors of all days", anytime),
            WrongSolution("service named, nothing counted", self._guess(p)),
        )

    def _worst(self, p: Params, lines: str = "") -> Solution:
        (listing,) = yield sh("ls -l; head -n 3 app.log.1 app.log", workdir=p.folder)
        logs = "app.log.1 app.log" if "app.log.1" in listing.text else "app.log"
        lines = lines or f"^{p.day}T[^ ]* ERROR "
        (counts,) = yield sh(
            f"cat {logs} | grep -E '{lines}' | awk '{{print $3}}' | sort | uniq -c | sort -rn",
            workdir=p.folder,
        )
        errors, service = counts.text.split()[:2]
        (first,) = yield sh(
            f"cat {logs} | grep -E '{lines}' | grep -m 1 -E ' ERROR {service} '", workdir=p.folder
        )
        when = found(r"^(\S+Z)", first.text)
        report = {"service": service, "errors": int(errors), "first_error": when}
        path = f"{p.folder}/report.json"
        (saved,) = yield write(path, json.dumps(report, indent=2) + "\n")
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (shown,) = yield read(path)
        return f"The most errors came from {service}. The report says:\n{shown.text.strip()}"

    def _requests(self, p: Params) -> Solution:
        path = f"{p.folder}/report.json"
        (report,) = yield read(path)
        service = found(r'"service": "([^"]+)"', report.text)
        (count,) = yield sh(
            f"cat app.log.1 app.log | grep -E '^{p.day}T[^ ]* ERROR {service} ' "
            "| grep -oE 'req=[0-9a-f]+' | sort -u | wc -l",
            workdir=p.folder,
        )
        number = count.text.strip()
        last = found(r'("first_error": "[^"]*")', report.text)
        (edited,) = yield edit(path, last, f'{last},\n  "requests": {number}')
        if edited.failed:
            return f"{path} could not be edited: {edited.text}"
        (valid,) = yield sh(f"python3 -m json.tool {path} | grep requests")
        told = found(r"(\d+)", valid.text)
        return f"{told} different requests were hit by {service}; that is in {path} now."

    def _guess(self, p: Params) -> Solution:
        (seen,) = yield sh(f"grep -c ERROR {p.folder}/app.log")
        (name,) = yield sh(f"grep -m 1 -oE 'ERROR [a-z]+' {p.folder}/app.log")
        report = {"service": name.text.split()[-1], "errors": int(seen.text), "first_error": p.day}
        (saved,) = yield write(f"{p.folder}/report.json", json.dumps(report))
        return f"Report written: {saved.text}"

    def _decided(self, p: Params) -> bool:
        try:
            w = world(p)
        except (ValueError, StopIteration):
            return False
        text = "".join(w.contents[f"{p.folder}/{name}"] for name in ("app.log.1", "app.log"))
        today = re.findall(rf"^{p.day}T\S+ ERROR (\S+)", text, re.MULTILINE)
        ever = Counter(re.findall(r"^20\S+ ERROR (\S+)", text, re.MULTILINE))
        leaders = Counter(today).most_common(2)
        clear = len(leaders) > 1 and leaders[0][1] > leaders[1][1]
        return clear and ever[w.service] > w.errors and w.errors > w.requests > 4
