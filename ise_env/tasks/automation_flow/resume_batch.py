"""A batch job that was killed half-way, and its lock file that stayed behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh
from ise_env.workspaces.protocol import SeedFile

SCRIPT = """\
#!/usr/bin/env bash
# Turns every file of inbox/ into one row of out/totals.csv. See RUNBOOK.md.
set -eu
cd "$(dirname "$0")"
if [ -e state/batch.lock ]; then
  echo "locked by process $(cat state/batch.lock)" >&2
  exit 75
fi
echo $$ > state/batch.lock
for path in inbox/*.txt; do
  name=$(basename "$path" .txt)
  grep -qx "$name" state/done.list && continue
  amount=$(awk -F': ' '$1 == "{field}" { print $2 }' "$path")
  echo "$name,$amount" >> out/totals.csv
  echo "$name" >> state/done.list
  echo "$name: ok" >> batch.log
done
rm state/batch.lock
echo "all $(wc -l < state/done.list) done"
"""

RUNBOOK = """\
# Runbook of run-batch.sh

The job keeps `state/batch.lock` with its process number while it runs, and a list of what it has
finished in `state/done.list`.

If it was killed:

1. Make sure that no process with that number is alive. Only then remove the lock.
2. The last row of `out/totals.csv` may be cut off. A row whose name is not in `state/done.list`
   does not count: take it out, the job writes it again.
3. Never take a name out of `state/done.list`, and never run the job twice at once.
4. Start `./run-batch.sh` again.

Call {person} when something else looks odd.
"""
FIELDS = ("Total", "Amount due", "Weight", "Gross")
KINDS = ("invoice", "parcel", "claim", "receipt", "delivery")
SIZES = {"simple": 8, "medium": 14, "complex": 24}


class Params(KitParams):
    """What the job works through, and where it stopped."""

    kind: str
    field: str
    items: int = Field(ge=8, le=24)
    torn: bool
    """Whether the last row was written in part."""


@dataclass(frozen=True)
class World:
    """The job's folder, and what it comes to."""

    contents: dict[str, str]
    rows: list[tuple[str, str]]
    total: int
    left: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the job's state from the parameters."""
    d = Draw(p.content)
    f = p.folder
    first = d.integer(100, 880)
    amounts = {f"{p.kind}-{first + 2 * n}": d.cents(15, 900) for n in range(p.items)}
    names = list(amounts)
    finished = d.integer(p.items // 3, p.items - 3)
    done = names[:finished]
    rows = [(name, money(amounts[name])) for name in names]
    totals = "name,amount\n" + "".join(f"{name},{amount}\n" for name, amount in rows[:finished])
    if p.torn:
        name, amount = rows[finished]
        totals += f"{name},{amount[:-3]}"
    contents = {
        f"{f}/RUNBOOK.md": RUNBOOK.format(person=d.person()),
        f"{f}/out/totals.csv": totals,
        f"{f}/state/done.list": "".join(name + "\n" for name in done),
        f"{f}/state/batch.lock": f"{d.integer(3_100_000, 4_100_000)}\n",
        f"{f}/batch.log": "".join(f"{name}: ok\n" for name in done) + "Killed\n",
    }
    for name, cents in amounts.items():
        fields = {other: money(d.cents(2, 90)) for other in FIELDS} | {p.field: money(cents)}
        text = "".join(f"{key}: {fields[key]}\n" for key in d.shuffled(FIELDS))
        contents[f"{f}/inbox/{name}.txt"] = f"From: {d.word('companies')}\n{text}"
    return World(contents, rows, sum(amounts.values()), p.items - finished)


class ResumeBatch(Kit[Params]):
    """An interrupted job to resume."""

    name = "automation-flow/resume-batch"
    version = 2
    title = "Resume an interrupted batch job"
    description = "Clear a stale lock by the runbook, resume the job, and account for its output."
    obstacle = "a stale lock, and a last row that was cut off when the job was killed"
    folders = ("batch-run", "intake", "overnight-batch")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more items, and a last row that was cut off."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            kind=one(rng, KINDS),
            field=one(rng, FIELDS),
            items=SIZES[complexity],
            torn=complexity != "simple",
        )

    def seed(self, p: Params) -> Seed:
        """The job, its inbox, its state when it was killed."""
        script = SCRIPT.replace("{field}", p.field)
        job = SeedFile(f"{p.folder}/run-batch.sh", script.encode(), mode=0o755)
        return Seed((*files(world(p).contents), job))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Resume, then sum."""
        script, totals = f"{p.folder}/run-batch.sh", f"{p.folder}/out/totals.csv"
        return (
            SubGoal(
                id="resume",
                request=f"resume the batch job {script}, which was killed half-way, as "
                f"{p.folder}/RUNBOOK.md says, so that {totals} has every {p.kind} exactly once",
                label="the interrupted batch job",
                facts=(Fact("script", script), Fact("totals", totals)),
                artifacts=(totals,),
                question="Is it fine to remove the lock when its process is no longer there?",
                answer="Yes, if no process with that number is alive",
            ),
            SubGoal(
                id="sum",
                request=f"add up the amounts in {totals}, tell me the sum and append a line "
                f"`total: ` with it to {p.folder}/batch.log",
                label="the sum of the batch",
                facts=(Fact("totals", totals), Fact("log", f"{p.folder}/batch.log")),
                artifacts=(f"{p.folder}/batch.log",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every row once, no lock, a list that agrees, the sum."""
        w = world(p)
        f = p.folder
        done = "|".join(w.contents[f"{f}/state/done.list"].split())
        inbox = {path: text for path, text in w.contents.items() if "/inbox/" in path}
        return (
            CsvRows(
                id="rows",
                subgoal="resume",
                weight=2,
                path=f"{f}/out/totals.csv",
                columns=("name", "amount"),
                rows=tuple(w.rows),
                failure="an item is missing, there twice, or cut off",
            ),
            Text(
                id="listed",
                subgoal="resume",
                path=f"{f}/state/done.list",
                text=TextMatch(equals="".join(f"{name}\n" for name, _ in w.rows)),
            ),
            Absent(id="unlocked", subgoal="resume", path=f"{f}/state/batch.lock"),
            Text(
                id="logged",
                subgoal="sum",
                path=f"{f}/batch.log",
                text=TextMatch(matches=(rf"^total: *{money(w.total)}\s*\Z",)),
            ),
            Said(id="told", subgoal="sum", unit=("sum", "add up", "total"), number=w.total / 100),
            Text(
                id="nothing run twice",
                path=f"{f}/batch.log",
                text=TextMatch(matches=(rf"\A(?>(?s:.*?)^Killed\n)(?!(?s:.*)^(?:{done}): ok$)",)),
                weight=0,
                forbidden=True,
                failure="names were taken out of state/done.list, and their items run once more",
            ),
            untouched(
                {**inbox, f"{f}/run-batch.sh": SCRIPT.replace("{field}", p.field)},
                failure="the job or its inbox was changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Follow the runbook; sum and log."""
        return self._resume(p) if subgoal == "resume" else self._sum(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Compare inbox and rows; look at the log."""
        if subgoal == "resume":
            (same,) = yield sh(
                "diff <(ls inbox | sed 's/.txt$//') <(tail -n +2 out/totals.csv | cut -d, -f1) "
                "&& echo the same names; ls state",
                workdir=p.folder,
            )
            odd = [line[2:] for line in same.text.splitlines() if line[:2] in ("< ", "> ")]
            if odd:
                return f"Inbox and rows differ in {plural(len(odd), 'name')}, first {odd[0]}."
            return f"I compared inbox and rows: {same.text.splitlines()[0]}."
        (last,) = yield sh(f"tail -n 1 {p.folder}/batch.log")
        return f"The log ends with the line {last.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Resuming over the torn row, or starting from scratch."""
        careless = self._resume(p, mend=False, run=p.torn)
        return (
            WrongSolution("only the lock removed" if not p.torn else "torn row kept", careless),
            WrongSolution("all items run once more", self._again(p)),
        )

    def _resume(self, p: Params, mend: bool = True, run: bool = True) -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        runbook, state = yield [
            read(f"{f}/RUNBOOK.md"),
            sh("cat state/batch.lock; tail -n 3 batch.log; tail -n 2 state/done.list", **here),
        ]
        pid = found(r"^(\d+)", state.text, "0")
        (alive,) = yield sh(f"kill -0 {pid} 2>/dev/null && echo alive || echo gone", **here)
        if "alive" in alive.text or "remove the lock" not in runbook.text:
            return f"Process {pid} is alive, so I left the lock where it is."
        (rows,) = yield read(f"{f}/out/totals.csv")
        last = rows.text.rstrip("\n").splitlines()[-1]
        (known,) = yield sh(f"grep -cx '{last.split(',')[0]}' state/done.list || true", **here)
        half = known.text.strip() == "0"
        if half and mend:
            (mended,) = yield edit(f"{f}/out/totals.csv", f"\n{last}", "\n")
            if mended.failed:
                return f"I could not take the half row out: {mended.text}"
        if not run:
            (freed,) = yield sh("rm state/batch.lock && ls state", **here)
            return f"The lock is gone: {freed.text.strip()}"
        (ran,) = yield sh(
            "rm state/batch.lock && ./run-batch.sh && tail -n 3 out/totals.csv", **here
        )
        cut = f" I took out the row {last}, which was cut off." if half and mend else ""
        return (
            f"Process {pid} was gone, so I removed its lock and ran the job.{cut} It says: "
            + found(r"^(all \d+ done)", ran.text)
            + "."
        )

    def _sum(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (total,) = yield sh(
            "awk -F, 'NR > 1 { s += $2; n++ } END { printf \"%d %.2f\\n\", n, s }' out/totals.csv",
            **here,
        )
        count, _, amount = total.text.strip().partition(" ")
        (logged,) = yield sh(f"echo 'total: {amount}' >> batch.log && tail -n 2 batch.log", **here)
        noted = found(r"^total: (\S+)", logged.text)
        return (
            f"The {plural(count, 'amount')} add up to {noted}; that is the last line of the "
            f"log now."
        )

    def _again(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "rm state/batch.lock; : > state/done.list; ./run-batch.sh", workdir=p.folder
        )
        return f"I ran everything again; it ends with `{last_line(ran.text)}`."
