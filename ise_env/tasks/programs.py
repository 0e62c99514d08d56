"""The programs that kits need inside a workspace, and whether they are there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ise_env.errors import ConfigError
from ise_env.tasks.kit import Kit
from ise_env.workspaces.protocol import Completed, Workspace

PACKAGES = {
    "awk": "gawk",
    "make": "make",
    "pip3": "python3-pip",
    "ps": "procps",
    "sha256sum": "coreutils",
    "ss": "iproute2",
}
"""Debian's package of a program, where it is not called like the program."""


def packages(programs: Iterable[str]) -> str:
    """What to install, for a message: `ffmpeg espeak-ng`."""
    return " ".join(dict.fromkeys(PACKAGES.get(name, name) for name in programs))


def wanted(kits: Iterable[Kit[Any]]) -> dict[str, list[str]]:
    """Map the programs that kits need to the names of these kits, sorted."""
    found: dict[str, list[str]] = {}
    for kit in kits:
        for program in kit.requires:
            found.setdefault(program, []).append(kit.name)
    return dict(sorted(found.items()))


def present(workspace: Workspace, programs: Iterable[str]) -> set[str]:
    """Which of these programs a workspace holds."""
    names = sorted(set(programs))
    if not names:
        return set()
    asking = f"for p in {shlex.join(names)}; do command -v $p >/dev/null && echo $p; done; true"
    answer = workspace.run(asking, timeout_s=30)
    assert isinstance(answer, Completed)
    return set(answer.output.decode().split())


def demand(workspace: Workspace, kits: Iterable[Kit[Any]]) -> None:
    """See that a workspace holds what kits need.

    Raises:
        ConfigError: It does not; names the kit, the programs and their packages.
    """
    chosen = list(kits)
    needed = wanted(chosen)
    held = present(workspace, needed)
    for kit in chosen:
        if missing := [name for name in kit.requires if name not in held]:
            raise ConfigError(
                f"{kit.name} needs {' and '.join(missing)}, not found in the workspace: "
                f"apt-get install {packages(missing)}"
            )


def left_out(
    kits: Iterable[Kit[Any]], held: Iterable[str], patterns: Iterable[str]
) -> Mapping[str, list[str]]:
    """Map programs that are missing to the kits that cannot be sampled without them.

    Args:
        kits: All that there are.
        held: Programs that the workspaces hold.
        patterns: What was asked for; kits of other names do not matter.

    Raises:
        ConfigError: A kit was asked for by its very name.
    """
    asked, there = list(patterns), set(held)
    chosen = [kit for kit in kits if any(fnmatchcase(kit.name, p) for p in asked)]
    missing = {name: own for name, own in wanted(chosen).items() if name not in there}
    for program, names in missing.items():
        if named := [name for name in names if name in asked]:
            raise ConfigError(
                f"{named[0]} needs {program}, not found in the workspace: "
                f"apt-get install {packages([program])}"
            )
    return missing
