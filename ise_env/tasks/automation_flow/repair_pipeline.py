"""A pipeline of small shell steps that runs in the wrong order over stale results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.workspaces.protocol import SeedFile

RUN = """\
#!/usr/bin/env bash
# Runs the steps in the order of steps.txt; stops at the first that fails.
set -eu
cd "$(dirname "$0")"
mkdir -p build out
while read -r step; do
  echo "-- $step"
  "steps/$step"
done < steps.txt
"""

STEPS = {
    "clean.sh": ("raw/orders.csv", "build/clean.csv", "grep -v '^#' raw/orders.csv | grep -v ',,'"),
    "net.sh": (
        "build/clean.csv",
        "build/net.csv",
        """awk -F, '{ printf "%s,%s,%.2f\\n", $1, $2, $3 - $3 * RATE / 100 }' build/clean.csv""",
    ),
    "rank.sh": ("build/net.csv", "build/ranked.csv", "sort -t, -k3,3nr -k1,1 build/net.csv"),
    "towns.sh": (
        "build/net.csv",
        "build/towns.csv",
        """awk -F, '{ s[$2] += $3 } END { for (t in s) printf "%s,%.2f\\n", t, s[t] }' """
        "build/net.csv | LC_ALL=C sort",
    ),
    "top.sh": ("build/ranked.csv", "build/top.csv", "head -n TOP build/ranked.csv"),
    "best.sh": (
        "build/towns.csv",
        "build/best.csv",
        "sort -t, -k2,2nr build/towns.csv | head -n 2",
    ),
}
"""Input, output, command; each reads what another one writes."""
CHOSEN = {
    "simple": ("clean.sh", "net.sh", "rank.sh"),
    "medium": ("clean.sh", "net.sh", "rank.sh", "top.sh"),
    "complex": ("clean.sh", "net.sh", "rank.sh", "top.sh", "towns.sh", "best.sh"),
}
MERGE = "merge.sh"


class Params(KitParams):
    """Which steps there are, and the figures in them."""

    steps: tuple[str, ...]
    rate: int = Field(ge=5, le=29)
    top: int = Field(ge=3, le=7)
    rows: int = Field(ge=12, le=40)


@dataclass(frozen=True)
class World:
    """The pipeline and the report that it should give."""

    contents: dict[str, str]
    scripts: dict[str, str]
    locked: str
    """The step that lacks its executable bit."""
    report: str
    lines: int


def script(inputs: list[str], output: str, command: str) -> str:
    """One step: what it reads and writes is named in its head."""
    return (
        "#!/usr/bin/env bash\n"
        f"# reads:  {' '.join(inputs)}\n# writes: {output}\n"
        f"set -euo pipefail\n{command} > {output}\n"
    )


def run(p: Params, orders: list[tuple[str, str, int]]) -> str:
    """What the steps in their right order come to."""
    net = [(ref, town, round(cents * (100 - p.rate) / 100)) for ref, town, cents in orders]
    ranked = sorted(net, key=lambda row: (-row[2], row[0]))
    top = ranked[: p.top] if "top.sh" in p.steps else ranked
    lines = [f"{ref},{town},{money(cents)}" for ref, town, cents in top]
    if "best.sh" in p.steps:
        sums = {town: sum(c for _, t, c in net if t == town) for _, town, _ in net}
        best = sorted(sums.items(), key=lambda item: -item[1])[:2]
        lines += [f"{town},{money(cents)}" for town, cents in best]
    return "\n".join(["REPORT", *lines]) + "\n"


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the pipeline from the parameters."""
    d = Draw(p.content)
    f = p.folder
    towns = d.different("towns", 5)
    # Whole units times 100 keep every net amount exact to the cent, and all amounts differ.
    units = d.some(range(20, 20 + p.rows * 9), p.rows)
    orders = [(f"R{n:03d}", d.pick(towns), unit * 100) for n, unit in enumerate(units, 101)]
    old = [(ref, town, cents + d.integer(1, 40) * 100) for ref, town, cents in orders]

    def table(rows: list[tuple[str, str, int]]) -> str:
        return "".join(f"{ref},{town},{money(cents)}\n" for ref, town, cents in rows)

    raw = table(orders).splitlines(keepends=True)
    raw.insert(d.integer(0, 2), f"# exported by {d.person()}\n")
    raw.insert(d.integer(4, 6), f"R999,,{d.integer(10, 99)}.00\n")
    last = ["build/top.csv" if "top.sh" in p.steps else "build/ranked.csv"]
    last += ["build/best.csv"] if "best.sh" in p.steps else []
    scripts = {
        name: script(
            [STEPS[name][0]],
            STEPS[name][1],
            STEPS[name][2].replace("RATE", str(p.rate)).replace("TOP", str(p.top)),
        )
        for name in p.steps
    }
    scripts[MERGE] = script(last, "out/report.txt", f"{{ echo REPORT; cat {' '.join(last)}; }}")
    order = [*p.steps, MERGE]
    wrong = [order[1], order[0], *d.shuffled(order[2:])]
    contents = {
        f"{f}/steps.txt": "".join(name + "\n" for name in wrong),
        f"{f}/raw/orders.csv": "".join(raw),
        f"{f}/build/clean.csv": table(old),
        f"{f}/build/net.csv": table([(r, t, round(c * (100 - p.rate) / 100)) for r, t, c in old]),
        f"{f}/build/ranked.csv": table(sorted(old, key=lambda row: -row[2])),
        f"{f}/README.md": "# Pipeline\n\n`./run.sh` runs the steps of `steps.txt` and leaves "
        "`out/report.txt`.\nEach step says in its head what it reads and writes.\n"
        "Files in `build/` may be left from an earlier month: empty it before you trust a run.\n"
        "`raw/` and the scripts in `steps/` are right as they are.\n",
        f"{f}/raw/customers.csv": csv_text(("ref", "name"), [(r, d.person()) for r, *_ in orders]),
    }
    report = run(p, orders)
    return World(contents, scripts, d.pick(p.steps), report, report.count("\n"))


