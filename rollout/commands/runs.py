"""Commands that read runs: `ise stats`, `ise show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ise_env.rollout.commands.options import Json, RecordsArgument, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("stats", help=STATS_HELP)(stats)
    app.command("show", help=SHOW_HELP)(show)


STATS_HELP = """Print the statistics of a run beside those published for ISETrace.

Example:

    ise stats runs/a

    ise stats runs/a --html stats.html
"""

SHOW_HELP = """Print one episode as a transcript.

EPISODE is its number in the run (0 is the first, -1 the last) or the beginning of its id.

Examples:

    ise show runs/a 0

    ise show runs/a 3fa9 | less -R
"""


def stats(
    run: RecordsArgument,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots instead.")] = None,
    json: Json = False,
) -> None:
    """Print the statistics of a run."""
    from ise_env.rollout.stats import collect_statistics
    from ise_env.rollout.stats_table import render_statistics

    statistics = collect_statistics(run)
    if json:
        print_json(statistics.as_dict())
        return
    if html is not None:
        from ise_env.intents.jsonl import replacing
        from ise_env.rollout.stats_page import page

        with replacing(html) as file:
            file.write(page(run.resolve().name, statistics))
        typer.echo(str(html))
        return
    from rich.console import Console

    Console().print(render_statistics(statistics))


def show(
    run: RecordsArgument,
    episode: str = typer.Argument(metavar="EPISODE", help="Number, or beginning of the id."),
    full: bool = typer.Option(False, "--full", help="Cut nothing."),
    system: bool = typer.Option(False, "--system", help="Show the system prompt too."),
    json: Json = False,
) -> None:
    """Print one episode as a transcript."""
    from ise_env.rollout.find import find_episode

    trajectory = find_episode(run, episode)
    if json:
        print_json(trajectory.model_dump(mode="json"))
        return
    from rich.console import Console

    from ise_env.rollout.show import transcript

    console = Console(highlight=False)
    for part in transcript(trajectory, full=full, system=system):
        console.print(part)
