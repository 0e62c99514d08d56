"""The scripted policies behind an OpenAI-compatible server: a model endpoint without a model.

With it the default path and a live model share one road: `openai:oracle@http://.../v1` goes
through the real SDK, a real socket and the real protocol. The policies stay what they are,
scripted and (oracle, faulty) privileged: a request for those names its intent in the header
`X-ISE-Intent`, and this server must know that intent.

It keeps no conversation: each request carries the whole history, and the policy is led through
it again. Anything that a policy did not write itself is refused.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, cast
from urllib.parse import unquote

from ise_env.agents import wire
from ise_env.agents.endpoint import INTENT_HEADER, SEED_HEADER, SUBAGENT_HEADER
from ise_env.agents.factory import SCRIPTED, make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.agents.scripted import ScriptedAgent, replayed
from ise_env.agents.wire import ApiError
from ise_env.errors import AgentError, ConfigError
from ise_env.intents.model import Intent

MAX_BODY = 64 * 2**20


class ScriptedServer:
    """Serves scripted policies on a socket, from construction until `close`.

    Args:
        policies: Names that may be asked for as models; options may be added by the client
            (`faulty:rate=0.3`).
        intents: Whose solutions it can play.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.

    Raises:
        ConfigError: An unknown policy, or the address cannot be listened on.

    Example:
        ```python
        with ScriptedServer(intents=intents) as server:
            agent = make_agent(f"openai:oracle@{server.base_url}")()
        ```
    """

    def __init__(
        self,
        policies: Sequence[str] = SCRIPTED,
        intents: Iterable[Intent] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        for name in policies:
            if name not in SCRIPTED:
                raise ConfigError(f"no scripted policy {name!r}; there are {', '.join(SCRIPTED)}")
        self.policies = tuple(policies)
        self.intents = {intent.id: intent for intent in intents}
        try:
            self._http = _Http((host, port), _Handler)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._http.owner = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}/v1"

    def answer(self, request: dict[str, Any], headers: Callable[[str], str | None]) -> Any:
        """The policy's next message, and what identifies it.

        Raises:
            ApiError: The request cannot be answered.
        """
        make = self._policy(request["model"])
        named = headers(INTENT_HEADER)
        intent = self._intent(request["model"], None if named is None else unquote(named))
        seed = _seed(headers(SEED_HEADER), request)
        context = AgentContext(intent, seed, headers(SUBAGENT_HEADER))
        try:
            message = replayed(make, context, request)
        except AgentError as error:
            raise ApiError(400, str(error), param="messages") from error
        except ConfigError as error:
            raise ApiError(400, str(error), code="unusable_intent") from error
        identity = f"{request['model']}/{intent.id}/{seed}/{len(request['messages'])}"
        return message, identity

    def wait(self) -> None:
        """Block until the server is closed or the process is interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """Stop listening; idempotent."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _policy(self, model: str) -> Callable[[], ScriptedAgent]:
        if model.partition(":")[0] not in self.policies:
            raise ApiError(
                404,
                f"the model {model!r} does not exist; there are {', '.join(self.policies)}",
                code="model_not_found",
                param="model",
            )
        try:
            return cast("Callable[[], ScriptedAgent]", make_agent(model))
        except ConfigError as error:
            raise ApiError(404, str(error), code="model_not_found", param="model") from error

    def _intent(self, model: str, name: str | None) -> Intent:
        if name in self.intents:
            return self.intents[name]
        if model.partition(":")[0] in ("nop", "random"):
            return Intent(id=name or "unnamed", utterance="unknown", source="text")
        if name is None:
            raise ApiError(
                400,
                f"{model} plays the solution of one intent: name it in the header {INTENT_HEADER}",
                code="missing_intent",
            )
        raise ApiError(400, f"this server does not know intent {name!r}", code="unknown_intent")


def serve(
    policies: Sequence[str] = SCRIPTED,
    intents: Iterable[Intent] = (),
    host: str = "127.0.0.1",
    port: int = 8765,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        policies: As in `ScriptedServer`.
        intents: As in `ScriptedServer`.
        host: As in `ScriptedServer`.
        port: As in `ScriptedServer`.
        ready: Called with the base URL once connections are accepted.

    Raises:
        ConfigError: As in `ScriptedServer`.
    """
    with ScriptedServer(policies, intents, host, port) as server:
        if ready is not None:
            ready(server.base_url)
        server.wait()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 refuses connections when a hundred episodes begin at once.
    request_queue_size = 256
    owner: ScriptedServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: two would wait for each other's acknowledgement (40 ms).
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        owners = dict.fromkeys(self.server.owner.policies, "ise-env (scripted)")
        path = self.path.partition("?")[0].rstrip("/")
        name = path.removeprefix("/v1/models/")
        if path == "/v1/models":
            self._send(200, wire.models(owners))
        elif name in owners:
            self._send(200, wire.model(name, owners[name]))
        else:
            self._refuse(ApiError(404, f"unknown path: GET {self.path}"))

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path.partition("?")[0] != "/v1/chat/completions":
                raise ApiError(404, f"unknown path: POST {self.path}")
            request = wire.checked(body)
            message, identity = self.server.owner.answer(request, self.headers.get)
        except ApiError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001  the client learns of it, the server lives on
            self._refuse(ApiError(500, f"{type(error).__name__}: {error}"))
        else:
            if request.get("stream"):
                self._stream(wire.events(request, message, identity))
            else:
                self._send(200, wire.completion(request, message, identity))

    def _body(self) -> bytes:
        text = self.headers.get("Content-Length", "")
        if not text.isdigit():
            self.close_connection = True
            raise ApiError(411, "a request needs a Content-Length")
        if int(text) > MAX_BODY:
            self.close_connection = True
            raise ApiError(413, f"the body is larger than {MAX_BODY} bytes")
        return self.rfile.read(int(text))

    def _refuse(self, error: ApiError) -> None:
        self._send(error.status, error.body)

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterable[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in events:
            self.wfile.write(event)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: clients hear about their errors themselves."""


def _seed(header: str | None, request: dict[str, Any]) -> int:
    value: Any = header if header is not None else request.get("seed") or 0
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ApiError(400, f"the seed is no whole number: {value!r}", param="seed") from None
