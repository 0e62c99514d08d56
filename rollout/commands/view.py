"""`ise view`: a run as a page in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ise_env.rollout.commands.options import RecordsArgument

if TYPE_CHECKING:
    from ise_env.traces.record import Trajectory

HELP = """Look at a run in the browser: one HTML page that needs nothing else.

--serve follows a run while it is being collected, on this machine only.

Examples:

    ise view runs/a

    ise view runs/a --out page.html --no-open

    ise view runs/a --serve
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("view", help=HELP)(view)


def view(
    run: RecordsArgument,
    out: Annotated[
        Path | None, typer.Option(help="The page. Default: view.html in the run.")
    ] = None,
    serve: Annotated[bool, typer.Option(help="Follow the run on loopback.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="For --serve; 0: any.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
) -> None:
    """Look at a run in the browser."""
    if serve:
        _serve(run, port, open_)
        return
    from ise_env.errors import ConfigError
    from ise_env.intents.jsonl import replacing
    from ise_env.rollout.view.page import static_page

    target = out or (run / "view.html" if run.is_dir() else run.with_suffix(".html"))
    if target.is_dir():
        raise ConfigError(f"{target}: is a directory; name a file")
    written = 0
    with replacing(target) as file:
        for piece in static_page(run.resolve().name, _episodes(run)):
            written += file.write(piece)
    typer.echo(f"{target} ({written / 1e6:.1f} MB)")
    if open_:
        import webbrowser

        webbrowser.open(target.resolve().as_uri())


def _episodes(run: Path) -> Iterator[Trajectory]:
    """Finished episodes, then those that stayed invalid."""
    from ise_env.errors import ConfigError
    from ise_env.traces.layout import Layout
    from ise_env.traces.reader import read_invalid, read_run

    finished = set()
    for trajectory in read_run(run):
        finished.add(trajectory.episode_id)
        yield trajectory
    found = bool(finished)
    if Layout(run).is_run:
        for trajectory in read_invalid(run, finished):
            found = True
            yield trajectory
    if not found:
        raise ConfigError(f"{run}: holds no episodes yet; --serve waits for them")


def _serve(run: Path, port: int, open_: bool) -> None:
    from ise_env.rollout.view.server import ViewServer
    from ise_env.traces.layout import Layout

    Layout(run).read_manifest()
    with ViewServer(run, port) as server:
        typer.echo(f"{server.url}  (Ctrl-C ends it)")
        if open_:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("")
