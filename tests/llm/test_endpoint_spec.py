"""The text form of an endpoint, and what it refuses on one line."""

from __future__ import annotations

import pytest

from ise_env.errors import ConfigError
from ise_env.llm import Endpoint
from ise_env.llm.endpoint import NO_KEY


@pytest.mark.parametrize(
    ("spec", "model", "url"),
    [
        ("qwen3@http://127.0.0.1:8000/v1", "qwen3", "http://127.0.0.1:8000/v1"),
        ("Qwen/Qwen3-8B@https://h.example/v1/", "Qwen/Qwen3-8B", "https://h.example/v1"),
        ("faulty:rate=0.3@http://h/v1", "faulty:rate=0.3", "http://h/v1"),
        ("m@http://[::1]:8000/v1", "m", "http://[::1]:8000/v1"),
        ("gpt-5", "gpt-5", "https://api.openai.com/v1"),
    ],
)
def test_model_and_address(no_key: None, spec: str, model: str, url: str) -> None:
    endpoint = Endpoint.parse(spec)
    assert (endpoint.model, endpoint.base_url, endpoint.address) == (model, url, url)


def test_options(no_key: None) -> None:
    endpoint = Endpoint.parse(
        "m@http://h/v1#temperature=0.7,max_tokens=512,stop=[%22a%22%2C%22b%22],concurrency=8,"
        "tokens_per_minute=1e5,timeout_s=60,extra.chat_template_kwargs={%22x%22:false},key_env=K"
    )
    assert endpoint.sampling == {"temperature": 0.7, "max_tokens": 512, "stop": ["a", "b"]}
    assert endpoint.extra_body == {"chat_template_kwargs": {"x": False}}
    assert (endpoint.concurrency, endpoint.tokens_per_minute, endpoint.timeout_s) == (8, 1e5, 60)
    assert endpoint.key_env == "K"


def test_the_environment_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
    assert Endpoint.parse("m").base_url == "http://elsewhere/v1"


def test_keys(no_key: None, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("m", "http://h/v1")
    assert endpoint.key() == NO_KEY
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    assert endpoint.key() == "one"
    monkeypatch.setenv("ISE_API_KEY", "two")
    assert endpoint.key() == "two"
    with pytest.raises(ConfigError, match="MINE is not set"):
        Endpoint("m", "http://h/v1", key_env="MINE").key()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "expected <model>@"),
        ("@http://h/v1", "expected <model>@"),
        ("m@ftp://h/v1", "expected <model>@"),
        ("m@http://", "address"),
        ("m@http://user:secret@h/v1", "no credentials"),
        ("m@http://h/v1#temperatur=1", "extra.temperatur"),
        ("m@http://h/v1#temperature", "name=value"),
        ("m@http://h/v1#concurrency=-1", "positive"),
        ("m@http://h/v1#timeout_s=soon", "positive"),
    ],
)
def test_mistakes_get_one_line(no_key: None, spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Endpoint.parse(spec)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
