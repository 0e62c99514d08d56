"""One model at one address: one call, one retry layer, one place for limits and quirks.

A call ends within `Endpoint.deadline_s`, with a `Completion` or with one error of our
vocabulary. Clients are thread-safe and meant to be shared: `client_for` gives every caller of
an endpoint the same one. The SDK is imported when the first request is made.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import tenacity

from ise_env.errors import ModelEndpointError
from ise_env.llm import failures
from ise_env.llm.completion import Completion, NotAChatCompletion, parse
from ise_env.llm.endpoint import Endpoint
from ise_env.llm.failures import AttemptFailed
from ise_env.llm.limits import Limiter, LimitTimeout, Slot
from ise_env.llm.quirks import Quirks
from ise_env.llm.stream import CONTENT_TYPE, assemble
from ise_env.llm.usage import Meter, Prices

log = logging.getLogger("ise_env.llm")

MAX_ANSWER_BYTES = 64 * 2**20
"""An answer longer than this is not one (token ids and log-probabilities included)."""

_MAX_QUIRKS_A_CALL = 8
_UNREACHED_ATTEMPTS = 3
"""For an address that has never answered: it is more likely wrong than down."""


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
        self._limiter = limiter or limiter_of(endpoint)
        self._sdk: Any = None
        self._sdk_lock = threading.Lock()
        self._closing = threading.Event()
        self._answered = False

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
        completion = self._retrying(body, headers or {})
        cost = None
        if self._prices is not None:
            cost = self._prices.cost(self.endpoint.model, completion.usage)
        self.meter.add(
            role,
            self.endpoint.model,
            completion.usage,
            requests=1 + len(completion.failures),
            latency_s=completion.latency_s,
            cost_usd=cost,
        )
        return replace(completion, cost_usd=cost)

    def close(self) -> None:
        """Give up waiting calls and drop connections; idempotent."""
        self._closing.set()
        self._limiter.nudge()
        with self._sdk_lock:
            if self._sdk is not None:
                self._sdk.close()
                self._sdk = None

    def _retrying(self, body: dict[str, Any], headers: Mapping[str, str]) -> Completion:
        began = time.monotonic()
        deadline = began + self.endpoint.deadline_s
        failed: list[str] = []

        def attempt() -> Completion:
            try:
                return self._adapting(body, headers, deadline)
            except AttemptFailed as failure:
                failed.append(failure.label)
                raise

        loop = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_repeating),
            stop=self._stop_after(deadline),
            wait=_wait,
            sleep=tenacity.sleep_using_event(self._closing),
            before_sleep=self._before_sleep,
            reraise=True,
        )
        try:
            completion = loop(attempt)
        except AttemptFailed as failure:
            raise _final(failure, failed) from failure.__cause__
        return replace(
            completion,
            waited_s=time.monotonic() - began - completion.latency_s,
            failures=tuple(failed),
        )

    def _stop_after(self, deadline: float) -> Any:
        def stop(state: tenacity.RetryCallState) -> bool:
            if self._closing.is_set():
                return True
            limit = self.endpoint.attempts
            if not self._answered:
                limit = min(limit, _UNREACHED_ATTEMPTS)
            late = time.monotonic() + state.upcoming_sleep >= deadline
            return state.attempt_number >= limit or late

        return stop

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        failure = _failure_of(state)
        if failure.after_s is not None:
            self._limiter.pause(failure.after_s)
        log.info("%s; trying again in %.1f s", failure.error, state.upcoming_sleep)

    def _adapting(
        self, body: dict[str, Any], headers: Mapping[str, str], deadline: float
    ) -> Completion:
        """One attempt; a refusal that teaches a quirk is no failure."""
        for _ in range(_MAX_QUIRKS_A_CALL):
            adapted, used = self.quirks.apply(body)
            try:
                completion = self._request(adapted, headers, deadline)
            except AttemptFailed as failure:
                refused = failure.error.status in (400, 422) and failure.label != "context_overflow"
                if refused and self.quirks.learn(failure.body, adapted):
                    continue
                raise
            return replace(completion, quirks=tuple(used))
        raise AttemptFailed(
            ModelEndpointError(
                f"model endpoint {self.endpoint.address} refuses every form of the request"
            ),
            "400",
        )

    def _request(
        self, body: dict[str, Any], headers: Mapping[str, str], deadline: float
    ) -> Completion:
        secret = self.endpoint.key()
        try:
            with self._limiter.slot(_estimate(body), deadline, self._closing.is_set) as slot:
                sdk = self._connect()
                began = time.monotonic()
                text, kind = self._send(sdk, body, headers, deadline)
                completion = self._read(text, kind, secret)
                _settle(slot, completion)
        except LimitTimeout:
            raise self._not_sent() from None
        except AttemptFailed as failure:
            self._answered |= failure.reached and failure.label != "garbage"
            raise
        except Exception as cause:
            failure_or_none = failures.from_exception(cause, self.endpoint, secret)
            if failure_or_none is None:
                raise
            self._answered |= failure_or_none.reached
            raise failure_or_none from cause
        self._answered = True
        return replace(completion, latency_s=time.monotonic() - began)

    def _send(
        self, sdk: Any, body: dict[str, Any], headers: Mapping[str, str], deadline: float
    ) -> tuple[bytes, str]:
        """Send one request and read the answer, however slowly it drips, within the time.

        Returns:
            The answer's body and its content type.
        """
        now = time.monotonic()
        patience = max(0.0, min(self.endpoint.timeout_s, deadline - now))
        create = sdk.chat.completions.with_streaming_response.create
        # Everything goes through extra_body: the SDK's named parameters would walk the whole
        # history to check its types, and refuse fields that are newer than the SDK.
        with create(
            model=body["model"],
            messages=(),
            extra_body=body,
            extra_headers={**self.endpoint.headers, **headers},
            timeout=patience,
        ) as response:
            limit = deadline if self.endpoint.stream else now + patience
            kind = response.headers.get("content-type", "")
            return self._collect(response.iter_bytes(), limit), kind

    def _collect(self, chunks: Iterable[bytes], limit: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            where = f"model endpoint {self.endpoint.address}"
            if size > MAX_ANSWER_BYTES:
                raise AttemptFailed(
                    ModelEndpointError(f"{where}: answer of more than {MAX_ANSWER_BYTES} bytes"),
                    "garbage",
                )
            if time.monotonic() > limit:
                error = ModelEndpointError(f"{where}: answer not complete in time", retryable=True)
                raise AttemptFailed(error, "timeout")
        return b"".join(parts)

    def _read(self, text: bytes, kind: str, secret: str) -> Completion:
        sample = text[:400].decode("utf-8", "replace")
        try:
            data = assemble(text) if kind.startswith(CONTENT_TYPE) else json.loads(text)
        except NotAChatCompletion as error:
            raise failures.not_the_protocol(str(error), "", self.endpoint, secret) from None
        except ValueError:
            what = "something that is not JSON" if sample.strip() else "nothing"
            raise failures.not_the_protocol(what, sample, self.endpoint, secret) from None
        if isinstance(data, Mapping) and data.get("error") and not data.get("choices"):
            # Some gateways put the upstream's failure into an answer with status 200.
            detail = data["error"]
            code = detail.get("code") if isinstance(detail, Mapping) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise failures.from_status(status, data, {}, self.endpoint, secret)
        try:
            return parse(data)
        except NotAChatCompletion as error:
            raise failures.not_the_protocol(str(error), sample, self.endpoint, secret) from None

    def _not_sent(self) -> AttemptFailed:
        where = f"model endpoint {self.endpoint.address}"
        if self._closing.is_set():
            return AttemptFailed(ModelEndpointError(f"{where}: the client was closed"), "closed")
        seconds = f"{self.endpoint.deadline_s:g} s"
        message = f"{where}: its limits left no room for this request within {seconds}"
        return AttemptFailed(ModelEndpointError(message, retryable=True), "limit")

    def _connect(self) -> Any:
        with self._sdk_lock:
            if self._closing.is_set():
                raise self._not_sent()
            if self._sdk is None:
                import openai

                self._sdk = openai.OpenAI(
                    api_key=self.endpoint.key(),
                    base_url=self.endpoint.base_url,
                    max_retries=0,
                    timeout=self.endpoint.timeout_s,
                )
            return self._sdk


def limiter_of(endpoint: Endpoint) -> Limiter:
    """Limits of an endpoint, not yet shared with anybody."""
    return Limiter(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)


_shared: dict[tuple[int, str, str | None], tuple[ModelClient, Limiter]] = {}
_shared_lock = threading.Lock()


def client_for(endpoint: Endpoint) -> ModelClient:
    """The client that everybody in this process shares for an endpoint.

    Models at one address share the limits that were set for it first.
    """
    # A forked child must not use its parent's sockets.
    key = (os.getpid(), repr(endpoint), None)
    with _shared_lock:
        if key in _shared:
            return _shared[key][0]
        limiter = next(
            (
                limiter
                for (pid, _, _), (client, limiter) in _shared.items()
                if pid == key[0] and client.endpoint.base_url == endpoint.base_url
            ),
            None,
        )
        limiter = limiter or limiter_of(endpoint)
        client = ModelClient(endpoint, limiter=limiter)
        _shared[key] = (client, limiter)
        return client


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, AttemptFailed) and error.error.retryable


# Ten attempts wait 90 s in all: an endpoint that is gone for a minute costs no episode.
_backoff = tenacity.wait_exponential(multiplier=0.5, max=20.0) + tenacity.wait_random(0, 1)


def _wait(state: tenacity.RetryCallState) -> float:
    after = _failure_of(state).after_s
    # Never earlier than asked; a little later, so that not everybody comes back at once.
    delay = float(_backoff(state))
    return delay if after is None else after + min(1.0, delay)


def _failure_of(state: tenacity.RetryCallState) -> AttemptFailed:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, AttemptFailed)
    return error


def _final(failure: AttemptFailed, failed: Sequence[str]) -> ModelEndpointError:
    error = failure.error
    if len(failed) > 1:
        others = sorted({label for label in failed if label != failure.label})
        before = f", some ended in {', '.join(others)}" if others else ""
        tail = f" (after {len(failed)} attempts{before})"
        error = type(error)(f"{error}{tail}", status=error.status, retryable=error.retryable)
    return error


def _estimate(body: Mapping[str, Any]) -> float:
    """Rough tokens of a first request: a quarter of its characters, and as much room again."""
    size = sum(len(str(m.get("content") or "")) for m in body["messages"])
    return size / 4 + 256


def _settle(slot: Slot, completion: Completion) -> None:
    total = (completion.usage or {}).get("total_tokens")
    slot.tokens = total if isinstance(total, int) else None
