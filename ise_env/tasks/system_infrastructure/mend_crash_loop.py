"""A supervised app that was given up, for reasons that show one after another in its log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import EndpointAnswers, Processes, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import SupervisorSeed
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._supervised import (
    README,
    SERVE,
    SETTLED,
    SUPERVISOR,
    WORKER,
    app_ini,
    kept,
    program_ini,
    serving,
    working,
)
from ise_env.workspaces.protocol import WORKDIR

FAULTS = {
    "simple": ("spool",),
    "medium": ("command", "spool"),
    "complex": ("command", "spool", "port"),
}
WORKERS = 2


class Params(KitParams):
    """What is broken, and how many workers are wanted."""

    app: str
    faults: tuple[str, ...]
    apps: int = Field(ge=2, le=4)
    queue: str
    workers: int = Field(ge=3, le=5)


@dataclass(frozen=True)
class World:
    """The host's files, and what runs there."""

    contents: dict[str, str]
    ports: dict[str, int]
    queues: tuple[str, ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the host from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = [name for name in d.different("services", p.apps) if name != p.app][: p.apps - 1]
    ports = dict(zip([*names, p.app], d.some(range(6900, 7200), p.apps + 1), strict=False))
    wrong = next(port for port in range(7201, 7299) if port % 7 == p.content % 7)
    queues = (p.queue, d.pick([q for q in ("mailout", "digests", "imports") if q != p.queue]))
    agreed = d.shuffled(list(ports.items()))
    contents = {
        f"{f}/README.md": README.format(folder=f, workdir=WORKDIR, person=d.person()),
        f"{f}/serve.py": SERVE,
        f"{f}/worker.py": WORKER,
        f"{f}/ports.csv": csv_text(("app", "port"), agreed),
        f"{f}/logs/README": "One log for each program.\n",
        **surroundings(p.content, f, 12),
    }
    for name, port in agreed:
        contents[f"{f}/var/{name}/{d.integer(10_000, 99_999)}.job"] = f"for {d.word('companies')}\n"
        faults = p.faults if name == p.app else ()
        spool = f"var/{name}-queue" if "spool" in faults else f"var/{name}"
        port = wrong if "port" in faults else port
        contents[f"{f}/apps/{name}.ini"] = app_ini(port, d.integer(100, 990), spool)
        command = f"server.py {name}" if "command" in faults else ""
        contents[f"{f}/programs/{name}.ini"] = program_ini(f, name, command)
    for queue in queues:
        more = f"process_name = %(program_name)s_%(process_num)d\nnumprocs = {WORKERS}\n"
        command = f"worker.py {queue} %(process_num)d"
        contents[f"{f}/programs/{queue}.ini"] = program_ini(
            f, queue, command, more, log=f"{queue}-%(process_num)d"
        )
    return World(contents, ports, queues)


class MendCrashLoop(Kit[Params]):
    """An app to get up again."""

    name = "system-infrastructure/mend-crash-loop"
    title = "Get a program up that the supervisor gave up"
    description = "Read why a supervised app ends, mend its files, and scale a queue's workers."
    obstacle = "faults that show only after the one before is mended"
    requires = ("python3", "curl")
    folders = ("depot-host", "field-station", "print-server")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more faults, more apps."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            app=one(rng, ("scales", "manifests", "permits", "badges", "tariffs")),
            faults=FAULTS[complexity],
            apps={"simple": 2, "medium": 3, "complex": 4}[complexity],
            queue=one(rng, ("mailout", "digests", "imports")),
            workers=int(rng.integers(3, 6)),
        )

    def seed(self, p: Params) -> Seed:
        """The host; the supervisor has tried to start everything."""
        w = world(p)
        ports = tuple(port for name, port in w.ports.items() if name != p.app)
        seed = SupervisorSeed(programs=f"{p.folder}/programs", ports=ports)
        return Seed(files(w.contents), services=(seed,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend; scale."""
        f = p.folder
        program, readme, log = f"{f}-{p.app}", f"{f}/README.md", f"{f}/logs/{p.app}.log"
        ini, settings = f"{f}/programs/{p.app}.ini", f"{f}/apps/{p.app}.ini"
        queue = f"{f}/programs/{p.queue}.ini"
        return (
            SubGoal(
                id="mend",
                request=f"find out from {log} why {program} does not stay up, mend {settings} and, "
                f"if need be, {ini} as {readme} says, and have the supervisor run it again",
                label=f"the repair of {program}",
                facts=(
                    Fact("log", log),
                    Fact("program", program),
                    Fact("settings", settings),
                    Fact("ini", ini),
                    Fact("readme", readme),
                ),
                artifacts=(settings, ini),
                question="May I restart the supervisor for it?",
                answer="No, everything else goes on running",
            ),
            SubGoal(
                id="scale",
                request=f"let {p.workers} workers run for {p.queue} by changing numprocs in "
                f"{queue}, have the supervisor take that in, and tell me how many processes of "
                f"{f}-* it has running in all",
                label=f"the workers of {p.queue}",
                facts=(
                    Fact("workers", str(p.workers)),
                    Fact("queue", p.queue),
                    Fact("file", queue),
                    Fact("programs", f"{f}-*"),
                ),
                artifacts=(queue,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """It runs as it should under the supervisor, so many workers do; nobody was interrupted."""
        w, f = world(p), p.folder
        settings = f"{f}/apps/{p.app}.ini"
        own = {settings, f"{f}/programs/{p.app}.ini", f"{f}/programs/{p.queue}.ini"}
        right = {
            "spool": rf"^spool *= *var/{p.app}/? *$",
            "port": rf"^port *= *{w.ports[p.app]} *$",
        }
        others = tuple(name for name in w.ports if name != p.app)
        return (
            Processes(
                id="supervised",
                subgoal="mend",
                command=serving(p.app),
                parent=SUPERVISOR,
                failure=f"{p.app} does not run under the supervisor",
            ),
            EndpointAnswers(
                id="answers",
                subgoal="mend",
                port=w.ports[p.app],
                route="/status",
                body=TextMatch(contains=(f'"run_by": "{f}-{p.app}"',)),
            ),
            *(
                Text(
                    id=name,
                    subgoal="mend",
                    path=settings,
                    text=TextMatch(matches=(pattern,)),
                    weight=1 if name in p.faults else 0,
                    failure=f"the {name} of {p.app} is not what README.md says",
                )
                for name, pattern in right.items()
            ),
            Processes(
                id="workers",
                subgoal="scale",
                command=working(p.queue),
                parent=SUPERVISOR,
                count=p.workers,
                failure=f"{p.queue} has not as many workers as were asked for",
            ),
            Text(
                id="numprocs",
                subgoal="scale",
                path=f"{f}/programs/{p.queue}.ini",
                text=TextMatch(matches=(rf"^numprocs *= *{p.workers} *$",)),
            ),
            Said(
                id="told",
                subgoal="scale",
                unit=("running", "process"),
                number=len(w.ports) + p.workers + WORKERS,
            ),
            *kept(f, others, [(w.queues[1], WORKERS)]),
            untouched(
                {path: text for path, text in w.contents.items() if path not in own},
                failure="another program, a port or a job was changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the log, mend what it names, start; until it stays up."""
        return self._mend(p) if subgoal == "mend" else self._scale(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Ask the supervisor."""
        name = f"{p.folder}-{p.app if subgoal == 'mend' else p.queue}"
        (shown,) = yield sh(f"supervisorctl status | grep '^{name}[: ]'; true")
        states = [line.split()[1] for line in shown.text.splitlines() if line.startswith(name)]
        if subgoal == "mend":
            return f"I asked the supervisor again: {name} is {', '.join(states) or 'not there'}."
        running = plural(states.count("RUNNING"), "process", "processes")
        return f"I asked the supervisor again: {name} has {running} running."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The folder made to fit; everything restarted; started by hand; only written."""
        wrong = [
            WrongSolution("a new spool folder", self._mend(p, spool="mkdir -p {spool}")),
            WrongSolution("everything restarted", self._mend(p, also="restart all")),
            WrongSolution("only written", self._scale(p, update="true"), "scale"),
        ]
        if len(p.faults) > 1:
            wrong.append(WrongSolution("only the first fault", self._mend(p, tries=1)))
        return tuple(wrong)

    def _mend(self, p: Params, spool: str = "", also: str = "status", tries: int = 8) -> Solution:
        f, program = p.folder, f"{p.folder}-{p.app}"
        readme, shown, log = yield [
            read(f"{f}/README.md"),
            sh(f"supervisorctl status; cat programs/{p.app}.ini apps/{p.app}.ini", workdir=f),
            read(f"{f}/logs/{p.app}.log"),
        ]
        command = found(r"^ +command = (.*)", readme.text).replace("NAME", p.app)
        if not re.search(rf"^{program} +FATAL", shown.text, re.MULTILINE):
            return f"{program} is not down, so I changed nothing."
        text = log.text
        done: list[str] = []
        for _ in range(tries):
            mending = _mending(last_line(text), p.app, command, spool)
            if not mending:
                break
            done.append(last_line(text))
            (ran,) = yield sh(
                f"{mending}; supervisorctl update; {SETTLED}supervisorctl {also} | "
                f"grep -q '^{program} .*RUNNING' || supervisorctl start {program}; "
                f"{SETTLED}supervisorctl status {program}; tail -n 1 logs/{p.app}.log",
                workdir=f,
            )
            text = ran.text
        if f"{program} " not in text or "RUNNING" not in text:
            return f"It still does not stay up: {last_line(text)}"
        (state,) = yield sh(
            f"curl -s http://127.0.0.1:$(sed -n 's/^port = //p' apps/{p.app}.ini)/status",
            workdir=f,
        )
        by = found(r'"run_by": "(\S+?)"', state.text)
        return (
            f"{plural(len(done), 'fault')} kept it down, the first was `{done[0]}`. I fixed that "
            f"in its files; it runs as {by} again and answers."
        )

    def _scale(self, p: Params, update: str = "supervisorctl update") -> Solution:
        f, ini = p.folder, f"programs/{p.queue}.ini"
        (ran,) = yield sh(
            f"sed -i 's/^numprocs *=.*/numprocs = {p.workers}/' {ini} && grep numprocs {ini} && "
            f"{update} && {SETTLED}supervisorctl status",
            workdir=f,
        )
        lines = [line for line in ran.text.splitlines() if line.startswith(f"{f}-")]
        lines = [line for line in lines if " RUNNING " in line]
        workers = sum(f"-{p.queue}:" in line for line in lines)
        number = found(r"^numprocs = (\d+)", ran.text)
        return (
            f"{ini} says {number} now, and {plural(workers, 'worker')} run for {p.queue}. Of {f}-* "
            f"the supervisor has {plural(len(lines), 'process', 'processes')} running."
        )


def _mending(line: str, app: str, command: str, spool: str) -> str:
    """The command that mends what a line of the log complains of; empty for no complaint."""
    if "can't open file" in line:
        return f"sed -i 's#^command = .*#command = {command}#' programs/{app}.ini"
    if missing := re.search(r"spool folder (\S+) is not there", line):
        other = spool.format(spool=missing[1])
        return other or f"sed -i 's#^spool = .*#spool = var/{app}#' apps/{app}.ini"
    if "not the one in ports.csv" in line:
        port = f"$(sed -n 's/^{app},//p' ports.csv)"
        return f'sed -i "s/^port = .*/port = {port}/" apps/{app}.ini'
    return ""
