"""The command line `ise`: puts the commands together, and is where errors become exit statuses.

Exit statuses: 0 done; 1 failed; 2 something given cannot be used; 3 a run is complete but some
of its episodes stayed invalid; 130 and 143 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys

import typer

from ise_env.errors import ConfigError, IseError
from ise_env.rollout.commands import (
    audit,
    collect,
    evaluate,
    export,
    foreign,
    image,
    intents,
    machine,
    new,
    play,
    reexec,
    regrade,
    runs,
    serve,
    smoke,
    upkeep,
    validate,
    view,
)

app = typer.Typer(
    name="ise",
    help="Collect, look at and judge trajectories of OS agents in live workspaces.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    collect,
    smoke,
    evaluate,
    intents,
    play,
    runs,
    view,
    audit,
    upkeep,
    foreign,
    export,
    reexec,
    regrade,
    validate,
    serve,
    machine,
    new,
    image,
):
    group.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ise_env import __version__

        typer.echo(f"ise-env {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line; the console script `ise`."""
    # What is open is closed on the way out, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        app()
    except IseError as error:
        _complain(error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        _complain(error)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a traceback is no answer to a user
        _complain(error, f"internal error, please report it: {type(error).__name__}: {error}")
        sys.exit(1)


def _complain(error: Exception, text: str | None = None) -> None:
    """Say in one line on standard error what went wrong; all of it with ISE_DEBUG=1."""
    if os.environ.get("ISE_DEBUG") == "1":
        raise error
    line = " ".join((text or str(error)).split())
    typer.echo(typer.style("ise: ", fg="red") + line, err=True)


if __name__ == "__main__":
    main()
