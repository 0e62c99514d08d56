"""`ise regrade`: what do the checks that are installed now say of stored episodes?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ise_env.rollout.commands.options import Json, RecordsArgument, print_json

if TYPE_CHECKING:
    from ise_env.rollout.regrade import Grade

HELP = """Judge the episodes of a run anew, without a model.

The stored actions are executed again in fresh workspaces with live services, the user's turns as
they are stored, and the checks that are installed now look at what is left. An episode whose
actions do not give what is stored is not judged. The run stays as it is; `--out` keeps the new
verdicts. Exit status 1 when an episode could not be judged.

Example:

    ise regrade runs/a --out runs/a.grades.jsonl
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("regrade", help=HELP)(regrade)


def regrade(
    run: RecordsArgument,
    out: Annotated[
        Path | None, typer.Option(help="File for the verdicts, one JSON object a line; new.")
    ] = None,
    n: Annotated[int | None, typer.Option("-n", min=1, help="Only so many episodes.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 2,
    json: Json = False,
) -> None:
    """Judge the episodes of a run anew."""
    from contextlib import ExitStack

    from ise_env.errors import ConfigError
    from ise_env.rollout.regrade import regrade_run

    grades: list[Grade] = []
    with ExitStack() as stack:
        try:
            file = stack.enter_context(out.open("x", encoding="utf-8")) if out else None
        except OSError as error:
            raise ConfigError(f"--out {out}: {error.strerror}; name a new file") from error
        for grade in regrade_run(run, n=n, concurrency=concurrency):
            if file is not None:
                file.write(grade.model_dump_json() + "\n")
                file.flush()
            grade.checks = []  # many of them would be kept for nothing
            grades.append(grade)
            if not json:
                _print_grade(grade)
    judged = [grade for grade in grades if grade.judged]
    changed = sum(grade.changed for grade in grades)
    if json:
        listed = [grade.model_dump(mode="json", exclude={"checks"}) for grade in grades]
        print_json({"episodes": len(grades), "judged": len(judged), "changed": changed,
                    "grades": listed})  # fmt: skip
    else:
        now = sum(bool(grade.success) for grade in judged)
        before = sum(bool(grade.stored_success) for grade in judged)
        typer.echo(
            f"{len(judged)} of {len(grades)} episodes judged anew: {now} succeed, {before} did "
            f"when they were recorded; {changed} verdicts changed."
        )
    raise typer.Exit(0 if grades and len(judged) == len(grades) else 1)


def _print_grade(grade: Grade) -> None:
    if not grade.judged:
        typer.echo(f"{grade.episode_id}: not judged: {grade.why}")
    elif grade.changed:
        was, now = (
            f"{_shown(reward)} ({'success' if success else 'no success'})"
            for reward, success in (
                (grade.stored_reward, grade.stored_success),
                (grade.reward, grade.success),
            )
        )
        typer.echo(f"{grade.episode_id}: was {was}, is {now}")


def _shown(reward: float | None) -> str:
    return "none" if reward is None else f"{reward:.3f}"
