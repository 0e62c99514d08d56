"""What a local workspace costs, beside what a user would pick instead, in one run.

    python benchmarks/bench_workspace.py [PART ...] [--repeat 5] [--soak 10]

Parts: episode, create, restore, memory, live, calls, flood, soak (all but soak by default).
An episode is one workspace, 8 turns, 32 calls of which half are `bash -c true` and half 1 KB
reads and writes, and its end. CPU seconds are those of everything that the episode started:
from the cgroup that the benchmark puts itself into (needs root), else from /proc/stat, which
needs a quiet machine. llm-sandbox and inspect-ai are measured where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Backend, Completed, SeedFile, Workspace

CONSOLE = Console(width=110)
COMMANDS, FILES = 16, 8  # 8 writes and 8 reads
CONTENT = b"x" * 1_000
CPUACCT = Path("/sys/fs/cgroup/cpuacct")


# --- measuring --------------------------------------------------------------------------------


class Cpu:
    """CPU seconds of this process and all that it ever started, reaped or not."""

    def __init__(self) -> None:
        self.how = "/proc/stat (whole machine)"
        self._usage: Path | None = None
        group = CPUACCT / f"ise-bench-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            (group / "cgroup.procs").write_text(str(os.getpid()))
            self._usage = group / "cpuacct.usage"
            self.how = "cpuacct cgroup"

    def seconds(self) -> float:
        """Seconds used up to now."""
        if self._usage is not None:
            return int(self._usage.read_text()) / 1e9
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        busy = sum(int(fields[n]) for n in (0, 1, 2, 5, 6))
        return busy / os.sysconf("SC_CLK_TCK")


def milliseconds(samples: list[float]) -> str:
    return f"{statistics.median(samples) * 1e3:.1f}"


def timed(action: Callable[[], object], repeat: int) -> list[float]:
    samples = []
    for _ in range(repeat):
        before = time.perf_counter()
        action()
        samples.append(time.perf_counter() - before)
    return samples


def weak(backend: Backend) -> list[str]:
    return [r.name for r in backend.probe().requirements if r.status == "degraded"]


# --- one episode, and the alternatives --------------------------------------------------------


def ours(backend: Backend, allowed: list[str]) -> None:
    workspace = backend.create(allow_degraded=allowed)
    for n in range(FILES):
        for _ in range(COMMANDS // FILES):
            workspace.run("true")
        workspace.write(f"f{n}", CONTENT)
        workspace.read(f"f{n}")
    workspace.close()


def raw() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for n in range(FILES):
            for _ in range(COMMANDS // FILES):
                subprocess.run(["bash", "-c", "true"], capture_output=True, check=True)
            path = Path(folder, f"f{n}")
            path.write_bytes(CONTENT)
            path.read_bytes()


def fresh_bwrap() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]
        for name in ("bin", "lib", "lib64"):
            sandbox += ["--symlink", f"usr/{name}", f"/{name}"]
        sandbox += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", folder, "/w"]
        for n in range(FILES):
            for _ in range(COMMANDS // FILES):
                command = [*sandbox, "bash", "-c", "true"]
                subprocess.run(command, capture_output=True, check=True)
            path = Path(folder, f"f{n}")
            path.write_bytes(CONTENT)
            path.read_bytes()


def llm_sandbox() -> None:
    from llm_sandbox import SandboxBackend, SandboxSession  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "local")
        local.write_bytes(CONTENT)
        options = {"lang": "python", "skip_environment_setup": True}
        with SandboxSession(backend=SandboxBackend.BUBBLEWRAP, **options) as session:
            for n in range(FILES):
                for _ in range(COMMANDS // FILES):
                    if session.execute_command("bash -c true").exit_code != 0:
                        raise RuntimeError("a command failed")
                session.copy_to_runtime(str(local), f"/sandbox/f{n}")
                session.copy_from_runtime(f"/sandbox/f{n}", str(local))


def inspect_local() -> None:
    from inspect_ai.util._sandbox.local import (  # type: ignore[import-not-found]
        LocalSandboxEnvironment,
    )

    async def episode() -> None:
        sandbox = LocalSandboxEnvironment()
        for n in range(FILES):
            for _ in range(COMMANDS // FILES):
                await sandbox.exec(["bash", "-c", "true"])
            await sandbox.write_file(f"f{n}", CONTENT)
            await sandbox.read_file(f"f{n}", text=False)
        sandbox.directory.cleanup()

    asyncio.run(episode())


def version(package: str) -> str:
    return importlib.metadata.version(package)


def episode(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    table = Table("an episode of 32 calls", "CPU s", "wall s", "ratio to raw", title=cpu.how)
    candidates: list[tuple[str, Callable[[], None]]] = [
        ("raw subprocess, no isolation", raw),
        ("ise-env local", lambda: ours(backend, allowed)),
        ("fresh bwrap per call", fresh_bwrap),
    ]
    if importlib.util.find_spec("llm_sandbox"):
        name = f"llm-sandbox {version('llm-sandbox')} bubblewrap"
        candidates.append((name, llm_sandbox))
    if importlib.util.find_spec("inspect_ai"):
        name = f"inspect-ai {version('inspect-ai')} local, no isolation"
        candidates.append((name, inspect_local))
    costs: dict[str, list[float]] = {name: [] for name, _ in candidates}
    walls: dict[str, list[float]] = {name: [] for name, _ in candidates}
    broken: dict[str, str] = {}
    for _, run in candidates:  # imports, spawner and caches are not the episode's
        with contextlib.suppress(Exception):
            run()
    for _ in range(repeat):
        for name, run in candidates:
            before, began = cpu.seconds(), time.perf_counter()
            try:
                run()
            except Exception as error:  # noqa: BLE001 - a rival that fails is a line in a table
                broken[name] = f"{type(error).__name__}: {error}"[:60]
                continue
            walls[name].append(time.perf_counter() - began)
            time.sleep(0.05)  # what is still ending belongs to this episode
            costs[name].append(cpu.seconds() - before)
    base = statistics.median(costs[candidates[0][0]])
    for name, _ in candidates:
        if name in broken:
            table.add_row(name, broken[name], "", "")
            continue
        cost = statistics.median(costs[name])
        wall = statistics.median(walls[name])
        table.add_row(name, f"{cost:.3f}", f"{wall:.3f}", f"{cost / base:.1f}")
    CONSOLE.print(table)


# --- parts ------------------------------------------------------------------------------------


def create(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    made, closed, floors = [], [], []
    before = cpu.seconds()
    for _ in range(4 * repeat):
        began = time.perf_counter()
        workspace = backend.create(allow_degraded=allowed)
        created = time.perf_counter()
        workspace.close()
        made.append(created - began)
        closed.append(time.perf_counter() - created)
    spent = (cpu.seconds() - before) / (4 * repeat)
    bare = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/"]
    python = ["/usr/bin/python3", "-I", "-S", "-E", "-c", ""]
    floors.append(timed(lambda: subprocess.run([*bare, "true"], check=True), 4 * repeat))
    floors.append(timed(lambda: subprocess.run(python, check=True), 4 * repeat))
    table = Table("create and close", "ms")
    table.add_row("create", milliseconds(made))
    table.add_row("close", milliseconds(closed))
    table.add_row("both", milliseconds([m + c for m, c in zip(made, closed, strict=True)]))
    table.add_row("both, CPU", f"{spent * 1e3:.1f}")
    table.add_row("floor: bwrap with all namespaces around `true`", milliseconds(floors[0]))
    table.add_row("floor: an isolated Python that does nothing", milliseconds(floors[1]))
    CONSOLE.print(table)


def restore(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    del cpu
    files = [SeedFile(f"d{n % 20}/f{n}", os.urandom(51_000)) for n in range(1_000)]
    before = time.perf_counter()
    name = backend.prepare(files)
    prepared = time.perf_counter() - before
    plain = timed(lambda: backend.create(allow_degraded=allowed).close(), 2 * repeat)
    with_it = timed(
        lambda: backend.create(template=name, allow_degraded=allowed).close(), 2 * repeat
    )
    table = Table("1,000 files, 51 MB", "ms")
    table.add_row("stored once", f"{prepared * 1e3:.0f}")
    table.add_row("create + close with it", milliseconds(with_it))
    table.add_row("create + close without", milliseconds(plain))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        for file in files:
            path = source / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        target = Path(folder, "target")

        def copy() -> None:
            subprocess.run(["cp", "-a", str(source), str(target)], check=True)

        samples = []
        for _ in range(repeat):
            samples += timed(copy, 1)
            shutil.rmtree(target)
        table.add_row("cp -a of the same", milliseconds(samples))
    CONSOLE.print(table)


def available_memory() -> int:
    text = Path("/proc/meminfo").read_text()
    return int(text.split("MemAvailable:")[1].split()[0]) * 1024


def memory(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int, count: int = 50) -> None:
    del cpu, repeat
    backend.create(allow_degraded=allowed).close()
    before = available_memory()
    live = [backend.create(allow_degraded=allowed) for _ in range(count)]
    each = (before - available_memory()) / count
    for workspace in live:
        workspace.close()
    table = Table(f"{count} live workspaces", "MiB each")
    table.add_row("less available memory", f"{each / 2**20:.1f}")
    CONSOLE.print(table)


def live(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    del cpu, repeat
    descriptors = len(os.listdir("/proc/self/fd"))
    before = time.perf_counter()
    workspaces = [backend.create(allow_degraded=allowed) for _ in range(200)]
    created = time.perf_counter() - before
    answers = [workspace.run("echo $$") for workspace in workspaces]
    assert all(isinstance(a, Completed) and a.exit_code == 0 for a in answers)
    used = len(os.listdir("/proc/self/fd")) - descriptors
    before = time.perf_counter()
    for workspace in workspaces:
        workspace.close()
    table = Table("200 live at once", "")
    table.add_row("created in", f"{created:.1f} s")
    table.add_row("descriptors of the host process", f"{used / 200:.1f} each")
    table.add_row("closed in", f"{time.perf_counter() - before:.1f} s")
    CONSOLE.print(table)


def spawn_rate(workers: int, seconds: float) -> float:
    """Commands a second of processes that do nothing but spawn, as many as there are workers."""
    script = (
        "import os, sys, time\n"
        "end = time.monotonic() + float(sys.argv[1]); n = 0\n"
        "while time.monotonic() < end:\n"
        "    os.waitpid(os.posix_spawn('/bin/bash', ['bash', '-c', 'true'], {}), 0); n += 1\n"
        "print(n)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(seconds)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(workers)]
    return sum(int(p.communicate()[0]) for p in running) / seconds


def call_rate(backend: Backend, allowed: list[str], workers: int, seconds: float) -> float:
    workspaces = [backend.create(allow_degraded=allowed) for _ in range(workers)]
    counts = [0] * workers
    end = time.monotonic() + seconds

    def work(number: int, workspace: Workspace) -> None:
        while time.monotonic() < end:
            workspace.run("true")
            counts[number] += 1

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(workspaces)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for workspace in workspaces:
        workspace.close()
    return sum(counts) / seconds


def calls(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    del cpu
    table = Table("`bash -c true`, workspaces", "calls/s", "spawn loop/s", "share")
    for workers in (1, 8, 32):
        ours_rates, loops = [], []
        for _ in range(max(1, repeat // 2)):
            ours_rates.append(call_rate(backend, allowed, workers, 2.0))
            loops.append(spawn_rate(workers, 2.0))
        rate, loop = statistics.median(ours_rates), statistics.median(loops)
        table.add_row(str(workers), f"{rate:.0f}", f"{loop:.0f}", f"{rate / loop:.0%}")
    CONSOLE.print(table)


def flood(backend: Backend, allowed: list[str], cpu: Cpu, repeat: int) -> None:
    del cpu, repeat
    workspace = backend.create(allow_degraded=allowed)
    workspace.run("true")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    result = workspace.run("head -c 1G /dev/zero")
    seconds = time.perf_counter() - began
    assert isinstance(result, Completed)
    assert result.total == 2**30
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    workspace.close()
    table = Table("1 GiB of stdout", "")
    table.add_row("drained in", f"{seconds:.2f} s")
    table.add_row("host's peak memory grew by", f"{grown / 1024:.1f} MiB")
    CONSOLE.print(table)


# --- the soak ---------------------------------------------------------------------------------

WORKER = """
import random, threading
from ise_env.workspaces import make_backend
backend = make_backend("local")
allowed = {allowed!r}
def work():
    while True:
        w = backend.create(allow_degraded=allowed)
        for _ in range(random.randrange(8)):
            w.run("head -c 100000 /dev/urandom > f; sha256sum f")
        w.run("setsid sleep 1000", yield_after_s=0)
        w.checkpoint(); w.diff()
        if random.random() < 0.5:
            w.freeze().run(["ls"])
        w.close()
