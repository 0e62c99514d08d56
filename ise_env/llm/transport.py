"""One request to one address: limits, connection, the answer's bytes, what went wrong.

Everything that crosses the socket does so here. The SDK is imported when the first request is
made.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ise_env.errors import ModelEndpointError
from ise_env.llm import failures
from ise_env.llm.completion import NotAChatCompletion
from ise_env.llm.endpoint import Endpoint
from ise_env.llm.failures import AttemptFailed
from ise_env.llm.limits import Limiter, LimitTimeout
from ise_env.llm.stream import CONTENT_TYPE, assemble

MAX_ANSWER_BYTES = 64 * 2**20
"""An answer longer than this is not one (token ids and log-probabilities included)."""

_NO_NUMBERS = {"-Infinity": -9999.0, "Infinity": None, "NaN": None}
"""What some servers write for log-probabilities and JSON does not know; vLLM's own stand-in."""

_SURROGATE = b"\\ud"

Operation = Literal["chat/completions", "embeddings"]


@dataclass(frozen=True)
class Answer:
    """What a server answered with status 200: JSON, and not an error object."""

    data: Any
    latency_s: float


class Transport:
    """Sends requests to one endpoint. Thread-safe.

    Args:
        endpoint: Where, and with how much patience.
        limiter: Limits of the address.
    """

    def __init__(self, endpoint: Endpoint, limiter: Limiter) -> None:
        self.endpoint = endpoint
        self.limiter = limiter
        self.closing = threading.Event()
        self.reached = False
        """Whether the address has ever answered like a model server."""
        self._http: Any = None
        self._lock = threading.Lock()

    def post(
        self,
        operation: Operation,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        deadline: float,
        estimate: float,
    ) -> Answer:
        """Send one request.

        Args:
            operation: What is asked for.
            body: The whole request body.
            headers: Beside the endpoint's.
            deadline: Reading of the monotonic clock at which to give up.
            estimate: Tokens that it may cost.

        Raises:
            AttemptFailed: No usable answer.
            ConfigError: The key's variable is not set.
        """
        secret = self.endpoint.key()
        try:
            with self.limiter.slot(estimate, deadline, self.closing.is_set) as slot:
                http = self._connect()
                began = time.monotonic()
                text, kind = self._send(http, operation, body, headers, deadline, secret)
                data = self._decode(text, kind, secret)
                slot.tokens = _total_tokens(data)
        except LimitTimeout:
            raise self._not_sent() from None
        except UnicodeEncodeError:
            # Half a character in the history; looking for one in every request would be slow.
            whole = _well_formed(body)
            if whole == body:
                raise
            return self.post(operation, whole, headers, deadline, estimate)
        except AttemptFailed as failure:
            self.reached |= failure.reached and failure.label != "garbage"
            raise
        except Exception as cause:
            judged = failures.from_exception(cause, self.endpoint, secret)
            if judged is None:
                raise
            self.reached |= judged.reached
            raise judged from cause
        self.reached = True
        return Answer(data, time.monotonic() - began)

    def not_the_protocol(self, what: str, data: Any) -> AttemptFailed:
        """The failure of an answer whose JSON is not what was asked for."""
        sample = json.dumps(data, ensure_ascii=False)[:400]
        return failures.not_the_protocol(what, sample, self.endpoint, self.endpoint.key())

    def close(self) -> None:
        """Give up what waits and drop connections; idempotent."""
        self.closing.set()
        self.limiter.nudge()
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None

    def _connect(self) -> Any:
        with self._lock:
            if self.closing.is_set():
                raise self._not_sent()
            if self._http is None:
                import openai

                # A proxy of the environment does not lead to this machine's own servers.
                http = openai.DefaultHttpxClient(trust_env=not self.endpoint.is_local)
                sdk = openai.OpenAI(
                    api_key=self.endpoint.key(), base_url=self.endpoint.base_url, http_client=http
                )
                # openai 2 counts the key among the default headers, openai 3 does not.
                headers = {**sdk.default_headers, **sdk.auth_headers}
                http.headers.update({k: v for k, v in headers.items() if isinstance(v, str)})
                self._http = http
            return self._http

    def _send(
        self,
        http: Any,
        operation: Operation,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        deadline: float,
        secret: str,
    ) -> tuple[bytes, str]:
        """Read the answer, however slowly it drips, within the time.

        The SDK sets up the HTTP client, its account and its connections; the request itself goes
        past `create`, which takes more CPU than everything else that a call costs, walks the whole
        history to check its types and refuses fields that are newer than the SDK.

        Returns:
            The answer's body and its content type.
        """
        now = time.monotonic()
        patience = max(0.0, min(self.endpoint.timeout_s, deadline - now))
        request = http.stream(
            "POST",
            f"{self.endpoint.base_url.rstrip('/')}/{operation}",
            content=_encoded(body),
            headers={**self.endpoint.headers, **headers},
            timeout=patience,
        )
        with request as response:
            limit = deadline if self.endpoint.stream else now + patience
            text = self._collect(response.iter_bytes(), limit)
            if not response.is_success:
                said = failures.body_of(text)
                status = response.status_code
                raise failures.from_status(status, said, response.headers, self.endpoint, secret)
            return text, response.headers.get("content-type", "")

    def _collect(self, chunks: Iterable[bytes], limit: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        where = f"model endpoint {self.endpoint.address}"
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                error = ModelEndpointError(f"{where}: answer of more than {MAX_ANSWER_BYTES} bytes")
                raise AttemptFailed(error, "garbage")
            if time.monotonic() > limit:
                error = ModelEndpointError(f"{where}: answer not complete in time", retryable=True)
                raise AttemptFailed(error, "timeout")
        return b"".join(parts)

    def _decode(self, text: bytes, kind: str, secret: str) -> Any:
        try:
            if kind.startswith(CONTENT_TYPE):
                data = assemble(text)
            else:
                data = json.loads(text, parse_constant=_NO_NUMBERS.get)
        except NotAChatCompletion as error:
            raise failures.not_the_protocol(str(error), "", self.endpoint, secret) from None
        except ValueError:
            sample = text[:400].decode("utf-8", "replace")
            what = "something that is not JSON" if sample.strip() else "nothing"
            raise failures.not_the_protocol(what, sample, self.endpoint, secret) from None
        if isinstance(data, Mapping) and data.get("error") and not data.get("choices"):
            # Some gateways put the upstream's failure into an answer with status 200.
            detail = data["error"]
            code = detail.get("code") if isinstance(detail, Mapping) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise failures.from_status(status, data, {}, self.endpoint, secret)
        return _well_formed(data) if _SURROGATE in text else data

    def _not_sent(self) -> AttemptFailed:
        where = f"model endpoint {self.endpoint.address}"
        if self.closing.is_set():
            return AttemptFailed(ModelEndpointError(f"{where}: the client was closed"), "closed")
        seconds = f"{self.endpoint.deadline_s:g} s"
        message = f"{where}: its limits left no room for this request within {seconds}"
        return AttemptFailed(ModelEndpointError(message, retryable=True), "limit")


def _encoded(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _well_formed(value: Any) -> Any:
    """Replace halves of characters, which a cut-off answer may hold and UTF-8 cannot."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _well_formed(item) for key, item in value.items()}
    return value


def _total_tokens(data: Any) -> int | None:
    usage = data.get("usage") if isinstance(data, Mapping) else None
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) else None
