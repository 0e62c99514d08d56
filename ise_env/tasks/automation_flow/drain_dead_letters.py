"""Messages that could not be delivered: some to send again, some to mend, some never to send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field, JsonValue

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Hash, JsonLines, Said, TextMatch, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._drain_dead_letters_texts import PROGRAM, RUNBOOK, SEND
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, sha256, untouched
from ise_env.tasks.steps import found, last_line, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

_KNOWN = '{json.loads(line)["id"] for line in open("delivered.jsonl")}'
SIZES = {"simple": 6, "medium": 11, "complex": 20}


class Params(KitParams):
    """How many messages are dead."""

    letters: int = Field(ge=6, le=20)


@dataclass(frozen=True)
class World:
    """The queue, and what becomes of it."""

    contents: dict[str, str]
    delivered: tuple[dict[str, JsonValue], ...]
    settled: tuple[str, ...]
    parked: dict[str, str]
    outcomes: dict[str, str]
    cents: int
    """Sum of what is delivered now."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the queue from the parameters."""
    d = Draw(p.content)
    f = p.folder
    accounts = [f"{d.pick('KLMN')}{n}{d.integer(10, 99)}" for n in range(10, 22)]
    renamed = {f"{d.pick('XYZ')}{n}{d.integer(10, 99)}": accounts[n % 12] for n in range(30, 35)}
    first = d.integer(2_000, 7_000)
    numbers = [f"m{first + 3 * n}" for n in range(p.letters)]
    earlier: list[dict[str, Any]] = []
    for n in range(12):
        earlier.append(_message(d, f"m{first - 40 + 3 * n}", d.pick(accounts)))
    dead: dict[str, dict[str, Any]] = {}
    delivered, settled, parked, outcomes = list(earlier), [], [], {}
    for number, name in enumerate(numbers):
        message = _message(d, name, d.pick(accounts))
        final, kind = dict(message), number % 5
        outcomes[name] = "delivered"
        if kind == 1:
            delivered.append(message)
            earlier.append(message)
            settled.append(name)
            outcomes[name] = "settled"
        elif kind == 2:
            message["cents"] = f"{message['cents'] // 100}.{message['cents'] % 100:02d}"
        elif kind == 3:
            message["account"] = f"Q{d.integer(100, 999)}"
            parked.append(name)
            outcomes[name] = "parked"
        elif kind == 4:
            message["account"] = d.pick(list(renamed))
            final["account"] = renamed[message["account"]]
        if outcomes[name] == "delivered":
            delivered.append(final)
        dead[name] = message
    texts = {name: json.dumps(message, indent=1) + "\n" for name, message in dead.items()}
    contents = {
        f"{f}/RUNBOOK.md": RUNBOOK.format(person=d.person()),
        f"{f}/accounts.csv": csv_text(
            ("account", "holder"), [(account, d.word("companies")) for account in accounts]
        ),
        f"{f}/renamed.csv": csv_text(("old", "new"), renamed.items()),
        f"{f}/delivered.jsonl": "".join(
            json.dumps(message, sort_keys=True) + "\n" for message in earlier
        ),
        f"{f}/state.json": "{}",
        **{f"{f}/dead/{name}.json": text for name, text in texts.items()},
    }
    return World(
        contents,
        tuple(delivered),
        tuple(settled),
        {name: texts[name] for name in parked},
        outcomes,
        sum(m["cents"] for m in delivered if outcomes.get(m["id"]) == "delivered"),
    )


def _message(d: Draw, name: str, account: str) -> dict[str, Any]:
    return {
        "id": name,
        "account": account,
        "cents": d.integer(101, 99_999),
        "purpose": f"{d.word('topics')} {d.day(2026).isoformat()}",
        "from": d.person(),
    }


