"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")]
RecordsArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory, or a file of records.")
]


def print_json(value: Any) -> None:
    """Print a value as indented JSON on standard output."""
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
