"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ise_env.episode import versions
from ise_env.errors import IseError
from ise_env.tasks.programs import packages, wanted
from ise_env.tasks.registry import all_kits
from ise_env.traces import seal
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Completed, Requirement

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
    needed = wanted(all_kits())
    programs = _inside(workspace, probe.requirements, list(needed)) if probe.usable else None
    shown = () if programs is None else tuple(_program(*w, programs) for w in needed.items())
    return Report(workspace, programs is not None, probe.requirements, shown, found)


def _inside(
    workspace: str, requirements: tuple[Requirement, ...], names: list[str]
) -> dict[str, str] | None:
    """Start a workspace and ask it where programs are; None when none can be started."""
    degraded = [r.name for r in requirements if r.status == "degraded"]
    asking = f"for p in {' '.join(names)}; do command -v $p; done; true"
    try:
        started = make_backend(workspace).create(allow_degraded=degraded, owner="doctor")
        try:
            answer = started.run(asking, timeout_s=30)
        finally:
            started.close()
    except IseError:
        return None
    assert isinstance(answer, Completed)
    return {path.rpartition("/")[2]: path for path in answer.output.decode().splitlines()}


def _program(name: str, kits: list[str], found: dict[str, str]) -> Requirement:
    if path := found.get(name):
        return Requirement(name, "enforced", path)
    unsampled = f"{len(kits)} task kits are not sampled: {', '.join(sorted(kits))}"
    how = f"not found inside; without it {unsampled}"
    return Requirement(name, "unavailable", how, f"install {packages([name])}")


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
