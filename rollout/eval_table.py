"""The table of `ise eval`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ise_env.rollout.evaluate import AgentReport, Comparison
from ise_env.rollout.metrics import Estimate, Summary

_GROUPS_SHOWN = 12


def render_comparison(comparison: Comparison) -> RenderableType:
    """Lay out a comparison for a terminal: a column an agent."""
    reports = comparison.reports
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for report in reports:
        table.add_column(report.agent, justify="right", overflow="fold")
    for label, cells in _rows(reports):
        table.add_row(label, *cells)
    if comparison.differences:
        less = [comparison.differences.get(report.agent) for report in reports]
        cells = [_percent(estimate, sign=True) if estimate else "" for estimate in less]
        table.add_row("success less the first's, %", *cells)
    for kind in ("domain", "tier", "persona"):
        for label, cells in _group_rows(reports, kind):
            table.add_row(label, *cells)
    note = (
        "Brackets: 95 % intervals, intents resampled (Wilson's with one trial an intent). "
        "Invalid episodes are left out unless said otherwise."
    )
    return Group(table, Text(note, style="dim"))


def _rows(reports: list[AgentReport]) -> Iterator[tuple[str, list[str]]]:
    overall = [r.overall for r in reports]
    yield "intents", [str(s.intents) for s in overall]
    yield "trials judged", [str(s.trials) for s in overall]
    yield "trials invalid", [str(s.invalid) for s in overall]
    if any(s.unjudged for s in overall):
        yield "trials not judged", [str(s.unjudged) for s in overall]
    yield "success, %", [_percent(s.success) for s in overall]
    yield (
        "success, invalid as failure, %",
        [_percent(s.success_invalid_as_failure) for s in overall],
    )
    for k in sorted({k for s in overall for k in s.pass_at}):
        yield f"pass@{k}, %", [_percent(s.pass_at[k]) for s in overall]
        if k > 1:
            yield f"pass^{k}, %", [_percent(s.pass_hat[k]) for s in overall]
    yield "completion", [_plain(s.completion) for s in overall]
    yield "safety", [_plain(s.safety) for s in overall]
    yield "robustness", [_plain(s.robustness) for s in overall]
    yield "reward", [_plain(s.reward) for s in overall]
    yield "tool calls a trial", [_mean(s.tool_calls) for s in overall]
    yield "user turns a trial", [_mean(s.user_turns) for s in overall]
    if any(s.cost_usd is not None for s in overall):
        yield "cost", ["-" if s.cost_usd is None else f"${s.cost_usd:.2f}" for s in overall]


def _group_rows(reports: list[AgentReport], kind: str) -> Iterable[tuple[str, list[str]]]:
    """Success by group: the largest groups, as many as fit a screen."""
    sizes: dict[str, int] = {}
    for report in reports:
        for name, summary in report.groups[kind].items():
            sizes[name] = max(sizes.get(name, 0), summary.trials)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    if names:
        yield "", []
        yield f"success by {kind}, %", []
    for name in names[:_GROUPS_SHOWN]:
        yield (
            f"  {name}",
            [_group_cell(r.groups[kind].get(name)) for r in reports],
        )
    if len(names) > _GROUPS_SHOWN:
        yield f"  and {len(names) - _GROUPS_SHOWN} more: see --json", []


def _group_cell(summary: Summary | None) -> str:
    if summary is None:
        return "-"
    return f"{_percent(summary.success)} n={summary.trials}"


def _percent(estimate: Estimate, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    if estimate.value is None:
        return "-"
    text = f"{100 * estimate.value:{plus}.1f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{100 * estimate.low:{plus}.0f}, {100 * estimate.high:{plus}.0f}]"
    return text


def _plain(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
