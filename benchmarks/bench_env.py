"""What the environment costs, beside the bare operating system, in one run.

    python benchmarks/bench_env.py [--quick]

Prints: a tool call through the env against a bare `posix_spawn` of the same command; reset and
close; the harness's own CPU per call and per episode (host process and executor, without the
commands); the env's cost per step with a growing history; episodes a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import gymnasium

import ise_env
from ise_env.agents import make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.env import IntentEnv
from ise_env.intents.sampler import sample

COMMAND = "true"
TEXT = "List what is in the workspace."


def says(tool: str, **arguments: object) -> dict[str, object]:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"id": f"c{time.perf_counter_ns()}", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def spawn_bare() -> None:
    pid = os.posix_spawn("/bin/bash", ["bash", "-c", COMMAND], os.environ)
    os.waitpid(pid, 0)


def milliseconds(work: object, n: int) -> list[float]:
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(1000 * (time.perf_counter() - start))
    return times


def call_against_spawn(n: int) -> tuple[list[float], list[float]]:
    """Alternate the two, so that both see the same machine."""
    env = IntentEnv(TEXT, max_tool_calls=10**9, tool_time_s=1e9)
    env.reset(seed=1)
    through, bare = [], []
    for _ in range(n):
        env.reset(seed=1) if len(env.episode.messages) > 200 else None
        through += milliseconds(lambda: env.step(says("exec", command=COMMAND)), 1)
        bare += milliseconds(spawn_bare, 1)
    env.close()
    return through, bare


def executor_cpu(env: IntentEnv) -> float:
    """CPU seconds that the workspace's PID 1 has used itself, its children left out."""
    observation, *_ = env.step(says("exec", command="cat /proc/1/stat; getconf CLK_TCK"))
    stat, ticks = observation["messages"][-1]["content"].strip().splitlines()
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / int(ticks)


def harness_cpu_per_call(n: int) -> float:
    env = IntentEnv(TEXT, max_tool_calls=10**9, tool_time_s=1e9)
    env.reset(seed=1)
    inside = executor_cpu(env)
    start = time.process_time()
    for _ in range(n):
        env.step(says("exec", command=COMMAND))
    host = time.process_time() - start
    inside = executor_cpu(env) - inside
    env.close()
    return 1000 * (host + inside) / n


def step_cost(history: int, n: int = 30) -> float:
    """Median cost of a step that runs nothing (an unknown tool), at a history of that length."""
    env = IntentEnv(TEXT, max_tool_calls=10**9, tool_time_s=1e9)
    env.reset(seed=1)
    while len(env.episode.messages) < history:
        env.step(says("nothing"))
    times = milliseconds(lambda: env.step(says("nothing")), n)
    env.close()
    return statistics.median(times)


def play(intent: object, seed: int) -> int:
    env, agent = IntentEnv(intent), make_agent("oracle")()  # type: ignore[arg-type]
    observation, _ = env.reset(seed=seed)
    agent.reset(AgentContext(intent, seed))  # type: ignore[arg-type]
    done = False
    while not done:
        observation, _, terminated, truncated, _ = env.step(agent.act(observation))
        done = terminated or truncated
    env.close()
    return len(env.episode.calls)


def episodes(n: int, concurrency: int) -> tuple[float, float, float]:
    """Episodes a second, host CPU ms an episode (self, without tools), calls an episode."""
    intents = list(sample(n, seed=3))
    play(intents[0], 0)
    cpu, start = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        calls = list(pool.map(play, intents, range(n)))
    wall = time.perf_counter() - start
    return n / wall, 1000 * (time.process_time() - cpu) / n, statistics.mean(calls)


def median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    scale = 1 if parser.parse_args().quick else 5
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, gymnasium {gymnasium.__version__}, "
        f"ise-env {ise_env.__version__}; medians"
    )
    through, bare = call_against_spawn(60 * scale)
    ratio = statistics.median(through) / statistics.median(bare)
    env = IntentEnv(TEXT)
    env.reset(seed=1)

    def cycle() -> None:
        env.reset(seed=1)
        env.close()

    cycles = milliseconds(cycle, 15 * scale)
    rows = [
        ("exec through the env, ms", median(through)),
        ("bare posix_spawn of the same command, ms", median(bare)),
        ("ratio", f"{ratio:.2f}"),
        ("reset and close, ms", median(cycles)),
        ("harness CPU per call, ms", f"{harness_cpu_per_call(60 * scale):.2f}"),
    ]
    for history in (10, 100, 500):
        rows.append((f"step with a history of {history} messages, ms", f"{step_cost(history):.3f}"))
    for concurrency in (1, os.cpu_count() or 1, 8):
        rate, cpu, calls = episodes(12 * scale, concurrency)
        rows.append(
            (f"oracle episodes/s, {concurrency} at once ({calls:.0f} calls)", f"{rate:.2f}")
        )
        if concurrency == 1:
            rows.append(("host CPU per episode, ms", f"{cpu:.0f}"))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows.append(
        (
            "CPU of reaped children over the whole run, s",
            f"{children.ru_utime + children.ru_stime:.1f}",
        )
    )
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value:>8}")


if __name__ == "__main__":
    sys.exit(main())
