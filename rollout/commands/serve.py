"""`ise serve-scripted`: the scripted policies as an OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Serve the scripted policies as an OpenAI-compatible endpoint, until Ctrl-C.

An agent can then be run as `openai:oracle@http://127.0.0.1:8765/v1`: through the real client
and a real socket, without a model.

Example:

    ise serve-scripted --intents intents.jsonl --port 8765
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve-scripted", help=HELP)(serve_scripted)


def serve_scripted(
    intents: Annotated[
        Path | None, typer.Option(help="Intents whose solutions can be played.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8765,
) -> None:
    """Serve the scripted policies."""
    from ise_env.agents.factory import SCRIPTED
    from ise_env.agents.serve import serve
    from ise_env.intents.load import load_intents

    known = load_intents(intents) if intents else ()
    serve(SCRIPTED, known, host, port, ready=lambda url: typer.echo(f"serving at {url}"))
