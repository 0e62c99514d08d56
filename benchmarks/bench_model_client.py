"""What the model client costs beside the plain SDK, and how busy it keeps a slow server.

    python benchmarks/bench_model_client.py [--quick]

Prints: CPU time of one call with a growing history, through our client and through
`openai.OpenAI().chat.completions.create`, against the same server in the same run; and the share
of a stand-in model's capacity that many threads keep busy when every answer takes seconds.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from ise_env.llm import Endpoint, ModelClient

# A process of its own, so that its CPU is not counted and does not hold our lock.
SERVER = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
latency = float(sys.argv[1])
body = json.dumps({"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]})
class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(latency)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size, daemon_threads = 1024, True
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """A stand-in model server in a process of its own."""
    command = [sys.executable, "-c", SERVER, str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


def history(messages: int) -> list[Any]:
    """Tool calls and results of about 800 characters."""
    out: list[Any] = [{"role": "user", "content": "word " * 60}]
    for number in range(messages // 2):
        name = f"call_{number}"
        function = {"name": "exec", "arguments": '{"command": "ls -la /workspace"}'}
        call = {"id": name, "type": "function", "function": function}
        out.append({"role": "assistant", "content": "", "tool_calls": [call]})
        out.append({"role": "tool", "tool_call_id": name, "content": "out " * 200})
    return out


def cpu_ms(work: Callable[[], object], n: int) -> float:
    """Median CPU milliseconds of this thread."""
    work()
    times = []
    for _ in range(n):
        start = time.thread_time()
        work()
        times.append(1000 * (time.thread_time() - start))
    return statistics.median(times)


def cost_of_a_call(n: int) -> None:
    """Print CPU time by history length, both clients on the same server."""
    with serving(0.0) as url:
        ours = ModelClient(Endpoint("m", url))
        plain = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        print("\nCPU of one call, median   ours    plain SDK   ratio")
        for size in (10, 100, 500):
            messages = history(size)
            mine = cpu_ms(lambda m=messages: ours.complete(m), n)  # type: ignore[misc]
            theirs = cpu_ms(
                lambda m=messages: plain.chat.completions.create(model="m", messages=m),  # type: ignore[misc]
                n,
            )
            print(
                f"  {size:4} messages        {mine:7.2f} ms {theirs:7.2f} ms  {mine / theirs:6.2f}"
            )


def busy_share(threads: int, latency_s: float, rounds: int) -> float:
    """Share of `threads` model slots that are kept busy, start and end included."""
    with serving(latency_s) as url:
        client = ModelClient(Endpoint("m", url))
        messages = history(60)
        client.complete(messages)

        def work() -> None:
            for _ in range(rounds):
                client.complete(messages)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return rounds * latency_s / (time.perf_counter() - start)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    quick = parser.parse_args().quick
    print(
        f"{platform.processor() or platform.machine()}, python {platform.python_version()}, "
        f"openai {openai.__version__}"
    )
    cost_of_a_call(10 if quick else 50)
    threads, latency, rounds = (64, 0.5, 4) if quick else (256, 2.0, 10)
    share = busy_share(threads, latency, rounds)
    print(
        f"\n{threads} threads, a server that takes {latency:g} s: "
        f"{100 * share:.1f} % of its capacity is kept busy"
    )


if __name__ == "__main__":
    main()
