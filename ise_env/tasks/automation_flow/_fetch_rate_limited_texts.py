"""What lies in the workspace of the kit fetch-rate-limited, and what its oracle runs there."""

from __future__ import annotations

SERVER = '''\
"""The orders interface; pages come in on standard input. See API.md."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LOG = Path(__file__).resolve().parent / "server" / "access.log"
given = json.load(sys.stdin)
lock, window, barred = threading.Lock(), [], [0.0]


class Handler(BaseHTTPRequestHandler):
    def answer(self, code, value, **headers):
        body = json.dumps(value).encode()
        self.send_response(code)
        for name, text in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(text))
        self.end_headers()
        self.wfile.write(body)
        with LOG.open("a") as log:
            log.write(f"{code} {self.path}\\n")

    def do_GET(self):
        with lock:
            now = time.monotonic()
            early = now < barred[0]
            window[:] = [moment for moment in window if now - moment < 1.0]
            if early:
                with LOG.open("a") as log:
                    log.write("too early, the client did not wait\\n")
            if early or len(window) >= given["burst"]:
                barred[0] = barred[0] if early else now + 1.0
                self.answer(429, {"error": "slow down"}, Retry_After=1)
                return
            window.append(now)
        url = urlsplit(self.path)
        if url.path != "/orders":
            self.answer(404, {"error": "no such path"})
            return
        number = int(parse_qs(url.query).get("page", ["1"])[0])
        pages = given["pages"]
        if not 1 <= number <= len(pages):
            self.answer(404, {"error": "no such page"})
            return
        after = number + 1 if number < len(pages) else None
        self.answer(200, {"orders": pages[number - 1], "next": after})

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", given["port"]), Handler)
(LOG.parent / "up").touch()
server.serve_forever()
'''
API = """\
# Orders interface

`GET http://127.0.0.1:{port}/orders?page=1` answers `{{"orders": [...], "next": 2}}`; on the
last page `next` is null.

- Whoever asks too fast gets 429 with a `Retry-After` header in seconds. **No request may come
  before that time is over**; those that do are noted in `server/access.log` and held against us.
- Pages shift while orders come in, so the same order can be on two pages. It counts once.
- An order with `"state": "cancelled"` is part of the answer like any other.

{person} looks after the server in `server.py`, which is not to be stopped.
"""
FETCH = """\
import json, time, urllib.error, urllib.request
page, found, waits = 1, {{}}, 0
while page:
    try:
        with urllib.request.urlopen(f"{url}?page={{page}}") as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 429:
            raise
        waits += 1
        time.sleep(({wait}) + 0.05)
        continue
    for order in body["orders"]:
        found[{key}] = order
    page = body["next"]
with open("orders.jsonl", "w") as out:
    for order in found.values():
        print(json.dumps(order), file=out)
print(len(found), "orders,", waits, "waits")
"""
