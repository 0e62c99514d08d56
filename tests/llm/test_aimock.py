"""The client against aimock, an independent reading of the protocol (npm)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ise_env.agents import AgentContext
from ise_env.agents.endpoint import EndpointAgent
from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.intents.model import Intent
from ise_env.llm import Endpoint, ModelClient

pytestmark = pytest.mark.npm

ROOT = Path(__file__).parents[2]
FIXTURES = [
    {
        "match": {"userMessage": "look around", "turnIndex": 0},
        "response": {
            "reasoning": "First I look.",
            "toolCalls": [
                {"id": "call_a", "name": "exec", "arguments": '{"command": "ls  -a"}'},
                {"id": "call_b", "name": "read", "arguments": '{"path": "a.txt"}'},
            ],
        },
    },
    {
        "match": {"userMessage": "look around", "turnIndex": 1, "toolResultContains": "two"},
        "response": {"content": "There are two files.", "usage": {"prompt_tokens": 90,
                     "completion_tokens": 5, "total_tokens": 95}},
    },
    {
        "match": {"userMessage": "too long"},
        "response": {
            "error": {
                "message": "This model's maximum context length is 128000 tokens.",
                "type": "invalid_request_error",
                "code": "context_length_exceeded",
            },
            "status": 400,
        },
    },
    {
        "match": {"userMessage": "busy", "sequenceIndex": 0},
        "response": {"error": {"message": "Rate limit reached", "type": "x"}, "status": 429},
    },
    {"match": {"userMessage": "busy", "sequenceIndex": 1}, "response": {"content": "Now."}},
    {"match": {"userMessage": "anything"}, "response": {"content": "Fine."}},
]  # fmt: skip


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("llmock", path=str(ROOT / "node_modules/.bin")) or shutil.which("llmock")
    if program is None or shutil.which("node") is None:
        pytest.skip("aimock is not installed (npm install --no-save @copilotkit/aimock)")
    path = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    path.write_text(json.dumps({"fixtures": FIXTURES}))
    process = subprocess.Popen(
        [program, "-p", "0", "-f", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "AIMOCK_API_KEYS": "right-key"},
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            break
    else:
        pytest.fail(f"aimock did not start: {''.join(lines)}")
    # Its log must not fill the pipe.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    yield f"{found[1]}/v1"
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISE_API_KEY", "right-key")


def say(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("stream", [False, True])
def test_two_calls_two_results_and_an_answer(aimock: str, stream: bool) -> None:
    agent = EndpointAgent(Endpoint("o4-mini", aimock, stream=stream))
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    messages = say("look around")
    first = agent.act({"messages": messages, "tools": []})
    notes = first.pop("x")
    assert [c["id"] for c in first["tool_calls"]] == ["call_a", "call_b"]
    assert first["tool_calls"][0]["function"]["arguments"] == '{"command": "ls  -a"}'
    assert first["content"] == ""
    assert first["reasoning_content"] == "First I look."
    assert (notes["finish_reason"], notes["reasoning"]) == ("tool_calls", "reasoning_content")
    messages += [
        first,
        {"role": "tool", "tool_call_id": "call_a", "content": "two files"},
        {"role": "tool", "tool_call_id": "call_b", "content": "two lines"},
    ]
    second = agent.act({"messages": messages, "tools": []})
    assert second["content"] == "There are two files."
    assert second["x"]["usage"]["completion_tokens"] == 5


def test_overflow(aimock: str) -> None:
    with pytest.raises(ContextOverflow):
        ModelClient(Endpoint("gpt-4o", aimock)).complete(say("too long"))


def test_a_rate_limit_with_retry_after(aimock: str) -> None:
    got = ModelClient(Endpoint("gpt-4o", aimock)).complete(say("busy"))
    assert (got.content, got.failures) == ("Now.", ("429",))
    assert got.waited_s >= 1.0


@pytest.mark.parametrize(
    ("fault", "label"),
    [("drop", "500"), ("malformed", "garbage"), ("disconnect", "connection")],
)
def test_faults_by_chance_are_outlived(aimock: str, fault: str, label: str) -> None:
    client = ModelClient(
        Endpoint("gpt-4o", aimock, headers={f"x-aimock-chaos-{fault}": "0.6"}, attempts=60)
    )
    client.complete(say("anything"), headers={f"x-aimock-chaos-{fault}": "0"})
    got = [client.complete(say("anything")) for _ in range(12)]
    assert {g.content for g in got} == {"Fine."}
    assert {failure for g in got for failure in g.failures} == {label}


@pytest.mark.parametrize("fault", ["drop", "malformed", "disconnect"])
def test_faults_without_end_are_one_line(aimock: str, fault: str) -> None:
    endpoint = Endpoint("gpt-4o", aimock, headers={f"x-aimock-chaos-{fault}": "1"}, attempts=3)
    with pytest.raises(ModelEndpointError, match="after 3 attempts") as caught:
        ModelClient(endpoint).complete(say("anything"))
    assert "\n" not in str(caught.value)
    assert caught.value.retryable


def test_a_wrong_key_fails_at_once(aimock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISE_API_KEY", "wrong-key-entirely")
    with pytest.raises(ModelEndpointError, match="401") as caught:
        ModelClient(Endpoint("gpt-4o", aimock)).complete(say("anything"))
    assert not caught.value.retryable
    assert "wrong-key-entirely" not in str(caught.value)


def test_an_unknown_request_is_the_servers_own_words(aimock: str) -> None:
    with pytest.raises(ModelEndpointError, match="No fixture matched"):
        ModelClient(Endpoint("gpt-4o", aimock)).complete(say("zzz"))
