"""Tokens and money: what servers report, by role; unknown is not zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ise_env.errors import ConfigError
from ise_env.llm import Endpoint, Meter, ModelClient, Prices

ASK = [{"role": "user", "content": "hi"}]
TABLE = """
["m"]
input = 1.0
cached_input = 0.1
output = 10.0

["acme/small-1.5"]
input = 0
output = 0
"""


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    path = tmp_path / "prices.toml"
    path.write_text(TABLE)
    return Prices.load(path)


def test_cost_by_role(server: Any, wire: Any, prices: Prices) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    server.says(wire.completion({"role": "assistant", "content": "x"}, usage=usage))
    meter = Meter()
    client = ModelClient(Endpoint("m", server.base_url), prices=prices, meter=meter)
    got = client.complete(ASK, role="agent")
    client.complete(ASK, role="user")
    client.complete(ASK, role="user")
    expected = (400 * 1.0 + 600 * 0.1 + 100 * 10.0) / 1e6
    assert got.cost_usd == pytest.approx(expected)
    assert got.annotations()["cost_usd"] == got.cost_usd
    tallies = meter.tallies()
    assert tallies["user", "m"].cost_usd == pytest.approx(2 * expected)
    user = tallies["user", "m"]
    assert (user.calls, user.prompt_tokens, user.completion_tokens) == (2, 2000, 200)
    assert (user.cached_tokens, user.reasoning_tokens) == (1200, 80)
    assert tallies["agent", "m"].calls == 1
    assert prices.cost("m", user.usage()) == pytest.approx(2 * expected)


def test_no_usage_is_unknown_not_zero(server: Any, wire: Any, prices: Prices) -> None:
    server.says(wire.chat("x"))
    client = ModelClient(Endpoint("m", server.base_url), prices=prices)
    got = client.complete(ASK)
    assert (got.usage, got.cost_usd) == (None, None)
    assert got.annotations()["usage"] is None
    tally = client.meter.tallies()["agent", "m"]
    assert (tally.calls, tally.calls_without_usage, tally.cost_usd) == (1, 1, None)
    assert tally.usage() is None


def test_requests_count_repetitions(server: Any, wire: Any) -> None:
    server.says(wire.error(500, "oops"), wire.chat("x"))
    client = server.client()
    client.complete(ASK)
    assert client.meter.tallies()["agent", "m"].requests == 2


def test_a_model_without_a_price_is_found_out_at_once(prices: Prices) -> None:
    with pytest.raises(ConfigError, match="no price for 'other'"):
        ModelClient(Endpoint("other", "http://h/v1"), prices=prices)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[m]\ninput = 1", r"\[\"m\"\] output"),
        ("[m]\ninput = -1\noutput = 1", r"\[\"m\"\] input"),
        ("[m]\ninput = 1\noutput = 1\nouput = 2", r"\[\"m\"\] ouput"),
        ("m = 3", r"\[\"m\"\]"),
        ("[m", "price table"),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        Prices.load(path)
    assert str(path) in str(caught.value)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Prices.load(tmp_path / "nowhere.toml")
