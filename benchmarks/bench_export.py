"""Exporting and viewing a corpus: speed, memory, sizes, time to open.

    python benchmarks/bench_export.py [--episodes 2000] [--agent faulty] [--run RUN]

Collects a run (or takes one), exports it in every format in a process of its own, and beside
each figure prints the alternative: `json.loads` and `json.dumps` of the same lines, which is
what the cheapest converter costs. Then the page of `ise view` for 100, 1,000 and 5,000
episodes (records repeated under new ids): its size, and the time until Chromium without a
window has listed and drawn the first episode. Last, tokens of an average trajectory for a
byte-level BPE tokenizer trained on the spot.
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
from pathlib import Path

from ise_env.rollout.view.page import static_page
from ise_env.traces.reader import paths_of, read_lines, read_run

FORMATS = ("openai", "hf", "isetrace", "llamafactory", "atif")
BASELINE = """
import json, pathlib, sys
from ise_env.traces.reader import paths_of, read_lines
with open(sys.argv[2], "w") as out:
    for path in paths_of(pathlib.Path(sys.argv[1])):
        for line in read_lines(path):
            out.write(json.dumps(json.loads(line.data)) + "\\n")
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds, and the peak memory of the process in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def collect(root: Path, episodes: int, agent: str) -> Path:
    intents, run = root / "intents.jsonl", root / "run"
    ise = [sys.executable, "-m", "ise_env.rollout.cli"]
    subprocess.run(
        [*ise, "intents", "sample", "-n", str(episodes), "--seed", "9", "--out", intents],
        check=True,
    )
    subprocess.run(
        [*ise, "rollout", "--intents", intents, "--agent", agent, "--out", run, "--quiet"],
        check=True,
    )
    return run


def exports(run: Path, root: Path, repeats: int) -> None:
    megabytes = sum(len(line.data) for p in paths_of(run) for line in read_lines(p)) / 1e6
    episodes = sum(1 for p in paths_of(run) for _ in read_lines(p))
    print(f"\n{episodes} episodes, {megabytes:.0f} MB of records\n")
    print("| export | s | episodes/s | MB/s | peak memory, MB |\n| --- | --- | --- | --- | --- |")
    names = ("json.loads and json.dumps", *FORMATS)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            out = root / "out"
            command = [sys.executable, "-c", BASELINE, str(run), str(out)]
            if name in FORMATS:
                command = [sys.executable, "-m", "ise_env.rollout.cli", "export", str(run)]
                command += ["-f", name, "--out", str(out)]
            rows[name].append(measured(command))
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    for name in names:
        seconds = statistics.median(s for s, _ in rows[name])
        peak = max(m for _, m in rows[name])
        rate = f"{episodes / seconds:,.0f} | {megabytes / seconds:.0f}"
        print(f"| {name} | {seconds:.2f} | {rate} | {peak:.0f} |")


def pages(run: Path, root: Path, counts: tuple[int, ...]) -> None:
    records = list(read_run(run))[:500]
    print("\n| episodes on the page | MB | built in, s | listed in, s | one opened in, s |")
    print("| --- | --- | --- | --- | --- |")
    for count in counts:
        repeated = (
            records[n % len(records)].model_copy(update={"episode_id": f"{n:016x}"})
            for n in range(count)
        )
        path = root / "page.html"
        started = time.perf_counter()
        with path.open("w", encoding="utf-8") as file:
            file.writelines(static_page("bench", repeated))
        built = time.perf_counter() - started
        listed, opened = in_browser(path)
        size = path.stat().st_size / 1e6
        print(f"| {count:,} | {size:.1f} | {built:.1f} | {listed:.2f} | {opened:.2f} |")


def in_browser(path: Path) -> tuple[float, float]:
    """Medians of three loads: until the list is drawn, and until an episode is."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    listed, opened = [], []
    with sync_playwright() as driver:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=program, args=flags)
        for _ in range(3):
            page = browser.new_page()
            started = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_selector("body[data-ready]")
            listed.append(time.perf_counter() - started)
            started = time.perf_counter()
            page.keyboard.press("j")
            page.wait_for_selector("#episode[data-id]")
            opened.append(time.perf_counter() - started)
            page.close()
        browser.close()
    return statistics.median(listed), statistics.median(opened)


def tokens(run: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts = [
        [f"{m.get('content') or ''}{json.dumps(m.get('tool_calls') or '')}" for m in r.messages]
        for _, r in zip(range(400), read_run(run), strict=False)
    ]
    half = len(texts) // 2
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=16_000, show_progress=False)
    tokenizer.train_from_iterator((m for t in texts[:half] for m in t), trainer)
    counts = [sum(len(tokenizer.encode(m).ids) for m in t) for t in texts[half:]]
    print(
        f"\nTokens of a trajectory (BPE of {tokenizer.get_vocab_size():,} pieces, trained on "
        f"{half} others): mean {statistics.mean(counts):,.0f}, median "
        f"{statistics.median(counts):,.0f}, largest {max(counts):,}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2_000)
    parser.add_argument("--agent", default="faulty")
    parser.add_argument("--run", type=Path, help="take this run instead of collecting one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pages", default="100,1000,5000")
    options = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = options.run or collect(root, options.episodes, options.agent)
        exports(run, root, options.repeats)
        pages(run, root, tuple(int(n) for n in options.pages.split(",")))
        tokens(run)


if __name__ == "__main__":
    main()
