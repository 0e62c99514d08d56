"""`ise validate`: does every task kit keep its promises on this machine?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, print_json

HELP = """Put task kits through admission on live workspaces.

The oracle must pass every check; doing nothing, only claiming to be done, plausible wrong
solutions and a battery of tricks must gain nothing; judging twice must agree. Exit status 1
when a kit fails.

Examples:

    ise validate

    ise validate --kits file-io/sort-archive --seeds 10
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate", help=HELP)(validate)


def validate(
    kits: Annotated[
        str | None, typer.Option(help="Names or patterns (file-io/*), comma-separated; all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds for each kit.")] = 3,
    workspace: Annotated[str, typer.Option(help="Kind of workspace.")] = "local",
    tricks: Annotated[bool, typer.Option(help="Play the battery of tricks too.")] = True,
    json: Json = False,
) -> None:
    """Put task kits through admission."""
    from ise_env.tasks import admission

    rows: list[Any] = []
    by_kit: dict[str, list[Any]] = {}
    chosen = _chosen(kits)
    for row in admission.validate(chosen, range(seeds), backend=workspace, with_tricks=tricks):
        rows.append(row)
        if by_kit and row.kit not in by_kit and not json:
            _print_kit(*list(by_kit.items())[-1])
        by_kit.setdefault(row.kit, []).append(row)
    failed = sorted({row.kit for row in rows if not row.passed})
    if json:
        print_json({"kits": len(by_kit), "failed": failed, "rows": [vars(row) for row in rows]})
    else:
        _print_kit(*list(by_kit.items())[-1])
        typer.echo(f"{len(by_kit) - len(failed)} of {len(by_kit)} kits admitted")
    raise typer.Exit(1 if failed else 0)


def _chosen(patterns: str | None) -> list[str] | None:
    if patterns is None:
        return None
    from fnmatch import fnmatch

    from ise_env.errors import ConfigError
    from ise_env.tasks import registry

    names: list[str] = []
    for pattern in (part.strip() for part in patterns.split(",") if part.strip()):
        found = [name for name in registry.names() if fnmatch(name, pattern)]
        if not found:
            raise ConfigError(f"--kits {pattern}: there is no such kit; see `ise validate`")
        names += [name for name in found if name not in names]
    return names


def _print_kit(kit: str, rows: list[Any]) -> None:
    failed = [row for row in rows if not row.passed]
    mark = typer.style("no", fg="red", bold=True) if failed else typer.style("ok", fg="green")
    calls = [row.calls for row in rows if row.case == "oracle"]
    seconds = sum(row.seconds for row in rows)
    mean = sum(calls) / len(calls) if calls else 0.0
    typer.echo(
        f"{mark}  {kit:<44} {len(rows) - len(failed):>3}/{len(rows)} cases, "
        f"oracle {mean:.1f} calls, {seconds:.1f} s"
    )
    for row in failed:
        typer.echo(f"      seed {row.seed} {row.tier}, {row.case}: {row.detail}")
