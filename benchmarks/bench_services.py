"""What services add to the start and the end of an episode, beside a bare workspace, in one run.

    python benchmarks/bench_services.py [--quick]

Prints, for each service and for all together: milliseconds to start (workspace, services, seed
files) and to end, next to a workspace without any; and requests a second from inside.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from datetime import datetime

from ise_env.services.episode import start
from ise_env.services.plan import plan
from ise_env.services.spec import (
    Channel,
    ChatSeed,
    Collection,
    Mail,
    MailSeed,
    Page,
    Person,
    RepositorySeed,
    ScheduleSeed,
    ServiceSeed,
    SiteSeed,
)
from ise_env.tasks.git_seed import Commit, RepoSeed
from ise_env.workspaces import make_backend

ANN = Person(name="Ann Lee", address="ann@bench.example")
COMMIT = Commit("One", {"a.txt": "a\n"}, "Ann Lee <ann@bench.example>", datetime(2026, 1, 1))
SEEDS: dict[str, tuple[ServiceSeed, ...]] = {
    "nothing": (),
    "mail": (
        MailSeed(
            people=(ANN,),
            messages=tuple(Mail(sender=ANN.address, subject=f"mail {n}") for n in range(30)),
        ),
    ),
    "web": (
        SiteSeed(
            host="bench.example",
            pages=tuple(Page(path=f"/{n}", body=f"<p>page {n}</p>") for n in range(50)),
            collections=(Collection(path="/api/x", items=tuple({"id": n} for n in range(200))),),
        ),
    ),
    "chat": (ChatSeed(people=(ANN,), channels=(Channel(name="bench"),)),),
    "git": (RepositorySeed(name="bench/r", stream=RepoSeed("r", (COMMIT,)).stream()),),
    "schedule": (ScheduleSeed(),),
}
SEEDS["everything"] = tuple(seed for seeds in SEEDS.values() for seed in seeds)

ASK = """
import http.client, time
link = http.client.HTTPConnection("bench.example", 80)
start, n = time.perf_counter(), {n}
for _ in range(n):
    link.request("GET", "/1")
    link.getresponse().read()
print(n / (time.perf_counter() - start))
"""


def lifecycle(seeds: tuple[ServiceSeed, ...]) -> tuple[float, float]:
    """Milliseconds to start and to end one episode's surroundings."""
    backend = make_backend("local")
    begin = time.perf_counter()
    wanted = plan(("bench", seed) for seed in seeds)
    workspace = backend.create(owner="bench", names=wanted.names if wanted else ())
    services = start(wanted, workspace, backend)
    workspace.populate(services.files() if services else ())
    ready = time.perf_counter()
    if services:
        services.close()
    workspace.close()
    return 1000 * (ready - begin), 1000 * (time.perf_counter() - ready)


def requests_a_second(n: int) -> float:
    """GETs over one kept connection, from inside."""
    backend = make_backend("local")
    wanted = plan(("bench", seed) for seed in SEEDS["web"])
    assert wanted is not None
    with (
        backend.create(owner="bench", names=wanted.names) as workspace,
        start(wanted, workspace, backend),  # type: ignore[union-attr]
    ):
        done = workspace.run(["python3", "-c", ASK.format(n=n)])
        return float(done.output)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    rounds = 5 if parser.parse_args().quick else 40
    lifecycle(SEEDS["everything"])  # the first of a process also starts the spawner and the loop
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in SEEDS}
    for _ in range(rounds):
        for name, seeds in SEEDS.items():
            times[name].append(lifecycle(seeds))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'services':<12}{'start ms':>10}{'end ms':>10}   median of {rounds}, taken in turn")
    for name, pairs in times.items():
        begin, end = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        print(f"{name:<12}{begin:>10.1f}{end:>10.1f}")
    print(f"requests/s from inside, one connection: {requests_a_second(rounds * 50):.0f}")


if __name__ == "__main__":
    main()
