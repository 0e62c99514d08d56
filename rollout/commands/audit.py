"""`ise audit`: how well the users of a run kept to their role."""

from __future__ import annotations

from typing import Annotated

import typer

from ise_env.rollout.commands.options import Json, RecordsArgument, print_json

HELP = """Audit the simulated users of a run.

Role drift before and after the lock, disclosure, closing, repetition, verdicts against the
checks: each with its number of trials and a 95 % Wilson interval. The rules that reject an
attempt also look at what was said in the end; that those find nothing proves little, which is
why the lock is also measured against a model that misbehaves with labels
(`benchmarks/bench_role_lock.py`).

Example:

    ise audit runs/a
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit", help=HELP)(audit)


def audit(
    run: RecordsArgument,
    examples: Annotated[int, typer.Option(min=0, help="Turns to keep for each rule.")] = 3,
    json: Json = False,
) -> None:
    """Audit the simulated users of a run."""
    from ise_env.errors import ConfigError
    from ise_env.traces.reader import read_run
    from ise_env.users.audit import audit as audit_users
    from ise_env.users.audit_table import tables

    report = audit_users(read_run(run), examples=examples)
    if not report.turns:
        raise ConfigError(f"{run}: no valid episode with a user to audit")
    if json:
        print_json(report.as_json())
        return
    from rich.console import Console

    console = Console()
    for table in tables(report):
        console.print(table)
    for rule, turns in sorted(report.examples.items()):
        for turn in turns:
            console.print(f"{rule}: {turn}", markup=False, highlight=False)
