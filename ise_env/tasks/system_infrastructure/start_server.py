"""A small server to start in the background, to ask, and to stop properly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, JsonEquals, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, ToolCall, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, read, sh, write

SERVER = '''\
"""Serves the stock: GET /shelf/<name>, GET /total. See README.md."""

import csv
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
PORT, LOG = HERE / "run" / "server.port", HERE / "run" / "server.log"


def note(line):
    with LOG.open("a") as file:
        file.write(line + "\\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        shelves = self.server.shelves
        part = self.path.strip("/").split("/")
        if part == ["total"]:
            answer = {"pieces": sum(map(sum, shelves.values())), "shelves": len(shelves)}
        elif len(part) == 2 and part[0] == "shelf" and part[1] in shelves:
            rows = shelves[part[1]]
            answer = {"shelf": part[1], "pieces": sum(rows), "items": len(rows)}
        else:
            self.send_error(404)
            return
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        note(f"GET {self.path}")

    def log_message(self, *args):
        pass


def stop(*_):
    PORT.unlink(missing_ok=True)
    note("stopped")
    os._exit(0)


def main():
    shelves = {}
    with (HERE / "stock.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["state"] != "FLAG":
                shelves.setdefault(row["shelf"], []).append(int(row["pieces"]))
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.shelves = shelves
    PORT.parent.mkdir(exist_ok=True)
    PORT.write_text(f"{server.server_address[1]}\\n")
    note("started")
    print(f"ready, {len(shelves)} shelves", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
'''
README = """\
# Stock server

`python3 server.py` runs in the foreground until it is told to stop (SIGTERM or Ctrl-C). It picks a
free port on 127.0.0.1 and writes it to `run/server.port`, which it removes when it stops properly.
A port file may be left from a crash: it is worth nothing unless the server has said `ready`.

- `GET /shelf/<name>`: pieces and items of one shelf, as JSON
- `GET /total`: pieces of all shelves together, and how many shelves there are

