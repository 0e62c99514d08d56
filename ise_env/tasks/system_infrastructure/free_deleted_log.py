"""A worker that still writes to a log which somebody has deleted, among workers that are fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, Processes, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._free_deleted_log_texts import README, START, WORKER
from ise_env.workspaces.protocol import SeedFile

SIZES = {"simple": 4, "medium": 6, "complex": 9}


class Params(KitParams):
    """How many queues there are."""

    workers: int = Field(ge=4, le=9)


@dataclass(frozen=True)
class World:
    """The farm: its queues, the one that holds the deleted log, and how large that is."""

    contents: dict[str, str]
    queues: tuple[str, ...]
    guilty: str
    misled: str
    """The queue whose process the guilty one's pid file names."""
    size: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the farm from the parameters."""
    d = Draw(p.content)
    f = p.folder
    queues = tuple(d.different("services", p.workers))
    guilty, misled = d.some(queues, 2)
    backlog = {
        queue: [f"J{d.integer(10_000, 99_999)}" for _ in range(d.integer(3, 9))] for queue in queues
    }
    backlog[guilty] = [f"J{d.integer(10_000, 99_999)}" for _ in range(d.integer(4_000, 9_000))]
    text = f"{guilty}: started\n" + "".join(
        f"{guilty}: job {job} put off, no room left to finish it\n" for job in backlog[guilty]
    )
    contents = {
        f"{f}/README.md": README.format(person=d.person()),
        f"{f}/worker.py": WORKER,
        **{f"{f}/backlog/{queue}.txt": "\n".join(jobs) + "\n" for queue, jobs in backlog.items()},
        **surroundings(p.content, f),
    }
    return World(contents, queues, guilty, misled, len(text))


class FreeDeletedLog(Kit[Params]):
    """A process to find by what it holds open."""

    name = "system-infrastructure/free-deleted-log"
    title = "Find the process that holds a deleted log"
    description = "Find the worker that keeps a deleted log open, stop it alone, start it again."
    version = 2
    obstacle = "a pid file that names another worker's process"
    tools = ("exec", "process", "read", "write", "edit")
    requires = ("python3", "ps")
    folders = ("worker-farm", "queue-host", "job-runners")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more workers."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), workers=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The workers, up and running, after somebody deleted a log."""
        w = world(p)
        start = SeedFile(f"{p.folder}/start.sh", START.encode(), mode=0o755)
        run = (
            f"cd {p.folder}; mkdir -p logs run\nfor queue in {' '.join(w.queues)}; do "
            f"./start.sh $queue; done\nrm logs/{w.guilty}.log; : > logs/{w.guilty}.log\n"
            f"cp run/{w.misled}.pid run/{w.guilty}.pid"
        )
        return Seed((*files(w.contents), start), (run,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Find and stop it; start it again."""
        f = p.folder
        worker, report, readme = f"{f}/worker.py", f"{f}/report.json", f"{f}/README.md"
        return (
            SubGoal(
                id="stop",
                request=f"find out which of the running {worker} processes still holds a log file "
                f"open that was deleted, stop that one and none of the others, and write {report} "
                "with the keys queue (the queue it worked on) and bytes (the size of the deleted "
                "file)",
                label="the worker with the deleted log",
                facts=(Fact("worker", worker), Fact("report", report)),
                artifacts=(report,),
                question="Can I rely on the process numbers in the folder run?",
                answer="No, some of them are wrong, look at the processes themselves",
            ),
            SubGoal(
                id="restart",
                request=f"start the worker that you stopped again as {readme} says, make sure that "
                "it has written to its log file, and tell me how many workers are running now",
                label="the restart of that worker",
                facts=(Fact("readme", readme),),
                artifacts=(f"{f}/logs/{world(p).guilty}.log",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The one is gone and comes back, the others never left."""
        w, f = world(p), p.folder

        def process(queue: str) -> TextMatch:
            # A shell that was told to start one is none.
            return TextMatch(matches=(rf"^\S*python\S* (-\S+ )*\S*worker\.py {queue}$",))

        return (
            Processes(
                id="stopped",
                subgoal="stop",
                weight=2,
                command=process(w.guilty),
                count=0,
                since_start=True,
                failure="the process that holds the deleted file is still running",
            ),
            JsonEquals(
                id="report",
                subgoal="stop",
                path=f"{f}/report.json",
                equals={"queue": w.guilty, "bytes": w.size},
            ),
            Text(
                id="log",
                subgoal="restart",
                path=f"{f}/logs/{w.guilty}.log",
                text=TextMatch(matches=(rf"\A{w.guilty}: started\n",)),
                failure="the worker was not started again with its log file",
            ),
            Processes(id="running", subgoal="restart", weight=0, command=process(w.guilty)),
            Said(id="told", subgoal="restart", unit=("worker",), number=p.workers),
            *(
                Processes(
                    id=f"{queue} kept",
                    command=process(queue),
                    since_start=True,
                    weight=0,
                    forbidden=True,
                    failure=f"the worker of {queue} was stopped, which nobody asked for",
                )
                for queue in w.queues
                if queue != w.guilty
            ),
            untouched(w.contents, failure="a file of the farm was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look at open files; stop; start as the README says."""
        return self._stop(p) if subgoal == "stop" else self._restart(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the report, or at the processes."""
        if subgoal == "stop":
            (shown,) = yield read(f"{p.folder}/report.json")
            return f"I looked again: report.json says {shown.text.strip()}"
        (running,) = yield sh(f"{_LIST} | sort")
        return f"I looked again; there are {plural(len(_queues(running.text)), 'worker')}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Trusting the pid file; stopping everything and starting it afresh."""
        return (
            WrongSolution("stopped by its pid file", self._stop(p, by_file=True)),
            WrongSolution("all of them stopped", self._everybody(p)),
            WrongSolution("not started again", self._count(p), "restart"),
        )

    def _stop(self, p: Params, by_file: bool = False) -> Solution:
        f = p.folder
        readme, held = yield [read(f"{f}/README.md"), sh(_HELD)]
        pid = found(r"^(\d+) ", held.text)
        queue = found(r"/logs/(\S+)\.log \(deleted\)", held.text)
        size = found(r"^\d+ (\d+) ", held.text)
        (noted,) = yield sh(f"cat run/{queue}.pid; {_LIST}", workdir=f)
        there = noted.text.split()[0]
        if by_file:
            pid = there
        elif "SIGTERM" not in readme.text:
            return "The README does not say how a worker is stopped, so I left it alone."
        yield sh(
            f"kill {pid}; for _ in $(seq 100); do kill -0 {pid} 2>/dev/null || break; "
            "sleep 0.05; done"
        )
        (saved,) = yield write(f"{f}/report.json", f'{{"queue": "{queue}", "bytes": {size}}}\n')
        (left,) = yield sh(f"{_HELD}; kill -0 {pid} 2>/dev/null && echo alive || echo gone")
        if saved.failed or "gone" not in left.text:
            return f"Process {pid} is still there: {left.text.strip()}"
        odd = f" (run/{queue}.pid said {there}, which is another's)" if there != pid else ""
        return (
            f"Process {pid} of the queue {queue} held the deleted log, {size} bytes{odd}. I "
            "stopped it and nothing else, and wrote report.json."
        )

    def _restart(self, p: Params) -> Solution:
        f = p.folder
        (report,) = yield read(f"{f}/report.json")
        queue = found(r'"queue": "(\S+?)"', report.text)
        (started,) = yield sh(f"./start.sh {queue} && head -n 1 logs/{queue}.log", workdir=f)
        if started.failed:
            return f"It did not come up: {started.text.strip()}"
        (running,) = yield sh(_LIST)
        first = found(rf"^({queue}: started)", started.text)
        return (
            f"The log begins with `{first}`. Now {plural(len(_queues(running.text)), 'worker')} "
            "are running."
        )

    def _everybody(self, p: Params) -> Solution:
        (held,) = yield sh(_HELD)
        queue, size = found(r"/logs/(\S+)\.log", held.text), found(r"^\d+ (\d+) ", held.text)
        yield sh("pkill -f '^python3 worker.py'; sleep 0.3")
        (saved,) = yield write(
            f"{p.folder}/report.json", f'{{"queue": "{queue}", "bytes": {size}}}\n'
        )
        return f"I stopped the workers. {saved.text.strip()}"

    def _count(self, p: Params) -> Solution:
        (running,) = yield sh(_LIST)
        return f"There are {plural(len(_queues(running.text)), 'worker')} running."


_LIST = "ps -eo args= | grep '^python3 worker.py '"
_HELD = (
    "for fd in /proc/[0-9]*/fd/*; do to=$(readlink $fd 2>/dev/null) || continue; "
    'case "$to" in */logs/*"(deleted)") pid=${fd#/proc/}; '
    'echo "${pid%%/*} $(stat -Lc %s $fd) $to";; esac; done'
)
"""Number, size and path of every deleted log that a process holds open."""


def _queues(listing: str) -> set[str]:
    return {line.split()[-1] for line in listing.splitlines() if "worker.py" in line}
