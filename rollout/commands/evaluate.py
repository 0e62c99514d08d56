"""`ise eval`: compare agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ise_env.errors import ConfigError
from ise_env.rollout.commands.options import Json, print_json

HELP = """Compare agents on the same intents over several trials.

Each agent's episodes are kept in a run of its own below --out; what is there already is not
played again, so that an interrupted evaluation is continued by the same command.

Example:

    ise eval --agents oracle,faulty --intents suite.jsonl --trials 3 --out evals/a
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval", help=HELP)(evaluate)


def evaluate(
    agents: Annotated[str, typer.Option(help="Agents, separated by commas (or by blanks).")],
    intents: Annotated[Path, typer.Option(help="The suite: a file of intents.")],
    out: Annotated[Path, typer.Option(help="Directory for the runs.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of each intent.")] = 1,
    user: Annotated[str, typer.Option(help="rule, llm:MODEL@URL, or none.")] = "rule",
    workspace: Annotated[str, typer.Option(help="Kind of workspace.")] = "local",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 4,
    prices: Annotated[
        Path | None, typer.Option(help="TOML file with the price of each model: adds the cost.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Json = False,
) -> None:
    """Compare agents."""
    names = split_agents(agents)

    from rich.console import Console

    from ise_env.agents import make_agent
    from ise_env.rollout.collector import Pace
    from ise_env.rollout.eval_table import render_comparison
    from ise_env.rollout.evaluate import compare, run_name
    from ise_env.rollout.progress import display_for
    from ise_env.rollout.session import Request, collect
    from ise_env.traces.layout import Layout

    for agent in names:
        make_agent(agent)  # a misspelt last one is found before the first has played
    runs = {agent: out / run_name(agent) for agent in names}
    if len(set(runs.values())) < len(names):
        raise ConfigError("--agents: two of them would be kept in the same folder")
    config: dict[str, Any] = {
        "user": None if user == "none" else user,
        "workspace": workspace,
        "seed": seed,
    }
    for agent, run in runs.items():
        request = Request(
            out=run,
            config={**config, "agent": agent},
            intents=intents,
            trials=trials,
            resume=Layout(run).is_run,
            pace=Pace(concurrency=concurrency),
            prices=prices,
        )
        outcome = collect(request, display_for(Console(stderr=True), quiet=quiet))
        if not outcome.complete:
            typer.echo(f"ise: {agent}: {outcome.reason}; the same command goes on", err=True)
            raise typer.Exit(outcome.exit_status)
    comparison = compare(runs, trials)
    if json:
        print_json(comparison.as_dict())
    else:
        Console().print(render_comparison(comparison))


def split_agents(text: str) -> list[str]:
    """Split a list of agents; a comma inside an agent's own options does not separate.

    `faulty:rate=0.3,unnoticed=1,nop` is two agents: what follows a comma and is `name=value` goes
    with what stands before it.
    """
    names: list[str] = []
    for part in text.replace(" ", ",").split(","):
        if part and names and "=" in part and not part.partition("=")[0].count(":"):
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    if not names:
        raise ConfigError("--agents: name at least one")
    if len(set(names)) < len(names):
        raise ConfigError("--agents: the same agent twice")
    return names
