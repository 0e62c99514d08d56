"""Tokens and money per role, counted from what servers report and from nothing else.

A completion without usage is counted as such; its tokens and its cost are unknown, not zero.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ise_env.errors import ConfigError


class Price(BaseModel):
    """US dollars for a million tokens of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    """Prompt tokens served from the provider's cache; `input` when None."""


@dataclass(frozen=True)
class Prices:
    """A user's price table, a TOML file with one table a model.

    ```toml
    ["gpt-5-mini"]
    input = 0.25
    cached_input = 0.025
    output = 2.0
    ```
    """

    path: str
    models: Mapping[str, Price]

    @classmethod
    def load(cls, path: str | Path) -> Prices:
        """Read a price table.

        Raises:
            ConfigError: File, model and field that is wrong.
        """
        try:
            data = tomllib.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"price table {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"price table {path}: {error}") from error
        models: dict[str, Price] = {}
        for name, entry in data.items():
            try:
                models[name] = Price.model_validate(entry)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise ConfigError(
                    f'price table {path}: ["{name}"] {place}: {first["msg"]}'
                ) from error
        return cls(str(path), models)

    def require(self, model: str) -> Price:
        """The price of a model.

        Raises:
            ConfigError: It is not in the table.
        """
        if model not in self.models:
            raise ConfigError(
                f'price table {self.path}: no price for {model!r}; add a table ["{model}"] '
                "with input and output in US dollars for a million tokens"
            )
        return self.models[model]

    def cost(self, model: str, usage: Mapping[str, Any] | None) -> float | None:
        """US dollars for one completion; None without usage.

        Raises:
            ConfigError: The model is not in the table.
        """
        price = self.require(model)
        if usage is None:
            return None
        prompt = _count(usage, "prompt_tokens")
        details = usage.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens") if isinstance(details, Mapping) else 0
        rate = price.input if price.cached_input is None else price.cached_input
        output = _count(usage, "completion_tokens")
        return ((prompt - cached) * price.input + cached * rate + output * price.output) / 1e6


@dataclass
class Tally:
    """What one role used of one model."""

    calls: int = 0
    calls_without_usage: int = 0
    requests: int = 0
    """HTTP requests: calls and their repetitions."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    latency_s: float = 0.0
    cost_usd: float | None = None
    """None where no price is known."""

    def usage(self) -> dict[str, Any] | None:
        """The sums in the shape of one completion's usage; None where nothing was reported.

        Prices are linear, so `Prices.cost` of this is the sum of the costs.
        """
        if self.calls == self.calls_without_usage:
            return None
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


@dataclass
class Meter:
    """Thread-safe tallies by (role, model)."""

    _tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(
        self,
        role: str,
        model: str,
        usage: Mapping[str, Any] | None,
        *,
        requests: int,
        latency_s: float,
        cost_usd: float | None,
    ) -> None:
        """Count one call."""
        with self._lock:
            tally = self._tallies.setdefault((role, model), Tally())
            tally.calls += 1
            tally.requests += requests
            tally.latency_s += latency_s
            if usage is None:
                tally.calls_without_usage += 1
                return
            tally.prompt_tokens += _count(usage, "prompt_tokens")
            tally.completion_tokens += _count(usage, "completion_tokens")
            for part, name in (
                ("prompt_tokens_details", "cached_tokens"),
                ("completion_tokens_details", "reasoning_tokens"),
            ):
                details = usage.get(part)
                if isinstance(details, Mapping):
                    setattr(tally, name, getattr(tally, name) + _count(details, name))
            if cost_usd is not None:
                tally.cost_usd = (tally.cost_usd or 0.0) + cost_usd

    def tallies(self) -> dict[tuple[str, str], Tally]:
        """A copy of the tallies by (role, model)."""
        with self._lock:
            return {key: Tally(**vars(tally)) for key, tally in self._tallies.items()}


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
