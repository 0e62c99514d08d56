"""`ise image build`: root directories that workspaces can start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ise_env.errors import ConfigError

GROUP_HELP = "Prepared root directories for workspaces."

BUILD_HELP = """Make a root directory with debootstrap, once, for many workspaces.

Needs root and debootstrap; takes about a minute and 300 MB. Used as `--workspace local:NAME`.

Example:

    ise image build base --package ffmpeg --package pandoc
"""


PREPARE_HELP = """Make a root file system of your own fit for workspaces.

Adds the mount points, the user and the few files of /etc that workspaces need, to a directory
that holds a root file system with Python 3.10 or later: an exported container image, say. Used
as `--workspace local:/PATH`.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help=GROUP_HELP, no_args_is_help=True)
    group.command("build", help=BUILD_HELP)(build)
    group.command("prepare", help=PREPARE_HELP)(prepare)
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


def prepare(
    path: Annotated[Path, typer.Argument(help="Directory that holds a root file system.")],
) -> None:
    """Make a root file system fit for workspaces."""
    from ise_env.workspaces.local import images

    if not (path / "usr").is_dir():
        raise ConfigError(f"{path} holds no root file system: it has no /usr")
    images.prepare(path)
    typer.echo(f"{path}: use it with --workspace local:{path.resolve()}")
