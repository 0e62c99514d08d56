"""What keeping episodes costs, beside what a user would write instead, in one run.

    python benchmarks/bench_store.py [--megabytes 200] [--full]

Writes the same records with the run store (append and fsync for each), as plain JSON lines
without fsync, and into one JSON file that is rewritten for each record; reads a run back as
records, as bare JSON, and sealed; prints the largest memory of the reading process.
`--full` reads 1 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydantic

from ise_env.agents.protocol import AgentProvenance
from ise_env.intents.sampler import sample
from ise_env.traces import seal
from ise_env.traces.layout import Manifest
from ise_env.traces.record import Provenance, Termination, Trajectory
from ise_env.traces.store import RunStore

WORDS = "read the log and write what failed into report.csv then look again at row".split()
READERS = {
    "records (pydantic)": "from ise_env.traces.reader import read_run\n"
    "n = sum(1 for _ in read_run(sys.argv[1]))",
    "bare JSON lines": "import json, pathlib\n"
    "from ise_env.traces.reader import paths_of, read_lines\n"
    "n = sum(1 for p in paths_of(pathlib.Path(sys.argv[1])) for l in read_lines(p)"
    " if json.loads(l.data))",
    "statistics (ise stats)": "import pathlib\n"
    "from ise_env.rollout.stats import collect_statistics\n"
    "n = collect_statistics(pathlib.Path(sys.argv[1])).valid",
}


def records(n: int, messages: int = 68) -> Iterator[Trajectory]:
    """Records of the published length: 68 messages, about 75 KB."""
    rng = np.random.default_rng(0)
    intents = list(sample(20, 1))
    for number in range(n):
        intent = intents[number % len(intents)]
        yield Trajectory(
            episode_id=f"{number:016x}",
            run_id="bench",
            intent=intent,
            intent_sha256=intent.sha256(),
            trial=0,
            seed=number,
            messages=[message(i, rng) for i in range(messages)],
            steps=messages // 2,
            reward=1.0,
            success=True,
            termination=Termination(reason="user_satisfied", by="user", truncated=False),
            valid=True,
            workspace=None,
            provenance=Provenance(
                agent=AgentProvenance(name="bench", scripted=True),
                user=None,
                realiser=None,
                versions={},
                system_prompt_sha256="0",
                tools_sha256="0",
            ),
            wall_s=1.0,
        )


def message(i: int, rng: np.random.Generator) -> dict[str, object]:
    text = " ".join(WORDS[k] for k in rng.integers(len(WORDS), size=160))
    outcome = {"status": "ok", "exit_code": 0, "duration_s": 0.01, "bytes": len(text)}
    if i % 2:
        return {"role": "tool", "tool_call_id": f"c{i}", "content": text, "x": {"outcome": outcome}}
    function = {"name": "exec", "arguments": json.dumps({"command": text})}
    call = {"id": f"c{i + 1}", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [call], "x": {"step": i}}


def manifest() -> Manifest:
    return Manifest(run_id="bench", created="", configuration={}, identity={})


def milliseconds(write: Callable[[Trajectory], object], batch: list[Trajectory]) -> list[float]:
    times = []
    for record in batch:
        start = time.perf_counter()
        write(record)
        times.append(1000 * (time.perf_counter() - start))
    return times


def row(label: str, values: list[float], unit: str, base: float | None = None) -> None:
    median = statistics.median(values)
    ratio = f"{median / base:8.2f} x" if base else " " * 10
    high = np.quantile(values, 0.95)
    print(f"{label:<42} {median:9.2f} {unit:<5} {ratio}   95 % below {high:.2f}")


def write_costs(folder: Path, n: int) -> None:
    batch = list(records(n))
    size = statistics.mean(len(r.model_dump_json()) for r in batch)
    print(f"writing {n} records of {size / 1e3:.0f} KB, milliseconds a record")
    with (folder / "plain.jsonl").open("w") as file:
        bare = milliseconds(lambda r: file.write(r.model_dump_json() + "\n"), batch)
    with RunStore.create(folder / "store", manifest()) as store:
        ours = milliseconds(store.append, batch)
    whole: list[dict[str, object]] = []

    def rewrite(record: Trajectory) -> None:
        whole.append(record.model_dump(mode="json"))
        (folder / "whole.json").write_text(json.dumps(whole))

    rewritten = milliseconds(rewrite, batch[: min(n, 150)])
    base = statistics.median(bare)
    row("JSON lines, no fsync", bare, "ms")
    row("run store: redaction, append, fsync", ours, "ms", base)
    row(f"one JSON file rewritten ({len(rewritten)} records)", rewritten, "ms", base)


def grow(folder: Path, megabytes: int) -> Path:
    """A run of the given size: one shard of real records, its lines repeated."""
    root = folder / "big"
    with RunStore.create(root, manifest()) as store:
        for record in records(200):
            store.append(record)
    shard = root / "shards" / "w0-00000.jsonl"
    block = shard.read_bytes()
    with shard.open("ab") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(block)
    return root


def read_speed(run: Path, size: int) -> None:
    for label, code in READERS.items():
        child = (
            "import re, sys, time\nbegin = time.perf_counter()\n"
            f"{code}\n"
            "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
            "print(n, time.perf_counter() - begin, peak / 1024)"
        )
        out = subprocess.run(
            [sys.executable, "-c", child, str(run)], capture_output=True, text=True, check=True
        ).stdout
        count, seconds, peak = out.split()
        print(
            f"{label:<42} {size / 1e6 / float(seconds):9.0f} MB/s  {count} records, "
            f"peak memory {float(peak):.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--full", action="store_true", help="read 1 GB")
    parser.add_argument("--folder", type=Path, help="where to write; on the disk to be measured")
    options = parser.parse_args()
    megabytes = 1_000 if options.full else options.megabytes
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(f"pydantic {pydantic.VERSION}, zstd {'yes' if seal.available() else 'no'}\n")
    folder = Path(tempfile.mkdtemp(prefix="ise-bench-", dir=options.folder))
    try:
        write_costs(folder, options.records)
        run = grow(folder, megabytes)
        size = sum(p.stat().st_size for p in (run / "shards").iterdir())
        print(f"\nreading {size / 1e6:.0f} MB, each in a process of its own")
        read_speed(run, size)
        if seal.available():
            begin = time.perf_counter()
            for path in list((run / "shards").iterdir()):
                seal.seal(path)
            sealed = sum(p.stat().st_size for p in (run / "shards").iterdir())
            print(
                f"\nsealed in {time.perf_counter() - begin:.1f} s to {sealed / 1e6:.0f} MB "
                f"({size / sealed:.1f} times less; the lines repeat, real runs less)"
            )
            read_speed(run, size)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
