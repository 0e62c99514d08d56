"""From an assistant message to tool messages: every id answered exactly once.

Nothing that an agent can send raises here. What it gets wrong becomes the JSON error text
`{"status": "error", "tool": ..., "error": ...}` beside a true outcome. The rules:

- Calls run in order. Each distinct id gets one tool message, in the order of first appearance.
- An id that several calls of one message share is answered once, with an error, and none of
  them runs: running one of them would leave the agent guessing which.
- A call without a usable id (missing, empty, not a string) does not run either; it is answered
  under a made-up id `call_<position>`, so that the agent is told.
- An id that an earlier message used is fine: the wire pairs calls and answers within one
  message, and several servers count from zero in each.
- `arguments` may be a JSON text or, as in published records, an object; absent, null or blank
  means none. A call whose `type` is missing is a function call; any other type is refused.
- Failures of the machinery do not tear the history: the call during which it happened and all
  later ones are answered, and the exception is handed back beside the answers.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ise_env.errors import AgentError, IseError, WorkspaceError
from ise_env.tools.arguments import parse_object, validate, well_formed
from ise_env.tools.base import Outcome, Tool, ToolContext, ToolFailure, ToolResult
from ise_env.tools.outcome import CallRecord
from ise_env.workspaces.protocol import WorkspaceGone

_NAME_SHOWN = 80
"""Characters of an unknown name that the answer repeats."""


@dataclass(frozen=True)
class Dispatched:
    """One answered id.

    Attributes:
        message: The tool message: `role`, `tool_call_id`, `content`.
        outcome: What really happened; the same object as `call.outcome`.
        call: What was asked for, as recovery spans need it.
    """

    message: dict[str, Any]
    outcome: Outcome
    call: CallRecord


@dataclass(frozen=True)
class DispatchResult:
    """All answers to one assistant message; iterates over `results`.

    Attributes:
        results: One for each distinct id, in order.
        gone: The agent ended its own workspace during this message.
        failure: The machinery failed during this message: the episode is invalid.
        over_budget: Some calls did not run because `budget` was used up.
        over_time: Some calls did not run because `time_budget_s` was used up.
    """

    results: tuple[Dispatched, ...]
    gone: WorkspaceGone | None = None
    failure: IseError | None = None
    over_budget: bool = False
    over_time: bool = False

    def __iter__(self) -> Iterator[Dispatched]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)


def dispatch(
    message: Mapping[str, Any],
    tools: Mapping[str, Tool[Any]],
    context: ToolContext,
    *,
    budget: int | None = None,
    time_budget_s: float | None = None,
) -> DispatchResult:
    """Run the tool calls of an assistant message.

    Args:
        message: The assistant message; its `tool_calls` may hold anything.
        tools: What the agent was offered.
        context: The episode's workspace and the tools' own state.
        budget: How many calls may still be answered in earnest; later ones are told that the
            budget is used up. None: no limit.
        time_budget_s: Seconds after which no further call is begun (one that runs is not cut
            short: its own timeout and yield bound it). None: no limit.

    Returns:
        The answers, and what else the environment has to know. Never raises for anything that
        is in `message`; an unexpected exception of a tool is returned as `failure`.
    """
    calls = message.get("tool_calls")
    run = _Run(tools, context, step=_next_step(context))
    results: list[Dispatched] = []
    over_budget = over_time = False
    spent = 0.0
    for request in _requests(calls if isinstance(calls, list) else []):
        refusal = None
        if budget is not None and len(results) >= budget and not run.stopped:
            over_budget = True
            refusal = _refusal("budget", "the tool-call budget is used up")
        elif time_budget_s is not None and spent >= time_budget_s and not run.stopped:
            over_time = True
            refusal = _refusal("budget", "the time for tools is used up")
        results.append(run.answer(replace(request, refusal=refusal) if refusal else request))
        spent += results[-1].outcome.duration_s
    return DispatchResult(tuple(results), run.gone, run.failure, over_budget, over_time)


@dataclass(frozen=True)
class _Request:
    """One call, as far as it could be read."""

    call_id: str
    name: str
    arguments: Any
    refusal: ToolFailure | None = None


class _Run:
    """The calls of one message, run one after the other."""

    def __init__(self, tools: Mapping[str, Tool[Any]], context: ToolContext, step: int) -> None:
        self.tools = tools
        self.context = context
        self.step = step
        self.gone: WorkspaceGone | None = None
        self.failure: IseError | None = None

    @property
    def stopped(self) -> bool:
        return self.gone is not None or self.failure is not None

    def answer(self, request: _Request) -> Dispatched:
        began = time.perf_counter()
        given: dict[str, Any] | None = None
        try:
            tool = self._tool_for(request)
            given = parse_object(request.arguments)
            result = self._call(tool, given)
        except ToolFailure as failure:
            if given is None:  # what a refused call asked for matters for who recovers it
                with suppress(ToolFailure):
                    given = parse_object(request.arguments)
            result = ToolResult(error_text(request.name, str(failure)), failure.outcome)
        text = well_formed(result.text)
        outcome = result.outcome.model_copy(
            update={
                "bytes": len(text.encode()),
                "duration_s": round(result.outcome.duration_s or time.perf_counter() - began, 6),
            }
        )
        return Dispatched(
            {"role": "tool", "tool_call_id": request.call_id, "content": text},
            outcome,
            CallRecord(self.step, request.call_id, request.name, given, outcome),
        )

    def _tool_for(self, request: _Request) -> Tool[Any]:
        """Return the tool that a call wants, if it may run at all."""
        if self.failure is not None:
            raise ToolFailure(
                "not run: an earlier call met a failure of the environment",
                error="not_run",
                status="harness_error",
            )
        if self.gone is not None:
            raise _refusal("workspace_gone", "not run: the workspace's processes have ended")
        if request.refusal is not None:
            raise request.refusal
        if request.name not in self.tools:
            offered = ", ".join(self.tools) or "none"
            raise _refusal(
                "unknown_tool", f"there is no tool {_cut(request.name)!r}; offered: {offered}"
            )
        return self.tools[request.name]

    def _call(self, tool: Tool[Any], given: dict[str, Any]) -> ToolResult:
        params = validate(tool.name, tool.params, given)
        try:
            return tool.run(params, self.context)
        except WorkspaceGone as gone:
            self.gone = gone
            raise ToolFailure(
                "the workspace's processes have ended, and with them this call",
                error="workspace_gone",
                status="killed",
            ) from gone
        except ToolFailure:
            raise
        except AgentError as error:
            raise ToolFailure(str(error), error="agent_error") from error
        except Exception as error:  # a bug here must not tear the history
            self.failure = _as_failure(tool.name, error)
            raise ToolFailure(
                "the tool itself failed; this is not your fault",
                error=type(error).__name__,
                status="harness_error",
            ) from error


def error_text(tool: str, error: str) -> str:
    """Return the text that an agent gets for a failed call.

    The layout (two spaces, one key a line) is upstream's `JSON.stringify(value, null, 2)`.
    """
    value = {"status": "error", "tool": _cut(tool), "error": error}
    return json.dumps(value, indent=2, ensure_ascii=False)


def _requests(calls: list[Any]) -> list[_Request]:
    """Read the calls; one request for each id that will be answered."""
    ids = [_usable_id(call) for call in calls]
    shared = Counter(each for each in ids if each is not None)
    requests: list[_Request] = []
    seen: set[str] = set()
    for position, (call, call_id) in enumerate(zip(calls, ids, strict=True)):
        if call_id is None:
            made_up = f"call_{position}"
            while made_up in shared:
                made_up += "_"
            refusal = _refusal("bad_call", _id_complaint(call))
            requests.append(replace(_read(made_up, call), refusal=refusal))
        elif call_id not in seen:
            seen.add(call_id)
            request = _read(call_id, call)
            if shared[call_id] > 1:
                refusal = _refusal(
                    "duplicate_id",
                    f"{shared[call_id]} calls of this message share the id {_cut(call_id)!r}; "
                    "none was run. Give every call an id of its own",
                )
                request = replace(request, refusal=refusal)
            requests.append(request)
    return requests


def _read(call_id: str, call: Any) -> _Request:
    if not isinstance(call, Mapping):
        return _Request(call_id, "", None, _refusal("bad_call", "a tool call must be an object"))
    kind = call.get("type", "function")
    if kind not in ("function", None):
        refusal = _refusal(
            "bad_call", f"calls of type {_cut(str(kind))!r} are not offered; use type 'function'"
        )
        return _Request(call_id, "", None, refusal)
    function = call.get("function")
    if not isinstance(function, Mapping):
        refusal = _refusal("bad_call", "a tool call needs `function` with a name and arguments")
        return _Request(call_id, "", None, refusal)
    name = function.get("name")
    if not isinstance(name, str):
        return _Request(
            call_id, "", None, _refusal("bad_call", "a tool call needs a name that is a string")
        )
    return _Request(call_id, name, function.get("arguments"))


def _usable_id(call: Any) -> str | None:
    call_id = call.get("id") if isinstance(call, Mapping) else None
    return call_id if isinstance(call_id, str) and call_id else None


def _id_complaint(call: Any) -> str:
    if not isinstance(call, Mapping):
        return f"a tool call must be an object, got {type(call).__name__}; it was not run"
    return "a tool call needs an id that is a non-empty string; it was not run"


def _next_step(context: ToolContext) -> int:
    step: int = context.state.get("dispatch", 0)
    context.state["dispatch"] = step + 1
    return step


def _refusal(error: str, message: str) -> ToolFailure:
    return ToolFailure(message, error=error)


def _as_failure(name: str, error: Exception) -> IseError:
    if isinstance(error, IseError):
        return error
    failure = WorkspaceError(f"tool {name}: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_SHOWN else f"{text[:_NAME_SHOWN]}..."
