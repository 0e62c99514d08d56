"""Takings of several branches, each worked out by a sub-agent of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Delegated, JsonEquals, Said
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
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, read, sh
from ise_env.tasks.surroundings import surroundings

BRANCHES = {"simple": 2, "medium": 3, "complex": 4}
MONTHS = ("2025-10", "2025-11", "2025-12")

RULES = """\
# Branch books

Every branch sends one sheet a month: receipt, day, amount, status. What counts:

- A row whose status is `void` does not count.
- A receipt that comes a second time, in the same sheet or in a later one, was entered twice: it
  counts once.
- Some branches write with semicolons and a decimal comma; that is the same money.

The result of a branch is `totals/<branch>.json`, one object:

- `branch`: name of its folder
- `receipts`: how many receipts count
- `total`: their sum, a number
- `left_out`: how many rows do not count
"""

_SUM = """\
import csv, glob, json, os
seen, total, left_out = set(), 0, 0
for sheet in sorted(glob.glob("branches/{branch}/*.csv")):
    text = open(sheet).read()
    other = ";" in text.splitlines()[0]
    for row in csv.DictReader(text.splitlines(), delimiter=";" if other else ","):
        cents = round(float(row["amount"].replace(",", ".")) * 100)
        if {skip}:
            left_out += 1
            continue
        seen.add(row["receipt"])
        total += cents
os.makedirs("totals", exist_ok=True)
result = dict(branch="{branch}", receipts=len(seen), total=total / 100, left_out=left_out)
json.dump(result, open("totals/{branch}.json", "w"))
"""

_OVERVIEW = """\
import csv, glob, json, sys
rows = sorted((json.load(open(p)) for p in glob.glob("totals/*.json")), key=lambda r: -r["total"])
out = csv.writer(open("overview.csv", "w"), lineterminator="\\n")
out.writerow(["branch", "receipts", "total"])
out.writerows([r["branch"], r["receipts"], f'{r["total"]:.2f}'] for r in rows)
print("all:", f'{sum(r["total"] for r in rows):.2f}')
"""


class Params(KitParams):
    """How many branches send sheets."""

    branches: int = Field(ge=2, le=4)


@dataclass(frozen=True)
class Result:
    """What is right for one branch; money in cents."""

    branch: str
    receipts: int
    total: int
    left_out: int


@dataclass(frozen=True)
class World:
    """Sheets, and what they come to, the highest total first."""

    contents: dict[str, str]
    results: tuple[Result, ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the sheets from the parameters."""
    d = Draw(p.content)
    names = [town.lower().replace(" ", "-") for town in d.different("towns", p.branches)]
    comma = d.pick(names)
    contents, results = {f"{p.folder}/RULES.md": RULES}, []
    for name in names:
        counted, left_out, total, number = 0, 0, 0, d.integer(1_000, 4_000)
        earlier: list[tuple[str, str, int]] = []
        for month in MONTHS:
            rows = []
            for _ in range(d.integer(14, 22)):
                number += d.integer(1, 4)
                day = d.day(int(month[:4]), int(month[5:])).isoformat()
                receipt = (f"R{number}", day, d.cents(4, 380))
                void = d.chance(0.1)
                rows.append((*receipt, "void" if void else "paid"))
                if void:
                    left_out += 1
                else:
                    earlier.append(receipt)
                    counted, total = counted + 1, total + receipt[2]
            for again in d.some(earlier, d.integer(1, 3)):
                rows.append((*again, "paid"))
                left_out += 1
            path = f"{p.folder}/branches/{name}/{month}.csv"
            contents[path] = _sheet(rows, comma=name == comma)
        results.append(Result(name, counted, total, left_out))
    return World(contents, tuple(sorted(results, key=lambda r: -r.total)))


def _sheet(rows: Sequence[tuple[str, str, int, str]], *, comma: bool) -> str:
    columns = ("receipt", "day", "amount", "status")
    if not comma:
        return csv_text(columns, [(r, day, money(c), s) for r, day, c, s in rows])
    return csv_text(
        columns, [(r, day, money(c).replace(".", ","), s) for r, day, c, s in rows], delimiter=";"
    )


