"""An app that somebody started by hand, to be put under the supervisor like all the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import EndpointAnswers, JsonEquals, Processes, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.services.spec import SupervisorSeed
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, until_there, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._supervised import (
    README,
    SERVE,
    SETTLED,
    SUPERVISOR,
    app_ini,
    kept,
    program_ini,
    serving,
)
from ise_env.workspaces.protocol import WORKDIR


class Params(KitParams):
    """The app, and how many run already."""

    app: str
    port: int = Field(ge=6100, le=6499)
    apps: int = Field(ge=2, le=5)


@dataclass(frozen=True)
class World:
    """The host's files, and what runs there."""

    contents: dict[str, str]
    ports: dict[str, int]
    """Of the apps that the supervisor runs."""
    build: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the host from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = [name for name in d.different("services", p.apps) if name != p.app][: p.apps - 1]
    # A pattern that finds the one by its name finds this one, too.
    names.append(f"{p.app}-archive")
    ports = dict(zip(names, d.some(range(6500, 6900), len(names)), strict=True))
    builds = {name: d.integer(100, 990) for name in [*names, p.app]}
    agreed = d.shuffled([*ports.items(), (p.app, p.port)])
    contents = {
        f"{f}/README.md": README.format(folder=f, workdir=WORKDIR, person=d.person()),
        f"{f}/serve.py": SERVE,
        f"{f}/ports.csv": csv_text(("app", "port"), agreed),
        f"{f}/logs/README": "One log for each program.\n",
        **surroundings(p.content, f, 12),
    }
    for name, port in agreed:
        contents[f"{f}/apps/{name}.ini"] = app_ini(port, builds[name], f"var/{name}")
        contents[f"{f}/var/{name}/{d.integer(10_000, 99_999)}.job"] = f"for {d.word('companies')}\n"
        if name != p.app:
            contents[f"{f}/programs/{name}.ini"] = program_ini(f, name)
    return World(contents, ports, builds[p.app])


