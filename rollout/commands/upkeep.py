"""Commands that look after runs: `ise fsck`, `ise merge`, `ise schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ise_env.rollout.commands.options import Json, RunArgument, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("fsck", help=FSCK_HELP)(fsck)
    app.command("merge", help=MERGE_HELP)(merge)
    app.command("schema", help=SCHEMA_HELP)(schema)


FSCK_HELP = """Check a run directory: damaged lines, duplicates, wrong hashes, leftovers.

With --repair: cut torn lines, remove leftovers, move what is no record to RUN/rejected. Exit
status 1 while something is damaged.

Example:

    ise fsck runs/a
"""

MERGE_HELP = """Join runs of the same configuration into a new one, each episode once.

Example:

    ise merge runs/part-0 runs/part-1 --out runs/all
"""

SCHEMA_HELP = """Print the JSON Schema of a trajectory record.

Example:

    ise schema > trajectory.schema.json
"""


def fsck(
    run: RunArgument,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be.")] = False,
    json: Json = False,
) -> None:
    """Check a run directory."""
    from ise_env.traces.fsck import check_run
    from ise_env.traces.repair import repair as put_right

    done = put_right(run) if repair else []
    checkup = check_run(run)
    if json:
        findings = [vars(finding) for finding in checkup.findings]
        print_json({"records": checkup.records, "repaired": done, "findings": findings})
    else:
        for line in done:
            typer.echo(line)
        for finding in checkup.findings:
            colour = "red" if finding.severity == "damage" else "yellow"
            label = typer.style(finding.severity, fg=colour)
            typer.echo(f"{label}  {finding.where}: {finding.what}")
        verdict = "sound" if checkup.sound else "damaged"
        typer.echo(f"{run}: {verdict}, {checkup.records} records, {checkup.bytes:,} bytes")
    raise typer.Exit(0 if checkup.sound else 1)


def merge(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs to join.")],
    out: Annotated[Path, typer.Option(help="Run directory to make.")],
    seal: Annotated[bool, typer.Option(help="Compress, where zstd is installed.")] = True,
) -> None:
    """Join runs."""
    from ise_env.traces.merge import merge as join

    counts = join(runs, out, sealed=seal).counts
    typer.echo(f"{counts.finished} of {counts.planned} episodes in {out}")


def schema() -> None:
    """Print the JSON Schema of a record."""
    from ise_env.traces.record import Trajectory

    print_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "ise-env trajectory",
            **Trajectory.model_json_schema(),
        }
    )
