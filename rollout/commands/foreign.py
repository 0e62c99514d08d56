"""`ise import ...`: trajectories in other people's layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, print_json


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Import trajectories in other layouts.", no_args_is_help=True)
    group.command("isetrace", help=ISETRACE_HELP)(isetrace)
    # A group of one command would swallow its name.
    group.callback()(_group)
    app.add_typer(group, name="import")


def _group() -> None:
    """Import trajectories in other layouts."""


ISETRACE_HELP = """Import published ISETrace trajectories into a run directory.

Whether a tool call succeeded is recomputed from its text: the published flag says only that it
was not aborted. --differences lists every result whose label changes.

Example:

    ise import isetrace records.jsonl --out runs/published --differences
"""


def isetrace(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=".json or JSON Lines.")],
    out: Annotated[Path, typer.Option(help="Run directory to make.")],
    show_differences: Annotated[
        bool, typer.Option("--differences", help="List the results whose label changes.")
    ] = False,
    json: Json = False,
) -> None:
    """Import published ISETrace trajectories."""
    from ise_env.traces.importer import import_isetrace

    report = import_isetrace(files, out)
    if json:
        print_json(_as_dict(report))
        return
    if show_differences:
        _print_differences(report)
    typer.echo(
        f"{report.records} trajectories in {out}. Of {report.results} tool results "
        f"{report.published_failed} were published as failed; {report.failed} failed."
    )


def _as_dict(report: Any) -> dict[str, Any]:
    return {
        "records": report.records,
        "duplicates": report.duplicates,
        "invalid": report.invalid,
        "results": report.results,
        "published_failed": report.published_failed,
        "failed": report.failed,
        "outcomes": dict(report.outcomes),
        "relabelled": [
            {**vars(r), "outcome": r.outcome.model_dump(exclude_none=True)}
            for r in report.relabelled
        ],
    }


def _print_differences(report: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ise_env.terminal import neutral

    table = Table("call", "tool", "published", "recomputed", "text ends in", box=None)
    for r in report.relabelled:
        label = r.outcome.status + (f" {r.outcome.error}" if r.outcome.error else "")
        published = "success" if r.published_success else "failure"
        ending = neutral(" ".join(r.text.split())[-70:])
        table.add_row(r.call_id[-8:], r.tool, published, label, Text(ending, "dim"))
    Console().print(table)
