"""What lies in the workspace of the kit service-health, and what its oracle runs there."""

from __future__ import annotations

FLEET = '''\
"""All local services in one process; what each of them does comes in on standard input."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
lock = threading.Lock()


def handler(name, how):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with lock, (HERE / "logs" / "access.log").open("a") as log:
                log.write(f"{name} {self.path}\\n")
            if self.path not in (how["path"], "/ready"):
                self.send_error(404)
            elif how["does"] == "hang":
                time.sleep(3600)
            elif how["does"] == "moved" and self.path != "/ready":
                self.send_response(307)
                self.send_header("Location", "/ready")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                body = json.dumps(how["body"]).encode()
                self.send_response(how["code"])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


for name, how in json.load(sys.stdin).items():
    server = ThreadingHTTPServer(("127.0.0.1", how["port"]), handler(name, how))
    threading.Thread(target=server.serve_forever).start()
(HERE / "logs" / "up").touch()
'''
RULES = """\
# What the states mean

`services.csv` says where each service is asked: `GET http://127.0.0.1:PORT/PATH`. Redirections are
followed.

| state | when |
| --- | --- |
| up | it answers 200, and `status` in the JSON is `ok` |
| degraded | it answers 200 with any other `status` |
| failing | it answers with any other code |
| silent | no connection, or no answer within {seconds} s |

A 200 by itself says nothing: look at the body. The fleet is in use; nothing is restarted from here.
Questions go to {person}.
"""
PROGRAM = """\
import csv, json, urllib.error, urllib.request
states = {{}}
for row in csv.DictReader(open("services.csv")):
    url = "http://127.0.0.1:" + row["port"] + row["path"]
    try:
        with urllib.request.urlopen(url, timeout={seconds}) as answer:
            body = json.load(answer)
        state = "up" if {up} else "degraded"
    except urllib.error.HTTPError as error:
        state = "failing"
    except OSError:
        state = "silent"
    states[row["service"]] = state
with open("states.csv", "w") as out:
    print("service,state", file=out)
    for item in states.items():
        print(*item, sep=",", file=out)
for state in ("up", "degraded", "failing", "silent"):
    print(state, sum(s == state for s in states.values()))
"""
