"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ise_env.episode import versions
from ise_env.errors import IseError
from ise_env.tasks.registry import all_kits
from ise_env.traces import seal
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Requirement

_COLOURS = {"enforced": "green", "degraded": "yellow", "unavailable": "red"}
_WORDS = {"enforced": "ok", "degraded": "degraded", "unavailable": "missing"}


@dataclass(frozen=True)
class Report:
    """What was found."""

    workspace: str
    usable: bool
    requirements: tuple[Requirement, ...]
    programs: tuple[Requirement, ...]
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "workspace": self.workspace,
            "usable": self.usable,
            "requirements": [vars(r) for r in self.requirements],
            "programs": [vars(r) for r in self.programs],
            "versions": self.versions,
        }


def examine(workspace: str) -> Report:
    """Probe a kind of workspace and look for the programs that task kits want.

    Raises:
        ConfigError: There is no such kind of workspace.
    """
    probe = make_backend(workspace).probe()
    found = {**versions(), "system": f"{platform.system()} {platform.release()}"}
    found["zstd"] = "installed" if seal.available() else "not installed: shards stay plain"
    usable = probe.usable and _starts(workspace, probe.requirements)
    return Report(workspace, usable, probe.requirements, _programs(), found)


def _starts(workspace: str, requirements: tuple[Requirement, ...]) -> bool:
    degraded = [r.name for r in requirements if r.status == "degraded"]
    try:
        make_backend(workspace).create(allow_degraded=degraded, owner="doctor").close()
    except IseError:
        return False
    return True


def _programs() -> tuple[Requirement, ...]:
    wanted: dict[str, list[str]] = {}
    for kit in all_kits():
        for program in kit.requires:
            wanted.setdefault(program, []).append(kit.name)
    return tuple(_program(name, kits) for name, kits in sorted(wanted.items()))


def _program(name: str, kits: list[str]) -> Requirement:
    if path := shutil.which(name):
        return Requirement(name, "enforced", path)
    return Requirement(
        name,
        "unavailable",
        f"not found; without it {len(kits)} task kits are not sampled: {', '.join(sorted(kits))}",
        f"install {name}",
    )


def render(report: Report) -> RenderableType:
    """Lay the report out for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"workspace {report.workspace}", no_wrap=True)
    table.add_column("")
    table.add_column("how, or why not")
    for requirement in (*report.requirements, *report.programs):
        how = requirement.how + (f". {requirement.mend}" if requirement.mend else "")
        status = Text(_WORDS[requirement.status], style=_COLOURS[requirement.status])
        table.add_row(requirement.name, status, Text(how))
    table.add_section()
    for name, version in report.versions.items():
        table.add_row(name, "", version)
    verdict = "Workspaces can be made here." if report.usable else "No workspace can be made here."
    table.caption = Text(verdict, style="bold green" if report.usable else "bold red")
    table.caption_justify = "left"
    return table
