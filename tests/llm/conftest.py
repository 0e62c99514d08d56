"""A server on a real socket that answers what a test tells it to, byte for byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ise_env.llm import Endpoint, ModelClient


@dataclass
class Reply:
    """One HTTP answer."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    """Close the connection instead of answering."""

    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def chat(content: Any = "hello", **message: Any) -> Reply:
    """A well-formed chat completion."""
    return completion({"role": "assistant", "content": content, **message})


def completion(message: Any, *, usage: Any = None, finish: str = "stop", **extra: Any) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": finish, **extra.pop("choice", {})}
    return Reply(
        body={"id": "c1", "object": "chat.completion", "model": "served", "choices": [choice],
              "usage": usage, **extra}
    )  # fmt: skip


def error(status: int, message: str, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    return Reply(status, {"error": {"message": message, **fields}}, headers or {})


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]


Behaviour = Callable[[Seen], Reply]


class ScriptableServer:
    """Answers with `replies` in turn (the last one for ever), or with a function."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: list[Reply] = [chat()]
        self.behave: Behaviour | None = None
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def says(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def reply_to(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            if self.behave is None:
                return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return self.behave(seen)

    def client(self, model: str = "m", **fields: Any) -> ModelClient:
        return ModelClient(Endpoint(model, self.base_url, **fields))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(owner: ScriptableServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            lowered = {name.lower(): value for name, value in self.headers.items()}
            reply = owner.reply_to(Seen(self.path, lowered, body))
            if reply.drop:
                self.close_connection = True
                self.connection.close()
                return
            data = reply.data()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[ScriptableServer]:
    running = ScriptableServer()
    yield running
    running.close()


@pytest.fixture
def wire() -> Any:
    """The makers of replies, for tests (conftest cannot be imported by name)."""

    class Wire:
        Reply = Reply
        chat = staticmethod(chat)
        completion = staticmethod(completion)
        error = staticmethod(error)

    return Wire


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ISE_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are real but short; what a server asks for is left alone."""
    import tenacity

    from ise_env.llm import retry

    quick = tenacity.wait_random_exponential(multiplier=0.01, max=0.05)
    monkeypatch.setattr(retry, "_backoff", quick)
