"""One call, whatever the server does: a completion or one clear error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.llm import Endpoint, ModelClient, client_for

ASK = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "exec", "parameters": {"type": "object"}}}


def test_the_message_is_kept_as_it_came(server: Any, wire: Any) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "exec", "arguments": '{"command":  "ls"}'},
        "vendor": 1,
    }
    sent = {"role": "assistant", "content": None, "tool_calls": [call], "audio": None, "odd": [1]}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    server.says(wire.completion(sent, usage=usage, finish="tool_calls"))
    got = server.client().complete(ASK, tools=[TOOL])
    assert got.message == {"role": "assistant", "content": "", "tool_calls": [call], "odd": [1]}
    assert (got.finish_reason, got.usage, got.model) == ("tool_calls", usage, "served")
    assert got.mended == ()
    assert server.seen[0].body["tools"] == [TOOL]
    assert server.seen[0].path == "/v1/chat/completions"


def test_sampling_extra_body_and_headers_reach_the_server(server: Any) -> None:
    spec = f"m@{server.base_url}#temperature=0.2,extra.top_k=20,header.X-Team=a%2Cb"
    client = ModelClient(Endpoint.parse(spec))
    client.complete(ASK, headers={"X-ISE-Intent": "i1"}, temperature=0.5)
    seen = server.seen[0]
    assert seen.body == {"model": "m", "messages": ASK, "temperature": 0.5, "top_k": 20}
    assert seen.headers["x-team"] == "a,b"
    assert seen.headers["x-ise-intent"] == "i1"


def test_the_account_of_the_environment_reaches_the_server(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-7")
    server.client().complete(ASK)
    seen = server.seen[0].headers
    assert (seen["openai-organization"], seen["content-type"]) == ("org-7", "application/json")
    assert "openai-project" not in seen


def test_an_empty_tool_list_is_not_sent(server: Any) -> None:
    server.client().complete(ASK, tools=[])
    assert "tools" not in server.seen[0].body


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_passing_trouble_is_tried_again(server: Any, wire: Any, status: int) -> None:
    server.says(wire.error(status, "busy"), wire.error(status, "busy"), wire.chat("at last"))
    got = server.client().complete(ASK)
    assert got.content == "at last"
    assert got.failures == (str(status), str(status))


def test_a_web_server_is_not_taken_for_a_model(server: Any, wire: Any) -> None:
    """Pages of errors from an address that never was a model's: few attempts."""
    server.says(wire.Reply(502, b"<html>Bad Gateway</html>"))
    with pytest.raises(ModelEndpointError, match=r"502: \(an HTML page\) \(after 3 attempts\)"):
        server.client().complete(ASK)
    server.says(wire.Reply(501, b"<html>Unsupported method</html>"))
    with pytest.raises(ModelEndpointError, match="501") as caught:
        server.client().complete(ASK)
    assert not caught.value.retryable
    assert len(server.seen) == 4


def test_a_model_server_behind_a_gateway_is_waited_for(server: Any, wire: Any) -> None:
    page = wire.Reply(502, b"<html>Bad Gateway</html>")
    client = server.client()
    client.complete(ASK)
    server.says(*[page] * 6, wire.chat("back"))
    assert client.complete(ASK).failures == ("502",) * 6


@pytest.mark.parametrize("header", [("Retry-After", "0.4"), ("retry-after-ms", "400")])
def test_retry_after_is_honoured(server: Any, wire: Any, header: tuple[str, str]) -> None:
    server.says(wire.error(429, "slow down", dict([header])), wire.chat())
    began = time.monotonic()
    server.client().complete(ASK)
    assert time.monotonic() - began >= 0.4


def test_an_http_date_counts_as_retry_after(server: Any, wire: Any) -> None:
    from email.utils import formatdate

    soon = formatdate(time.time() + 2, usegmt=True)
    server.says(wire.error(503, "maintenance", {"Retry-After": soon}), wire.chat())
    got = server.client().complete(ASK)
    assert got.waited_s >= 0.5


def test_a_wait_beyond_the_deadline_is_not_begun(server: Any, wire: Any) -> None:
    server.says(wire.error(429, "come back tomorrow", {"Retry-After": "86400"}))
    began = time.monotonic()
    with pytest.raises(ModelEndpointError, match="come back tomorrow") as caught:
        server.client(deadline_s=5).complete(ASK)
    assert time.monotonic() - began < 5
    assert caught.value.retryable
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_refusals_fail_at_once(server: Any, wire: Any, status: int) -> None:
    server.says(wire.error(status, "no"))
    with pytest.raises(ModelEndpointError) as caught:
        server.client().complete(ASK)
    assert caught.value.status == status
    assert not caught.value.retryable
    assert len(server.seen) == 1


