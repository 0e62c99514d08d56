"""Supervisor (supervisord.org) inside a workspace: its files, its settings, its start.

The package itself is a dependency of this one; its modules are laid into the workspace, so that
whatever the workspace is made of, the commands are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable

from ise_env.services import supervisor_ready
from ise_env.services.spec import SupervisorSeed
from ise_env.workspaces.protocol import HOME, WORKDIR, Completed, SeedFile, Workspace

CONFIG = f"{HOME}/.local/etc/supervisord.conf"
"""Where both commands look, being in `~/.local/bin`, when nothing else is named."""
_LIB = f"{HOME}/.local/lib/supervisor"
_STATE = f"{HOME}/.local/state/supervisor"
WAIT_S = 50.0
"""For programs to come up or to be given up."""
_LEFT_OUT = {"tests", "scripts", "skel", "ui", "__pycache__"}

_COMMAND = """#!/usr/bin/env python3
import sys

sys.path.insert(0, "{lib}")
from supervisor.{name} import main

sys.exit(main())
"""
_SETTINGS = """; What programs there are is read from the files named at the end.
[unix_http_server]
file = {state}/supervisor.sock

[supervisord]
logfile = {state}/supervisord.log
pidfile = {state}/supervisord.pid
childlogdir = {state}
identifier = workspace

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{state}/supervisor.sock

[include]
files = {programs}
"""


def version() -> str:
    """Which Supervisor workspaces get."""
    return metadata.version("supervisor")


def files(seeds: Sequence[SupervisorSeed]) -> Iterator[SeedFile]:
    """The commands, their modules and the settings."""
    programs = " ".join(sorted(f"{WORKDIR}/{seed.programs}/*.ini" for seed in seeds))
    yield SeedFile(CONFIG, _SETTINGS.format(state=_STATE, programs=programs).encode())
    yield SeedFile(f"{_STATE}/README", b"The supervisor's socket, its log and its number.\n")
    for name in ("supervisord", "supervisorctl"):
        text = _COMMAND.format(lib=_LIB, name=name)
        yield SeedFile(f"{HOME}/.local/bin/{name}", text.encode(), 0o755)
    yield from _modules()


def start(seeds: Sequence[SupervisorSeed], workspace: Workspace) -> None:
    """Start the daemon and wait until every program runs or has been given up.

    Raises:
        RuntimeError: It did not come so far; the message is what was said.
    """
    ports = sorted({port for seed in seeds for port in seed.ports})
    program = resources.files(supervisor_ready.__package__).joinpath("supervisor_ready.py")
    done = workspace.run(
        ["python3", "-c", program.read_text("utf-8"), _LIB, _STATE, str(WAIT_S), *map(str, ports)],
        timeout_s=WAIT_S + 10,
    )
    if not (isinstance(done, Completed) and done.exit_code == 0):
        said = done.output.decode("utf-8", "replace").strip().splitlines() or ["no output"]
        raise RuntimeError(said[-1][-400:])


@cache
def _modules() -> tuple[SeedFile, ...]:
    package = resources.files("supervisor")
    return tuple(SeedFile(f"{_LIB}/supervisor/{p}", c) for p, c in sorted(_walk(package, "")))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir() and item.name not in _LEFT_OUT:
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.is_file() and item.name.endswith((".py", "version.txt")):
            yield f"{prefix}{item.name}", item.read_bytes()
