"""A workflow whose dependencies do not hold together: find the faults, mend a copy, plan it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field, JsonValue

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Said
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._order_workflow_texts import LINT, LOAD, PLAN, RULES
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

VERBS = ("load", "check", "merge", "rank", "render", "ship", "trim", "index")
SIZES = {"simple": 8, "medium": 13, "complex": 22}

Task = dict[str, list[str] | int]


class Params(KitParams):
    """How many tasks the workflow has."""

    tasks: int = Field(ge=8, le=22)


@dataclass(frozen=True)
class World:
    """The workflow, its faults, and the plan once they are mended."""

    contents: dict[str, str]
    faults: tuple[tuple[str, str], ...]
    mended: dict[str, JsonValue]
    plan: tuple[tuple[str, str], ...]
    minutes: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the workflow from the parameters."""
    d = Draw(p.content)
    names = [f"{d.pick(VERBS)}-{word}" for word in [*d.different("services", 23), "all"][: p.tasks]]
    needs: dict[str, list[str]] = {}
    reads: dict[str, list[str]] = {}
    minutes = {name: d.integer(2, 25) for name in names}
    for at, name in enumerate(names):
        before = d.some(names[:at], min(at, d.integer(1, 2)))
        needs[name] = before
        reads[name] = [f"data/{other}.csv" for other in before] or ["data/raw.csv"]
    good = {name: list(before) for name, before in needs.items()}
    decisions, faults = [], []

    def waits(name: str) -> set[str]:
        seen: set[str] = set()
        rest = [*needs[name]]
        while rest:
            other = rest.pop()
            if other not in seen:
                seen.add(other)
                rest += needs.get(other, [])
        return seen

    # A task that only one other waits for closes a cycle over it.
    first, second = names[1], names[2]
    needs[second], good[second] = [first], [first]
    reads[second] = [f"data/{first}.csv"]
    needs[first] = [*needs[first], second]
    decisions.append(f"- `{first}` does not need `{second}`.")
    typo = names[-1]
    right = needs[typo][0]
    needs[typo] = [right.replace("-", "_", 1), *needs[typo][1:]]
    decisions.append(f"- `{typo}` needs `{right}` instead of `{right.replace('-', '_', 1)}`.")
    loose = names[-2]
    known = waits(loose) | {loose, first, second}
    other = d.pick([name for name in names[:-2] if name not in known] or [names[0]])
    if other not in known:
        reads[loose] = [*reads[loose], f"data/{other}.csv"]
        good[loose] = [*good[loose], other]
        decisions.append(f"- `{loose}` needs `{other}` as well.")
    for name in names:
        behind = waits(name)
        if any(n not in names for n in needs[name]):
            faults.append((name, "unknown"))
        elif name in behind:
            faults.append((name, "cycle"))
        elif any(f"data/{n}.csv" in reads[name] and n not in behind for n in names):
            faults.append((name, "unordered"))
    starts: dict[str, int] = {}
    while len(starts) < len(names):
        for name in names:
            if name not in starts and all(n in starts for n in good[name]):
                starts[name] = max((starts[n] + minutes[n] for n in good[name]), default=0)
    order = d.shuffled(names)
    texts = [
        f"[{name}]\nneeds = {json.dumps(needs[name])}\nreads = {json.dumps(reads[name])}\n"
        f'writes = ["data/{name}.csv"]\nminutes = {minutes[name]}\n'
        for name in order
    ]
    mended: dict[str, JsonValue] = {
        name: {
            "needs": list[JsonValue](sorted(good[name])),
            "reads": list[JsonValue](reads[name]),
            "writes": [f"data/{name}.csv"],
            "minutes": minutes[name],
        }
        for name in names
    }
    f, person = p.folder, d.person()
    contents = {
        f"{f}/RULES.md": RULES.format(person=person),
        f"{f}/DECISIONS.md": f"# Decided by {person}\n\n" + "\n".join(d.shuffled(decisions)) + "\n",
        f"{f}/workflow.toml": "\n".join(texts),
        **surroundings(p.content, f, 14),
    }
    plan = tuple((name, str(start)) for name, start in starts.items())
    done = max(starts[name] + minutes[name] for name in names)
    return World(contents, tuple(faults), mended, plan, done)