class DelegateBranchTotals(Kit[Params]):
    """Work that can be done side by side."""

    name = "agent-memory/delegate-branch-totals"
    title = "Hand each branch to a sub-agent"
    description = "Let sub-agents work out one branch each, side by side, and bring it together."
    tools = ("exec", "read", "sessions_spawn", "subagents", "session_status")
    obstacle = "a sub-agent knows nothing of the rules unless its task says where they are"
    folders = ("branch-books", "till-sheets", "shop-takings")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more branches."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            branches=BRANCHES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Sheets by branch, the rules, and what else lies there."""
        around = surroundings(p.content, f"{p.folder}/office")
        return Seed(files({**world(p).contents, **around}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Each branch on its own, then all of them."""
        branches, rules = f"{p.folder}/branches", f"{p.folder}/RULES.md"
        totals, overview = f"{p.folder}/totals", f"{p.folder}/overview.csv"
        return (
            SubGoal(
                id="totals",
                request=f"have a sub-agent of its own work out the takings of each branch folder "
                f"in {branches}, side by side, by the rules in {rules}, which also say what goes "
                f"into {totals}",
                label="the takings by branch",
                facts=(
                    Fact("branches", branches),
                    Fact("rules", rules),
                    Fact("totals", totals),
                ),
                artifacts=(totals,),
            ),
            SubGoal(
                id="overview",
                request=f"put the branches together in {overview} with the columns branch, "
                "receipts and total, the highest total first, and tell me what all branches took "
                "together",
                label="the overview of the branches",
                facts=(Fact("overview", overview),),
                artifacts=(overview,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Each result, that sub-agents worked for them, the overview; sheets stay."""
        w = world(p)
        return (
            *(
                JsonEquals(
                    id=f"total-{result.branch}",
                    subgoal="totals",
                    path=f"{p.folder}/totals/{result.branch}.json",
                    equals={
                        "branch": result.branch,
                        "receipts": result.receipts,
                        "total": result.total / 100,
                        "left_out": result.left_out,
                    },
                )
                for result in w.results
            ),
            Delegated(
                id="side-by-side",
                subgoal="totals",
                about=tuple(result.branch for result in w.results),
                failure="not every branch was handed to a sub-agent of its own",
            ),
            CsvRows(
                id="overview",
                subgoal="overview",
                path=f"{p.folder}/overview.csv",
                columns=("branch", "receipts", "total"),
                rows=tuple((r.branch, str(r.receipts), money(r.total)) for r in w.results),
                ordered=True,
            ),
            Said(
                id="together",
                subgoal="overview",
                number=sum(result.total for result in w.results) / 100,
                failure="the sum of all branches was not told",
            ),
            untouched(w.contents, id="sheets", failure="a sheet or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look, hand out, wait, look at what came; then one table."""
        return self._hand_out(p) if subgoal == "totals" else self._put_together(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the files."""
        name = "totals/*.json" if subgoal == "totals" else "overview.csv"
        (shown,) = yield sh(f"tail -n +1 {name}", workdir=p.folder)
        return f"I looked again at {p.folder}/{name}:\n{shown.text.strip()}"

    def delegate(self, p: Params, task: str) -> Solution | None:
        """One branch, by the rules if the task says where they are."""
        match = re.search(rf"{re.escape(p.folder)}/branches/([\w-]+)", task)
        return self._one_branch(p, match[1], "RULES.md" in task) if match else None

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Tasks without the rules; nobody asked to help."""
        return (
            WrongSolution("rules kept from the sub-agents", self._hand_out(p, rules=False)),
            WrongSolution("done alone", self._alone(p)),
        )

    def _hand_out(self, p: Params, rules: bool = True) -> Solution:
        listing, _ = yield [sh("ls branches", workdir=p.folder), read(f"{p.folder}/RULES.md")]
        branches = listing.text.split()
        follow = (
            f"Follow {p.folder}/RULES.md."
            if rules
            else "Write branch, receipts, total, left_out as JSON."
        )
        started = yield [
            ToolCall(
                "sessions_spawn",
                {
                    "task": f"Work out the takings of the branch whose sheets are in {p.folder}/"
                    f"branches/{branch} and write {p.folder}/totals/{branch}.json. {follow} "
                    "Touch nothing else.",
                    "label": branch,
                },
            )
            for branch in branches
        ]
        begun = sum(not reply.failed for reply in started)
        if begun < len(branches):
            return f"Only {begun} of {plural(len(branches), 'sub-agent')} could be begun."
        yield Wait(f"Every branch has a sub-agent of its own now, {begun} in all. I wait for them.")
        for _ in branches:
            (state,) = yield ToolCall("subagents", {"action": "list"})
            if found(r'"active": \[(\]?)', state.text):
                break
            yield Wait("Some of them are done, I am waiting for the rest.")
        (shown,) = yield sh("cat totals/*.json", workdir=p.folder)
        results = [json.loads(part) for part in re.findall(r"\{[^{}]*\}", shown.text)]
        lines = [
            f"- {r['branch']}: {r['receipts']} receipts, {r['total']:.2f}, "
            f"{plural(r['left_out'], 'row')} left out"
            for r in results
        ]
        return f"All sub-agents are done. {p.folder}/totals holds:\n" + "\n".join(lines)

    def _one_branch(self, p: Params, branch: str, by_rules: bool) -> Solution:
        look = sh(f"head -n 4 branches/{branch}/*.csv", workdir=p.folder)
        yield [read(f"{p.folder}/RULES.md"), look] if by_rules else look
        (ran,) = yield sh(_python(branch, by_rules), workdir=p.folder)
        if ran.failed:
            return f"The sheets of {branch} could not be read: {ran.text}"
        (shown,) = yield sh(f"cat totals/{branch}.json", workdir=p.folder)
        return f"{p.folder}/totals/{branch}.json is written: {shown.text.strip()}"

    def _alone(self, p: Params) -> Solution:
        (listing,) = yield sh("ls branches", workdir=p.folder)
        for branch in listing.text.split():
            yield sh(_python(branch, True), workdir=p.folder)
        return f"The takings of all branches are in {p.folder}/totals."

    def _put_together(self, p: Params) -> Solution:
        (ran,) = yield sh(f"python3 - <<'PY'\n{_OVERVIEW}PY", workdir=p.folder)
        (table,) = yield sh("cat overview.csv", workdir=p.folder)
        if ran.failed or table.failed:
            return f"The overview could not be made: {ran.text}"
        together = found(r"all: ([\d.]+)", ran.text)
        rows = table.text.strip().splitlines()[1:]
        first = rows[0].split(",") if rows else ["nothing", "", "0.00"]
        return (
            f"{p.folder}/overview.csv holds {plural(len(rows), 'branch', 'branches')}. Together "
            f"they took {together}; {first[0]} took most."
        )


def _python(branch: str, by_rules: bool) -> str:
    skip = 'row["status"] == "void" or row["receipt"] in seen' if by_rules else "False"
    program = _SUM.replace("{skip}", skip).replace("{branch}", branch)
    return f"python3 - <<'PY'\n{program}PY"