Rows in the state {flag} are not served. Questions: {person}.
"""
FLAGS = ("reserved", "blocked", "damaged", "in transit")


class Params(KitParams):
    """Which shelf is asked for, and the size of the stock."""

    shelf: str
    rows: int = Field(ge=20, le=160)


@dataclass(frozen=True)
class World:
    """The server's folder, and what it answers."""

    contents: dict[str, str]
    shelf: dict[str, str | int]
    pieces: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the stock from the parameters."""
    d = Draw(p.content)
    flag = d.pick(FLAGS)
    shelves = list(dict.fromkeys([p.shelf, *(f"{d.pick('ABCDEF')}{n}" for n in range(1, 8))]))
    rows = []
    for number in range(p.rows):
        shelf = p.shelf if number < 4 else d.pick(shelves)
        state = flag if number == 3 or d.chance(0.25) else "free"
        rows.append((shelf, d.word("products"), d.integer(1, 240), "free" if number < 3 else state))
    served = [row for row in rows if row[3] != flag]
    mine = [row[2] for row in served if row[0] == p.shelf]
    f = p.folder
    contents = {
        f"{f}/server.py": SERVER.replace("FLAG", flag),
        f"{f}/stock.csv": csv_text(("shelf", "item", "pieces", "state"), d.shuffled(rows)),
        f"{f}/README.md": README.format(flag=f"`{flag}`", person=d.person()),
        f"{f}/run/server.port": f"{d.integer(30_000, 60_000)}\n",
        f"{f}/run/server.log": "started\n" + "GET /total\n" * d.integer(1, 4),
    }
    answer: dict[str, str | int] = {"shelf": p.shelf, "pieces": sum(mine), "items": len(mine)}
    return World(contents, answer, sum(row[2] for row in served))


class StartServer(Kit[Params]):
    """A server to start, ask and stop."""

    name = "system-infrastructure/start-server"
    version = 2
    title = "Start a server in the background and ask it"
    description = "Start a server, find its port, fetch answers, and stop it so that it cleans up."
    obstacle = "a port file that is left from a crash"
    tools = ("exec", "process", "read", "write", "edit")
    requires = ("python3",)
    folders = ("stock-server", "warehouse-api", "depot")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a larger stock."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            shelf=f"{one(rng, 'GHKM')}{int(rng.integers(1, 30))}",
            rows={"simple": 20, "medium": 60, "complex": 160}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The server, its stock, and what a crash left."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Ask it; stop it."""
        server, saved = f"{p.folder}/server.py", f"{p.folder}/shelf.json"
        return (
            SubGoal(
                id="ask",
                request=f"start {server} in the background as its README says and save what it "
                f"answers for the shelf {p.shelf} as {saved}",
                label=f"the answer for the shelf {p.shelf}",
                facts=(Fact("server", server), Fact("shelf", p.shelf), Fact("saved", saved)),
                artifacts=(saved,),
                question="Is the port in run/server.port still good?",
                answer="Not the one from before, the server writes a new one when it starts",
            ),
            SubGoal(
                id="stop",
                request=f"ask {server} for its total, tell me how many pieces there are in all, "
                "and stop it properly so that its port file is gone",
                label="the end of the server",
                facts=(Fact("server", server), Fact("what", "total")),
                artifacts=(f"{p.folder}/run/server.log",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The saved answer, the spoken total, what the server itself left behind."""
        w, f = world(p), p.folder
        given = {k: v for k, v in w.contents.items() if "/run/" not in k}
        before = w.contents[f"{f}/run/server.log"]
        return (
            JsonEquals(id="shelf", subgoal="ask", path=f"{f}/shelf.json", equals=dict(w.shelf)),
            Text(
                id="asked",
                subgoal="ask",
                path=f"{f}/run/server.log",
                text=TextMatch(contains=(before, f"GET /shelf/{p.shelf}\n")),
                failure="the server was not asked for the shelf",
            ),
            Said(id="told", subgoal="stop", unit=("pieces?",), number=w.pieces),
            Text(
                id="stopped",
                subgoal="stop",
                path=f"{f}/run/server.log",
                text=TextMatch(matches=(r"\A(?>(?s:.*?)GET /total\n)(?s:.*\n)?stopped\s*\Z",)),
                failure="the server was not asked for its total and then stopped properly",
            ),
            Absent(id="port gone", subgoal="stop", path=f"{f}/run/server.port"),
            untouched(given, failure="the server or its stock was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Start, poll until it is ready, ask; ask again, kill, poll."""
        return self._ask(p) if subgoal == "ask" else self._stop(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the answer, or at the log."""
        if subgoal == "ask":
            (shown,) = yield read(f"{p.folder}/shelf.json")
            return f"I looked again: {p.folder}/shelf.json says {shown.text.strip()}"
        (log,) = yield sh("tail -n 2 run/server.log; ls run", workdir=p.folder)
        return f"I looked again: the log ends with `{log.text.splitlines()[1]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Computing without the server; removing the port file and letting the server be."""
        return (
            WrongSolution("summed by hand", self._by_hand(p)),
            WrongSolution("only the port file removed", self._stop(p, hard=True), "stop"),
        )

    def _ask(self, p: Params) -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        (readme,) = yield read(f"{f}/README.md")
        (old,) = yield sh("cat run/server.port; tail -n 1 run/server.log", **here)
        (started,) = yield sh("python3 -u server.py", background=True, **here)
        session = found(r"\(session ([\w-]+),", started.text)
        for _ in range(20):
            (state,) = yield ToolCall(
                "process", {"action": "poll", "sessionId": session, "timeout": 1000}
            )
            (log,) = yield ToolCall("process", {"action": "log", "sessionId": session})
            if "ready" in log.text or "still running" not in state.text:
                break
        if "ready" not in log.text or "/shelf/" not in readme.text:
            return f"The server did not get ready: {log.text}"
        (port,) = yield read(f"{f}/run/server.port")
        number = found(r"(\d+)", port.text)
        (answer,) = yield _fetch(number, f"shelf/{p.shelf}")
        (saved,) = yield write(f"{f}/shelf.json", answer.text.strip() + "\n")
        if saved.failed:
            return f"The answer could not be saved: {saved.text}"
        stale = found(r"(\d+)", old.text)
        return (
            f"The server is up as session {session} on port {number} (the file had {stale} from "
            f"before). For {p.shelf} it says {answer.text.strip()}, which I saved."
        )

    def _stop(self, p: Params, hard: bool = False) -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        (port,) = yield read(f"{f}/run/server.port")
        number = found(r"(\d+)", port.text)
        (answer,) = yield _fetch(number, "total")
        (sessions,) = yield ToolCall("process", {"action": "list"})
        session = found(r"^([\w-]+) +running", sessions.text)
        if hard:
            (left,) = yield sh("rm run/server.port; ls run", **here)
        else:
            yield [
                ToolCall("process", {"action": "kill", "sessionId": session}),
                ToolCall("process", {"action": "poll", "sessionId": session, "timeout": 5000}),
            ]
            (left,) = yield sh("ls run; tail -n 1 run/server.log", **here)
        pieces = found(r'"pieces": (\d+)', answer.text)
        state = "gone" if "server.port" not in left.text else "there"
        return (
            f"There are {pieces} pieces in all. The server has stopped; its port file is {state}."
        )

    def _by_hand(self, p: Params) -> Solution:
        (mine,) = yield sh(
            f"awk -F, '$1 == \"{p.shelf}\" {{ s += $3; n++ }} END {{ print s, n }}' stock.csv",
            workdir=p.folder,
        )
        pieces, items = mine.text.split()
        text = f'{{"shelf": "{p.shelf}", "pieces": {pieces}, "items": {items}}}\n'
        (saved,) = yield write(f"{p.folder}/shelf.json", text)
        return f"The shelf has {pieces} pieces. {saved.text.strip()}"


def _fetch(port: str, what: str) -> ToolCall:
    """A GET request with nothing but Python."""
    url = f"http://127.0.0.1:{port}/{what}"
    return sh(
        f"python3 -c \"from urllib.request import urlopen as u; print(u('{url}').read().decode())\""
    )
