"""What lies in the workspace of the kit free-port, and what its oracle runs there."""

from __future__ import annotations

SERVE = '''\
"""Serves one app on the port of its ini file: python3 serve.py NAME. GET /version answers."""

import configparser
import errno
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
name = sys.argv[1]
ini = configparser.ConfigParser()
ini.read(HERE / "apps" / f"{name}.ini")
port = ini.getint("app", "port")


def note(text):
    with (HERE / "logs" / f"{name}.log").open("a") as log:
        log.write(text + "\\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/version":
            self.send_error(404)
            return
        body = json.dumps({"app": name, "build": ini.getint("app", "build")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        note("GET /version")

    def log_message(self, *args):
        pass


try:
    server = HTTPServer(("127.0.0.1", port), Handler)
except OSError as error:
    if error.errno != errno.EADDRINUSE:
        raise
    note(f"port {port} is in use, giving up")
    sys.exit(98)
note(f"listening on {port}")
server.serve_forever()
'''
PREVIEW = '''\
"""Shows a draft in the browser. The port comes from port.txt when it starts."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

here = Path(sys.argv[0]).resolve().parent
port = int((here / "port.txt").read_text())
server = ThreadingHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler)
(here / "up").touch()
server.serve_forever()
'''
START = """\
#!/usr/bin/env bash
# Starts one app in the background and waits until it listens: ./start.sh NAME
set -eu
cd "$(dirname "$0")"
mkdir -p logs
touch "logs/$1.log"
mapfile -t before < "logs/$1.log"
exec 9<> <(:)  # nothing ever comes from here: to wait without starting anything
setsid python3 "$PWD/serve.py" "$1" </dev/null >/dev/null 2>&1 9<&- &
for _ in $(seq 1000); do
  mapfile -t now < "logs/$1.log"
  [[ ${now[*]:${#before[@]}} == *listening* ]] && exit 0
  kill -0 $! 2>/dev/null || break
  read -rt 0.01 -u 9 || true
done
tail -n 1 "logs/$1.log" >&2
exit 1
"""
README = """\
# Apps

- `apps/NAME.ini` holds the port and the build of each app. Ports are agreed with the people who use
  them and are never changed from here.
- `./start.sh NAME` starts an app and waits until it listens; `logs/NAME.log` says how it went.
- `previews/PERSON/preview.py` is everybody's own: it shows drafts on the port that `port.txt` held
  when it was started. People edit `port.txt` afterwards, so it proves nothing. A preview that is in
  nobody's way stays: {person} once lost an afternoon's demo.
"""
