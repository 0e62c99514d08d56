"""`ise validate`: does every task kit keep its promises on this machine?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ise_env.rollout.commands.options import Json, print_json

if TYPE_CHECKING:
    from ise_env.tasks.admission import Row
    from ise_env.tasks.admitted import Admitted

HELP = """Put task kits through admission on live workspaces.

The oracle must pass every check; doing nothing, only claiming to be done, plausible wrong
solutions and a battery of tricks must gain nothing; judging twice must agree. Exit status 1
when a kit fails.

With `--resume FILE`, each kit's result is written to that file as it is finished, and kits that
it already shows as admitted are not put through again unless their source has changed.

Examples:

    ise validate

    ise validate --kits file-io/sort-archive --seeds 10

    ise validate --jobs 4 --resume admission.jsonl
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate", help=HELP)(validate)


def validate(
    kits: Annotated[
        str, typer.Option(help="Names or patterns (file-io/*), comma-separated.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds for each kit.")] = 3,
    workspace: Annotated[str, typer.Option(help="Kind of workspace.")] = "local",
    tricks: Annotated[bool, typer.Option(help="Play the battery of tricks too.")] = True,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Kits at a time; as many as there are cores.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="File of results to go on from and to add to.")
    ] = None,
    json: Json = False,
) -> None:
    """Put task kits through admission."""
    from ise_env.tasks import admission
    from ise_env.tasks.admitted import Admitted, Conditions

    chosen = _chosen(kits)
    conditions = Conditions(seeds=tuple(range(seeds)), workspace=workspace, tricks=tricks)
    state = Admitted(resume, conditions) if resume else None
    taken_over, left = _split(chosen, state)
    by_kit = dict(taken_over)
    if taken_over and not json:
        typer.echo(f"{len(taken_over)} kits were admitted before, says {resume}")
    results: Iterator[tuple[str, list[Row]]] = admission.validate_kits(
        left,
        conditions.seeds,
        backend=workspace,
        with_tricks=tricks,
        jobs=jobs or os.cpu_count() or 1,
    )
    for kit, rows in results:
        by_kit[kit] = rows
        if state:
            state.add(kit, rows)
        if not json:
            _print_kit(kit, rows)
    failed = sorted(kit for kit, rows in by_kit.items() if not all(row.passed for row in rows))
    if json:
        listed = [vars(row) for kit in chosen for row in by_kit[kit]]
        print_json({"kits": len(by_kit), "failed": failed, "rows": listed})
    else:
        typer.echo(f"{len(by_kit) - len(failed)} of {len(by_kit)} kits admitted")
        if failed:
            typer.echo(f"not admitted: {', '.join(failed)}")
    raise typer.Exit(1 if failed else 0)


def _split(
    chosen: Sequence[str], state: Admitted | None
) -> tuple[dict[str, Sequence[Row]], list[str]]:
    """The kits that were admitted before, with their rows, and the others."""
    known: dict[str, Sequence[Row]] = {}
    for kit in chosen:
        if state and (rows := state.rows(kit)):
            known[kit] = rows
    return known, [kit for kit in chosen if kit not in known]


def _chosen(patterns: str) -> list[str]:
    from fnmatch import fnmatch

    from ise_env.errors import ConfigError
    from ise_env.tasks import registry

    names: list[str] = []
    for pattern in (part.strip() for part in patterns.split(",") if part.strip()):
        found = [name for name in registry.names() if pattern == "all" or fnmatch(name, pattern)]
        if not found:
            raise ConfigError(f"--kits {pattern}: there is no such kit; see `ise validate`")
        names += [name for name in found if name not in names]
    if not names:
        raise ConfigError("--kits: names no kit; say all, or leave it out, for all of them")
    return names


def _print_kit(kit: str, rows: Sequence[Row]) -> None:
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
