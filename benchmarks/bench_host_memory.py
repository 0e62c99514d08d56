"""Memory of the collecting process over a long run.

    python benchmarks/bench_host_memory.py [--episodes 2000] [--concurrency 4]

Samples the resident memory of the collector (not of the workspaces) and prints it against the
number of finished episodes: flat is what one wants.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.intents.sampler import sample
from ise_env.traces.layout import Layout


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--agent", default="faulty")
    parser.add_argument("--keep", type=Path, help="keep the run here")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    folder = Path(tempfile.mkdtemp(prefix="ise-bench-"))
    run = options.keep or folder / "run"
    try:
        intents = folder / "intents.jsonl"
        with intents.open("w") as file:
            file.writelines(i.model_dump_json() + "\n" for i in sample(options.episodes, 4))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ise_env.rollout.cli", "rollout"),
                *("--intents", str(intents), "--agent", options.agent, "--out", str(run)),
                *("--concurrency", str(options.concurrency), "--quiet", "--json"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        samples, shown, begin = [], 0, time.perf_counter()
        print(f"{'finished':>10} {'resident MB':>12} {'seconds':>8}")
        while process.poll() is None:
            time.sleep(0.5)
            try:
                finished = Layout(run).read_manifest().counts.finished if run.exists() else 0
                samples.append((finished, resident_mb(process.pid)))
            except (OSError, ConfigError):
                continue
            if finished >= shown:
                print(f"{finished:>10} {samples[-1][1]:>12.1f} {time.perf_counter() - begin:>8.0f}")
                shown += max(1, options.episodes // 10)
        summary = json.loads(process.communicate()[0])
        half = [mb for n, mb in samples if n >= options.episodes / 2]
        first = [mb for n, mb in samples if 0 < n < options.episodes / 2]
        seconds = time.perf_counter() - begin
        print(
            f"{summary['finished']} episodes in {seconds:.0f} s "
            f"({summary['finished'] / seconds:.2f}/s), {summary['invalid']} invalid"
        )
        if first and half:
            print(f"resident: first half at most {max(first):.1f} MB, second {max(half):.1f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
