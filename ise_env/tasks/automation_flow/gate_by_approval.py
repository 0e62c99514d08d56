"""Jobs that may run only with approvals that are still good for what they say now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, Command, CsvRows, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._gate_by_approval_texts import POLICY, PROGRAM, RUN
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

SIZES = {"simple": 8, "medium": 14, "complex": 24}


class Params(KitParams):
    """The day of the run, and the rules' figures."""

    day: date
    days: int = Field(ge=7, le=30)
    limit: int = Field(ge=40_000, le=120_000)
    jobs: int = Field(ge=8, le=24)


@dataclass(frozen=True)
class World:
    """Jobs, approvals, and what follows."""

    contents: dict[str, str]
    decisions: tuple[tuple[str, str, str], ...]
    paid: tuple[tuple[str, str], ...]
    held: tuple[str, ...]
    cents: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the jobs from the parameters."""
    d = Draw(p.content)
    f = p.folder
    heads, asking = d.people(9)[:4], d.people(6)
    heads = [name for name in heads if name not in asking] or heads
    limits = {name: 400_000 if number < 2 else p.limit // 2 for number, name in enumerate(heads)}
    limits[heads[-1]] = p.limit // 2
    strong = [name for name in limits if limits[name] == 400_000]
    contents: dict[str, str] = {}
    decisions: list[tuple[str, str, str, str]] = []
    first = d.integer(200, 700)
    paid = [(f"j{first - 9 + n}", d.integer(900, 90_000)) for n in range(5)]
    dues = d.some(range(1, 90), p.jobs)
    total, ran, held = 0, list[tuple[str, str, int]](), []
    for number in range(p.jobs):
        name, kind = f"j{first + number}", number % 8
        large = kind in (3, 4, 7)
        cents = d.integer(p.limit + 1, 390_000) if large else d.integer(900, p.limit // 2)
        by = strong[0] if kind == 5 else d.pick(asking)
        due = (p.day + timedelta(days=dues[number])).isoformat()
        job = _job(d, name, cents, by, due)
        text = json.dumps(job, indent=1) + "\n"
        now = hashlib.sha256(text.encode()).hexdigest()[:12]
        before = hashlib.sha256(text.replace(due, "soon").encode()).hexdigest()[:12]
        fresh = [(p.day - timedelta(days=d.integer(0, p.days))).isoformat() for _ in range(3)]
        old = (p.day - timedelta(days=p.days + d.integer(1, 60))).isoformat()
        lines, valid = {
            0: ([(fresh[0], strong[0], now)], 1),
            1: ([(fresh[0], strong[1], before)], 0),  # edited after its approval
            2: ([(old, strong[0], now)], 0),
            3: ([(fresh[0], strong[0], now), (fresh[1], strong[1], now)], 2),
            4: ([(fresh[0], strong[0], now), (fresh[1], heads[-1], now)], 1),  # limit too low
            5: ([(fresh[0], strong[0], now)], 0),  # by who asked for it
            6: ([(old, strong[1], now), (fresh[1], d.pick(asking), now),
                 (fresh[2], strong[1], now)], 1),
            7: ([(fresh[0], strong[1], now), (fresh[1], strong[1], now)], 1),  # one person twice
        }[kind]  # fmt: skip
        runs = valid >= (2 if large else 1)
        decisions.append((due, name, "run" if runs else "hold", str(valid)))
        if runs:
            ran.append((due, name, cents))
            total += cents
        else:
            held.append(name)
        contents[f"{f}/jobs/{name}.json"] = text
        contents[f"{f}/approvals/{name}.txt"] = "".join(f"{' '.join(line)}\n" for line in lines)
    contents |= {
        f"{f}/POLICY.md": POLICY.format(
            days=p.days, day=p.day.isoformat(), limit=p.limit, person=d.person()
        ),
        f"{f}/approvers.csv": csv_text(("name", "limit"), limits.items()),
        f"{f}/paid.csv": csv_text(("id", "cents"), paid),
        f"{f}/state/run.lock": f"{d.integer(3_100_000, 4_100_000)}\n",
        **surroundings(p.content, f, 6),
    }
    rows = [(name, str(cents)) for name, cents in paid]
    rows += [(name, str(cents)) for _, name, cents in sorted(ran)]
    made = tuple((name, decision, count) for _, name, decision, count in sorted(decisions))
    return World(contents, made, tuple(rows), tuple(held), total)


def _job(d: Draw, name: str, cents: int, by: str, due: str) -> dict[str, Any]:
    return {
        "id": name,
        "payee": d.word("companies"),
        "purpose": d.word("topics"),
        "cents": cents,
        "requested_by": by,
        "due": due,
    }


class GateByApproval(Kit[Params]):
    """Jobs behind a gate."""

    name = "automation-flow/gate-by-approval"
    version = 2
    title = "Run only what is validly approved"
    description = "Decide by a policy which jobs may run, then run those and no others, in order."
    obstacle = "approvals of other contents or by the wrong people, and a stale lock"
    requires = ("python3",)
    folders = ("payment-gate", "release-queue", "sign-off")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more jobs."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            day=date(2026, int(rng.integers(1, 12)), int(rng.integers(1, 28))),
            days=int(rng.integers(7, 31)),
            limit=int(rng.integers(4, 13)) * 10_000,
            jobs=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The jobs, their approvals, the policy, a stale lock."""
        run = SeedFile(f"{p.folder}/run.sh", RUN.encode(), mode=0o755)
        return Seed((*files(world(p).contents), run))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Decide; run."""
        f = p.folder
        jobs, policy, table, runner = (
            f"{f}/jobs",
            f"{f}/POLICY.md",
            f"{f}/decisions.csv",
            f"{f}/run.sh",
        )
        return (
            SubGoal(
                id="decide",
                request=f"determine by {policy} which of the jobs in {jobs} may run and write "
                f"{table} with the columns id, decision (run or hold) and approvals (how many "
                "valid ones the job has), without running anything yet",
                label="the decisions on the jobs",
                facts=(Fact("policy", policy), Fact("jobs", jobs), Fact("table", table)),
                artifacts=(table,),
                question="What about a job that was edited after it was approved?",
                answer="It has lost that approval, the hash tells",
            ),
            SubGoal(
                id="run",
                request=f"run the jobs that {table} lets run with {runner}, in the order that "
                f"{policy} sets and none of the others, and tell me how many cents were paid",
                label="the run of the approved jobs",
                facts=(Fact("table", table), Fact("runner", runner), Fact("policy", policy)),
                artifacts=(f"{f}/paid.csv",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The decisions; what ran, in order; nothing that had to wait."""
        w, f = world(p), p.folder
        given = {path: text for path, text in w.contents.items() if "/state/" not in path}
        del given[f"{f}/paid.csv"]
        search = 'cut -d, -f1 paid.csv | grep -xF -e "$1"; true'
        return (
            CsvRows(
                id="decisions",
                subgoal="decide",
                weight=2,
                path=f"{f}/decisions.csv",
                columns=("id", "decision", "approvals"),
                rows=w.decisions,
            ),
            CsvRows(
                id="paid",
                subgoal="run",
                weight=2,
                path=f"{f}/paid.csv",
                columns=("id", "cents"),
                rows=w.paid,
                ordered=True,
            ),
            Absent(id="unlocked", subgoal="run", path=f"{f}/state/run.lock"),
            Said(id="told", subgoal="run", unit=("cent", "paid"), number=w.cents),
            Command(
                id="nothing without approval",
                argv=("bash", "--noprofile", "--norc", "-c", search, "held", "\n".join(w.held)),
                cwd=f,
                stdout=TextMatch(equals=""),
                weight=0,
                forbidden=True,
                failure="a job ran that had to wait",
            ),
            untouched(
                given | {f"{f}/run.sh": RUN}, failure="a job, an approval or the policy was changed"
            ),
            untouched(
                {f"{f}/paid.csv": w.contents[f"{f}/paid.csv"]},
                id="not yet",
                until="run",
                failure="a job was run before anybody asked for it",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Apply the policy; see to the lock and run."""
        return self._decide(p) if subgoal == "decide" else self._run(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count the decisions, or look at the last payment."""
        if subgoal == "decide":
            (shown,) = yield sh(
                "grep -c ,run, decisions.csv; grep -c ,hold, decisions.csv", workdir=p.folder
            )
            run, hold = shown.text.split()[:2]
            return f"I counted again: {run} may run, {hold} have to wait."
        (shown,) = yield sh("tail -n 1 paid.csv; ls state", workdir=p.folder)
        return f"I looked again; the last job was {shown.text.split(',')[0]}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Hashes not compared; one's own approvals counted; everything run; by number."""
        return (
            WrongSolution("hashes not compared", self._decide(p, matching="True")),
            WrongSolution("own approvals counted", self._decide(p, other="True")),
            WrongSolution("everything run", self._run(p, which="NR > 1"), "run"),
            WrongSolution("stuck at the lock", self._run(p, free=False), "run"),
        )

    def _decide(
        self,
        p: Params,
        matching: str = "digest.startswith(beginning)",
        other: str = 'name != job["requested_by"]',
    ) -> Solution:
        (policy,) = yield read(f"{p.folder}/POLICY.md")
        (ran,) = yield sh(
            f"cat > /tmp/decide.py <<'EOF'\n{PROGRAM.format(matching=matching, other=other)}EOF\n"
            "python3 /tmp/decide.py",
            workdir=p.folder,
        )
        if ran.failed or "two valid approvals" not in policy.text:
            return f"The decision failed: {last_line(ran.text)}"
        told = found(r"^(\d+ may run, \d+ wait)", ran.text)
        return f"By the policy {told}; every job is in decisions.csv."

    def _run(self, p: Params, which: str = '$2 == "run"', free: bool = True) -> Solution:
        here = {"workdir": p.folder}
        (lock,) = yield sh("cat state/run.lock", **here)
        pid = found(r"^(\d+)", lock.text)
        (alive,) = yield sh(f"kill -0 {pid} 2>/dev/null && echo alive || echo gone", **here)
        if "alive" in alive.text:
            return f"Process {pid} is alive and holds the lock, so I ran nothing."
        unlock = "rm state/run.lock;" if free else ""
        (ran,) = yield sh(
            f"{unlock} for id in $(awk -F, '{which} {{ print $1 }}' decisions.csv); do "
            "./run.sh $id || exit; done | tee /tmp/ran; "
            "awk '{ s += $3 } END { print NR \" jobs, \" s + 0 }' /tmp/ran",
            **here,
        )
        count, cents = found(r"^(\d+) jobs", ran.text), found(r"jobs, (\d+)", ran.text)
        return (
            f"Process {pid} was gone, so I removed its lock. {plural(count, 'job')} ran and "
            f"{cents} cents were paid."
        )
