"""Where a model lives and how it may be asked: the text form and its fields.

`<model>@<base_url>[#option=value,...]`. The part after `#` never leaves this process; values
are JSON where they parse as JSON and text otherwise, with `%2C` for a comma. Keys are read from
the environment at the moment of the call and are no part of an endpoint, so that nothing that
prints or stores one can show them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote, urlsplit

from ise_env.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"

KEY_VARIABLES = ("ISE_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key, the first one set wins."""

NO_KEY = "none"
"""Sent where no key is set: servers of one's own ignore it, others answer 401."""

SAMPLING = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "tool_choice",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)
"""Request fields of the chat completions API that an endpoint may set."""

_SPEC = re.compile(r"(?P<model>[^@\s][^\s]*?)(?:@(?P<url>https?://\S+))?")


@dataclass(frozen=True)
class Endpoint:
    """One model at one address.

    Args:
        model: Name that the server knows it by.
        base_url: Up to and including the version segment (`http://127.0.0.1:8000/v1`).
        sampling: Fields of `SAMPLING`, sent with every request.
        extra_body: Further fields of the request body (`top_k`, `return_token_ids`, ...).
        headers: Further request headers.
        key_env: Name of the environment variable with the key; `KEY_VARIABLES` when None.
        timeout_s: Longest silence of the server while it works on one request.
        deadline_s: Longest time for one call, its retries and waits included.
        attempts: Requests made for one call at most.
        stream: Let the server stream its answer: then `timeout_s` bounds the silence between
            two pieces, and no proxy gives up on a long answer.
        compact: Let an agent leave out old tool results when its history no longer fits; off, such
            an episode is truncated.
        concurrency: Requests in flight at once; shared by all models at this address.
        requests_per_minute: Likewise.
        tokens_per_minute: Likewise; prompt and completion tokens together.
    """

    model: str
    base_url: str = OPENAI_URL
    sampling: Mapping[str, Any] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    key_env: str | None = None
    timeout_s: float = 300.0
    deadline_s: float = 900.0
    attempts: int = 10
    stream: bool = False
    compact: bool = False
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no server could be asked."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"model endpoint: {self.base_url!r} is not an http(s) address")
        if parts.username or parts.password:
            raise ConfigError(
                "model endpoint: no credentials in the address; put the key in "
                f"{KEY_VARIABLES[0]} or name its variable with #key_env=NAME"
            )
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise ConfigError(f"model endpoint: {name} must be a positive number: {value!r}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"model endpoint: {name} is true or false")
        unknown = sorted(set(self.sampling) - SAMPLING)
        if unknown:
            raise ConfigError(
                f"model endpoint: {unknown[0]!r} is no option and no sampling parameter; "
                f"write extra.{unknown[0]}=... to send it to the server as it is"
            )

    @classmethod
    def parse(cls, spec: str) -> Endpoint:
        """Read `<model>[@<base_url>][#option=value,...]`.

        Options are the numeric fields of this class, `stream`, `compact`, `key_env`, the names
        in `SAMPLING`, `extra.<name>` for `extra_body` and `header.<name>` for `headers`. Without
        an address it is `$OPENAI_BASE_URL`, else OpenAI's own.

        Raises:
            ConfigError: What is wrong, on one line.

        Example:
            >>> Endpoint.parse("qwen@http://127.0.0.1:8000/v1#temperature=0.7").sampling
            {'temperature': 0.7}
        """
        head, _, tail = spec.partition("#")
        match = _SPEC.fullmatch(head)
        if match is None or "://" in match["model"]:
            raise ConfigError(f"model endpoint {head!r}: expected <model>@<http(s) address>")
        url = match["url"] or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        options: dict[str, Any] = {"sampling": {}, "extra_body": {}, "headers": {}}
        for item in filter(None, tail.split(",")):
            name, equals, text = item.partition("=")
            if not equals:
                raise ConfigError(f"model endpoint option {item!r}: expected name=value")
            group, _, rest = name.partition(".")
            if group == "extra" and rest:
                options["extra_body"][rest] = _value(text)
            elif group == "header" and rest:
                options["headers"][rest] = unquote(text)
            elif name in _OPTIONS:
                options[name] = unquote(text) if name == "key_env" else _value(text)
            else:
                options["sampling"][name] = _value(text)
        return cls(match["model"], url.rstrip("/"), **options)

    @property
    def address(self) -> str:
        """Scheme, host, port and path: what messages and records may show."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{port}{parts.path}"

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def key(self) -> str:
        """The API key from the environment; `NO_KEY` where none is set.

        Raises:
            ConfigError: `key_env` names a variable that is not set.
        """
        if self.key_env is not None:
            value = os.environ.get(self.key_env)
            if not value:
                raise ConfigError(f"model endpoint {self.address}: {self.key_env} is not set")
            return value
        return next(filter(None, map(os.environ.get, KEY_VARIABLES)), NO_KEY)


_NUMBERS = (
    "timeout_s",
    "deadline_s",
    "attempts",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
)
_SWITCHES = ("stream", "compact")
_OPTIONS = frozenset(f.name for f in fields(Endpoint)) & {*_NUMBERS, *_SWITCHES, "key_env"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(text: str) -> Any:
    text = unquote(text)
    try:
        return json.loads(text)
    except ValueError:
        return text
