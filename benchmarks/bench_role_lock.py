"""The role lock against a model that misbehaves with known labels, over a real socket.

For each kind of misbehaviour the model drifts at a seeded 30 % of its answers; the same seeds
are played with the lock and without it (the paper's way: prompt rules alone). Counted: bad
answers that reach the agent, good answers that are rejected, fallbacks, time.

    python benchmarks/bench_role_lock.py [--turns 5000] [--seed 0]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ise_env.intents.model import Intent
from ise_env.intents.sampler import sample
from ise_env.rollout.collector import Pace
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect
from ise_env.tasks.bind import bind
from ise_env.tasks.kit import SubGoal
from ise_env.users import make_user
from ise_env.users.digest import DigestBuilder, render
from ise_env.users.lock import corpus, judge
from ise_env.users.misbehaving import KINDS, Answer, Known, MisbehavingModel
from ise_env.users.protocol import Digest, User, UserTurn
from ise_env.users.wilson import wilson
from ise_env.workspaces.protocol import FileChange


def agent(goals: dict[str, SubGoal], turn: UserTurn, rng: np.random.Generator) -> Digest:
    """A scripted agent and what it leaves behind: mostly good, sometimes not."""
    # Without the lock, a turn may name a step that does not exist.
    goal = goals.get(turn.subgoal or "") or next(iter(goals.values()))
    draw = rng.random()
    if turn.act == "request" and draw < 0.12 and goal.question:
        return Digest(goal.question)
    if turn.act == "request" and draw < 0.18:
        return Digest("Shall I go ahead and overwrite what is there?")
    if draw < 0.24 and goal.artifacts:
        path = goal.artifacts[0]
        return Digest(f"Done, {goal.label} is finished.", claims=(f"{path}: not there",))
    if draw < 0.29:
        return Digest("I could not read one of the files: permission denied.", tool_calls=2)
    if draw < 0.32:
        return Digest("I'll start with that now.")
    changes = tuple(FileChange(p, "added", "file", 812, None) for p in goal.artifacts)
    heads = tuple((p, f"first line\n{rng.integers(10, 99)} rows") for p in goal.artifacts[:1])
    text = f"{goal.label[:1].upper()}{goal.label[1:]} is finished; I looked at it and it is fine."
    return Digest(text, changes, heads=heads, tool_calls=4)


def episodes(seed: int) -> Iterator[tuple[Intent, list[SubGoal]]]:
    """Intents and their steps without end."""
    while True:
        for intent in sample(200, seed):
            yield intent, [goal for task in bind(intent) for goal in task.subgoals()]
        seed += 1


def play(
    model: MisbehavingModel, spec: str, turns: int, seed: int
) -> tuple[list[UserTurn], list[float]]:
    """Dialogues until there are so many user turns; returns them and the seconds of each."""
    said: list[UserTurn] = []
    spent: list[float] = []
    for number, (intent, steps) in enumerate(episodes(seed)):
        if len(said) >= turns:
            break
        rng = np.random.default_rng([seed, number])
        model.known = Known(intent.utterance, tuple(goal.request for goal in steps))
        user: User = make_user(spec, intent=intent, subgoals=steps, rng=rng)
        goals = {goal.id: goal for goal in steps}
        turn = timed(user.open, spent)
        said.append(turn)
        while not turn.ends:
            seen = agent(goals, turn, rng)
            turn = timed(lambda seen=seen, user=user: user.reply(seen), spent)
            said.append(turn)
    return said, spent


def labelled(said: list[UserTurn], log: Sequence[Answer]) -> list[tuple[UserTurn, dict[str, Any]]]:
    """Every attempt of the model with the label of the answer it came from, in order."""
    tried = [(t, a) for t in said for a in t.attempts if a["source"] == "model"]
    for (_, attempt), answer in zip(tried, log, strict=True):
        attempt["label"] = answer.label
    return tried


def timed(call, spent: list[float]) -> UserTurn:
    began = time.perf_counter()
    turn = call()
    spent.append(time.perf_counter() - began)
    return turn


def rate(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits}/{n} = {hits / max(n, 1):.3%} [{low:.3%}, {high:.3%}]"


def corpora(names: list[str]) -> None:
    cases = list(corpus.legitimate())
    wrong = sum(bool(judge(c.turn, c.scene)) for c in cases)
    print(f"legitimate corpus, rejected: {rate(wrong, len(cases))}")
    for name in names:
        cases = list(corpus.collection(name))
        bad = [c for c in cases if c.rules]
        good = [c for c in cases if not c.rules]
        caught = sum(bool(judge(c.turn, c.scene)) for c in bad)
        wrong = sum(bool(judge(c.turn, c.scene)) for c in good)
        print(f"{name}: caught {rate(caught, len(bad))}; rejected of good {rate(wrong, len(good))}")


def present(package: str, folder: str, pattern: str) -> list[str]:
    """Names, without suffix, of the data files that are there."""
    found = Path(str(resources.files(package))).joinpath(folder).glob(pattern)
    return sorted(path.stem for path in found)


def judging_time() -> None:
    cases = list(corpus.legitimate())[:400]
    spent = []
    for case in cases:
        began = time.perf_counter()
        judge(case.turn, case.scene)
        render(case.scene.digest)
        spent.append((time.perf_counter() - began) * 1e3)
    show_times("detectors a turn", spent)


def digest_time(number: int) -> None:
    """What it costs to observe a workspace, in episodes of the scripted agent that errs."""
    spent: list[float] = []
    build = DigestBuilder.build

    def timed_build(self: DigestBuilder, text: str, **fields: int) -> Digest:
        began = time.perf_counter()
        digest = build(self, text, **fields)
        spent.append((time.perf_counter() - began) * 1e3)
        return digest

    DigestBuilder.build = timed_build  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            suite = Path(folder) / "suite.jsonl"
            suite.write_text("".join(f"{i.model_dump_json()}\n" for i in sample(number, 0)))
            config = {"agent": "faulty"}
            run, pace = Path(folder) / "run", Pace(concurrency=1)
            request = Request(out=run, config=config, intents=suite, pace=pace)
            collect(request, NoDisplay())
    finally:
        DigestBuilder.build = build  # type: ignore[method-assign]
    show_times(f"digest a turn ({len(spent)} turns)", spent)


def show_times(name: str, spent: list[float]) -> None:
    middle, high = statistics.median(spent), statistics.quantiles(spent, n=20)[-1]
    print(f"{name}: median {middle:.2f} ms, 95 % below {high:.2f} ms, max {max(spent):.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--collections",
        default=",".join(present("ise_env.users", "data", "attacks*.toml")),
        help="files of attack texts in users/data (attacks_blind: by someone who has not seen "
        "the detectors)",
    )
    parser.add_argument(
        "--corpora", default=",".join(present("ise_env.users.lock", "corpus", "*.jsonl"))
    )
    parser.add_argument("--episodes", type=int, default=20, help="whose digests are timed")
    parser.add_argument("--show", type=int, default=0, help="print so many leaked turns")
    options = parser.parse_args()
    print(f"python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    corpora(options.corpora.split(","))
    judging_time()
    digest_time(options.episodes)
    share = -(-options.turns // len(KINDS))
    reached, lockless, total, bare = Counter(), Counter(), 0, 0
    good, rejected, fallback, spent = 0, 0, 0, []
    injected: Counter[tuple[str, str]] = Counter()
    shown = 0
    for kind in KINDS:
        for spec in ("llm", "llm+no-lock"):
            with MisbehavingModel(
                [kind], seed=options.seed, collections=options.collections.split(",")
            ) as model:
                said, times = play(model, f"{spec}:m@{model.base_url}", share, options.seed)
                tried = labelled(said, model.log)
            accepted = [t for t in said if t.attempts and t.attempts[-1]["source"] == "model"]
            bad = [(t, a) for t, a in tried if a is t.attempts[-1] and a["label"] != "good"]
            injected[kind, spec] += sum(a["label"] != "good" for _, a in tried)
            if spec == "llm+no-lock":
                lockless[kind], bare = len(bad), bare + len(said)
                continue
            reached[kind], total, spent = len(bad), total + len(said), spent + times
            fallback += len(said) - len(accepted)
            decent = [a for _, a in tried if a["label"] == "good"]
            good += len(decent)
            refused = [a for a in decent if a["rules"]]
            rejected += len(refused)
            for turn, _ in bad[: options.show]:
                print(f"  reached ({kind}, {turn.act}): {turn.message!r}", file=sys.stderr)
            for attempt in refused[: options.show - shown]:
                print(
                    f"  rejected good: {attempt['rules']} {attempt['message']!r}", file=sys.stderr
                )
    print(f"\nof {share} turns a kind:  reached / injected, lock on   lock off")
    for kind in KINDS:
        on, off = injected[kind, "llm"], injected[kind, "llm+no-lock"]
        print(f"{kind:<12}  {f'{reached[kind]} / {on}':>30}   {f'{lockless[kind]} / {off}':>9}")
    attacks = sum(n for (_, spec), n in injected.items() if spec == "llm")
    print(f"\nturns that are an attack, lock on:  {rate(sum(reached.values()), total)}")
    print(f"turns that are an attack, lock off: {rate(sum(lockless.values()), bare)}")
    print(f"injected attacks that reach the agent: {rate(sum(reached.values()), attacks)}")
    print(f"good answers rejected: {rate(rejected, good)}")
    print(f"template fallbacks:    {rate(fallback, total)}")
    print(f"a turn, model included: median {statistics.median(spent) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
