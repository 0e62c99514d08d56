"""Commands about this machine and this installation: doctor, clean, tools, validate, serve."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, print_json

DOCTOR_HELP = """Say what works on this machine, and what to do about what does not.

Exit status 1 when no workspace can be made.

Example:

    ise doctor
"""

CLEAN_HELP = """Remove what crashed processes left behind.

Example:

    ise clean --dry-run
"""

TOOLS_HELP = """List the tools there are, what they need and whether it is there.

Agents are offered the reference set, but for what an episode lacks; `--tools` of a rollout names
others. What a task brings (web sites) is not there in an empty workspace.

Example:

    ise tools --json
"""

Workspace = Annotated[str, typer.Option(help="Kind of workspace.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("doctor", help=DOCTOR_HELP)(doctor)
    app.command("clean", help=CLEAN_HELP)(clean)
    app.command("tools", help=TOOLS_HELP)(tools)


def doctor(workspace: Workspace = "local", json: Json = False) -> None:
    """Say what works on this machine."""
    from ise_env.rollout.doctor import examine, render

    report = examine(workspace)
    if json:
        print_json(report.as_dict())
    else:
        from rich.console import Console

        Console().print(render(report))
    raise typer.Exit(0 if report.usable else 1)


def clean(
    workspace: Annotated[
        str, typer.Option(help="Kind of workspace; local, and docker where an engine answers.")
    ] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove what crashed processes left behind."""
    from ise_env.errors import IseError
    from ise_env.services import places
    from ise_env.workspaces import make_backend

    removed = make_backend(workspace or "local").reap(dry_run=dry_run)
    removed += places.reap(dry_run=dry_run)
    if not workspace:
        with suppress(IseError):  # without an engine there is nothing left in it
            removed += make_backend("docker").reap(dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    for line in removed:
        typer.echo(line)
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{len(removed)} left-overs {verb}")


def tools(workspace: Workspace = "local", json: Json = False) -> None:
    """List the tools there are, what they need and whether it is there."""
    from ise_env.rollout.tool_list import list_tools

    rows = list_tools(workspace)
    if json:
        print_json([row.as_dict() for row in rows])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("tool", "parameters", "needs", "in an empty workspace", box=None, pad_edge=False)
    for row in rows:
        name = row.tool.name if row.default else f"{row.tool.name} (only by name)"
        there = row.missing or "works"
        table.add_row(name, _parameters(row.tool.schema()), row.tool.needs, there)
    Console().print(table)


def _parameters(schema: dict[str, Any]) -> str:
    parameters = schema["function"]["parameters"]
    required = parameters.get("required", ())
    return ", ".join(f"{p}*" if p in required else p for p in parameters.get("properties", {}))
