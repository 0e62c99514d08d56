"""`ise smoke`: a few episodes with a live model, before many."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, print_json

HELP = """Collect a few episodes with a live model and say what a full run would cost.

Each figure is compared with where it lies in a healthy run. Exit status 1 when one is outside.

Example:

    ise smoke --agent openai:qwen3@http://localhost:8000/v1 --prices prices.toml
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("smoke", help=HELP)(smoke)


def smoke(
    agent: Annotated[str, typer.Option(help="openai:MODEL@URL, module:attribute, ...")],
    n: Annotated[int, typer.Option("-n", min=1, help="Episodes.")] = 10,
    intents: Annotated[
        Path | None, typer.Option(help="A file of intents; sampled ones by default.")
    ] = None,
    user: Annotated[str, typer.Option(help="rule, llm:MODEL@URL, or none.")] = "rule",
    workspace: Annotated[str, typer.Option(help="Kind of workspace.")] = "local",
    prices: Annotated[
        Path | None, typer.Option(help="TOML file with the price of each model.")
    ] = None,
    full_run: Annotated[int, typer.Option(min=1, help="Episodes of a full run.")] = 23_132,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Keep the episodes here; thrown away by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Collect a few episodes with a live model."""
    from rich.console import Console

    from ise_env.rollout.collector import Pace
    from ise_env.rollout.progress import display_for
    from ise_env.rollout.session import Request, collect
    from ise_env.rollout.smoke import examine

    with tempfile.TemporaryDirectory(prefix="ise-smoke-") as folder:
        request = Request(
            out=out or Path(folder) / "run",
            intents=intents or _sampled(Path(folder) / "intents.jsonl", n, seed),
            config={
                "agent": agent,
                "user": None if user == "none" else user,
                "workspace": workspace,
                "seed": seed,
            },
            n=n,
            prices=prices,
            pace=Pace(concurrency=concurrency, max_attempts=2, retry_pause_s=1.0, give_up_after=3),
        )
        outcome = collect(request, display_for(Console(stderr=True)))
        if not outcome.snapshot.finished:
            typer.echo(f"ise: no episode was finished: {outcome.reason or 'all invalid'}", err=True)
            raise typer.Exit(1)
        report = examine(request.out, outcome.snapshot.elapsed_s, full_run)
    if json:
        print_json(report.as_dict())
    else:
        _print_report(report)
    raise typer.Exit(0 if report.healthy and outcome.complete else 1)


def _sampled(path: Path, n: int, seed: int) -> Path:
    from ise_env.intents.sampler import sample

    path.write_text("".join(intent.model_dump_json() + "\n" for intent in sample(n, seed)))
    return path


def _print_report(report: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "", "here", "healthy", "if not", box=None, pad_edge=False)
    for figure in report.figures:
        mark = {True: ("ok", "green"), False: ("no", "bold red"), None: ("?", "yellow")}
        table.add_row(
            Text(*mark[figure.fine]),
            figure.label,
            _shown(figure.value, figure.share),
            f"{_shown(figure.low, figure.share)} to {_shown(figure.high, figure.share)}",
            Text(figure.hint if figure.fine is False else "", "dim"),
        )
    Console().print(table)
    usage = report.usage
    typer.echo(
        f"{usage.episodes} episodes in {report.elapsed_s:.0f} s: "
        f"{_tokens(usage.prompt_tokens, usage.completion_tokens)}, {_dollars(usage.cost_usd)}."
    )
    prompt, completion = map(report.full_tokens, (usage.prompt_tokens, usage.completion_tokens))
    typer.echo(
        f"{report.full_run:,} episodes at this pace: {report.full_hours:,.1f} h, "
        f"{_tokens(prompt, completion)}, "
        f"{_dollars(report.full_cost_usd)}."
    )


def _shown(value: float | None, share: bool) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if share else f"{value:.1f}"


def _tokens(prompt: float | None, completion: float | None) -> str:
    if prompt is None or completion is None:
        return "tokens unknown (the server reports no usage)"
    return f"{prompt:,.0f} prompt and {completion:,.0f} completion tokens"


def _dollars(cost: float | None) -> str:
    return "cost unknown (give --prices)" if cost is None else f"${cost:,.2f}"
