"""`ise play`: a person is the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Be the agent of one episode, at the terminal, with the tools that agents have.

The episode is recorded like any other: look at it with `ise show`, export it, compare it with
what a model did with the same intent.

Examples:

    ise play --out runs/mine

    ise play --intents intents.jsonl --number 3 --out runs/mine
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("play", help=HELP)(play)


def play(
    out: Annotated[Path, typer.Option(help="Run directory to make.")],
    intents: Annotated[
        Path | None, typer.Option(help="File of intents. Default: one is sampled.")
    ] = None,
    number: Annotated[int, typer.Option(min=0, help="Which of them; 0 is the first.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampled intent and the episode.")] = 0,
    tier: Annotated[
        str, typer.Option(help="Of the sampled intent: simple, medium or complex.")
    ] = "simple",
    user: Annotated[str, typer.Option(help="rule, or llm:MODEL@URL.")] = "rule",
    workspace: Annotated[str, typer.Option(help="local, ...")] = "local",
    allow_degraded: Annotated[
        str, typer.Option(help="Limits that may go unenforced, comma-separated.")
    ] = "",
) -> None:
    """Be the agent of one episode."""
    import tempfile

    from ise_env.rollout.collector import Pace
    from ise_env.rollout.progress import NoDisplay
    from ise_env.rollout.session import Request, collect
    from ise_env.traces.reader import read_run

    config = {
        "agent": "human",
        "user": user,
        "workspace": workspace,
        "seed": seed,
        "allow_degraded": tuple(filter(None, allow_degraded.split(","))),
        "max_turns": 200,
        "tool_time_s": 86_400.0,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write(_chosen(intents, number, tier, seed) + "\n")
        file.flush()
        pace = Pace(concurrency=1, max_attempts=1)
        outcome = collect(Request(out, config, Path(file.name), 1, pace=pace), NoDisplay())
    for record in read_run(out):
        verdict = {True: "success", False: "failure", None: "not judged"}[record.success]
        typer.echo(f"\n{verdict}, {record.termination.reason}; look at it: ise show {out} 0")
        for check in record.checks:
            evidence = next(iter(check.evidence.splitlines()), "")
            typer.echo(f"  {check.verdict:10} {check.id}: {evidence[:100]}")
    raise typer.Exit(outcome.exit_status)


def _chosen(intents: Path | None, number: int, tier: str, seed: int) -> str:
    """One line of JSON.

    Raises:
        ConfigError: There is no such intent.
    """
    from itertools import islice

    from ise_env.errors import ConfigError
    from ise_env.intents.load import load_intents
    from ise_env.intents.sampler import sample

    if intents is None:
        if tier not in ("simple", "medium", "complex"):
            raise ConfigError(f"--tier {tier}: expected simple, medium or complex")
        return next(i for i in sample(1_000, seed) if i.complexity == tier).model_dump_json()
    chosen = next(islice(load_intents(intents), number, None), None)
    if chosen is None:
        raise ConfigError(f"{intents}: holds no intent number {number}; the first is 0")
    return chosen.model_dump_json()
