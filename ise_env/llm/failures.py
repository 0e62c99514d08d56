"""What a failed request means: one line, whether to try again, and when.

Everything that the SDK's HTTP library (httpx for openai 2, httpx2 for openai 3) or the server can
do wrong ends here as an `AttemptFailed` around one error of our vocabulary. Texts of servers are
shortened to one line and cleaned of the key before anybody sees them.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.llm.endpoint import KEY_VARIABLES, NO_KEY, Endpoint

_TRANSPORT_MODULES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "h11", "anyio", "ssl"})

_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|context window"
    r"|exceeds the (available|model's) context|context (size|length) (is )?exceeded"
    r"|(prompt|input) is too long|max_model_len|too many (input )?tokens",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b(sk|key|Bearer)[-_ ][A-Za-z0-9_*.\-]{6,}")
_LINE = 300


class AttemptFailed(Exception):
    """One request failed.

    Attributes:
        error: What to raise when nobody tries again.
        after_s: Seconds that the server asked to wait, where it did.
        label: Short name of the failure for the record: `429`, `timeout`, `connection`, ...
        body: The server's decoded error object, where there was one.
        reached: Whether something that may be a model server answered.
    """

    def __init__(
        self,
        error: ModelEndpointError,
        label: str,
        *,
        after_s: float | None = None,
        body: Mapping[str, Any] | None = None,
        reached: bool = True,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.label = label
        self.after_s = after_s
        self.body = body or {}
        self.reached = reached


def one_line(text: str, secret: str = NO_KEY) -> str:
    """Shorten a server's text to one line without the key."""
    if secret != NO_KEY:
        text = text.replace(secret, "[key]")
    text = " ".join(_SECRET.sub("[key]", text).split())
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def from_status(
    status: int, body: Any, headers: Mapping[str, str], endpoint: Endpoint, secret: str
) -> AttemptFailed:
    """Judge an HTTP status of 400 and above, or an error object sent with status 200."""
    detail = body.get("error", body) if isinstance(body, Mapping) else body
    fields: Mapping[str, Any] = detail if isinstance(detail, Mapping) else {}
    said = fields.get("message") or (detail if isinstance(detail, str) else "")
    if looks_like_html(str(said)):
        said = "(an HTML page)"
    said = one_line(str(said), secret)
    where = f"model endpoint {endpoint.address}"
    message = f"{where} answered {status}" + (f": {said}" if said else "")
    codes = f"{fields.get('code', '')} {fields.get('type', '')} {said}"
    if status in (400, 413, 422, 500) and _OVERFLOW.search(codes):
        overflow = ContextOverflow(message, status=status)
        return AttemptFailed(overflow, "context_overflow", body=fields)
    if status in (401, 403):
        message += f" (set {' or '.join(KEY_VARIABLES)}, or #key_env=NAME)"
    elif status == 404 and not endpoint.address.endswith(("/v1", "/v1beta/openai")):
        message += f" (is it {endpoint.address}/v1?)"
    retryable = status in (408, 409, 425, 429) or (status >= 500 and status not in (501, 505))
    # A used-up quota answers 429 too, and no waiting helps.
    if "insufficient_quota" in codes:
        retryable = False
    hint = headers.get("x-should-retry")
    if hint in ("true", "false"):
        retryable = hint == "true"
    error = ModelEndpointError(message, status=status, retryable=retryable)
    after = retry_after(headers) if retryable else None
    # A page in HTML may come from any web server, and says nothing of a model behind it.
    return AttemptFailed(error, str(status), after_s=after, body=fields, reached=bool(fields))


def from_exception(cause: Exception, endpoint: Endpoint, secret: str) -> AttemptFailed | None:
    """Judge what the SDK's HTTP library raised; None when it is not the library's."""
    if type(cause).__module__.partition(".")[0] not in _TRANSPORT_MODULES:
        return None
    where = f"model endpoint {endpoint.address}"
    root = _root(cause)
    kind = type(root).__name__
    if "Timeout" in kind:
        if kind == "ConnectTimeout":
            error = ModelEndpointError(f"{where}: no connection in time", retryable=True)
            return AttemptFailed(error, "connection", reached=False)
        error = ModelEndpointError(f"{where}: no answer in time ({kind})", retryable=True)
        return AttemptFailed(error, "timeout")
    said = one_line(str(root) or kind, secret)
    said = re.sub(r"^\[Errno -?\d+\] ", "", said)
    reached = kind != "ConnectError"
    what = f"connection lost: {said}" if reached else f"cannot connect: {said}"
    error = ModelEndpointError(f"{where}: {what}", retryable=True)
    return AttemptFailed(error, "connection", reached=reached)


def not_the_protocol(what: str, sample: str, endpoint: Endpoint, secret: str) -> AttemptFailed:
    """Say that an answer with status 200 is not a chat completion."""
    sample = one_line(sample, secret)[:80]
    message = f"model endpoint {endpoint.address} answered {what}"
    if looks_like_html(sample):
        message += " (an HTML page: is the address right?)"
    elif sample:
        message += f": {sample!r}"
    return AttemptFailed(ModelEndpointError(message, status=200, retryable=True), "garbage")


def body_of(text: bytes) -> Any:
    """What a refusal says: JSON where it is JSON, its text otherwise."""
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace")


def looks_like_html(text: str) -> bool:
    """Whether a text is a web page rather than an answer."""
    return text.lstrip()[:15].lower().startswith(("<!doctype", "<html", "<head"))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 Retry-After, or retry-after-ms)."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if not text:
            continue
        try:
            seconds = float(text) / scale
        except ValueError:
            date = email.utils.parsedate_tz(text)
            if date is None:
                continue
            seconds = email.utils.mktime_tz(date) - time.time()
        if seconds == seconds and seconds >= 0:
            return seconds
    return None


def _root(error: BaseException) -> BaseException:
    """The innermost error of the library: the others only wrap it."""
    cause = error.__cause__
    inside = cause is not None and type(cause).__module__.partition(".")[0] in _TRANSPORT_MODULES
    return _root(cause) if inside and cause is not None else error
