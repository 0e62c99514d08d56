"""`ise image build`: images that workspaces can start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ise_env.errors import ConfigError

GROUP_HELP = "Images for workspaces."

BUILD_HELP = """Make an image that holds what the tasks of all domains need.

For local workspaces (`--workspace local:NAME`): a root directory, made with debootstrap, which
needs root and takes minutes. For Docker (`--workspace docker:NAME`; the name ise-env-workspace
is that of plain `--workspace docker`): from the Dockerfile of this package or, where no
registry is reached, the same with debootstrap.

Examples:

    ise image build base --package pandoc

    ise image build --backend docker
"""


PREPARE_HELP = """Make a root file system of your own fit for workspaces.

Adds the mount points, the user and the few files of /etc that workspaces need, to a directory
that holds a root file system with Python 3.10 or later: an exported container image, say. Used
as `--workspace local:/PATH`. Images of a Docker engine need no preparing.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help=GROUP_HELP, no_args_is_help=True)
    group.command("build", help=BUILD_HELP)(build)
    group.command("prepare", help=PREPARE_HELP)(prepare)
    app.add_typer(group, name="image")


def build(
    name: Annotated[str, typer.Argument(help="What it is called afterwards.")] = "",
    backend: Annotated[str, typer.Option(help="For workspaces of which kind.")] = "local",
    package: Annotated[
        list[str] | None, typer.Option(help="Debian package to add; may be repeated.")
    ] = None,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="Leave out compilers, sound and pictures.")
    ] = False,
    debootstrap: Annotated[
        bool, typer.Option("--debootstrap", help="Ask no registry (Docker).")
    ] = False,
    suite: Annotated[str, typer.Option(help="Release; this machine's own by default.")] = "",
    mirror: Annotated[str, typer.Option(help="Mirror; what apt uses here by default.")] = "",
) -> None:
    """Make an image."""
    from ise_env.workspaces.docker import build as docker
    from ise_env.workspaces.docker.images import DEFAULT
    from ise_env.workspaces.local import images, root

    def say(line: str) -> None:
        if line:
            typer.echo(line, err=True)

    extra = package or []
    if backend == "docker":
        digest = docker.build(
            name or DEFAULT,
            extra=extra,
            minimal=minimal,
            registry=not debootstrap,
            suite=suite,
            mirror=mirror,
            say=say,
        )
        use = "docker" if name in ("", DEFAULT) else f"docker:{name}"
        typer.echo(f"{name or DEFAULT} {digest}: use it with --workspace {use}")
        return
    if backend != "local":
        raise ConfigError(f"no workspace backend called {backend!r}; there are: local, docker")
    if not name:
        raise ConfigError("a local image needs a name: ise image build NAME")
    wanted = extra if minimal else [*docker.packages(), *extra]
    place = images.build(
        name, root.state_directory(), packages=wanted, suite=suite, mirror=mirror, say=say
    )
    typer.echo(f"{place}: use it with --workspace local:{name}")


def prepare(
    path: Annotated[Path, typer.Argument(help="Directory that holds a root file system.")],
) -> None:
    """Make a root file system of your own fit for workspaces."""
    from ise_env.workspaces.local import images

    if not (path / "usr").is_dir():
        raise ConfigError(f"{path} holds no root file system: it has no /usr")
    images.prepare(path)
    typer.echo(f"{path}: use it with --workspace local:{path.resolve()}")