class OrderWorkflow(Kit[Params]):
    """A workflow to check and to plan."""

    name = "automation-flow/order-workflow"
    title = "Check and plan a workflow"
    description = "Find faults in a workflow's dependencies, mend a copy as decided, and plan it."
    obstacle = "a cycle, a need that does not exist, and a read that nothing orders"
    requires = ("python3",)
    folders = ("night-workflow", "task-graph", "run-plan")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more tasks."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), tasks=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The workflow, its rules, the decisions."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Find the faults; mend a copy and plan it."""
        f = p.folder
        flow, rules, table = f"{f}/workflow.toml", f"{f}/RULES.md", f"{f}/faults.csv"
        new, plan, decisions = f"{f}/workflow.new.toml", f"{f}/plan.csv", f"{f}/DECISIONS.md"
        return (
            SubGoal(
                id="lint",
                request=f"check the workflow {flow} by {rules} and write {table} with the columns "
                "task and fault, a row for each task that is faulty",
                label="the faults of the workflow",
                facts=(Fact("flow", flow), Fact("rules", rules), Fact("table", table)),
                artifacts=(table,),
                question="Can a task have two faults?",
                answer="Only unknown or cycle is reported then, the rules say which come first",
            ),
            SubGoal(
                id="plan",
                request=f"apply {decisions} to a copy {new}, write the plan for that copy to "
                f"{plan} with the columns task and start (its first minute), and tell me after how "
                "many minutes everything is done",
                label="the plan of the workflow",
                facts=(Fact("decisions", decisions), Fact("new", new), Fact("plan", plan)),
                artifacts=(new, plan),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The faults; the mended copy, the plan, the end."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="faults",
                subgoal="lint",
                weight=2,
                path=f"{f}/faults.csv",
                columns=("task", "fault"),
                rows=w.faults,
            ),
            Command(
                id="mended",
                subgoal="plan",
                argv=("python3", "-I", "-c", LOAD),
                cwd=f,
                prints=w.mended,
                failure="workflow.new.toml is not the workflow as it was decided",
            ),
            CsvRows(
                id="plan",
                subgoal="plan",
                path=f"{f}/plan.csv",
                columns=("task", "start"),
                rows=w.plan,
            ),
            Said(id="told", subgoal="plan", unit=("minute",), number=w.minutes),
            untouched(w.contents, failure="the live workflow or its rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Walk the graph; apply the decisions and add up minutes."""
        return self._lint(p) if subgoal == "lint" else self._plan(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show the faults, or the last start."""
        if subgoal == "lint":
            (shown,) = yield sh("tail -n +2 faults.csv", workdir=p.folder)
            return f"I looked again; the faults are {', '.join(shown.text.split())}."
        (shown,) = yield sh("tail -n 1 plan.csv; wc -l < plan.csv", workdir=p.folder)
        task = shown.text.split(",")[0]
        return f"I looked again; the task that starts last is {task}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Files not looked at; one task after another; the live file mended."""
        return (
            WrongSolution("no look at the files", self._cycles(p)),
            WrongSolution("lengths forgotten", self._plan(p, ends="start(n) + 1"), "plan"),
            WrongSolution(
                "live file replaced",
                self._plan(p, then=" && cp workflow.new.toml workflow.toml"),
                "plan",
            ),
        )

    def _lint(self, p: Params) -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        (ran,) = yield sh(
            f"cat > /tmp/lint.py <<'EOF'\n{LINT}EOF\npython3 /tmp/lint.py && tail -n +2 faults.csv",
            workdir=p.folder,
        )
        if ran.failed or "`unordered`" not in rules.text:
            return f"The workflow could not be checked: {last_line(ran.text)}"
        told = found(r"^(\d+ faults in \d+ tasks)", ran.text)
        return f"There are {told}: {', '.join(ran.text.strip().splitlines()[1:])}."

    def _cycles(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "(echo task,fault; sed -n 's/^\\[\\(.*\\)\\]/\\1,cycle/p' workflow.toml) > faults.csv; "
            "wc -l < faults.csv",
            workdir=p.folder,
        )
        return f"faults.csv has {plural(ran.text, 'line')}."

    def _plan(
        self, p: Params, ends: str = 'start(n) + tasks[n]["minutes"]', then: str = ""
    ) -> Solution:
        (decided,) = yield read(f"{p.folder}/DECISIONS.md")
        (ran,) = yield sh(
            f"cat > /tmp/plan.py <<'EOF'\n{PLAN.format(ends=ends)}EOF\npython3 /tmp/plan.py{then}",
            workdir=p.folder,
        )
        if ran.failed:
            return f"The plan failed: {last_line(ran.text)}"
        minutes = found(r"done at minute (\d+)", ran.text)
        applied = plural(decided.text.count("\n- "), "decision")
        return f"With {applied} applied, everything is done after {plural(minutes, 'minute')}."