class SuperviseProgram(Kit[Params]):
    """An app to put under supervision."""

    name = "system-infrastructure/supervise-program"
    title = "Put an app under the process supervisor"
    description = (
        "Give an app that was started by hand to the supervisor, and see that it survives a crash."
    )
    obstacle = "the one started by hand holds the port, and a namesake must not be touched"
    requires = ("python3", "curl", "ss")
    folders = ("edge-host", "branch-server", "kiosk-box")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more apps."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            app=one(rng, ("timeclock", "signage", "visitors", "labels", "meters")),
            port=int(rng.integers(6100, 6500)),
            apps={"simple": 2, "medium": 3, "complex": 5}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The host, everything running, one of it by hand."""
        w = world(p)
        by_hand = (
            f"cd {p.folder}\nsetsid python3 serve.py {p.app} </dev/null >> nohup.out 2>&1 &\n"
            + until_there("nohup.out", filled=True)
        )
        seed = SupervisorSeed(programs=f"{p.folder}/programs", ports=tuple(w.ports.values()))
        return Seed(files(w.contents), (by_hand,), services=(seed,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Put it under supervision; let it crash."""
        f = p.folder
        ini, readme, status = f"{f}/programs/{p.app}.ini", f"{f}/README.md", f"{f}/status.json"
        return (
            SubGoal(
                id="supervise",
                request=f"give {p.app}, which somebody started by hand, to the supervisor: end "
                f"that process and no other, write {ini} as {readme} says and have the supervisor "
                "run it",
                label=f"{p.app} under the supervisor",
                facts=(Fact("app", p.app), Fact("ini", ini), Fact("readme", readme)),
                artifacts=(ini,),
                question="May the other programs be restarted for it?",
                answer="No, they all go on running",
            ),
            SubGoal(
                id="crash",
                request=f"try whether {p.app} comes back: kill its process once with SIGKILL, save "
                f"what GET /status answers afterwards as {status} and tell me how many of the "
                f"programs {f}-* the supervisor has running then",
                label=f"the crash test of {p.app}",
                facts=(Fact("app", p.app), Fact("status", status), Fact("programs", f"{f}-*")),
                artifacts=(status,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """It is the supervisor's child, answers, came back; nobody else was stopped."""
        w, f = world(p), p.folder
        program = f"{f}-{p.app}"
        lines = (r"^autorestart *= *true *$", rf"^stdout_logfile *= *\S*logs/{p.app}\.log *$")
        return (
            Processes(
                id="by hand",
                subgoal="supervise",
                command=serving(p.app),
                since_start=True,
                count=0,
                failure="what was started by hand still runs",
            ),
            Processes(
                id="supervised",
                subgoal="supervise",
                weight=2,
                command=serving(p.app),
                parent=SUPERVISOR,
                failure=f"{p.app} does not run under the supervisor",
            ),
            EndpointAnswers(
                id="answers",
                subgoal="supervise",
                port=p.port,
                route="/status",
                body=TextMatch(contains=(f'"run_by": "{program}"',)),
            ),
            Text(
                id="program",
                subgoal="supervise",
                path=f"{f}/programs/{p.app}.ini",
                text=TextMatch(matches=lines),
            ),
            JsonEquals(
                id="status",
                subgoal="crash",
                path=f"{f}/status.json",
                equals={"app": p.app, "build": w.build, "run_by": program},
            ),
            Text(
                id="came back",
                subgoal="crash",
                path=f"{f}/logs/{p.app}.log",
                text=TextMatch(matches=(rf"(?s)listening on {p.port}\n.*listening on {p.port}$",)),
                failure="the log shows no second start",
            ),
            Said(id="told", subgoal="crash", unit=("running", "program"), number=len(w.ports) + 1),
            *kept(f, w.ports),
            untouched(w.contents, failure="a setting, a program or a job was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """End the one by hand by its number; write, update; kill and look."""
        return self._supervise(p) if subgoal == "supervise" else self._crash(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Ask the supervisor."""
        (shown,) = yield sh(f"supervisorctl status {p.folder}-{p.app}; true")
        return f"I asked the supervisor again: `{_one_line(shown.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The namesake stopped, too; the one by hand left; restarted in order, not crashed."""
        return (
            WrongSolution("stopped by a pattern", self._supervise(p, stop="pkill -f serve.py")),
            WrongSolution("only written", self._supervise(p, stop="true")),
            WrongSolution("no crash", self._crash(p, kill=False), "crash"),
        )

    def _supervise(self, p: Params, stop: str = "") -> Solution:
        f, app = p.folder, p.app
        readme, ini = yield [read(f"{f}/README.md"), read(f"{f}/apps/{app}.ini")]
        port = found(r"port = (\d+)", ini.text)
        (seen,) = yield sh(f"supervisorctl status; ss -ltnpH 'sport = :{port}'")
        pid = found(r"pid=(\d+)", seen.text)
        free = f"for _ in $(seq 99); do ss -ltnH 'sport = :{port}' 2>&1 | grep -q LISTEN || break; "
        yield sh(f"{stop or f'kill {pid}'}; {free}sleep 0.05; done")
        pattern = found(r"(\[program:(?:.|\n)*?NAME\.log)", readme.text)
        section = "\n".join(line.strip() for line in pattern.splitlines()).replace("NAME", app)
        (saved,) = yield write(f"{f}/programs/{app}.ini", f"{section}\n")
        if saved.failed:
            return f"The file could not be written: {saved.text}"
        (state,) = yield sh(
            f"supervisorctl update && {SETTLED}supervisorctl status {f}-{app}; "
            f"curl -s http://127.0.0.1:{port}/status"
        )
        if "RUNNING" not in state.text:
            return f"The supervisor does not keep it up: {last_line(state.text)}"
        by = found(r'"run_by": "(\S+?)"', state.text)
        return (
            f"Process {pid} from before is gone, and {app} runs under the supervisor as {by}, on "
            f"port {port} as before."
        )

    def _crash(self, p: Params, kill: bool = True) -> Solution:
        f = p.folder
        program, url = f"{f}-{p.app}", f"http://127.0.0.1:{p.port}/status"
        first = f"kill -9 $(supervisorctl pid {program}); sleep 0.2; " if kill else ""
        (ran,) = yield sh(
            f"{first}for _ in $(seq 60); do curl -sf {url} > status.json && break; sleep 0.2; "
            f"done; cat status.json; echo; {SETTLED}supervisorctl status",
            workdir=f,
        )
        lines = [line for line in ran.text.splitlines() if line.startswith(f"{f}-")]
        running = sum(" RUNNING " in line for line in lines)
        line = found(rf"^({program} +RUNNING.*)", ran.text, "")
        if not line:
            return f"It did not come back: {last_line(ran.text)}"
        return (
            f"{p.app} came back by itself, {_one_line(line)}. Of {f}-* the supervisor has "
            f"{plural(running, 'program')} running; the answer is in status.json."
        )


def _one_line(text: str) -> str:
    return " ".join(last_line(text).split())
