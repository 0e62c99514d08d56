"""`ise new`: files to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

KIT_HELP = """Start a task kit: its file, and its table of phrasings.

What is written is a small kit that works and is admitted; replace it piece by piece where it
says `Fill in`. It goes into the source tree that this program runs from.

Example:

    ise new kit file-io/merge-folders
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Start a task kit of your own.")
    group.command("kit", help=KIT_HELP)(kit)
    app.add_typer(group, name="new")


def kit(name: Annotated[str, typer.Argument(metavar="DOMAIN/SLUG", help="Its name.")]) -> None:
    """Scaffold a kit in the source tree."""
    import ise_env
    from ise_env.tasks import scaffold

    package = Path(ise_env.__file__).parent
    planned = scaffold.plan(name, package)
    scaffold.put(planned)

    def shown(path: Path) -> str:
        return str(path.relative_to(package.parent))

    typer.echo(f"{shown(planned.kit)}: a kit that works; go through its `Fill in` comments")
    typer.echo(f"{shown(planned.phrasing)}: its phrasings, under [{name!r}]".replace("'", '"'))
    if planned.new_domain:
        typer.echo(
            f"pyproject.toml: add the new package ise_env.tasks.{planned.kit.parent.name} to "
            "`packages`, or no wheel will hold it"
        )
    typer.echo(f"then: ise validate --kits {name} --seeds 5")
