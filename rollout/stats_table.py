"""The table of `ise stats`: a run beside what is published of ISETrace."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ise_env.rollout.stats import Statistics
from ise_env.tools.base import FAILED

Row = tuple[str, str, str]
_NOTHING = "-"


@functools.cache
def published() -> dict[str, Any]:
    """The published figures."""
    text = resources.files("ise_env.rollout").joinpath("published.toml").read_text("utf-8")
    return tomllib.loads(text)


def render_statistics(statistics: Statistics) -> RenderableType:
    """Lay out the statistics for a terminal."""
    if not statistics.valid + statistics.invalid:
        return Text("No episodes yet.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("this run", justify="right")
    table.add_column("ISETrace, published", justify="right", style="dim")
    for position, rows in enumerate(sections(statistics)):
        if position:
            table.add_row("")
        for row in rows:
            table.add_row(*row)
    return Group(table, Text(who(statistics), style="dim"))


def sections(statistics: Statistics) -> list[list[Row]]:
    """The rows of the table: what, this run, as published; in groups that belong together."""
    groups = (_corpus, _success, _dialogue, _users, _tools, _failures, _ends)
    return [list(rows(statistics)) for rows in groups]


def _corpus(s: Statistics) -> Iterable[Row]:
    paper = published()
    yield "valid episodes", f"{s.valid:,}", f"{paper['trajectories']:,}"
    yield "invalid episodes", _with_kinds(s.invalid, s.errors), "thrown away"
    yield "domains an intent", number(s.domains.mean), number(paper["mean_domains"])
    yield "tasks an intent", number(s.tasks.mean), number(paper["mean_tasks"])


def _success(s: Statistics) -> Iterable[Row]:
    yield "judged by checks", f"{s.judged:,}", "0"
    yield "success, invalid left out", percent(s.success_of_judged), _NOTHING
    yield "success, invalid as failure", percent(s.success_of_all), _NOTHING
    yield "mean reward", number(s.mean_reward, 3), _NOTHING
    agrees = s.user_agrees / s.user_judged if s.user_judged else None
    yield "user agrees with checks", percent(agrees), _NOTHING


def _dialogue(s: Statistics) -> Iterable[Row]:
    users, turns = published()["user_turns"], published()["turns"]
    yield "user turns, mean", number(s.user_turns.mean), number(users["mean"])
    yield "user turns, median", number(s.user_turns.quantile(0.5), 0), str(users["median"])
    yield "user turns, maximum", str(s.user_turns.maximum), str(users["maximum"])
    yield (
        "episodes of 6 to 10 user turns",
        percent(s.user_turns.share(6, 10)),
        percent(users["share_6_to_10"]),
    )
    yield "turns in all, mean", number(s.turns.mean), number(turns["mean"])
    yield "turns in all, maximum", str(s.turns.maximum), str(turns["maximum"])


def _users(s: Statistics) -> Iterable[Row]:
    distinct = ", ".join(number(s.wording.distinct(n)) for n in (1, 2, 3, 4))
    yield "Distinct-1, 2, 3, 4 of users", distinct, _NOTHING
    total = s.user_acts.total()
    yield "user turns with role drift", _count_and_share(s.user_drifted, total), "0.02 %"
    yield "  attempts that were rejected", f"{s.user_rejected:,}", _NOTHING
    for act, count in s.user_acts.most_common():
        yield f"  act {act}", _count_and_share(count, total), _NOTHING


def _tools(s: Statistics) -> Iterable[Row]:
    paper = published()
    yield "tool calls, mean", number(s.tool_calls.mean), number(paper["tool_calls"]["mean"])
    yield (
        "distinct tools, mean",
        number(s.distinct_tools.mean),
        number(paper["distinct_tools"]["mean"]),
    )
    yield "next tool's entropy, bits", number(s.topology.next_tool_entropy), _NOTHING
    yield "different tool graphs", f"{len(s.topology.graphs):,}", _NOTHING
    both = s.together[("exec", "write")] / s.valid if s.valid else None
    yield (
        "episodes with exec and write",
        percent(both),
        percent(paper["together"]["exec_and_write"]),
    )
    bounds = paper["lower_bound"]
    for name in sorted(s.using.keys() | bounds.keys(), key=lambda n: (-s.using[n], n)):
        share = s.using[name] / s.valid if s.valid else None
        bound = f"at least {percent(bounds[name])}" if name in bounds else _NOTHING
        yield f"episodes with {name}", percent(share), bound


def _failures(s: Statistics) -> Iterable[Row]:
    total = s.outcomes.total()
    yield "failed tool calls", _count_and_share(s.failed, total), "labels unreliable"
    yield "  of these recovered", _count_and_share(s.recovered, s.failed), _NOTHING
    yield "episodes with a failure", _count_and_share(s.with_failure, s.valid), _NOTHING
    for status, count in s.outcomes.most_common():
        yield f"  outcome {status}", _count_and_share(count, total), _NOTHING
    if s.subagents:
        calls = s.subagent_outcomes.total()
        failed = sum(s.subagent_outcomes[status] for status in FAILED)
        yield "sub-agents", f"{s.subagents.total():,}", _NOTHING
        done = _count_and_share(s.subagents["done"], s.subagents.total())
        yield "  that came to their end", done, _NOTHING
        yield "  their tool calls that failed", _count_and_share(failed, calls), _NOTHING


def _ends(s: Statistics) -> Iterable[Row]:
    for reason, count in s.terminations.most_common():
        yield f"ended: {reason}", _count_and_share(count, s.valid), _NOTHING
    if s.redactions:
        yield "secrets redacted", f"{s.redactions:,}", _NOTHING
    if s.wall_s:
        yield "seconds an episode, mean", number(s.wall_s / s.valid), _NOTHING
    for role, cost in s.cost_usd.items():
        yield f"cost of the {role}", f"${cost:.2f}", _NOTHING


def who(s: Statistics) -> str:
    """Agents and users of the run."""
    agents = ", ".join(f"{name} {count:,}" for name, count in s.agents.most_common())
    users = ", ".join(f"{name} {count:,}" for name, count in s.users.most_common())
    return f"agents: {agents or 'none'}; users: {users or 'none'}"


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash."""
    return _NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share in percent, or a dash."""
    return _NOTHING if share is None else f"{100 * share:.1f} %"


def _count_and_share(count: int, total: int) -> str:
    return f"{count:,} ({percent(count / total)})" if total else f"{count:,}"


def _with_kinds(count: int, kinds: Any) -> str:
    detail = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common(3))
    return f"{count:,} ({detail})" if detail else f"{count:,}"
