"""`ise intents ...`: what the episodes are about."""

from __future__ import annotations

from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from ise_env.errors import ConfigError, IseError
from ise_env.rollout.commands import intent_pools


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Sample, deduplicate, measure and convert intents.", no_args_is_help=True
    )
    group.command("sample", help=SAMPLE_HELP)(sample)
    group.command("split", help=SPLIT_HELP)(split)
    intent_pools.register(group)
    app.add_typer(group, name="intents")


SAMPLE_HELP = """Sample intents into a file, one a line.

The same seed gives the same intents, and a larger -n the same ones with more behind them.

Example:

    ise intents sample -n 100 --seed 7 --out intents.jsonl

    ise intents sample -n 200 --split held-out-kit --out test.jsonl
"""


def sample(
    out: Annotated[Path, typer.Option(help="File to write.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    kits: Annotated[
        str, typer.Option(help="Patterns of kits to draw from, comma-separated.")
    ] = "*",
    exclude: Annotated[
        str, typer.Option(help="Patterns of kits to leave out, comma-separated.")
    ] = "",
    shard: Annotated[str, typer.Option(help="k/N: only every N-th intent, from number k.")] = "0/1",
    pools: Annotated[
        Path | None, typer.Option(help="Directory of own pools, in place of the built-in ones.")
    ] = None,
    workspace: Annotated[
        str,
        typer.Option(help="Kind of workspace; kits that need a program it lacks are left out."),
    ] = "local",
    split: Annotated[
        str | None,
        typer.Option(help="Only train, held-out-composition or held-out-kit. Default: all."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Processes that share the work; the file is the same. Default: one a core, and "
            "one alone for few intents.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Sample intents into a file."""
    if out.exists() and not force:
        raise ConfigError(f"{out}: exists already; choose another --out, or give --force")

    from ise_env.intents.jsonl import replacing
    from ise_env.intents.parallel import sample_records, sensible_jobs
    from ise_env.intents.splits import as_split

    def patterns(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    part = _shard(shard)
    records = sample_records(
        n,
        seed,
        jobs=jobs or sensible_jobs(n // max(1, part[1])),
        shard=part,
        pools=pools,
        kits=patterns(kits),
        exclude=patterns(exclude),
        programs=_programs(workspace, patterns(kits), patterns(exclude)),
        split=None if split is None else as_split(split),
    )
    written = 0
    with replacing(out) as file, closing(records):
        for record in records:
            file.write(record + "\n")
            written += 1
    typer.echo(f"{written} intents in {out}")


SPLIT_HELP = """Take requests without kits apart into steps, once, and store the steps.

A line of text or a published intent is taken apart when an episode begins, by the user's model or
by rules. Stored steps make every episode of an intent ask for the same ones.

Examples:

    ise intents split mine.txt --out mine.jsonl

    ise intents split mine.txt --model qwen3@http://localhost:8000/v1 --out mine.jsonl
"""


def split(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Intents of any kind.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    model: Annotated[
        str | None, typer.Option(help="`MODEL@URL` that splits, checked by code. Default: rules.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Store the steps of requests without kits."""
    if out.exists() and not force:
        raise ConfigError(f"{out}: exists already; choose another --out, or give --force")

    from ise_env.intents.jsonl import replacing
    from ise_env.intents.load import load_intents
    from ise_env.llm import Endpoint, client_for
    from ise_env.users.model_split import split_with
    from ise_env.users.split import split as by_rules
    from ise_env.users.split import with_pieces

    client = None if model is None else client_for(Endpoint.parse(model))
    done = kept = 0
    with replacing(out) as file:
        for intent in load_intents(source):
            if intent.tasks and intent.checked:
                kept += 1
            else:
                rules = by_rules(intent.utterance)
                found = rules if client is None else split_with(client, intent.utterance)
                # A model's unfaithful split is not used, and the record must not name it.
                by_model = None if client is None or found == rules else client.endpoint.model
                intent, done = with_pieces(intent, found, by_model), done + 1
            file.write(intent.model_dump_json() + "\n")
    also = f", {kept} with kits left as they are" if kept else ""
    typer.echo(f"{done} intents with their steps in {out}{also}")


def _programs(workspace: str, patterns: list[str], exclude: list[str]) -> set[str] | None:
    """What workspaces hold, once it was said which kits are left out for what they lack.

    Returns:
        None where no workspace can be started: nothing is left out then.
    """
    from ise_env.tasks.programs import left_out, packages, present, wanted
    from ise_env.tasks.registry import all_kits
    from ise_env.workspaces import make_backend

    kits = [kit for kit in all_kits() if not any(fnmatchcase(kit.name, p) for p in exclude)]
    backend = make_backend(workspace)
    probe = backend.probe()
    if not probe.usable:
        return None
    degraded = [r.name for r in probe.requirements if r.status == "degraded"]
    try:
        started = backend.create(allow_degraded=degraded, owner="sampling")
    except IseError:
        return None
    try:
        held = present(started, wanted(kits))
    finally:
        started.close()
    for program, names in left_out(kits, held, patterns).items():
        typer.echo(
            f"left out for want of {program} (install {packages([program])}): {', '.join(names)}",
            err=True,
        )
    return held


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not slash or not part.isdigit() or not parts.isdigit():
        raise ConfigError(f"--shard: expected k/N like 0/4, got {text!r}")
    return int(part), int(parts)
