"""What services add to the start and the end of an episode, beside a bare workspace, in one run.

    python benchmarks/bench_services.py [--quick]

Prints, for each service and for all together: milliseconds to start (workspace, services, seed
files) and to end, next to a workspace without any; requests a second from inside; and what
`IntentEnv.reset` takes on sampled intents, by the services that they want: the distribution, and
where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from unittest.mock import patch

from ise_env.env import IntentEnv
from ise_env.intents.sampler import sample
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


# --- sampled intents ------------------------------------------------------------------------------

PARTS: dict[str, str] = {
    "drawing the seeds": "ise_env.tasks.bind.BoundTask.seed",
    "workspace": "ise_env.workspaces.local.backend.LocalBackend.create",
    "services": "ise_env.live.start",
    "files": "ise_env.workspaces.local.workspace.LocalWorkspace.populate",
    "set-up scripts": "ise_env.tasks.install._run",
    "checkpoint": "ise_env.workspaces.local.workspace.LocalWorkspace.checkpoint",
}
"""What a reset is made of, and the function that does it."""


@contextlib.contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """Add up what each part takes, in milliseconds."""

    def around(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return does(*args, **kwargs)
            finally:
                spent[name] += 1000 * (time.perf_counter() - begin)

        return call

    with contextlib.ExitStack() as patches:
        for name, target in PARTS.items():
            patcher = patch(target, autospec=True)
            original = patcher.get_original()[0]
            patches.enter_context(patch(target, around(name, original)))
        yield


def wanted_by(env: IntentEnv) -> set[str]:
    """Which services an episode that goes on has."""
    services = env._live.services if env._live else None
    if services is None:
        return {"nothing"}
    made = services._plan
    kinds = {"mail": made.mail, "web": made.sites, "chat": made.chat, "git": made.repositories}
    kinds |= {"supervisor": made.supervised}
    return {name for name, held in (kinds | {"schedule": made.schedule}).items() if held}


def resets(n: int, seed: int) -> None:
    """Reset `n` sampled intents once each, and print by the services that they want."""
    taken: dict[str, list[float]] = {name: [] for name in [*SEEDS, "supervisor", "any service"]}
    parts: Counter[str] = Counter()
    for number, intent in enumerate(islice(sample(n + 2, seed), n + 2)):
        env, spent = IntentEnv(intent), Counter[str]()
        begin = time.perf_counter()
        with timed(spent):
            env.reset(seed=number)
        total = 1000 * (time.perf_counter() - begin)
        kinds = wanted_by(env)
        env.close()
        if number < 2:  # the spawner and the template are made by the first
            continue
        groups = set(kinds)
        if kinds != {"nothing"}:
            groups |= {"any service"} | ({"everything"} if len(kinds) >= 3 else set())
            parts.update({**spent, "all": total})
        for name in groups:
            taken[name].append(total)
    print(f"\nIntentEnv.reset of {n} sampled intents (seed {seed}), milliseconds")
    print(f"{'wants':<14}{'intents':>8}{'median':>8}{'p10':>8}{'p90':>8}{'max':>8}")
    for name, found in taken.items():
        label = "three or more" if name == "everything" else name
        if len(found) < 2:
            print(f"{label:<14}{len(found):>8}")
            continue
        tenths = statistics.quantiles(found, n=10, method="inclusive")
        figures = (statistics.median(found), tenths[0], tenths[-1], max(found))
        print(f"{label:<14}{len(found):>8}" + "".join(f"{x:>8.0f}" for x in figures))
    print("mean, where any service is wanted: ", end="")
    count = len(taken["any service"]) or 1
    print(", ".join(f"{name} {ms / count:.1f}" for name, ms in parts.most_common()))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--intents", type=int, help="how many to reset")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled intents")
    given = parser.parse_args()
    rounds = 5 if given.quick else 40
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
    print(f"load average before the resets: {os.getloadavg()[0]:.1f}")
    resets(given.intents or (20 if given.quick else 300), given.seed)


if __name__ == "__main__":
    main()
