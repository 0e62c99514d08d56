"""Structured output: json_schema, else json_object, else a repair; the rung is recorded.

Servers differ in what they enforce. The strictest form that the endpoint accepts is used and
remembered; whatever comes back is validated by the pydantic model, and an answer that fails is
shown to the model again with what was wrong, a bounded number of times. Nothing is guessed into
place.

Example:
    ```python
    class Turn(BaseModel):
        act: Literal["request", "close"]
        message: str

    answer = structured(client, messages, Turn, role="user", repairs=2)
    answer.value.message, answer.rung, answer.completions[-1].usage
    ```
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ValidationError

from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.llm.client import ModelClient
from ise_env.llm.completion import Completion

M = TypeVar("M", bound=BaseModel)

Form = Literal["json_schema", "json_object", "text"]
"""What the request asked the server to enforce; `text` is nothing."""

_FORMS: tuple[Form, ...] = ("json_schema", "json_object", "text")
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Structured(Generic[M]):
    """A validated answer and how it was come by.

    Attributes:
        value: The answer.
        form: What the server was asked to enforce.
        errors: What was wrong with each rejected answer before it.
        completions: Every answer, the accepted one last: usage and cost are theirs.
    """

    value: M
    form: Form
    errors: tuple[str, ...]
    completions: tuple[Completion, ...]

    @property
    def rung(self) -> str:
        """`json_schema`, `json_object`, `text`, or `repair` when it had to be asked again."""
        return "repair" if self.errors else self.form


class NotStructured(ModelEndpointError):
    """The model did not produce a valid answer in the allowed number of tries.

    Attributes:
        errors: What was wrong with each answer.
        completions: The answers.
    """

    def __init__(
        self, message: str, errors: Sequence[str], completions: Sequence[Completion]
    ) -> None:
        super().__init__(message, retryable=True)
        self.errors = tuple(errors)
        self.completions = tuple(completions)


_known_forms: WeakKeyDictionary[ModelClient, Form] = WeakKeyDictionary()
_known_lock = threading.Lock()


def structured(
    client: ModelClient,
    messages: Sequence[Mapping[str, Any]],
    schema: type[M],
    *,
    role: str,
    repairs: int = 2,
    **params: Any,
) -> Structured[M]:
    """Ask for an answer in the shape of a pydantic model.

    Args:
        client: Whom to ask.
        messages: The conversation in the OpenAI wire shape.
        schema: The model; it should forbid extra fields.
        role: Whose call this is, for the tallies.
        repairs: How often an invalid answer is shown to the model again.
        **params: Request fields.

    Raises:
        NotStructured: No valid answer came.
        ModelEndpointError: The endpoint failed.
    """
    history = list(messages)
    errors: list[str] = []
    completions: list[Completion] = []
    for _ in range(repairs + 1):
        completion, form = _ask(client, history, schema, role, params)
        completions.append(completion)
        try:
            value = schema.model_validate(extract(completion.content))
        except ValueError as error:
            problem = _problem(error)
        else:
            return Structured(value, form, tuple(errors), tuple(completions))
        if completion.finish_reason == "length":
            problem += " (the answer was cut off: raise max_tokens)"
        errors.append(problem)
        history = [
            *messages,
            {"role": "assistant", "content": completion.content},
            {"role": "user", "content": _complaint(problem)},
        ]
    where = f"{client.endpoint.model}@{client.endpoint.address}"
    raise NotStructured(
        f"{where}: no valid {schema.__name__} in {len(errors)} answers; last: {errors[-1]}",
        errors,
        completions,
    )


def extract(text: str) -> dict[str, Any]:
    """Find the JSON object in an answer: bare, in a code fence, or after some words.

    Raises:
        ValueError: There is none.
    """
    fence = _FENCE.search(text)
    for candidate in filter(None, (text.strip(), fence[1].strip() if fence else "")):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
        raise ValueError(f"the answer is JSON but no object: {type(found).__name__}")
    start = text.find("{")
    if start < 0:
        raise ValueError("the answer holds no JSON object")
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError as error:
        raise ValueError(f"the answer is not valid JSON: {error}") from None
    return dict(found)


def _ask(
    client: ModelClient,
    messages: Sequence[Mapping[str, Any]],
    schema: type[BaseModel],
    role: str,
    params: Mapping[str, Any],
) -> tuple[Completion, Form]:
    """Ask in the strictest form that the endpoint takes."""
    with _known_lock:
        first = _FORMS.index(_known_forms.get(client, "json_schema"))
    for form in _FORMS[first:]:
        asked = messages if form == "json_schema" else _with_schema(messages, schema)
        wanted = {**params, **_response_format(form, schema)}
        try:
            completion = client.complete(asked, role=role, **wanted)
        except ContextOverflow:
            raise
        except ModelEndpointError as error:
            refused = error.status in (400, 404, 415, 422, 501) and form != "text"
            if not refused:
                raise
            continue
        with _known_lock:
            _known_forms[client] = form
        return completion, form
    raise AssertionError("the last form raises or returns")


def _response_format(form: Form, schema: type[BaseModel]) -> dict[str, Any]:
    if form == "text":
        return {}
    if form == "json_object":
        return {"response_format": {"type": "json_object"}}
    described = {"name": schema.__name__, "strict": True, "schema": strict_schema(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema in the subset that OpenAI's strict mode takes, as the SDK derives it."""
    import openai

    function: Any = openai.pydantic_function_tool(schema)["function"]
    return dict(function["parameters"])


def _with_schema(
    messages: Sequence[Mapping[str, Any]], schema: type[BaseModel]
) -> list[Mapping[str, Any]]:
    text = (
        "Answer with one JSON object and nothing else. It must satisfy this JSON Schema:\n"
        + json.dumps(schema.model_json_schema(), ensure_ascii=False)
    )
    first, *rest = messages
    if first.get("role") == "system":
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *rest]
    return [{"role": "system", "content": text}, *messages]


def _problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    parts = (f"{'.'.join(map(str, e['loc'])) or 'object'}: {e['msg']}" for e in error.errors()[:5])
    return "; ".join(parts)


def _complaint(problem: str) -> str:
    return (
        f"That answer cannot be used: {problem}. "
        "Answer again with the whole corrected JSON object and nothing else."
    )
