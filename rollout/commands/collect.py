"""`ise rollout`: collect episodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ise_env.errors import ConfigError
from ise_env.rollout.commands.options import Json, print_json

HELP = """Collect episodes into a run directory.

Ctrl-C finishes what is being played; a second one, or SIGTERM, stops at once. Whatever ends
the process, finished episodes are kept, and `--resume` goes on where it stopped.

Examples:

    ise rollout --intents intents.jsonl --agent oracle -n 100 --concurrency 4 --out runs/a

    ise rollout --intents intents.jsonl --agent openai:qwen3@http://localhost:8000/v1 --out runs/b

    ise rollout --resume --out runs/a

Exit status: 0 complete, 3 complete but some episodes stayed invalid, 1 stopped, 130 or 143
interrupted, 2 something given cannot be used.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rollout", help=HELP)(rollout)


def rollout(
    out: Annotated[Path, typer.Option(help="Run directory, new or to be continued.")],
    intents: Annotated[
        Path | None, typer.Option(help="JSON Lines or plain text, one intent a line.")
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="oracle, faulty, nop, openai:MODEL@URL, module:attribute, ..."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="rule (the default), llm:MODEL@URL, or none.")
    ] = None,
    workspace: Annotated[str | None, typer.Option(help="local (the default), ...")] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", min=1, help="Episodes in all; raise it with --resume to top up."),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Times each intent is played.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the run (0).")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 4,
    resume: Annotated[bool, typer.Option(help="Continue the run in --out.")] = False,
    retry_invalid: Annotated[
        bool, typer.Option(help="With --resume: try again what was given up.")
    ] = False,
    attempts: Annotated[
        int, typer.Option(min=1, help="Tries at an episode whose infrastructure fails.")
    ] = 3,
    workspace_starts: Annotated[
        int | None, typer.Option(min=1, help="Workspaces being started at the same time.")
    ] = None,
    model_calls: Annotated[
        int | None, typer.Option(min=1, help="Agents thinking at the same time.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop at this many US dollars.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="TOML file with the price of each model.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="i/N, from 0: play only every N-th episode.")
    ] = None,
    max_turns: Annotated[int | None, typer.Option(min=1, help="User turns (20).")] = None,
    max_tool_calls: Annotated[int | None, typer.Option(min=1, help="Tool calls (200).")] = None,
    tool_time: Annotated[float | None, typer.Option(help="Seconds inside tools (600).")] = None,
    token_budget: Annotated[int | None, typer.Option(min=1, help="Completion tokens.")] = None,
    episode_time: Annotated[float | None, typer.Option(help="Seconds an episode may take.")] = None,
    tools: Annotated[
        str | None,
        typer.Option(
            help="Names of tools, comma-separated; `core` and `all` are sets (see ise tools)."
        ),
    ] = None,
    web: Annotated[
        str | None, typer.Option(help="Real net for the web tools: brave, tavily, searxng@URL.")
    ] = None,
    system_prompt: Annotated[
        Path | None, typer.Option(help="File with a system prompt of your own.")
    ] = None,
    allow_degraded: Annotated[
        str | None, typer.Option(help="Limits that may go unenforced, comma-separated.")
    ] = None,
    allow_kit_drift: Annotated[
        bool | None, typer.Option(help="Accept intents drawn by other kit versions.")
    ] = None,
    seal: Annotated[
        bool, typer.Option(help="Compress the shards of a complete run, where zstd is installed.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Json = False,
) -> None:
    """Collect episodes into a run directory."""
    if agent is None and not resume:
        raise ConfigError("--agent is missing: name a policy, for example --agent oracle")
    fields = _given(
        agent=agent,
        workspace=workspace,
        seed=seed,
        max_turns=max_turns,
        max_tool_calls=max_tool_calls,
        tool_time_s=tool_time,
        token_budget=token_budget,
        episode_time_s=episode_time,
        tools=_names(tools),
        web=web,
        system_prompt=_text_of(system_prompt),
        allow_degraded=_names(allow_degraded),
        allow_kit_drift=allow_kit_drift,
    )
    if user is not None:
        fields["user"] = None if user == "none" else user

    from rich.console import Console

    from ise_env.rollout.collector import Pace
    from ise_env.rollout.progress import display_for
    from ise_env.rollout.session import Request, collect

    request = Request(
        out=out,
        config=fields,
        intents=intents,
        n=n,
        trials=trials,
        shard=_shard(shard),
        resume=resume,
        retry_invalid=retry_invalid,
        prices=prices,
        pace=Pace(
            concurrency=concurrency,
            workspace_starts=workspace_starts,
            model_calls=model_calls,
            max_attempts=attempts,
            max_cost_usd=max_cost,
        ),
        seal=seal,
    )
    if "human" in (agent, user):
        # A person at the terminal plays one episode at a time, without a bar in between.
        request = replace(request, pace=replace(request.pace, concurrency=1))
        quiet = True
    outcome = collect(request, display_for(Console(stderr=True), quiet=quiet))
    if json:
        print_json(summary_of(out, outcome))
    else:
        typer.echo(_in_words(out, outcome))
    raise typer.Exit(outcome.exit_status)


def summary_of(out: Path, outcome: Any) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "run": str(out),
        "complete": outcome.complete,
        "reason": outcome.reason,
        **outcome.counts.model_dump(),
        "seconds": round(outcome.snapshot.elapsed_s, 3),
        "cost_usd": outcome.snapshot.cost_usd,
    }


def _in_words(out: Path, outcome: Any) -> str:
    counts = outcome.counts
    parts = [f"{counts.finished} of {counts.planned} episodes in {out}"]
    if counts.judged:
        parts.append(f"{counts.succeeded} of {counts.judged} judged succeeded")
    if counts.invalid:
        parts.append(f"{counts.invalid} stayed invalid (see {out / 'failures.jsonl'})")
    words = "; ".join(parts)
    if outcome.complete:
        return f"{words}. Look at them: ise stats {out}"
    return f"{words}. Not complete: {outcome.reason}. Go on: ise rollout --resume --out {out}"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _text_of(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--system-prompt {path}: {error}") from error


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 1
    try:
        i, n = (int(part) for part in text.split("/"))
    except ValueError:
        i, n = -1, 0
    if not 0 <= i < n:
        raise ConfigError(f"--shard {text}: expected i/N with 0 <= i < N, for example 0/8")
    return i, n
