"""How well a slow model is kept busy: a stand-in endpoint of 2 s latency, many episodes.

    python benchmarks/bench_latency.py [--concurrency 256] [--capacity 256] [--latency 2]

The endpoint holds every request for the given latency and answers `--capacity` of them at the
same time, more wait. Printed: the share of its capacity that was in use between the first and
the last request of the steady part, for the collector and for a bare thread pool that sends
the same number of requests and does nothing else. With few rounds the last episodes, which end one
by one, reach into the steady part and lower both figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Endpoint(ThreadingHTTPServer):
    """Answers after a fixed time; remembers when it was busy."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, latency: float, capacity: int, calls: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency = latency
        self.calls = calls
        self.slots = threading.Semaphore(capacity)
        self.served: list[tuple[float, float]] = []
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def busy_share(self, capacity: int) -> float:
        """Share of the capacity in use over the steady part: the middle 60 % of the time."""
        begin, end = min(s for s, _ in self.served), max(e for _, e in self.served)
        low, high = begin + 0.2 * (end - begin), begin + 0.8 * (end - begin)
        busy = sum(max(0.0, min(e, high) - max(s, low)) for s, e in self.served)
        return busy / (capacity * (high - low))


def calls_of(messages: list[dict[str, object]], mean: int) -> int:
    """Tool calls of an episode, from half the mean to one and a half: they do not end together."""
    asked = next(str(m["content"]) for m in messages if m["role"] == "user")
    return mean // 2 + zlib.crc32(asked.encode()) % (mean + 1)


class Handler(BaseHTTPRequestHandler):
    """Holds a request, then asks for one more tool call, or is done."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Endpoint

    def do_POST(self) -> None:
        """Answer a chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.slots:
            begin = time.monotonic()
            time.sleep(self.server.latency)
            with self.server.guard:
                self.server.served.append((begin, time.monotonic()))
        made = sum(message["role"] == "assistant" for message in body["messages"])
        message: dict[str, object] = {"role": "assistant", "content": "Done."}
        if made < calls_of(body["messages"], self.server.calls):
            function = {"name": "exec", "arguments": '{"command": "date; ls"}'}
            call = {"id": f"call_{made}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "stand-in",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(options: argparse.Namespace) -> Endpoint:
    endpoint = Endpoint(options.latency, options.capacity, options.calls)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    return endpoint


def bare(options: argparse.Namespace, episodes: int) -> float:
    """The same requests from a thread pool, with no environment behind them."""
    endpoint = serve(options)

    def episode(number: int) -> None:
        messages = [{"role": "user", "content": f"Say what time it is, {number}."}]
        for _ in range(calls_of(messages, options.calls) + 1):
            request = urllib.request.Request(
                f"{endpoint.url}/chat/completions",
                data=json.dumps({"model": "m", "messages": messages}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                messages.append(json.loads(answer.read())["choices"][0]["message"])

    with ThreadPoolExecutor(options.concurrency) as pool:
        list(pool.map(episode, range(episodes)))
    share = endpoint.busy_share(options.capacity)
    endpoint.shutdown()
    return share


def collected(options: argparse.Namespace, episodes: int) -> tuple[float, float, str]:
    endpoint = serve(options)
    with tempfile.TemporaryDirectory(prefix="ise-bench-") as folder:
        intents = Path(folder) / "intents.txt"
        intents.write_text("".join(f"Say what time it is, {n}.\n" for n in range(episodes)))
        begin = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ise_env.rollout.cli", "rollout", "--user", "none"),
                *("--intents", str(intents), "--agent", f"openai:stand-in@{endpoint.url}"),
                *("--concurrency", str(options.concurrency), "--out", f"{folder}/run"),
                *("--quiet", "--json"),
            ],
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - begin
    share = endpoint.busy_share(options.capacity)
    endpoint.shutdown()
    return share, seconds, done.stdout or done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--capacity", type=int, default=256)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--calls", type=int, default=10, help="tool calls an episode, on average")
    parser.add_argument("--rounds", type=int, default=6, help="episodes for each at once")
    options = parser.parse_args()
    episodes = options.rounds * options.concurrency
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"{options.latency} s latency, {options.capacity} at once; {episodes} episodes of "
        f"{options.calls} calls, {options.concurrency} at once"
    )
    share, seconds, summary = collected(options, episodes)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"collector          {100 * share:5.1f} % of the capacity busy, {seconds:.0f} s, "
        f"{cpu.ru_utime + cpu.ru_stime:.0f} s CPU, peak {cpu.ru_maxrss / 1024:.0f} MB"
    )
    print(f"bare thread pool   {100 * bare(options, episodes):5.1f} %")
    print(summary)


if __name__ == "__main__":
    main()
