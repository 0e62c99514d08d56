"""What an episode cost, from the usage that the server reported and the user's price table."""

from __future__ import annotations

from ise_env.errors import ConfigError
from ise_env.llm import Prices
from ise_env.traces.record import Trajectory


def cost_of(record: Trajectory) -> float | None:
    """US dollars that the agent's model cost; None where it is not known."""
    cost = (record.usage or {}).get("cost_usd")
    return float(cost) if isinstance(cost, int | float) else None


def with_cost(record: Trajectory, prices: Prices | None) -> Trajectory:
    """Add `cost_usd` to a record's usage, where a model ran and its price is known.

    Raises:
        ConfigError: The price table lacks the model.
    """
    model = record.provenance.agent.model
    if prices is None or model is None or record.usage is None:
        return record
    usages = ((m.get("x") or {}).get("usage") for m in record.messages if m["role"] == "assistant")
    costs = [prices.cost(model, usage) for usage in usages if isinstance(usage, dict)]
    known = [cost for cost in costs if cost is not None]
    if not known:
        return record
    return record.model_copy(update={"usage": {**record.usage, "cost_usd": sum(known)}})


def check_prices(prices: Prices | None, model: str | None, limit: float | None) -> None:
    """Make sure that costs can be told where they matter.

    Raises:
        ConfigError: The table lacks the model, or there is a limit but no table.
    """
    if limit is not None and prices is None:
        raise ConfigError("--max-cost needs --prices: a TOML file with the price of each model")
    if prices is not None and model is not None:
        prices.require(model)


def sum_of(a: float | None, b: float | None) -> float | None:
    """Add where both are known; None only where neither is."""
    return b if a is None else a if b is None else a + b