class DrainDeadLetters(Kit[Params]):
    """A dead-letter queue to work off."""

    name = "automation-flow/drain-dead-letters"
    title = "Work off a dead-letter queue"
    description = "Deliver, mend, settle or park dead messages by a runbook, none of them twice."
    obstacle = "a far end that is busy, and messages that were delivered without anybody noticing"
    requires = ("python3",)
    folders = ("dead-letters", "payment-queue", "retry-desk")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more messages."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), letters=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The queue, the program that sends, the runbook."""
        send = SeedFile(f"{p.folder}/send.py", SEND.encode(), mode=0o755)
        return Seed((*files(world(p).contents | surroundings(p.content, p.folder, 10)), send))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Work it off; account for it."""
        f = p.folder
        dead, runbook, table = f"{f}/dead", f"{f}/RUNBOOK.md", f"{f}/outcome.csv"
        return (
            SubGoal(
                id="drain",
                request=f"work off the messages in {dead} the way {runbook} says, each of them "
                f"delivered at most once, and write {table} with the columns id and outcome "
                "(delivered, settled or parked)",
                label="the dead letters",
                facts=(Fact("dead", dead), Fact("runbook", runbook), Fact("table", table)),
                artifacts=(table, f"{f}/delivered.jsonl"),
                question="What if the far end says that it is busy?",
                answer="Send it again, the runbook says how often",
            ),
            SubGoal(
                id="sum",
                request=f"add up the cents of the messages that {table} calls delivered, as they "
                f"stand in {f}/delivered.jsonl, and tell me the sum in cents",
                label="the sum that was delivered",
                facts=(Fact("table", table), Fact("delivered", f"{f}/delivered.jsonl")),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every message where it belongs; nothing delivered twice."""
        w, f = world(p), p.folder
        twice = 'sed -E \'s/.*"id": *"([^"]*)".*/\\1/\' delivered.jsonl | sort | uniq -d'
        kept = {path: text for path, text in w.contents.items() if path.endswith((".csv", ".md"))}
        return (
            JsonLines(
                id="delivered",
                subgoal="drain",
                weight=2,
                path=f"{f}/delivered.jsonl",
                values=w.delivered,
                ordered=False,
            ),
            Tree(
                id="parked",
                subgoal="drain",
                path=f"{f}/parked",
                names=tuple(f"{name}.json" for name in w.parked),
            ),
            *(
                Hash(
                    id=f"{name} unchanged",
                    subgoal="drain",
                    weight=1 / len(w.parked),
                    path=f"{f}/parked/{name}.json",
                    sha256=sha256(text),
                )
                for name, text in w.parked.items()
            ),
            Tree(
                id="settled",
                subgoal="drain",
                path=f"{f}/settled",
                names=tuple(f"{name}.json" for name in w.settled),
            ),
            CsvRows(
                id="outcomes",
                subgoal="drain",
                path=f"{f}/outcome.csv",
                columns=("id", "outcome"),
                rows=tuple(w.outcomes.items()),
            ),
            Said(id="told", subgoal="sum", unit=("cent", "sum"), number=w.cents),
            Command(
                id="nothing twice",
                argv=("bash", "--noprofile", "--norc", "-c", twice),
                cwd=f,
                stdout=TextMatch(equals=""),
                weight=0,
                forbidden=True,
                failure="a message was delivered twice",
            ),
            untouched(kept | {f"{f}/send.py": SEND}, failure="a list or the program was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the runbook, follow it with a program; add up."""
        return self._drain(p) if subgoal == "drain" else self._sum(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """See what is left, or add up once more."""
        if subgoal == "sum":
            return (yield from self._sum(p))
        (shown,) = yield sh("ls dead | wc -l; tail -n 1 delivered.jsonl", workdir=p.folder)
        left, _, last = shown.text.strip().partition("\n")
        return f"I looked again: {left} left in dead, and {json.loads(last)['id']} went out last."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Everything sent, also what was delivered; giving up at the first busy answer."""
        return (
            WrongSolution("sent without looking", self._drain(p, known="set()")),
            WrongSolution("given up when busy", self._drain(p, tries=1)),
            WrongSolution("the whole file added up", self._sum(p, all_=True), "sum"),
        )

    def _drain(self, p: Params, known: str = _KNOWN, tries: int = 0) -> Solution:
        here = {"workdir": p.folder}
        runbook, first = yield [
            read(f"{p.folder}/RUNBOOK.md"),
            sh(
                "ls dead | wc -l; head -c 300 dead/*.json | head -n 8; wc -l delivered.jsonl",
                **here,
            ),
        ]
        most = {"five": 5, "six": 6}[found(r"at most (\w+) times", runbook.text)]
        program = PROGRAM.format(known=known, tries=tries or most)
        program += 'with open("outcome.csv", "w") as out:\n    print("id,outcome", file=out)\n'
        program += '    for item in done:\n        print(*item, sep=",", file=out)\n'
        (ran,) = yield sh(
            f"cat > /tmp/drain.py <<'EOF'\n{program}EOF\npython3 /tmp/drain.py; ls dead | wc -l",
            **here,
        )
        if ran.failed:
            return f"Working it off stopped: {last_line(ran.text)}"
        counts = ", ".join(ran.text.strip().splitlines()[:3])
        waiting, left = found(r"^(\d+)", first.text), last_line(ran.text)
        return f"Of {waiting} messages: {counts}. In dead there are {left} left."

    def _sum(self, p: Params, all_: bool = False) -> Solution:
        pick = "True" if all_ else 'm["id"] in sent'
        (ran,) = yield sh(
            "python3 -c 'import csv, json; "
            'sent = {r["id"] for r in csv.DictReader(open("outcome.csv")) '
            'if r["outcome"] == "delivered"}; '
            'print(sum(m["cents"] for m in map(json.loads, open("delivered.jsonl")) '
            f"if {pick}))'",
            workdir=p.folder,
        )
        return f"What was delivered comes to {last_line(ran.text)} cents."