class RepairPipeline(Kit[Params]):
    """A pipeline to put in order."""

    name = "automation-flow/repair-pipeline"
    title = "Repair the order of a pipeline"
    description = "Put the steps of a shell pipeline into the order that their inputs demand."
    obstacle = "stale results hide the wrong order, and a step is not executable"
    folders = ("pipeline", "etl", "monthly-report")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more steps, branching and joining."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            steps=CHOSEN[complexity],
            rate=int(rng.integers(5, 30)),
            top=int(rng.integers(3, 8)),
            rows={"simple": 12, "medium": 20, "complex": 40}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Steps, one of which cannot be executed, and results of an earlier month."""
        w = world(p)
        steps = tuple(
            SeedFile(
                f"{p.folder}/steps/{name}", text.encode(), mode=0o644 if name == w.locked else 0o755
            )
            for name, text in w.scripts.items()
        )
        runner = SeedFile(f"{p.folder}/run.sh", RUN.encode(), mode=0o755)
        return Seed((*files(w.contents), runner, *steps))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Repair, then extend."""
        runner, steps = f"{p.folder}/run.sh", f"{p.folder}/steps.txt"
        stamp = f"{p.folder}/steps/stamp.sh"
        return (
            SubGoal(
                id="repair",
                request=f"get {runner} to run through from scratch and give the right report by "
                f"correcting the order in {steps} and whatever else stands in its way, "
                f"as {p.folder}/README.md says",
                label=f"the order of {steps}",
                facts=(Fact("runner", runner), Fact("steps", steps)),
                artifacts=(steps,),
                question="May I change the scripts of the steps themselves?",
                answer="No, the scripts are right; only their order and their modes may change",
            ),
            SubGoal(
                id="extend",
                request=f"add {stamp} as the last step, which writes the number of lines of "
                "out/report.txt to out/lines.txt, run everything once more and tell me that number",
                label="the new last step",
                facts=(Fact("stamp", stamp), Fact("lines", "out/lines.txt")),
                artifacts=(stamp, f"{p.folder}/out/lines.txt"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A run from scratch, in a copy, gives what it should."""
        w = world(p)
        scripts = {f"{p.folder}/steps/{name}": text for name, text in w.scripts.items()}
        kept = {k: v for k, v in w.contents.items() if "/raw/" in k} | scripts
        fresh = "rm -rf build out && ./run.sh >/dev/null && cat "

        def ran(name: str, subgoal: str, path: str, text: str) -> Check:
            return Command(
                id=name,
                subgoal=subgoal,
                weight=2 if subgoal == "repair" else 1,
                argv=("bash", "--noprofile", "--norc", "-c", fresh + path),
                cwd=p.folder,
                stdout=TextMatch(equals=text),
                failure=f"a run from scratch does not give the right {path}",
            )

        return (
            ran("report", "repair", "out/report.txt", w.report),
            ran("lines", "extend", "out/lines.txt", f"{w.lines}\n"),
            Said(id="told", subgoal="extend", unit=("report",), number=w.lines),
            untouched({**kept, f"{p.folder}/run.sh": RUN}, failure="a script or raw data changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read what each step needs, sort, run from scratch; add a step."""
        return self._repair(p) if subgoal == "repair" else self._extend(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run it once more."""
        (ran,) = yield sh(
            "rm -rf build out; ./run.sh && head -n 4 out/report.txt", workdir=p.folder
        )
        if ran.failed:
            return f"I ran it from scratch once more, and it stops: `{last_line(ran.text)}`."
        steps = plural(ran.text.count("-- "), "step")
        return f"I ran it from scratch once more: {steps}, no complaint, the report is there."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Trusting the run over stale files; sorting by name."""
        return (
            WrongSolution("mode only", self._mode(p)),
            WrongSolution("by name", self._repair(p, by_name=True)),
        )

    def _repair(self, p: Params, by_name: bool = False) -> Solution:
        here = {"workdir": p.folder}
        readme, heads = yield [
            read(f"{p.folder}/README.md"),
            sh("ls -l steps; cat steps.txt; grep -E '^# (reads|writes):' steps/*.sh", **here),
        ]
        (stopped,) = yield sh("rm -rf build; ./run.sh", **here)
        order = sorted(_needs(heads.text)) if by_name else _order(_needs(heads.text))
        (saved,) = yield write(f"{p.folder}/steps.txt", "".join(f"{name}\n" for name in order))
        if saved.failed or "build/" not in readme.text:
            return f"steps.txt could not be written: {saved.text}"
        (ran,) = yield sh("chmod +x steps/*.sh; rm -rf build out; ./run.sh", **here)
        (shown,) = yield sh("wc -l out/report.txt; head -n 3 out/report.txt", **here)
        if ran.failed:
            return f"It still stops with `{last_line(ran.text)}`, so the order is not right yet."
        cause = found(r"((?:steps/|awk: |cat: |sort: |head: )[^\\\n\"]*)", stopped.text, "nothing")
        lines = found(r"^(\d+)", shown.text)
        return (
            f"From scratch it stopped with `{cause}`; that is fixed. All {ran.text.count('-- ')} "
            f"steps run in the order {', '.join(order)}, and the report has "
            f"{plural(lines, 'line')}."
        )

    def _extend(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (one_of,) = yield sh("cat steps.txt; cat steps/merge.sh", **here)
        if "out/report.txt" not in one_of.text:
            return "No step writes out/report.txt, so there is nothing to count."
        text = script(["out/report.txt"], "out/lines.txt", "wc -l < out/report.txt")
        (saved,) = yield write(f"{p.folder}/steps/stamp.sh", text)
        if saved.failed:
            return f"steps/stamp.sh could not be written: {saved.text}"
        (ran,) = yield sh(
            "chmod +x steps/stamp.sh && echo stamp.sh >> steps.txt && rm -rf build out && ./run.sh "
            "&& cat out/lines.txt",
            **here,
        )
        if ran.failed:
            return f"stamp.sh is the last step, but the run stops before: `{last_line(ran.text)}`."
        number = found(r"^(\d+)\s*$", ran.text)
        return f"stamp.sh runs last now; the report has {plural(number, 'line')}."

    def _mode(self, p: Params) -> Solution:
        (ran,) = yield sh("chmod +x steps/*.sh; ./run.sh | tail -n 2", workdir=p.folder)
        return f"It runs; it ends with `{last_line(ran.text)}`."


def _needs(text: str) -> dict[str, tuple[list[str], str]]:
    """What each step reads and writes, from their heads."""
    reads: dict[str, list[str]] = {}
    writes: dict[str, str] = {}
    for line in text.splitlines():
        where, _, what = line.partition(":# ")
        kind, _, paths = what.partition(": ")
        name = where.removeprefix("steps/")
        if kind == "reads":
            reads[name] = paths.split()
        elif kind == "writes":
            writes[name] = paths.strip()
    return {name: (reads[name], writes[name]) for name in reads}


def _order(needs: dict[str, tuple[list[str], str]]) -> list[str]:
    """An order in which every step finds its inputs."""
    made = {output for _, output in needs.values()}
    order: list[str] = []
    while len(order) < len(needs):
        there = {needs[name][1] for name in order}
        ready = [
            name
            for name, (inputs, _) in needs.items()
            if name not in order and all(path in there or path not in made for path in inputs)
        ]
        if not ready:
            return [*order, *(name for name in needs if name not in order)]
        order.append(ready[0])
    return order
