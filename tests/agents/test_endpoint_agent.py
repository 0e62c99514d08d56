"""The endpoint agent over a real socket: what it sends, what it keeps, how it makes room."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ise_env.agents import AgentContext, make_agent
from ise_env.agents.compaction import KEPT_RESULTS, Compactor
from ise_env.agents.serve import ScriptedServer
from ise_env.errors import ContextOverflow
from ise_env.intents.model import Intent

CONTEXT = AgentContext(Intent(id="intent_1", utterance="u"), 7)
Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


class Model:
    """A model server with one behaviour; remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answer: Answer = lambda body: chat({"role": "assistant", "content": "ok"})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, value = outer.answer(body)
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


def chat(message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}


@pytest.fixture
def model() -> Iterator[Model]:
    running = Model()
    yield running
    running.http.shutdown()
    running.http.server_close()


def agent_at(model: Model, options: str = "") -> Any:
    agent = make_agent(f"openai:m@{model.url}{options}")()
    agent.reset(CONTEXT)
    return agent


def history(results: int, size: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Go."}]
    for number in range(results):
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "exec", "arguments": "{}"},
        }
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        result = {"role": "tool", "tool_call_id": f"call_{number}", "content": "x" * size}
        messages.append(result)
    return messages


def test_the_observation_is_the_request(model: Model) -> None:
    tools = [{"type": "function", "function": {"name": "exec", "parameters": {}}}]
    message = agent_at(model).act({"messages": history(2, 5), "tools": tools})
    headers, body = model.seen[0]
    assert body == {"model": "m", "messages": history(2, 5), "tools": tools}
    assert headers["x-ise-intent"] == "intent_1"
    assert headers["x-ise-seed"] == "7"
    assert message["x"]["usage"] is None
    assert message["x"]["timing"]["latency_s"] >= 0


def test_an_intent_of_any_name_can_be_served() -> None:
    intent = Intent(id="Zählung 100% 数", utterance="u")
    with ScriptedServer(intents=[intent]) as server:
        agent = make_agent(f"openai:oracle@{server.base_url}")()
        agent.reset(AgentContext(intent, 1))
        assert "no solution" in agent.act({"messages": history(0, 0), "tools": []})["content"]


def test_thoughts_go_back_the_way_they_came(model: Model) -> None:
    model.answer = lambda body: chat({"role": "assistant", "content": "<think>hm</think>Yes."})
    agent = agent_at(model)
    messages = history(0, 0)
    first = agent.act({"messages": messages, "tools": []})
    first.pop("x")
    assert (first["content"], first["reasoning_content"]) == ("Yes.", "hm")
    messages += [first, {"role": "user", "content": "Sure?"}]
    agent.act({"messages": messages, "tools": []})
    assert model.seen[1][1]["messages"][1] == {
        "role": "assistant",
        "content": "<think>hm</think>Yes.",
    }


def limited(characters: int) -> Answer:
    """A model whose context holds so many characters."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if sum(len(m["content"]) for m in body["messages"]) <= characters:
            return chat({"role": "assistant", "content": "It fits."})
        return 400, {"error": {"message": "maximum context length exceeded"}}

    return answer


def test_overflow_without_compaction_is_overflow(model: Model) -> None:
    model.answer = limited(5_000)
    with pytest.raises(ContextOverflow):
        agent_at(model).act({"messages": history(10, 1000), "tools": []})
    assert len(model.seen) == 1


def test_compaction_leaves_out_old_results_and_says_so(model: Model) -> None:
    model.answer = limited(7_000)
    agent = agent_at(model, "#compact=true")
    assert agent.provenance.sampling == {"compact": True}
    messages = history(12, 1000)
    message = agent.act({"messages": messages, "tools": []})
    assert message["content"] == "It fits."
    left_out = message["x"]["compaction"]["left_out"]
    assert left_out == [f"call_{n}" for n in range(len(left_out))]
    assert message["x"]["compaction"]["characters"] == 1000 * len(left_out)
    assert messages == history(12, 1000)
    sent = [m["content"] for m in model.seen[-1][1]["messages"] if m["role"] == "tool"]
    assert sent[-KEPT_RESULTS:] == ["x" * 1000] * KEPT_RESULTS
    # What was left out stays left out: the next request fits at once.
    requests = len(model.seen)
    agent.act({"messages": [*messages, message | {"x": None}], "tools": []})
    assert len(model.seen) == requests + 1


def test_what_cannot_be_made_to_fit_is_overflow(model: Model) -> None:
    model.answer = limited(100)
    with pytest.raises(ContextOverflow):
        agent_at(model, "#compact=true").act({"messages": history(12, 1000), "tools": []})
    assert len(model.seen) < 12


def test_an_episode_begins_with_everything(model: Model) -> None:
    compactor = Compactor()
    assert not compactor.shrink(history(KEPT_RESULTS, 1000))
    assert compactor.record() is None
    assert compactor.shrink(history(KEPT_RESULTS + 1, 1000))
    model.answer = limited(7_000)
    agent = agent_at(model, "#compact=true")
    agent.act({"messages": history(12, 1000), "tools": []})
    agent.reset(CONTEXT)
    assert "compaction" not in agent.act({"messages": history(2, 1000), "tools": []})["x"]
