#!/usr/bin/env python3
"""The command `crontab` inside a workspace: shows and replaces the scheduler's table."""

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

TABLE = "http://cron.office.example/crontab"


def main(arguments: list[str]) -> str:
    """Do what the arguments say; return a complaint, or nothing."""
    if arguments == ["-l"]:
        sys.stdout.write(ask())
        return ""
    if arguments == ["-r"]:
        ask(b"")
        return ""
    if arguments == ["-e"]:
        return edit()
    if len(arguments) == 1 and (arguments[0] == "-" or not arguments[0].startswith("-")):
        name = arguments[0]
        try:
            text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            return f"{name}: {error.strerror}"
        ask(text)
        return ""
    return "usage: crontab FILE | crontab - | crontab -l | crontab -r | crontab -e"


def edit() -> str:
    """Let the user's editor change the table."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return "no editor: set EDITOR, or install a table with `crontab FILE`"
    with tempfile.NamedTemporaryFile("w+", suffix=".crontab") as file:
        file.write(ask())
        file.flush()
        if subprocess.call([*editor.split(), file.name]) != 0:
            return "the editor failed; the table is as it was"
        ask(Path(file.name).read_bytes())
    return ""


def ask(table: "bytes | None" = None) -> str:
    """Return the table, or replace it."""
    method = "GET" if table is None else "PUT"
    request = urllib.request.Request(TABLE, data=table, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise SystemExit(f"crontab: {error.read().decode().strip()}") from None
    except OSError as error:
        raise SystemExit(f"crontab: the scheduler does not answer: {error}") from None


if __name__ == "__main__":
    complaint = main(sys.argv[1:])
    if complaint:
        raise SystemExit(f"crontab: {complaint}")