def test_a_used_up_quota_is_not_waited_for(server: Any, wire: Any) -> None:
    server.says(wire.error(429, "You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(ModelEndpointError) as caught:
        server.client().complete(ASK)
    assert not caught.value.retryable
    assert len(server.seen) == 1


def test_the_key_is_sent_and_never_shown(
    server: Any, wire: Any, monkeypatch: pytest.MonkeyPatch, no_key: None
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret123")
    server.says(wire.error(401, "Incorrect API key provided: sk-verysecret123 (sk-very***123)"))
    client = server.client()
    with pytest.raises(ModelEndpointError) as caught:
        client.complete(ASK)
    assert server.seen[0].headers["authorization"] == "Bearer sk-verysecret123"
    shown = f"{caught.value} {caught.value!r} {client.endpoint!r}"
    assert "secret" not in shown
    assert "sk-" not in shown
    assert "ISE_API_KEY" in shown


@pytest.mark.parametrize("call", [{}, {"id": "a"}, {"function": {"name": 5}}, "read", None, [1]])
def test_a_call_that_names_no_function_is_the_model_s_mistake_and_comes_through(
    server: Any, wire: Any, call: Any
) -> None:
    body = {"choices": [{"message": {"content": "", "tool_calls": [call]}}]}
    server.says(wire.Reply(200, body))
    done = server.client().complete(ASK)
    (made,) = done.message["tool_calls"]
    assert made["function"]["name"] == ""
    assert isinstance(made["function"]["arguments"], str)
    assert made["id"]
    assert "a tool call named no function" in done.mended


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html><body>Welcome to nginx</body></html>", "HTML page"),
        (b"", "nothing"),
        (b'{"choices": [{"message": {"role": "assis', "not JSON"),
        (b"[1, 2]", "list"),
        (b'{"object": "list", "data": []}', "without choices"),
        (b'{"choices": [{"text": "completion, not chat"}]}', "without a message"),
        (b'{"choices": [{"message": {"content": {"a": 1}}}]}', "dict"),
        (b'{"choices": [{"message": {"content": "", "tool_calls": "read"}}]}', "tool_calls is str"),
        (b"\xff\xfe\x00garbage", "not JSON"),
    ],
)
def test_what_is_not_the_protocol_gets_one_clear_line(
    server: Any, wire: Any, body: bytes, words: str
) -> None:
    server.says(wire.Reply(200, body))
    with pytest.raises(ModelEndpointError, match=words) as caught:
        server.client().complete(ASK)
    text = str(caught.value)
    assert "\n" not in text
    assert server.base_url in text
    assert len(text) < 400


def test_one_garbled_answer_is_forgiven(server: Any, wire: Any) -> None:
    server.says(wire.Reply(200, b'{"choi'), wire.chat("whole"))
    got = server.client().complete(ASK)
    assert (got.content, got.failures) == ("whole", ("garbage",))


def test_an_error_inside_a_success_is_an_error(server: Any, wire: Any) -> None:
    upstream = {"error": {"message": "upstream died", "code": 502}}
    server.says(wire.Reply(200, upstream), wire.chat("back"))
    got = server.client().complete(ASK)
    assert (got.content, got.failures) == ("back", ("502",))


def test_a_dropped_connection_is_tried_again(server: Any, wire: Any) -> None:
    server.says(wire.Reply(drop=True), wire.chat("again"))
    got = server.client().complete(ASK)
    assert (got.content, got.failures) == ("again", ("connection",))


def test_a_refused_connection_names_the_address() -> None:
    client = ModelClient(Endpoint("m", "http://127.0.0.1:9/v1"))
    with pytest.raises(ModelEndpointError, match=r"http://127\.0\.0\.1:9/v1: cannot connect"):
        client.complete(ASK)


def test_an_unknown_host_names_the_address() -> None:
    client = ModelClient(Endpoint("m", "http://nowhere.invalid/v1"))
    with pytest.raises(ModelEndpointError, match=r"nowhere\.invalid/v1: cannot connect"):
        client.complete(ASK)


def test_silence_ends_at_the_timeout(server: Any, wire: Any) -> None:
    gate = threading.Event()

    def hang(seen: Any) -> Any:
        gate.wait(30)
        return wire.chat()

    server.behave = hang
    try:
        with pytest.raises(ModelEndpointError, match="no answer in time") as caught:
            server.client(timeout_s=0.3, attempts=2).complete(ASK)
        assert caught.value.retryable
    finally:
        gate.set()


def test_an_answer_that_drips_ends_at_the_timeout() -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b" ")
        connection.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(ModelEndpointError, match="not complete in time"):
            ModelClient(Endpoint("m", url, timeout_s=0.5, attempts=1)).complete(ASK)
    finally:
        stop.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, {"message": "This model's maximum context length is 8192 tokens. However, you ..."}),
        (400, {"message": "too big", "code": "context_length_exceeded"}),
        (400, {"message": "request (5000 tokens) exceeds the available context size (4096 tokens)",
               "type": "exceed_context_size_error"}),
        (413, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}),
    ],
)  # fmt: skip
def test_context_overflow_has_its_own_type(
    server: Any, wire: Any, status: int, fields: dict[str, str]
) -> None:
    server.says(wire.error(status, **fields))
    with pytest.raises(ContextOverflow) as caught:
        server.client().complete(ASK)
    assert not caught.value.retryable
    assert len(server.seen) == 1