for _ in range(4):
    threading.Thread(target=work).start()
"""


def machine_state() -> dict[str, int]:
    groups = sum(1 for _ in Path("/sys/fs/cgroup").rglob("ise-*"))
    return {
        "processes": sum(1 for entry in os.listdir("/proc") if entry.isdecimal()),
        "mounts": len(Path("/proc/mounts").read_text().splitlines()),
        "open files of the machine": int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
        "available memory, MiB": available_memory() // 2**20,
        "control groups": groups,
        "things below /tmp": len(os.listdir(tempfile.gettempdir())),
    }


def soak(allowed: list[str], minutes: float) -> None:
    before = machine_state()
    end = time.monotonic() + minutes * 60
    killed = 0
    while time.monotonic() < end:
        command = [sys.executable, "-c", WORKER.format(allowed=allowed)]
        host = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            host.wait(random.uniform(0.3, 6.0))
            raise SystemExit("the worker of the soak ended by itself")
        host.send_signal(signal.SIGKILL)
        host.wait()
        killed += 1
    time.sleep(5)
    after = machine_state()
    table = Table(f"soak, {minutes:g} minutes, {killed} SIGKILLs", "before", "after")
    for name, value in before.items():
        table.add_row(name, str(value), str(after[name]))
    CONSOLE.print(table)


@contextlib.contextmanager
def measured_group(cpu: Cpu) -> Iterator[None]:
    """Leave the accounting group at the end, so that it can be removed."""
    try:
        yield
    finally:
        if cpu._usage is not None:
            (CPUACCT / "cgroup.procs").write_text(str(os.getpid()))
            with contextlib.suppress(OSError):
                cpu._usage.parent.rmdir()


def main() -> None:
    parts = {
        "episode": episode,
        "create": create,
        "restore": restore,
        "memory": memory,
        "live": live,
        "calls": calls,
        "flood": flood,
    }
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=", ".join([*parts, "soak"]))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--soak", type=float, default=10.0, metavar="MINUTES")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    cpu = Cpu()
    with measured_group(cpu):
        backend = make_backend("local")
        allowed = weak(backend)
        bwrap = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
        CONSOLE.print(
            f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"Python {platform.python_version()}, {bwrap.stdout.strip()}, "
            f"ise-env {version('ise-env')}, not enforced: {', '.join(allowed) or 'nothing'}"
        )
        for name in options.parts or parts:
            if name == "soak":
                soak(allowed, options.soak)
            elif name in parts:
                parts[name](backend, allowed, cpu, options.repeat)
            else:
                parser.error(f"no part {name!r}")
        backend.close()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
