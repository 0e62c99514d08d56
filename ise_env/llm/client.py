"""One model at one address: a call ends with an answer or with one error of our vocabulary.

It ends within `Endpoint.deadline_s`. Clients are thread-safe and meant to be shared:
`client_for` gives every caller of an endpoint the same one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ise_env.errors import ModelEndpointError
from ise_env.llm.completion import Completion, NotAChatCompletion, parse
from ise_env.llm.embeddings import read_vectors
from ise_env.llm.endpoint import Endpoint
from ise_env.llm.failures import AttemptFailed
from ise_env.llm.limits import Limiter
from ise_env.llm.quirks import Quirks
from ise_env.llm.retry import retrying
from ise_env.llm.transport import Transport
from ise_env.llm.usage import Meter, Prices

_MAX_QUIRKS_A_CALL = 8


class ModelClient:
    """Asks one model. Thread-safe.

    Args:
        endpoint: Which model, where, how.
        prices: A price table; its absence leaves costs unknown.
        meter: Tallies to add to; one of its own when None.
        limiter: Limits shared with other clients of the address; own ones when None.

    Raises:
        ConfigError: The price table lacks the model.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        prices: Prices | None = None,
        meter: Meter | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.meter = meter or Meter()
        self.quirks = Quirks(f"{endpoint.model}@{endpoint.address}")
        self._prices = prices
        if prices is not None:
            prices.require(endpoint.model)
        self._transport = Transport(endpoint, limiter or limiter_of(endpoint))

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        role: str = "agent",
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Completion:
        """Ask for the next assistant message.

        Args:
            messages: The history in the OpenAI wire shape.
            tools: Function schemas in the OpenAI wire shape.
            role: Whose call this is (`agent`, `user`, `judge`, `realiser`), for the tallies.
            headers: For this call, beside the endpoint's.
            **params: Request fields for this call; they override the endpoint's.

        Raises:
            ContextOverflow: The history does not fit the model's context.
            ModelEndpointError: No usable answer; `status` and `retryable` say more.
            ConfigError: The key's variable is not set.
        """
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": list(messages),
            **self.endpoint.sampling,
            **self.endpoint.extra_body,
            **params,
        }
        if tools:
            body["tools"] = list(tools)
        if self.endpoint.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        outcome = retrying(
            self._transport, lambda deadline: self._chat(body, headers or {}, deadline)
        )
        completion = replace(
            outcome.value,
            waited_s=outcome.seconds - outcome.value.latency_s,
            failures=outcome.failures,
        )
        return replace(completion, cost_usd=self._count(role, completion))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Ask for the embedding of each text, in one request.

        Raises:
            ModelEndpointError: No usable answer.
            ConfigError: The key's variable is not set.
        """
        body = {
            "model": self.endpoint.model,
            "input": list(texts),
            "encoding_format": "float",
            **self.endpoint.extra_body,
        }
        estimate = sum(map(len, texts)) / 4

        def attempt(deadline: float) -> list[list[float]]:
            answer = self._transport.post("embeddings", body, {}, deadline, estimate)
            try:
                return read_vectors(answer.data, len(texts))
            except ValueError as error:
                raise self._transport.not_the_protocol(str(error), answer.data) from None

        return retrying(self._transport, attempt).value

    def close(self) -> None:
        """Give up waiting calls and drop connections; idempotent."""
        self._transport.close()

    def _chat(
        self, body: dict[str, Any], headers: Mapping[str, str], deadline: float
    ) -> Completion:
        """One attempt; a refusal that teaches a quirk is no failure."""
        for _ in range(_MAX_QUIRKS_A_CALL):
            adapted, used = self.quirks.apply(body)
            try:
                answer = self._transport.post(
                    "chat/completions", adapted, headers, deadline, _estimate(adapted)
                )
                completion = parse(answer.data)
            except NotAChatCompletion as error:
                raise self._transport.not_the_protocol(str(error), answer.data) from None
            except AttemptFailed as failure:
                refused = failure.error.status in (400, 422) and failure.label != "context_overflow"
                if refused and self.quirks.learn(failure.body, adapted):
                    continue
                raise
            return replace(completion, latency_s=answer.latency_s, quirks=tuple(used))
        message = f"model endpoint {self.endpoint.address} refuses every form of the request"
        raise AttemptFailed(ModelEndpointError(message, status=400), "400")

    def _count(self, role: str, completion: Completion) -> float | None:
        """Add a call to the tallies; returns its cost."""
        model, usage = self.endpoint.model, completion.usage
        cost = None if self._prices is None else self._prices.cost(model, usage)
        self.meter.add(
            role,
            model,
            usage,
            requests=1 + len(completion.failures),
            latency_s=completion.latency_s,
            cost_usd=cost,
        )
        return cost


def limiter_of(endpoint: Endpoint) -> Limiter:
    """Limits of an endpoint, not yet shared with anybody."""
    return Limiter(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)


SHARED_METER = Meter()
"""What the clients of `client_for` used in this process, by role and model."""

_clients: dict[tuple[int, str], ModelClient] = {}
_limiters: dict[tuple[int, str], Limiter] = {}
_shared_lock = threading.Lock()


def client_for(endpoint: Endpoint) -> ModelClient:
    """The client that everybody in this process shares for an endpoint.

    Models at one address share the limits that were set for it first.
    """
    # A forked child must not use its parent's sockets.
    process = os.getpid()
    with _shared_lock:
        key = (process, repr(endpoint))
        if key not in _clients:
            at = (process, endpoint.base_url)
            limiter = _limiters.setdefault(at, limiter_of(endpoint))
            _clients[key] = ModelClient(endpoint, limiter=limiter, meter=SHARED_METER)
        return _clients[key]


def _estimate(body: Mapping[str, Any]) -> float:
    """Rough tokens of a first request: a quarter of its characters, and some for the answer."""
    size = sum(len(str(m.get("content") or "")) for m in body["messages"])
    return size / 4 + 256
