"""A host whose apps and workers run under Supervisor: its programs, its README, its checks."""

from __future__ import annotations

from collections.abc import Iterable

from ise_env.rewards.checks import Processes, TextMatch
from ise_env.rewards.spec import Check
from ise_env.workspaces.protocol import WORKDIR

SERVE = '''\
"""Serves one app: serve.py NAME. Its settings are in apps/NAME.ini; GET /status answers."""

import configparser
import csv
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
name = sys.argv[1]


def say(text):
    print(f"{name}: {text}", flush=True)


def give_up(text):
    say(f"{text}, giving up")
    sys.exit(1)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/status":
            self.send_error(404)
            return
        by = os.environ.get("SUPERVISOR_PROCESS_NAME", "nobody")
        body = json.dumps({"app": name, "build": app.getint("build"), "run_by": by}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ini = configparser.ConfigParser()
ini.read(HERE / "apps" / f"{name}.ini")
app = ini["app"]
if not (HERE / app["spool"]).is_dir():
    give_up(f"spool folder {app['spool']} is not there")
with (HERE / "ports.csv").open(newline="") as file:
    agreed = {row["app"]: int(row["port"]) for row in csv.DictReader(file)}
if agreed[name] != app.getint("port"):
    give_up(f"port {app['port']} is not the one in ports.csv")
try:
    server = HTTPServer(("127.0.0.1", app.getint("port")), Handler)
except OSError as error:
    give_up(f"port {app['port']}: {error.strerror}")
say(f"listening on {app['port']}")
server.serve_forever()
'''
WORKER = '''\
"""One of the workers of a queue: python3 worker.py QUEUE NUMBER. Stops on SIGTERM."""

import signal
import sys

print(f"{sys.argv[1]} {sys.argv[2]}: waiting for jobs", flush=True)
signal.sigwait({signal.SIGTERM})
'''
README = """\
# What runs on this host

Everything runs under Supervisor, and `supervisorctl status` lists it. Each program has a file
`programs/NAME.ini` and is called {folder}-NAME there:

    [program:{folder}-NAME]
    command = python3 {workdir}/{folder}/serve.py NAME
    directory = {workdir}/{folder}
    autorestart = true
    startretries = 0
    redirect_stderr = true
    stdout_logfile = {workdir}/{folder}/logs/NAME.log

- `supervisorctl update` takes in files that are new or changed, and leaves all others alone. A
  program that was given up (FATAL) is started with `supervisorctl start`.
- Settings of an app are in `apps/NAME.ini`. Its port is agreed with the people who use it and
  stands in `ports.csv`; its spool folder is `var/NAME`, and holds what is not sent yet. Neither
  `ports.csv` nor `var/` is ever changed from here.
- `GET /status` on its port says which program an app runs as (`run_by`).
- Whatever works goes on working: no `reload` and no `restart all`. {person} is called for each
  interruption.
"""


def app_ini(port: int, build: int, spool: str) -> str:
    """Settings of an app."""
    return f"[app]\nport = {port}\nbuild = {build}\nspool = {spool}\n"


def program_ini(folder: str, name: str, command: str = "", more: str = "", log: str = "") -> str:
    """The section of a program, as README has it."""
    return (
        f"[program:{folder}-{name}]\n"
        f"command = python3 {WORKDIR}/{folder}/{command or f'serve.py {name}'}\n{more}"
        f"directory = {WORKDIR}/{folder}\n"
        "autorestart = true\nstartretries = 0\nredirect_stderr = true\n"
        f"stdout_logfile = {WORKDIR}/{folder}/logs/{log or name}.log\n"
    )


def serving(app: str, where: str = r"\S*") -> TextMatch:
    """The command line of an app; apps elsewhere may be called the same."""
    return TextMatch(matches=(rf"^\S*python\S* (-\S+ )*{where}serve\.py {app}$",))


def working(queue: str, where: str = r"\S*") -> TextMatch:
    """The command line of a worker."""
    return TextMatch(matches=(rf"^\S*python\S* (-\S+ )*{where}worker\.py {queue} \d+$",))


SUPERVISOR = TextMatch(matches=(r"^\S*python\S* (-\S+ )*\S*supervisord\b",))
"""The command line of what supervised programs are children of."""


def kept(
    folder: str, apps: Iterable[str], queues: Iterable[tuple[str, int]] = ()
) -> tuple[Check, ...]:
    """Whatever ran at the start and is nobody's business runs on."""
    where = f"{WORKDIR}/{folder}/"
    running = [(app, serving(app, where), 1) for app in apps]
    running += [(queue, working(queue, where), count) for queue, count in queues]
    return tuple(
        Processes(
            id=f"{name} kept",
            command=command,
            count=count,
            since_start=True,
            weight=0,
            forbidden=True,
            failure=f"{name} was interrupted, which nobody asked for",
        )
        for name, command, count in running
    )


SETTLED = (
    "for _ in $(seq 40); do supervisorctl status | grep -qE 'STARTING|BACKOFF' || break; "
    "sleep 0.3; done; "
)
"""Shell: wait until no program is on its way up, or about to be given up."""
