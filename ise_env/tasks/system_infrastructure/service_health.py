"""Local services to ask how they are; some say so, some stumble, some never answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Processes, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, until_there, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._service_health_texts import FLEET, PROGRAM, RULES

DOES = ("ok", "ok", "hang", "error", "degraded", "moved", "closed", "moved bad", "ok", "ok")
SIZES = {"simple": 5, "medium": 8, "complex": 14}


class Params(KitParams):
    """How many services there are."""

    services: int = Field(ge=5, le=14)


@dataclass(frozen=True)
class World:
    """The fleet and how it is."""

    contents: dict[str, str]
    spec: str
    """What goes to the process on its standard input."""
    states: dict[str, str]
    alert: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the fleet from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = d.different("services", p.services)
    ports = d.some(range(9000, 9500), p.services)
    owners = {name: d.person() for name in names}
    spec: dict[str, dict[str, object]] = {}
    states, rows = {}, []
    for number, (name, port) in enumerate(zip(names, ports, strict=True)):
        does = DOES[number % len(DOES)]
        path = d.pick(("/health", "/healthz", "/status", "/live"))
        bad = {"status": d.pick(("degraded", "read-only", "catching up", "warming"))}
        how: dict[str, object] = {"port": port, "path": path, "does": does.split()[0]}
        how |= {"code": 200, "body": {"status": "ok", "since": d.integer(100, 9000)}}
        if does == "error":
            how |= {"code": d.pick((500, 502, 503)), "body": {"status": "ok"}}
        elif does in ("degraded", "moved bad"):
            how["body"] = bad | {"since": d.integer(100, 9000)}
        if does != "closed":
            spec[name] = how
        states[name] = {
            "hang": "silent",
            "closed": "silent",
            "error": "failing",
            "degraded": "degraded",
            "moved bad": "degraded",
        }.get(does, "up")
        rows.append((name, port, path))
    rows = d.shuffled(rows)
    contents = {
        f"{f}/RULES.md": RULES.format(seconds=d.integer(2, 3), person=d.person()),
        f"{f}/services.csv": csv_text(("service", "port", "path"), rows),
        f"{f}/owners.csv": csv_text(("service", "owner"), sorted(owners.items())),
        f"{f}/fleet.py": FLEET,
        f"{f}/logs/yesterday.csv": csv_text(
            ("service", "state"), [(name, d.pick(("up", "up", "failing"))) for name in names]
        ),
        **surroundings(p.content, f, 13),
    }
    alert = "".join(
        f"{owners[name]}: {name} is {state}\n"
        for name, state in sorted(states.items())
        if state != "up"
    )
    return World(contents, json.dumps(spec), states, alert)


class ServiceHealth(Kit[Params]):
    """Endpoints to ask."""

    name = "system-infrastructure/service-health"
    title = "Tabulate the health of local services"
    description = "Ask every local service for its health by given rules; tell owners of bad ones."
    obstacle = "an endpoint that accepts the connection and never answers"
    tools = ("exec", "process", "read", "write", "edit")
    requires = ("python3",)
    folders = ("fleet", "status-page", "service-desk")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more services, and more ways to be ill."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), services=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The fleet, running."""
        w = world(p)
        run = (
            f"cd {p.folder}\nsetsid python3 fleet.py >/dev/null 2>&1 <<'SPEC' &\n{w.spec}\nSPEC\n"
            f"{until_there('logs/up')}\nrm logs/up"
        )
        return Seed(files(w.contents), (run,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Ask everybody; tell the owners."""
        f = p.folder
        listed, rules, table = f"{f}/services.csv", f"{f}/RULES.md", f"{f}/states.csv"
        owners, alert = f"{f}/owners.csv", f"{f}/alert.txt"
        return (
            SubGoal(
                id="ask",
                request=f"check with every service in {listed} how it is doing right now and write "
                f"{table} with the columns service and state, the states being those of {rules}",
                label="the table of states",
                facts=(Fact("listed", listed), Fact("table", table), Fact("rules", rules)),
                artifacts=(table,),
                question="What about a service that takes the connection but never answers?",
                answer="That one is silent, don't wait longer than the rules say",
            ),
            SubGoal(
                id="alert",
                request=f"write {alert} from {table}: for each service that is not up one line "
                f"`OWNER: SERVICE is STATE` with its owner from {owners}, sorted by service; and "
                "tell me how many services are up",
                label="the alert to the owners",
                facts=(Fact("alert", alert), Fact("table", table), Fact("owners", owners)),
                artifacts=(alert,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The states, the alert, the number; the fleet goes on."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="states",
                subgoal="ask",
                weight=2,
                path=f"{f}/states.csv",
                columns=("service", "state"),
                rows=tuple(w.states.items()),
            ),
            Text(
                id="alert",
                subgoal="alert",
                path=f"{f}/alert.txt",
                text=TextMatch(equals=w.alert),
            ),
            Said(
                id="told",
                subgoal="alert",
                unit=("up", "service"),
                number=sum(state == "up" for state in w.states.values()),
            ),
            Processes(
                id="fleet",
                command=TextMatch(matches=(r"fleet\.py$",)),
                since_start=True,
                weight=0,
                forbidden=True,
                failure="the fleet was stopped",
            ),
            untouched(w.contents, failure="a file of the fleet was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Ask with a time limit; join with the owners."""
        return self._ask(p) if subgoal == "ask" else self._alert(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Ask one service again, or look at the alert."""
        if subgoal == "alert":
            (shown,) = yield sh(f"wc -l < {p.folder}/alert.txt; head -n 1 {p.folder}/alert.txt")
            lines, _, first = shown.text.strip().partition("\n")
            return f"I looked again: {plural(lines, 'line')}, the first is `{first.strip()}`."
        (shown,) = yield sh("grep -c , states.csv; grep -c , services.csv", workdir=p.folder)
        asked, listed = (int(line) - 1 for line in shown.text.split()[:2])
        return f"I compared: {asked} rows in the table for {listed} services in the list."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Any 200 is up; copying yesterday's table; restarting the fleet."""
        return (
            WrongSolution("only the code looked at", self._ask(p, up="True")),
            WrongSolution("yesterday's table", self._copied(p)),
            WrongSolution("the fleet stopped", self._ask(p, then="; pkill -f '[f]leet.py'")),
        )

    def _ask(self, p: Params, up: str = 'body.get("status") == "ok"', then: str = "") -> Solution:
        rules, listed = yield [
            read(f"{p.folder}/RULES.md"),
            sh("wc -l < services.csv; head -n 2 services.csv", workdir=p.folder),
        ]
        seconds = found(r"within (\d+) s ", rules.text)
        program = PROGRAM.format(seconds=seconds, up=up)
        (ran,) = yield sh(
            f"cat > /tmp/ask.py <<'EOF'\n{program}EOF\npython3 /tmp/ask.py{then}",
            workdir=p.folder,
        )
        if ran.failed:
            return f"Asking failed: {last_line(ran.text)}"
        counts = ", ".join(line for line in ran.text.strip().splitlines() if line[-1:] != "0")
        asked = int(found(r"^(\d+)", listed.text)) - 1
        return f"I asked {plural(asked, 'service')}; by state: {counts}. It is in states.csv."

    def _alert(self, p: Params) -> Solution:
        (ran,) = yield sh(
            'awk -F, \'NR == FNR { o[$1] = $2; next } FNR > 1 && $2 != "up" '
            '{ print o[$1] ": " $1 " is " $2 }\' owners.csv states.csv | sort -t: -k2 > alert.txt; '
            "wc -l < alert.txt; grep -c ',up' states.csv",
            workdir=p.folder,
        )
        lines, up = ran.text.split()[:2]
        return f"alert.txt has {plural(lines, 'line')}; {up} of the services are up."

    def _copied(self, p: Params) -> Solution:
        (copied,) = yield sh(
            "cp logs/yesterday.csv states.csv; wc -l < states.csv", workdir=p.folder
        )
        return f"The table is there, {plural(copied.text, 'line')}."
