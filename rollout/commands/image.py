"""`ise image build`: root directories that workspaces can start from."""

from __future__ import annotations

from typing import Annotated

import typer

GROUP_HELP = "Prepared root directories for workspaces."

BUILD_HELP = """Make a root directory with debootstrap, once, for many workspaces.

Needs root and debootstrap; takes about a minute and 300 MB. Used as `--workspace local:NAME`.

Example:

    ise image build base --package ffmpeg --package pandoc
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help=GROUP_HELP, no_args_is_help=True)
    group.command("build", help=BUILD_HELP)(build)
    # Without a second command, typer would make the group the command.
    group.callback()(lambda: None)
    app.add_typer(group, name="image")


def build(
    name: Annotated[str, typer.Argument(help="What it is called afterwards.")],
    package: Annotated[
        list[str] | None, typer.Option(help="Debian package to add; may be repeated.")
    ] = None,
    suite: Annotated[str, typer.Option(help="Release; this machine's own by default.")] = "",
    mirror: Annotated[str, typer.Option(help="Mirror; what apt uses here by default.")] = "",
) -> None:
    """Make a root directory with debootstrap."""
    from ise_env.workspaces.local import images, root

    place = images.build(
        name,
        root.state_directory(),
        packages=package or (),
        suite=suite,
        mirror=mirror,
        say=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"{place}: use it with --workspace local:{name}")
