"""An audit as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from ise_env.users.audit import Audit

_CURVE = 10
"""Turns of the curve that are shown; `--json` has them all."""


def tables(audit: Audit) -> Iterator[Table]:
    """Rates, rules, acts and styles, each with n and its interval."""
    found = audit.as_json()
    turns = found["user_turns"]
    title = f"{found['episodes']} episodes, user turns: mean {_number(turns['mean'])}"
    yield _rates(f"{title}, within 6-10: {_percent(turns['within_6_10'])}", found["rates"])
    yield _curve(found["disclosure_curve"])
    if found["rules"]:
        table = Table("rule", "attempts rejected", "found in what was said", title="Rules")
        for rule, counts in found["rules"].items():
            table.add_row(rule, str(counts["rejected_attempts"]), str(counts["found_in_said"]))
        yield table
    for name, of in (("false_accepts", "Failed"), ("false_rejects", "Successful")):
        judged = "satisfied" if of == "Failed" else "not satisfied"
        if found[name]:
            yield _rates(f"{of} episodes, user {judged}, by attentiveness", found[name])
    yield _rates("Any rule broken, by act", found["by_act"])
    yield _rates("Any rule broken, by communication style", found["by_style"])


def _rates(title: str, rates: dict[str, dict[str, Any]]) -> Table:
    table = Table("", "hits", "n", "rate", "95 % interval", title=title)
    for name, rate in rates.items():
        shown = _percent(rate), f"{rate['low']:.2%} to {rate['high']:.2%}"
        table.add_row(name.replace("_", " "), str(rate["hits"]), str(rate["n"]), *shown)
    return table


def _curve(curve: list[float]) -> Table:
    table = Table("by turn", "told", title="Details told by turn")
    for turn, share in enumerate(curve[:_CURVE], 1):
        table.add_row(str(turn), f"{share:.0%}")
    return table


def _percent(rate: dict[str, Any]) -> str:
    return "not seen" if rate["rate"] is None else f"{rate['rate']:.2%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
