"""`ise reexec`: do stored trajectories come out the same again?"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, RecordsArgument, print_json

HELP = """Play the stored actions of a run again in fresh workspaces and compare what comes back.

Differences that the written normaliser allows (clocks, process ids, commit hashes) are counted;
all others are shown. Exit status 1 when there are any, or when nothing could be played.

Example:

    ise reexec runs/a -n 20
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reexec", help=HELP)(reexec)


def reexec(
    run: RecordsArgument,
    n: Annotated[int | None, typer.Option("-n", min=1, help="Only so many episodes.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 2,
    show: Annotated[int, typer.Option(min=0, help="Differences to show.")] = 10,
    json: Json = False,
) -> None:
    """Play the stored actions of a run again and compare."""
    from ise_env.rollout.reexec import reexecute_run

    reports, allowed, shown = [], Counter[str](), 0
    for report in reexecute_run(run, n=n, concurrency=concurrency):
        reports.append(report)
        allowed += report.allowed
        if report.skipped and not json:
            typer.echo(f"{report.episode_id}: not played: {report.skipped}")
        for difference in report.differences:
            if shown < show and not json:
                _print_difference(report.episode_id, difference)
            shown += 1
    differ = [r for r in reports if r.differences]
    if json:
        print_json(_as_dict(reports, allowed))
    else:
        _print_summary(reports, differ, allowed)
    played = any(not report.skipped for report in reports)
    raise typer.Exit(0 if played and not differ else 1)


def _print_difference(episode_id: str, difference: Any) -> None:
    from ise_env.terminal import neutral

    typer.echo(typer.style(f"{episode_id}: {difference.where}", fg="red"))
    typer.echo("  stored: " + neutral(difference.stored).replace("\n", "\n          "))
    typer.echo("  again:  " + neutral(difference.again).replace("\n", "\n          "))


def _print_summary(reports: list[Any], differ: list[Any], allowed: Counter[str]) -> None:
    results = sum(r.results for r in reports)
    identical = sum(r.identical for r in reports)
    skipped = sum(bool(r.skipped) for r in reports)
    rules = ", ".join(f"{name} {count}" for name, count in allowed.most_common())
    typer.echo(
        f"{sum(r.same for r in reports)} of {len(reports)} episodes came out the same, "
        f"{len(differ)} differ, {skipped} were not played. Of {results} tool results "
        f"{identical} were equal to the letter. Allowed differences: {rules or 'none'}."
    )


def _as_dict(reports: list[Any], allowed: Counter[str]) -> dict[str, Any]:
    return {
        "episodes": len(reports),
        "same": sum(r.same for r in reports),
        "differ": sum(bool(r.differences) for r in reports),
        "not_played": {r.episode_id: r.skipped for r in reports if r.skipped},
        "results": sum(r.results for r in reports),
        "identical": sum(r.identical for r in reports),
        "allowed": dict(allowed),
        "differences": [
            {"episode_id": r.episode_id, **vars(d)} for r in reports for d in r.differences
        ],
    }
