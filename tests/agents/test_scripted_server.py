"""The scripted server speaks the protocol, also to those who do not."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from ise_env.agents import make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.agents.serve import ScriptedServer
from ise_env.env import IntentEnv
from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.intents.sampler import sample

ASK: list[Any] = [{"role": "user", "content": "Hello."}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "exec",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
    }
]


@pytest.fixture(scope="module")
def intent() -> Intent:
    return next(sample(1, 5))


@pytest.fixture(scope="module")
def server(intent: Intent) -> Iterator[ScriptedServer]:
    with ScriptedServer(intents=[intent]) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0)


def post(server: ScriptedServer, body: bytes, path: str = "/v1/chat/completions", **headers: str):
    """Send raw bytes; returns the status and the decoded answer."""
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=10)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_sdk_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["oracle", "faulty", "nop", "random"]
    assert client.models.retrieve("oracle").owned_by == "ise-env (scripted)"


def test_a_completion_claims_no_usage(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model="nop", messages=ASK)
    assert got.usage is None
    assert got.choices[0].finish_reason == "stop"
    assert got.choices[0].message.content


def test_answers_and_ids_depend_on_the_request_alone(client: openai.OpenAI) -> None:
    def ask(seed: int) -> Any:
        return client.chat.completions.create(
            model="random", messages=ASK, tools=TOOLS, extra_headers={"X-ISE-Seed": str(seed)}
        )

    one, two = ask(3), ask(3)
    assert (one.id, one.choices) == (two.id, two.choices)
    assert len({ask(seed).id for seed in range(5)}) == 5


def test_a_stream_is_the_same_answer(client: openai.OpenAI) -> None:
    for seed in range(4):
        whole = client.chat.completions.create(
            model="random", messages=ASK, tools=TOOLS, seed=seed
        ).choices[0]
        with client.chat.completions.stream(
            model="random", messages=ASK, tools=TOOLS, seed=seed
        ) as stream:
            streamed = stream.get_final_completion().choices[0]
        assert (streamed.message.content or "") == (whole.message.content or "")
        calls = [
            [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()]
            for choice in (whole, streamed)
        ]
        assert calls[0] == calls[1]
        assert streamed.finish_reason == whole.finish_reason


def test_privileged_policies_need_an_intent(client: openai.OpenAI, intent: Intent) -> None:
    with pytest.raises(openai.BadRequestError, match="X-ISE-Intent"):
        client.chat.completions.create(model="oracle", messages=ASK)
    with pytest.raises(openai.BadRequestError, match="does not know intent"):
        client.chat.completions.create(
            model="oracle", messages=ASK, extra_headers={"X-ISE-Intent": "other"}
        )
    got = client.chat.completions.create(
        model="faulty:rate=0.5", messages=ASK, extra_headers={"X-ISE-Intent": intent.id}
    )
    assert got.choices


def test_a_conversation_of_somebody_else_is_refused(client: openai.OpenAI, intent: Intent) -> None:
    call = {"id": "call_x", "type": "function", "function": {"name": "exec", "arguments": "{}"}}
    foreign: list[Any] = [
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_x", "content": ""},
    ]
    with pytest.raises(openai.BadRequestError, match="not written by this policy"):
        client.chat.completions.create(
            model="oracle", messages=foreign, extra_headers={"X-ISE-Intent": intent.id}
        )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not valid JSON"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b"[]", 400, "not a JSON object"),
        (b"{}", 400, "model"),
        (b'{"model": "nop"}', 400, "messages"),
        (b'{"model": "nop", "messages": []}', 400, "messages"),
        (b'{"model": "nop", "messages": [1]}', 400, "role"),
        (b'{"model": "gpt", "messages": [{"role": "user"}]}', 404, "does not exist"),
        (b'{"model": "nop:x=1", "messages": [{"role": "user"}]}', 404, "no options"),
        (b'{"model": "nop", "messages": [{"role": "user"}], "tools": {}}', 400, "tools"),
        (b'{"model": "nop", "messages": [{"role": "user"}], "seed": "x"}', 400, "seed"),
    ],
)
def test_mistakes_are_answered_in_the_protocols_shape(
    server: ScriptedServer, body: bytes, status: int, words: str
) -> None:
    got, answer = post(server, body)
    assert got == status
    assert words in answer["error"]["message"]
    assert set(answer["error"]) == {"message", "type", "param", "code"}


def test_unknown_paths_and_missing_lengths(server: ScriptedServer) -> None:
    assert post(server, b"{}", "/v1/completions")[0] == 404
    assert post(server, b"{}", **{"Content-Length": "many"})[0] == 411
    assert post(server, b"{}", **{"Content-Length": str(10**12)})[0] == 413


def test_many_at_once(server: ScriptedServer, client: openai.OpenAI) -> None:
    with ThreadPoolExecutor(32) as pool:
        got = list(
            pool.map(
                lambda _: client.chat.completions.create(model="nop", messages=ASK), range(128)
            )
        )
    assert len({answer.choices[0].message.content for answer in got}) == 1


def test_what_cannot_be_served(server: ScriptedServer) -> None:
    with pytest.raises(ConfigError, match="no scripted policy"):
        ScriptedServer(["openai:x"])
    port = urlsplit(server.base_url).port
    assert port is not None
    with pytest.raises(ConfigError, match="in use"):
        ScriptedServer(port=port)


@pytest.mark.parametrize("options", ["", "#stream=true"])
def test_an_episode_played_over_the_socket_says_that_it_is_scripted(
    server: ScriptedServer, intent: Intent, options: str
) -> None:
    agent = make_agent(f"openai:oracle@{server.base_url}{options}")()
    assert agent.provenance.scripted is False
    agent.reset(AgentContext(intent, seed=1))
    agent.act({"messages": ASK, "tools": TOOLS})
    assert agent.provenance.scripted is True
    assert agent.provenance.privileged is True


def test_the_sdk_plays_an_episode_with_the_observation_as_its_request(
    client: openai.OpenAI, intent: Intent, local_backend: object
) -> None:
    env = IntentEnv(intent)
    observation, _ = env.reset(seed=1)
    over = False
    while not over:
        reply: Any = client.chat.completions.create(
            model="oracle", extra_headers={"X-ISE-Intent": intent.id}, **observation
        )
        observation, reward, terminated, truncated, info = env.step(reply.choices[0].message)
        over = terminated or truncated
    assert (info["termination"], info["success"], reward) == ("user_satisfied", True, 1.0)
    env.close()
