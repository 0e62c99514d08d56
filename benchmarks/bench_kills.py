"""A run whose collector is killed again and again, beside one that is left alone.

    python benchmarks/bench_kills.py [--kills 100] [--episodes 300]

SIGKILL after a random time, `--resume`, until the run is complete; then the records of both
runs are compared under the written normaliser. Prints what was lost, doubled or different, how
much time the kills cost, and what they left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ise_env.intents.sampler import sample
from ise_env.traces.fsck import check_run
from ise_env.traces.layout import Layout
from ise_env.traces.normaliser import comparable
from ise_env.traces.reader import read_run
from ise_env.traces.serialise import canonical

OK = (0, 3)
"""Complete; 3 when some episodes stayed invalid."""


def ise(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ise_env.rollout.cli", *map(str, arguments)]


def collect(run: Path, intents: Path, agent: str, resume: bool, concurrency: int) -> list[str]:
    what = ["--resume"] if resume else ["--intents", intents, "--agent", agent]
    return ise("rollout", *what, "--out", run, "--concurrency", concurrency, "--quiet", "--json")


def episodes(run: Path) -> dict[str, Any]:
    return {r.episode_id: json.loads(canonical(comparable(r))) for r in read_run(run)}


def first_difference(a: Any, b: Any, where: str = "") -> str:
    """Where two JSON values differ first."""
    if type(a) is type(b) and isinstance(a, dict) and a.keys() == b.keys():
        return next(first_difference(a[k], b[k], f"{where}.{k}") for k in a if a[k] != b[k])
    if type(a) is type(b) and isinstance(a, list):
        for number, (x, y) in enumerate(zip(a, b, strict=False)):
            if x != y:
                return first_difference(x, y, f"{where}.{number}")
        return f"{where}: {len(a)} against {len(b)} entries"
    return f"{where}: {str(a)[-300:]!r} against {str(b)[-300:]!r}"


def left_behind() -> int:
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return listing.count("bwrap --unshare-all")


def kill_and_resume(
    run: Path, options: argparse.Namespace, intents: Path
) -> tuple[int, int, float]:
    """Returns kills, records that a reader saw and that were gone later, seconds."""
    rng, kills, seen, lost = random.Random(options.seed), 0, set(), 0
    begin = time.perf_counter()
    while True:
        resume = Layout(run).is_run
        process = subprocess.Popen(
            collect(run, intents, options.agent, resume, options.concurrency),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(rng.uniform(0.3, options.longest) if kills < options.kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            if Layout(run).is_run:
                now = {r.episode_id for r in read_run(run)}
                lost += len(seen - now)
                seen |= now
            continue
        if process.returncode not in OK:
            raise SystemExit(f"the collector ended with status {process.returncode}")
        return kills, lost, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds before a kill")
    parser.add_argument("--agent", default="faulty")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5, help="differences to show")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    folder = Path(tempfile.mkdtemp(prefix="ise-bench-"))
    try:
        intents = folder / "intents.jsonl"
        drawn = sample(options.episodes, 3)
        intents.write_text("".join(i.model_dump_json() + "\n" for i in drawn))
        begin = time.perf_counter()
        calm_run = subprocess.run(
            collect(folder / "calm", intents, options.agent, False, options.concurrency),
            stdout=subprocess.DEVNULL,
        )
        if calm_run.returncode not in OK:
            raise SystemExit(f"the collector ended with status {calm_run.returncode}")
        calm_s = time.perf_counter() - begin
        kills, lost, killed_s = kill_and_resume(folder / "killed", options, intents)
        calm, killed = episodes(folder / "calm"), episodes(folder / "killed")
        differ = [e for e in calm.keys() & killed.keys() if calm[e] != killed[e]]
        ids = [r.episode_id for r in read_run(folder / "killed")]
        checkup = check_run(folder / "killed")
        print(f"uninterrupted            {len(calm)} episodes in {calm_s:.1f} s")
        print(f"killed {kills:>4} times        {len(killed)} episodes in {killed_s:.1f} s")
        print(f"finished and then lost   {lost}")
        print(f"recorded twice           {len(ids) - len(set(ids))}")
        print(f"missing                  {len(calm.keys() - killed.keys())}")
        print(f"different                {len(differ)} under the normaliser")
        for episode in differ[: options.show]:
            print(f"  {episode}{first_difference(calm[episode], killed[episode])}")
        print(
            f"fsck                     {'sound' if checkup.sound else 'damaged'}, "
            f"{len(checkup.findings)} findings"
        )
        print(f"sandboxes left behind    {left_behind()} on this machine")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
