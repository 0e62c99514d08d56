"""What an episode cost, from the usage that the servers reported and the user's price table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ise_env.errors import ConfigError
from ise_env.llm import Prices
from ise_env.traces.record import Trajectory


def cost_of(record: Trajectory) -> float | None:
    """US dollars that an episode's models cost together; None where none is known."""
    return sum(record.cost_usd.values()) if record.cost_usd else None


def with_cost(record: Trajectory, prices: Prices | None) -> Trajectory:
    """Add `cost_usd` to a record, for each role whose model reported usage.

    Raises:
        ConfigError: The price table lacks a model.
    """
    if prices is None:
        return record
    agent, user = record.provenance.agent, record.provenance.user
    costs = {
        "agent": _sum(prices, agent.model, _agent_usages(_all_messages(record))),
        "user": _sum(prices, user.model if user else None, _user_usages(record.messages)),
    }
    known = {role: cost for role, cost in costs.items() if cost is not None}
    return record.model_copy(update={"cost_usd": known or None})


def check_prices(prices: Prices | None, models: Iterable[str | None], limit: float | None) -> None:
    """Make sure that costs can be told where they matter.

    Args:
        prices: The table; None where the caller gave none.
        models: Of agent and user; None for one that is no model.
        limit: In US dollars; None for no limit.

    Raises:
        ConfigError: The table lacks a model, or there is a limit but no table.
    """
    if limit is not None and prices is None:
        raise ConfigError("--max-cost needs --prices: a TOML file with the price of each model")
    for model in models:
        if prices is not None and model is not None:
            prices.require(model)


def sum_of(a: float | None, b: float | None) -> float | None:
    """Add where both are known; None only where neither is."""
    return b if a is None else a if b is None else a + b


def _sum(prices: Prices, model: str | None, usages: Iterable[Mapping[str, Any]]) -> float | None:
    if model is None:
        return None
    known = [c for usage in usages if (c := prices.cost(model, usage)) is not None]
    return sum(known) if known else None


def _all_messages(record: Trajectory) -> Iterator[Mapping[str, Any]]:
    """The episode's, and those of the sub-agents, whose model is the agent's."""
    yield from record.messages
    for child in record.subagents:
        yield from child.messages


def _agent_usages(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        usage = (message.get("x") or {}).get("usage")
        if message["role"] == "assistant" and isinstance(usage, dict):
            yield usage


def _user_usages(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Of every attempt at a user turn: what was discarded was paid for, too."""
    for message in messages:
        turn = (message.get("x") or {}).get("user") or {}
        for attempt in turn.get("attempts") or ():
            if isinstance(attempt.get("usage"), dict):
                yield attempt["usage"]