def test_slips_of_servers_are_mended_and_noted(server: Any, wire: Any) -> None:
    calls = [{"type": "function", "function": {"name": "exec", "arguments": {"command": "ls"}}}]
    server.says(wire.chat(None, tool_calls=calls))
    got = server.client().complete(ASK)
    (call,) = got.message["tool_calls"]
    assert call["function"]["arguments"] == '{"command": "ls"}'
    assert call["id"].startswith("call_")
    assert set(got.mended) == {"arguments was an object", "tool call had no id"}


def test_token_ids_and_log_probabilities_are_kept(server: Any, wire: Any) -> None:
    logprobs = {"content": [{"token": "hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
    message = {"role": "assistant", "content": "hi"}
    extra = {"logprobs": logprobs, "token_ids": [5, 6]}
    server.says(wire.completion(message, choice=extra, prompt_token_ids=[1, 2, 3]))
    notes = server.client().complete(ASK).annotations()
    assert notes["logprobs"] == logprobs
    assert notes["token_ids"] == [5, 6]
    assert notes["prompt_token_ids"] == [1, 2, 3]


def test_closing_wakes_those_who_wait(server: Any, wire: Any) -> None:
    server.says(wire.error(429, "later", {"Retry-After": "60"}))
    client = server.client()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.complete, ASK)
        deadline = time.monotonic() + 10
        while not server.seen and time.monotonic() < deadline:
            time.sleep(0.01)
        client.close()
        with pytest.raises(ModelEndpointError):
            waiting.result(timeout=10)


def test_everybody_shares_the_client_of_an_endpoint() -> None:
    spec = "m@http://127.0.0.1:9/v1#temperature=1"
    assert client_for(Endpoint.parse(spec)) is client_for(Endpoint.parse(spec))
    assert client_for(Endpoint.parse(spec)) is not client_for(Endpoint.parse(spec + ",top_p=0.5"))


def test_half_a_character_is_replaced(server: Any, wire: Any) -> None:
    body = b'{"choices": [{"message": {"content": "cut \\ud83d"}, "finish_reason": "length"}]}'
    server.says(wire.Reply(200, body))
    client = server.client()
    got = client.complete(ASK)
    assert got.content == "cut \ufffd"
    client.complete([*ASK, got.message])
    whole = b'{"choices": [{"message": {"content": "\\ud83d\\ude00"}, "finish_reason": "stop"}]}'
    server.says(wire.Reply(200, whole))
    assert client.complete(ASK).content == "\U0001f600"


def test_half_a_character_in_the_history_is_replaced(server: Any) -> None:
    server.client().complete([{"role": "user", "content": "a \ud83d b"}])
    assert server.seen[0].body["messages"] == [{"role": "user", "content": "a \ufffd b"}]


def test_numbers_that_json_does_not_know(server: Any, wire: Any) -> None:
    logprobs = b'{"content": [{"logprob": -Infinity}, {"logprob": NaN}, {"logprob": -0.5}]}'
    body = b'{"choices": [{"message": {"content": "x"}, "logprobs": %s}]}' % logprobs
    server.says(wire.Reply(200, body))
    got = server.client().complete(ASK)
    assert got.logprobs is not None
    assert [entry["logprob"] for entry in got.logprobs["content"]] == [-9999.0, None, -0.5]


def test_a_proxy_of_the_environment_is_not_asked_for_a_local_server(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert server.client().complete(ASK).content == "hello"
