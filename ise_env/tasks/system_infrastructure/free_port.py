"""A service that cannot start because something left over listens on its port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, Processes, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, until_there, untouched
from ise_env.tasks.steps import found, last_line, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.system_infrastructure._free_port_texts import PREVIEW, README, SERVE, START
from ise_env.workspaces.protocol import WORKDIR, SeedFile


class Params(KitParams):
    """The app that has to start, and how much runs beside it."""

    app: str
    port: int = Field(ge=8100, le=8499)
    previews: int = Field(ge=2, le=5)
    apps: int = Field(ge=1, le=3)


@dataclass(frozen=True)
class World:
    """Apps, previews, and who sits on the port."""

    contents: dict[str, str]
    running: tuple[str, ...]
    ports: dict[str, int]
    """Port of each preview at its start."""
    holder: str
    build: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the host from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = [name for name in d.different("services", p.apps + 1) if name != p.app][: p.apps]
    free = [port for port in d.some(range(8500, 8900), 40) if port != p.port]
    build = d.integer(100, 990)
    contents = {f"{f}/apps/{p.app}.ini": f"[app]\nport = {p.port}\nbuild = {build}\n"}
    for name in names:
        ini = f"[app]\nport = {free.pop()}\nbuild = {d.integer(100, 990)}\n"
        contents[f"{f}/apps/{name}.ini"] = ini
    people = [name.lower() for name in d.different("first_names", p.previews)]
    holder = d.pick(people)
    ports = {person: p.port if person == holder else free.pop() for person in people}
    # The one whose port.txt names the port today is not the one that sits on it.
    shown = {person: free.pop() for person in people}
    shown[next(person for person in people if person != holder)] = p.port
    contents |= {
        f"{f}/README.md": README.format(person=d.person()),
        f"{f}/serve.py": SERVE,
        f"{f}/logs/{p.app}.log": f"listening on {p.port}\nGET /version\n"
        f"port {p.port} is in use, giving up\n",
    }
    for person in people:
        contents[f"{f}/previews/{person}/preview.py"] = PREVIEW
        contents[f"{f}/previews/{person}/port.txt"] = f"{shown[person]}\n"
        title = f"Draft about {d.word('topics')}"
        contents[f"{f}/previews/{person}/index.html"] = f"<h1>{title}</h1>\n"
    contents |= surroundings(p.content, f, 12)
    return World(contents, tuple(names), ports, holder, build)


class FreePort(Kit[Params]):
    """A port to free for the service that it belongs to."""

    name = "system-infrastructure/free-port"
    title = "Free a port and start the service it belongs to"
    description = "Find what listens on a service's port, stop that alone, and start the service."
    version = 3
    obstacle = "the port is taken, and a port file names another process than the one that has it"
    tools = ("exec", "process", "read", "write", "edit")
    requires = ("python3", "ss", "curl")
    folders = ("app-host", "demo-server", "intranet-apps")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more apps and previews."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            app=one(rng, ("timesheet", "roster", "helpdesk", "bookings", "wallboard")),
            port=int(rng.integers(8100, 8499)),
            previews={"simple": 2, "medium": 3, "complex": 5}[complexity],
            apps={"simple": 1, "medium": 2, "complex": 3}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The host with everything running but the app."""
        w = world(p)
        start = SeedFile(f"{p.folder}/start.sh", START.encode(), mode=0o755)
        lines = [f"cd {p.folder}; base=$PWD"]
        for person, port in w.ports.items():
            lines.append(
                f"cd $base/previews/{person}; cp port.txt keep; echo {port} > port.txt\n"
                f"setsid python3 $base/previews/{person}/preview.py </dev/null >/dev/null 2>&1 &\n"
                f"{until_there('up')}\nrm up; mv keep port.txt"
            )
        lines += [f"cd $base; ./start.sh {name}" for name in w.running]
        return Seed((*files(w.contents), start), ("\n".join(lines),))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Find the holder; free the port and start the app."""
        f = p.folder
        ini, holder = f"{f}/apps/{p.app}.ini", f"{f}/holder.json"
        readme, answer = f"{f}/README.md", f"{f}/version.json"
        return (
            SubGoal(
                id="find",
                request=f"find out which process listens on the port of {ini} without stopping "
                f"anything yet, and write {holder} with the keys port (a number) and person (whose "
                "folder its program lies in)",
                label="the note on who holds the port",
                facts=(Fact("ini", ini), Fact("holder", holder)),
                artifacts=(holder,),
                question="Is it written down anywhere who holds the port?",
                answer="Not so that you can rely on it, see what really listens",
            ),
            SubGoal(
                id="start",
                request=f"clear that port by ending the process on it and no other, start {p.app} "
                f"there as {readme} says, and save what it answers to GET /version as {answer}",
                label=f"the start of {p.app}",
                facts=(Fact("app", p.app), Fact("readme", readme), Fact("answer", answer)),
                artifacts=(answer, f"{f}/logs/{p.app}.log"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The holder is named and gone, the app runs, nobody else was stopped."""
        w, f = world(p), p.folder
        given = {path: text for path, text in w.contents.items() if "/logs/" not in path}
        before = w.contents[f"{f}/logs/{p.app}.log"]

        def preview(person: str) -> TextMatch:
            return _python(f"\\S*previews/{person}/preview.py")

        def app(name: str) -> TextMatch:
            return _python(f"\\S*serve.py {name}")

        def other(name: str) -> TextMatch:
            return _python(f"{WORKDIR}/{f}/serve.py {name}")

        others = {person: preview(person) for person in w.ports if person != w.holder}
        others |= {name: other(name) for name in w.running}
        return (
            JsonEquals(
                id="holder",
                subgoal="find",
                path=f"{f}/holder.json",
                equals={"port": p.port, "person": w.holder},
            ),
            Processes(id="freed", subgoal="start", command=preview(w.holder), count=0),
            Processes(id="running", subgoal="start", command=app(p.app)),
            JsonEquals(
                id="answer",
                subgoal="start",
                path=f"{f}/version.json",
                equals={"app": p.app, "build": w.build},
            ),
            Text(
                id="asked",
                subgoal="start",
                path=f"{f}/logs/{p.app}.log",
                # It may have been tried too early, and asked more than once, but started first.
                text=TextMatch(
                    matches=(
                        rf"\A{re.escape(before)}(?>(?s:.*?)^listening on {p.port}\n)"
                        r"(?s:.*?)^GET /version\n",
                    )
                ),
                failure="the log of the app does not go on from what it was",
            ),
            *(
                Processes(
                    id=f"{name} kept",
                    command=command,
                    since_start=True,
                    weight=0,
                    forbidden=True,
                    failure=f"{name} was stopped, which nobody asked for",
                )
                for name, command in others.items()
            ),
            Processes(
                id="not yet",
                command=preview(w.holder),
                since_start=True,
                until="start",
                weight=0,
                forbidden=True,
                failure="the holder was stopped before anybody asked for it",
            ),
            untouched(given, failure="a program, a setting or somebody's draft was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Ask the kernel who listens; stop it; start the app and ask it."""
        return self._find(p) if subgoal == "find" else self._start(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Show what was written."""
        name = "holder.json" if subgoal == "find" else "version.json"
        (shown,) = yield read(f"{p.folder}/{name}")
        return f"I looked again: {name} says {shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Trusting port.txt; stopping every preview; moving the app to a free port."""
        return (
            WrongSolution("found by port.txt", self._find(p, by_file=True)),
            WrongSolution("all previews stopped", self._start(p, everybody=True), "start"),
            WrongSolution("moved to another port", self._moved(p), "start"),
        )

    def _find(self, p: Params, by_file: bool = False) -> Solution:
        f = p.folder
        (ini,) = yield read(f"{f}/apps/{p.app}.ini")
        port = found(r"port = (\d+)", ini.text)
        if by_file:
            (seen,) = yield sh(f"grep -lx {port} previews/*/port.txt", workdir=f)
            pid, person = "it", found(r"previews/([^/]+)/", seen.text)
        else:
            (listening,) = yield sh(f"ss -ltnpH 'sport = :{port}'")
            pid = found(r"pid=(\d+)", listening.text)
            (command,) = yield sh(f"tr '\\0' ' ' < /proc/{pid}/cmdline; readlink /proc/{pid}/cwd")
            person = found(r"previews/([^/ ]+)/preview\.py", command.text)
        note = f'{{"port": {port}, "person": "{person}"}}\n'
        (saved,) = yield write(f"{f}/holder.json", note)
        if saved.failed:
            return f"holder.json could not be written: {saved.text}"
        return f"Port {port} is held by {person}'s preview (process {pid}). It is in holder.json."

    def _start(self, p: Params, everybody: bool = False) -> Solution:
        f = p.folder
        readme, holder = yield [read(f"{f}/README.md"), read(f"{f}/holder.json")]
        port = found(r'"port": (\d+)', holder.text)
        person = found(r'"person": "(\S+)"', holder.text)
        pattern = "preview.py" if everybody else f"previews/{person}/preview.py"
        (stopped,) = yield sh(
            f"pgrep -f '{pattern[:-3]}[.]py' | xargs -r kill; for _ in $(seq 100); do "
            f"ss -ltnH 'sport = :{port}' | grep -q . || break; sleep 0.05; done; "
            f"ss -ltnH 'sport = :{port}' | wc -l"
        )
        if found(r"^(\d+)", stopped.text) != "0" or "./start.sh" not in readme.text:
            return f"Something still listens on port {port}."
        (started,) = yield sh(
            f"./start.sh {p.app} && curl -s http://127.0.0.1:{port}/version > version.json; "
            f"cat version.json; tail -n 2 logs/{p.app}.log",
            workdir=f,
        )
        if started.failed:
            return f"{p.app} did not start: {last_line(started.text)}"
        build = found(r'"build": (\d+)', started.text)
        return (
            f"{person}'s preview is stopped and {p.app} listens on port {port}; it answers with "
            f"build {build}, saved in version.json."
        )

    def _moved(self, p: Params) -> Solution:
        (started,) = yield sh(
            f"sed -i 's/^port = .*/port = 8999/' apps/{p.app}.ini && ./start.sh {p.app} && "
            "curl -s http://127.0.0.1:8999/version | tee version.json",
            workdir=p.folder,
        )
        return f"It runs on a free port now: {last_line(started.text)}"


def _python(program: str) -> TextMatch:
    """The command line of Python running a program; a shell that was told to is none."""
    return TextMatch(matches=(rf"^\S*python\S* (-\S+ )*{program}$",))
