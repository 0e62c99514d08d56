"""What a Docker workspace costs, beside what a user would pick instead, in one run.

    python benchmarks/bench_docker.py [PART ...] [--repeat 5] [--seconds 10] [--group NAME]

Parts: call, calls, resets, warm, live, episode (all by default). Needs an engine that
`DOCKER_HOST` names and the image of `ise image build --backend docker`. Engines work in
processes of their own, so CPU seconds are those of a cpuacct group that holds engine,
containers and this program (`--group`, see .ci/docker-engine), else the machine's, which mean
something on a quiet machine only. llm-sandbox, swe-rex and inspect-ai are measured where they
are installed; swe-rex wants an image with swe-rex in it (--swerex-image), inspect-ai the
compose plugin.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import io
import logging
import os
import platform
import statistics
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
from bench_workspace import (
    COMMANDS,
    CONSOLE,
    CONTENT,
    CPUACCT,
    FILES,
    available_memory,
    call_rate,
    milliseconds,
    ours,
    spawn_rate,
    timed,
    version,
    weak,
)
from rich.table import Table

from ise_env.workspaces import make_backend
from ise_env.workspaces.docker.backend import DockerBackend
from ise_env.workspaces.docker.images import DEFAULT
from ise_env.workspaces.protocol import Completed


class Options(argparse.Namespace):
    """What the command line says."""

    repeat: int
    seconds: float
    image: str
    swerex_image: str
    group: str


# --- what others do ---------------------------------------------------------------------------


def plain_container(client: Any, image: str) -> Any:
    """Start a container as a user of the SDK would."""
    command = ["sleep", "infinity"]
    return client.containers.run(image, command, detach=True, network_mode="none", init=True)


def file_tar(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))
    return buffer.getvalue()


def exec_run(client: Any, image: str) -> None:
    container = plain_container(client, image)
    try:
        for n in range(FILES):
            for _ in range(COMMANDS // FILES):
                if container.exec_run(["bash", "-c", "true"]).exit_code != 0:
                    raise RuntimeError("a command failed")
            container.put_archive("/tmp", file_tar(f"f{n}"))
            chunks, _ = container.get_archive(f"/tmp/f{n}")
            b"".join(chunks)
    finally:
        container.remove(force=True)


def llm_sandbox(client: Any, image: str) -> None:
    from llm_sandbox import SandboxBackend, SandboxSession  # type: ignore[import-not-found]

    options = {
        "lang": "python",
        "skip_environment_setup": True,
        "runtime_configs": {"network_mode": "none"},
    }
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "local")
        local.write_bytes(CONTENT)
        with SandboxSession(
            backend=SandboxBackend.DOCKER, client=client, image=image, **options
        ) as session:
            for n in range(FILES):
                for _ in range(COMMANDS // FILES):
                    if session.execute_command("bash -c true").exit_code != 0:
                        raise RuntimeError("a command failed")
                session.copy_to_runtime(str(local), f"/sandbox/f{n}")
                session.copy_from_runtime(f"/sandbox/f{n}", str(local))


def swe_rex(image: str) -> None:
    from swerex.deployment.docker import DockerDeployment  # type: ignore[import-not-found]
    from swerex.runtime.abstract import (  # type: ignore[import-not-found]
        Command,
        ReadFileRequest,
        WriteFileRequest,
    )

    async def episode() -> None:
        # On the host's network, because engines without a bridge publish no ports.
        deployment = DockerDeployment(
            image=image, port=8000, docker_args=["--network=host"], pull="never"
        )
        await deployment.start()
        runtime = deployment.runtime
        try:
            for n in range(FILES):
                for _ in range(COMMANDS // FILES):
                    await runtime.execute(Command(command=["bash", "-c", "true"]))
                text = CONTENT.decode()
                await runtime.write_file(WriteFileRequest(path=f"/tmp/f{n}", content=text))
                await runtime.read_file(ReadFileRequest(path=f"/tmp/f{n}"))
        finally:
            await deployment.stop()

    asyncio.run(episode())


def inspect_docker(image: str) -> None:
    from inspect_ai.util._sandbox.docker.docker import (  # type: ignore[import-not-found]
        DockerSandboxEnvironment as Sandbox,
    )

    compose = f"services:\n  default:\n    image: {image}\n    command: sleep infinity\n"
    compose += "    network_mode: none\n    init: true\n"

    async def episode(config: str) -> None:
        await Sandbox.task_init("bench", config)
        try:
            boxes = await Sandbox.sample_init("bench", config, {})
            sandbox = boxes["default"]
            for n in range(FILES):
                for _ in range(COMMANDS // FILES):
                    await sandbox.exec(["bash", "-c", "true"])
                await sandbox.write_file(f"/tmp/f{n}", CONTENT)
                await sandbox.read_file(f"/tmp/f{n}", text=False)
            await Sandbox.sample_cleanup("bench", config, boxes, False)
        finally:
            await Sandbox.task_cleanup("bench", config, True)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "compose.yaml")
        path.write_text(compose)
        asyncio.run(episode(str(path)))


# --- parts ------------------------------------------------------------------------------------


def call(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    workspace = backend.create(allow_degraded=allowed)
    container = plain_container(client, options.image)
    try:
        for action in (lambda: workspace.run("true"), lambda: workspace.run(["true"])):
            timed(action, 10)
        mine = timed(lambda: workspace.run("true"), 100)
        theirs = timed(lambda: container.exec_run(["bash", "-c", "true"]), 20)
    finally:
        container.remove(force=True)
        workspace.close()
    ratio = statistics.median(theirs) / statistics.median(mine)
    table = Table("`bash -c true`, one at a time", "ms", "ratio")
    table.add_row("ise-env docker", milliseconds(mine), "1")
    table.add_row("exec_run", milliseconds(theirs), f"{ratio:.0f}")
    CONSOLE.print(table)


def exec_rate(client: Any, image: str, workers: int, seconds: float) -> float:
    containers = [plain_container(client, image) for _ in range(workers)]
    counts = [0] * workers
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        while time.monotonic() < end:
            containers[number].exec_run(["bash", "-c", "true"])
            counts[number] += 1

    _in_threads(work, workers)
    for container in containers:
        container.remove(force=True)
    return sum(counts) / seconds


def calls(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    local = make_backend("local")
    weak_here = weak(local)
    rates: dict[str, list[float]] = {"docker": [], "local": [], "loop": [], "exec_run": []}
    for _ in range(max(1, options.repeat // 2)):
        rates["local"].append(call_rate(local, weak_here, 8, 2.0))
        rates["docker"].append(call_rate(backend, allowed, 8, 2.0))
        rates["loop"].append(spawn_rate(8, 2.0))
    rates["exec_run"].append(exec_rate(client, options.image, 8, 4.0))
    base = statistics.median(rates["local"])
    table = Table("`bash -c true`, 8 workspaces", "calls/s", "share of local")
    names = {
        "local": "ise-env local",
        "docker": "ise-env docker",
        "exec_run": "exec_run",
        "loop": "bare spawn loop, 8 processes",
    }
    for key, name in names.items():
        rate = statistics.median(rates[key])
        table.add_row(name, f"{rate:.0f}", f"{rate / base:.0%}")
    CONSOLE.print(table)


def _in_threads(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def rate_of(action: Callable[[], None], workers: int, seconds: float) -> float:
    counts = [0] * workers
    began = time.monotonic()

    def work(number: int) -> None:
        while time.monotonic() - began < seconds:
            action()
            counts[number] += 1

    _in_threads(work, workers)
    return sum(counts) / (time.monotonic() - began)


def resets(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    del backend
    cold = DockerBackend(options.image, warm=0)

    def mine() -> None:
        cold.create(allow_degraded=allowed).close()

    def theirs() -> None:
        plain_container(client, options.image).remove(force=True)

    mine()
    table = Table("create and close, sustained", "ise-env /s", "SDK run + remove /s", "share")
    for workers in (1, 2, 4, 8):
        rates = [rate_of(action, workers, options.seconds) for action in (mine, theirs)]
        share = f"{rates[0] / rates[1]:.0%}"
        table.add_row(f"{workers} at once", f"{rates[0]:.1f}", f"{rates[1]:.1f}", share)
    CONSOLE.print(table)
    cold.close()


def warm(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    del client
    cold = DockerBackend(options.image, warm=0)
    cold.create(allow_degraded=allowed).close()
    samples: dict[str, list[float]] = {"warm": [], "cold": [], "close": []}
    for _ in range(4 * options.repeat):
        pool = backend._ready().pool
        while len(pool._ready) < pool._size:
            time.sleep(0.02)
        began = time.perf_counter()
        workspace = backend.create(allow_degraded=allowed)
        workspace.run("true")
        samples["warm"].append(time.perf_counter() - began)
        began = time.perf_counter()
        workspace.close()
        samples["close"].append(time.perf_counter() - began)
        began = time.perf_counter()
        workspace = cold.create(allow_degraded=allowed)
        workspace.run("true")
        samples["cold"].append(time.perf_counter() - began)
        workspace.close()
    cold.close()
    table = Table("reset to the first answer", "ms")
    table.add_row("from the warm pool, refilled meanwhile", milliseconds(samples["warm"]))
    table.add_row("without", milliseconds(samples["cold"]))
    table.add_row("close", milliseconds(samples["close"]))
    CONSOLE.print(table)


def live(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    del backend, client
    cold = DockerBackend(options.image, warm=0)
    cold.create(allow_degraded=allowed).close()
    free = available_memory()
    began = time.perf_counter()
    workspaces: list[Any] = [None] * 32

    def work(number: int) -> None:
        for n in range(number, 32, 4):
            workspaces[n] = cold.create(allow_degraded=allowed)

    _in_threads(work, 4)
    created = time.perf_counter() - began
    used = (free - available_memory()) / 32
    answers = [workspace.run("echo $$") for workspace in workspaces]
    assert all(isinstance(a, Completed) and a.exit_code == 0 for a in answers)
    began = time.perf_counter()
    for workspace in workspaces:
        workspace.close()
    table = Table("32 live at once", "")
    table.add_row("created in, 4 at a time", f"{created:.1f} s")
    table.add_row("available memory less by", f"{used / 2**20:.1f} MiB each")
    table.add_row("closed in", f"{time.perf_counter() - began:.2f} s")
    CONSOLE.print(table)
    cold.close()


def cpu_seconds(group: str) -> float:
    """CPU seconds of a cpuacct group, or of the machine."""
    if group:
        return int((CPUACCT / group / "cpuacct.usage").read_text()) / 1e9
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    busy = sum(int(fields[n]) for n in (0, 1, 2, 5, 6))
    return busy / os.sysconf("SC_CLK_TCK")


def settle() -> None:
    """Wait until the engine has removed what has ended."""
    client = docker.from_env()
    before = time.monotonic()
    known = len(client.containers.list(all=True))
    while time.monotonic() - before < 5.0:
        time.sleep(0.2)
        now = len(client.containers.list(all=True))
        if now >= known:
            break
        known = now
    client.close()


def episode(backend: DockerBackend, client: Any, allowed: list[str], options: Options) -> None:
    del backend
    cold = DockerBackend(options.image, warm=0)
    local = make_backend("local")
    weak_here = weak(local)
    image = options.image
    candidates: dict[str, Callable[[], None]] = {
        "ise-env local": lambda: ours(local, weak_here),
        "ise-env docker": lambda: ours(cold, allowed),
        "SDK exec_run, put and get_archive": lambda: exec_run(client, image),
    }
    if importlib.util.find_spec("llm_sandbox"):
        name = f"llm-sandbox {version('llm-sandbox')} docker"
        candidates[name] = lambda: llm_sandbox(client, image)
    if importlib.util.find_spec("swerex"):
        rex = options.swerex_image
        candidates[f"swe-rex {version('swe-rex')} docker"] = lambda: swe_rex(rex)
    if importlib.util.find_spec("inspect_ai"):
        name = f"inspect-ai {version('inspect-ai')} docker"
        candidates[name] = lambda: inspect_docker(image)
    costs: dict[str, list[float]] = {name: [] for name in candidates}
    walls: dict[str, list[float]] = {name: [] for name in candidates}
    broken: dict[str, str] = {}
    for name, run in candidates.items():  # imports, keepers and caches are not the episode's
        try:
            run()
        except Exception as error:  # noqa: BLE001 - a rival that fails is a line in a table
            broken[name] = f"{type(error).__name__}: {error}".splitlines()[0][:60]
    for _ in range(options.repeat):
        for name, run in candidates.items():
            if name in broken:
                continue
            settle()
            before, began = cpu_seconds(options.group), time.perf_counter()
            run()
            walls[name].append(time.perf_counter() - began)
            settle()
            costs[name].append(cpu_seconds(options.group) - before)
    idle = cpu_seconds(options.group)
    time.sleep(2.0)
    noise = (cpu_seconds(options.group) - idle) / 2.0
    whose = "engine, containers and host process" if options.group else "whole machine"
    title = f"CPU of {whose}; {noise:.2f} CPU s a second when nothing is measured"
    table = Table("an episode of 32 calls", "CPU s", "wall s", title=title)
    for name in candidates:
        if name in broken:
            table.add_row(name, broken[name], "")
            continue
        cost, wall = statistics.median(costs[name]), statistics.median(walls[name])
        table.add_row(name, f"{cost:.2f}", f"{wall:.2f}")
    CONSOLE.print(table)
    cold.close()


def main() -> None:
    parts = {
        "call": call,
        "calls": calls,
        "resets": resets,
        "warm": warm,
        "live": live,
        "episode": episode,
    }
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=", ".join(parts))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="Of each rate.")
    parser.add_argument("--image", default=DEFAULT)
    parser.add_argument("--group", default="", help="A cpuacct group that holds the engine.")
    parser.add_argument("--swerex-image", default="ise-bench-swerex")
    options = parser.parse_args(namespace=Options())
    if options.group:
        mine = CPUACCT / options.group / f"bench-{os.getpid()}"
        mine.mkdir()
        (mine / "cgroup.procs").write_text(str(os.getpid()))
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        parser.error(f"no part {unknown[0]!r}")
    logging.disable(logging.WARNING)
    client = docker.from_env(timeout=120, max_pool_size=64)
    backend = DockerBackend(options.image)
    allowed = weak(backend)
    engine = client.version()
    CONSOLE.print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, Docker {engine['Version']}, "
        f"ise-env {version('ise-env')}, not enforced: {', '.join(allowed) or 'nothing'}"
    )
    with contextlib.ExitStack() as ending:
        ending.callback(client.close)
        ending.callback(backend.close)
        for name in options.parts or parts:
            parts[name](backend, client, allowed, options)


if __name__ == "__main__":
    main()
