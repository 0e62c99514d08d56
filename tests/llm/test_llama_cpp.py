"""The client against a real llama.cpp server with a tiny random model."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from ise_env.agents import AgentContext
from ise_env.agents.endpoint import EndpointAgent
from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.intents.model import Intent
from ise_env.llm import Endpoint, ModelClient, structured

pytestmark = pytest.mark.llm

ASK = [{"role": "user", "content": "Count to three."}]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for module in ("xllamacpp", "gguf"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    program = Path(__file__).with_name("llama_server.py")
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path_factory.mktemp("model")), "1024"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not address:
        pytest.skip(f"the llama.cpp server does not start here (exit {process.wait()})")
    yield f"{address}/v1"
    process.stdin.close()
    process.wait(timeout=30)


def client(url: str, **sampling: object) -> ModelClient:
    return ModelClient(Endpoint("tiny", url, sampling={"max_tokens": 12, **sampling}))


def test_a_completion_with_real_usage(llama: str) -> None:
    got = client(llama, temperature=0, seed=1).complete(ASK)
    assert got.usage is not None
    assert got.usage["completion_tokens"] <= 12
    assert got.usage["total_tokens"] == got.usage["prompt_tokens"] + got.usage["completion_tokens"]
    assert got.finish_reason in ("stop", "length")
    assert got.mended == ()
    assert got.failures == ()


def test_log_probabilities_come_with_token_ids(llama: str) -> None:
    got = client(llama, temperature=0, logprobs=True, top_logprobs=2).complete(ASK)
    assert got.logprobs is not None
    tokens = got.logprobs["content"]
    assert tokens
    assert all(token["logprob"] <= 0 and isinstance(token["id"], int) for token in tokens)
    assert all(len(token["top_logprobs"]) == 2 for token in tokens)


def test_a_stream_gives_the_same_answer(llama: str) -> None:
    sampling = {"max_tokens": 12, "temperature": 0, "seed": 1, "logprobs": True}
    whole = ModelClient(Endpoint("tiny", llama, sampling=sampling)).complete(ASK)
    parts = ModelClient(Endpoint("tiny", llama, sampling=sampling, stream=True)).complete(ASK)
    # A byte that is no valid text on its own may be replaced in one form and not in the other.
    assert parts.finish_reason == whole.finish_reason
    assert parts.usage is not None
    assert whole.usage is not None
    assert parts.usage["completion_tokens"] == whole.usage["completion_tokens"]
    assert parts.logprobs is not None
    assert whole.logprobs is not None
    ids = [[token["id"] for token in got.logprobs["content"]] for got in (parts, whole)]
    assert ids[0] == ids[1]


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    act: Literal["request", "answer", "close"]
    urgent: bool


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_model_obeys_a_json_schema(llama: str, seed: int) -> None:
    """The grammar binds even a model that knows nothing."""
    got = structured(client(llama, max_tokens=200, seed=seed), ASK, Turn, role="user")
    assert got.rung == "json_schema"
    assert isinstance(got.value, Turn)


def test_overflow(llama: str) -> None:
    history = [{"role": "user", "content": "many words " * 2000}]
    with pytest.raises(ContextOverflow, match="context size") as caught:
        client(llama).complete(history)
    assert caught.value.status == 400


def test_a_field_of_the_wrong_type_is_the_servers_own_words(llama: str) -> None:
    with pytest.raises(ModelEndpointError, match="must be number") as caught:
        client(llama, temperature="hot").complete(ASK)
    assert not caught.value.retryable


def test_the_agent_speaks_through_it(llama: str) -> None:
    agent = EndpointAgent(Endpoint("tiny", llama, sampling={"max_tokens": 6}))
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    message = agent.act({"messages": ASK, "tools": []})
    assert message["role"] == "assistant"
    assert isinstance(message["content"], str)
    assert message["x"]["usage"]["completion_tokens"] <= 6
