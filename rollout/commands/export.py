"""`ise export`: trajectories in the layouts that trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ise_env.rollout.commands.options import Json, print_json

HELP = """Export a run in a layout that trainers read.

Formats: **openai** (messages and tools; TRL and most trainers), **hf** (Parquet with a dataset
card), **isetrace** (the published layout), **llamafactory**, **atif** (Harbor), **rl** (token
ids, masks, log-probabilities), **preference** (success against failure of one intent).

Invalid episodes and, but for rl, exact duplicates are always left out. Nothing is overwritten.

Examples:

    ise export runs/a --format openai --success --out sft.jsonl

    ise export runs/a --format hf --split train --tier complex --out dataset

    ise export runs/a runs/b --format preference --out pairs.jsonl
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help=HELP)(export)


def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    format_: Annotated[str, typer.Option("--format", "-f", help="See above.")],
    out: Annotated[Path, typer.Option(help="File or folder to make.")],
    success: Annotated[
        bool | None, typer.Option("--success/--failure", help="Only those. Default: both.")
    ] = None,
    drift_free: Annotated[
        bool, typer.Option(help="Only episodes without a user turn that broke the role lock.")
    ] = False,
    tier: Annotated[list[str] | None, typer.Option(help="Complexity; repeatable.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="A domain; repeatable.")] = None,
    turns: Annotated[str, typer.Option(help="User turns: 6-10, 4- or -12.")] = "",
    max_messages: Annotated[int | None, typer.Option(min=1, help="Longest episode.")] = None,
    max_failed: Annotated[
        float | None, typer.Option(min=0, max=1, help="Largest share of calls that failed.")
    ] = None,
    min_recovered: Annotated[
        float | None, typer.Option(min=0, max=1, help="Smallest share of failures made good.")
    ] = None,
    who: Annotated[
        str | None,
        typer.Option(help="Whose episodes: model, scripted or all. Mixing must be asked for."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, held-out-composition or held-out-kit.")
    ] = None,
    per_intent: Annotated[int | None, typer.Option(min=1, help="Most of one intent.")] = None,
    arguments: Annotated[
        str | None, typer.Option(help="Of tool calls: string or object. Default: the format's.")
    ] = None,
    reasoning: Annotated[
        str | None, typer.Option(help="keep (the default), drop, or inline (in think tags).")
    ] = None,
    parallel: Annotated[
        str | None, typer.Option(help="Parallel calls: keep (the default) or split.")
    ] = None,
    users: Annotated[
        str | None, typer.Option(help="Consecutive user turns: keep (the default) or merge.")
    ] = None,
    empty: Annotated[
        str | None, typer.Option(help="Content beside calls only: string (the default) or null.")
    ] = None,
    system: Annotated[
        bool | None,
        typer.Option(help="Keep the system prompt, as is the default, or leave it out."),
    ] = None,
    partial: Annotated[bool, typer.Option(help="Of a run in progress, what is there.")] = False,
    json: Json = False,
) -> None:
    """Export a run."""
    from typing import get_args

    from ise_env.errors import ConfigError
    from ise_env.intents.splits import as_split
    from ise_env.rollout.export.formats import format_of
    from ise_env.rollout.export.selection import Selection, Who
    from ise_env.rollout.export.source import Source

    form = format_of(format_)
    known = {
        "arguments": (arguments, ("string", "object")),
        "reasoning": (reasoning, ("keep", "drop", "inline")),
        "parallel": (parallel, ("keep", "split")),
        "users": (users, ("keep", "merge")),
        "empty": (empty, ("string", "null")),
        "system": (system, (True, False)),
    }
    shape = form.shaped(
        **{
            name: _one_of(f"--{name}", value, values)
            for name, (value, values) in known.items()
            if value is not None
        }
    )
    if success is not None and not form.success:
        raise ConfigError(f"format {format_} needs both: leave out --success and --failure")
    selection = Selection(
        success=success,
        drift_free=drift_free,
        tiers=tuple(_one_of("--tier", t, ("simple", "medium", "complex")) for t in tier or ()),
        domains=tuple(domain or ()),
        turns=_range(turns),
        max_messages=max_messages,
        max_failed=max_failed,
        min_recovered=min_recovered,
        who=None if who is None else _one_of("--who", who, get_args(Who)),
        split=None if split is None else as_split(split),
        unique=not form.every_sample,
        per_intent=per_intent,
    )
    report = form.write(Source(runs, selection, partial), out, shape)
    if json:
        print_json({**vars(report), "out": str(out)})
        return
    plural = "" if report.written == 1 else "s"
    typer.echo(f"{report.written:,} {report.unit}{plural} in {out}")
    for what, count in (*report.left_out.most_common(), *report.notes.most_common()):
        typer.echo(f"  {count:,} {'left out: ' if what in report.left_out else ''}{what}")


def _one_of(option: str, value: Any, known: tuple[Any, ...]) -> Any:
    from ise_env.errors import ConfigError

    if value not in known:
        raise ConfigError(f"{option} {value}: expected one of {', '.join(known)}")
    return value


def _range(text: str) -> tuple[int, int | None]:
    """`6-10`, `4-`, `-12`, `8`."""
    from ise_env.errors import ConfigError

    low, dash, high = text.partition("-")
    try:
        first = int(low) if low else 0
        last = (int(high) if high else None) if dash or not text else first
    except ValueError:
        raise ConfigError(f"--turns {text}: expected a range such as 6-10, 4- or -12") from None
    if last is not None and last < first:
        raise ConfigError(f"--turns {text}: the range is empty; write the smaller number first")
    return first, last
