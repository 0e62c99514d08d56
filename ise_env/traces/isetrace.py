"""The layout in which ISETrace trajectories are published, to and from ours.

One object an episode: `status, session_id, intent, intent_id, total_steps, enable_thinking,
messages, tools, skills, final_output, metadata`. Tool arguments are strings in some records and
objects in others; both are accepted. `success` on a tool message says only that the call was
not aborted, so outcomes are recomputed from the texts; the published flag is kept beside them.

What has no place in our record is kept under `foreign` and, for a message, under `x.published`:
an imported record is written back as it was, down to the order of its keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ise_env.action import text_of
from ise_env.errors import ConfigError
from ise_env.intents.jsonl import read_json, read_jsonl
from ise_env.intents.published import from_published, of_trajectory
from ise_env.tools.base import FAILED, Outcome
from ise_env.tools.outcome import CallRecord, label_recoveries
from ise_env.tools.relabel import outcome_from_text
from ise_env.traces.record import (
    AgentProvenance,
    ErrorRecord,
    Provenance,
    Recovery,
    Termination,
    Trajectory,
    UserRecord,
)
from ise_env.traces.serialise import canonical

_OURS = frozenset({"intent", "intent_id", "messages", "tools", "skills"})
"""Keys of a published record that have a place of their own; the rest goes to `foreign`."""
_WIRE = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "reasoning_content"})


@dataclass(frozen=True)
class Imported:
    """A published record in our terms."""

    trajectory: Trajectory
    tools: list[Any]
    skills: list[Any]


@dataclass(frozen=True)
class Relabelled:
    """A tool result whose published flag and recomputed outcome disagree."""

    episode_id: str
    call_id: str
    tool: str
    published_success: bool
    outcome: Outcome
    text: str


def read_isetrace(path: Path) -> Iterator[Imported]:
    """Read published trajectories: `.json` (one, or a list) or JSON Lines.

    Raises:
        ConfigError: Names file, line and field.
    """
    if path.suffix == ".json":
        document = read_json(path)
        records = document if isinstance(document, list) else [document]
        for number, record in enumerate(records, 1):
            yield from_isetrace(record, f"{path}: record {number}")
    else:
        for located in read_jsonl(path):
            yield from_isetrace(located.value, located.where)


def sha256_of(value: Any) -> str:
    """Hash under which constant tables are stored, as `IntentEnv` computes it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def from_isetrace(record: Any, where: str) -> Imported:
    """Read one published record.

    Args:
        record: The object.
        where: `file:line`, for messages.

    Raises:
        ConfigError: It is not in the published layout.
    """
    if not isinstance(record, dict):
        raise ConfigError(f"{where}: expected a JSON object")
    for key in ("intent", "intent_id", "messages"):
        if key not in record:
            raise ConfigError(f"{where}: field {key}: missing; not a published trajectory")
    messages, calls = _import_messages(record["messages"], where)
    tools, skills = record.get("tools") or [], record.get("skills") or []
    intent = from_published(of_trajectory(record), where)
    foreign: dict[str, Any] = {k: v for k, v in record.items() if k not in _OURS}
    foreign["keys"] = list(record)
    foreign["skills_sha256"] = sha256_of(skills)
    recoveries = label_recoveries(calls)
    _note_recoveries(messages, recoveries)
    failure = _failure(record)
    trajectory = Trajectory(
        episode_id=hashlib.sha256(canonical(record)).hexdigest()[:16],
        run_id="isetrace",
        intent=intent,
        intent_sha256=intent.sha256(),
        trial=0,
        seed=0,
        messages=messages,
        steps=sum(message["role"] == "assistant" for message in messages),
        reward=None,
        success=None,
        termination=Termination(reason="unknown", by="harness", truncated=False),
        valid=failure is None,
        error=failure,
        recoveries=recoveries,
        workspace=None,
        provenance=Provenance(
            agent=AgentProvenance(name="isetrace", scripted=False),
            user=UserRecord(name="isetrace", version="", scripted=False),
            realiser=None,
            versions={},
            system_prompt_sha256="",
            tools_sha256=sha256_of(tools),
        ),
        wall_s=0.0,
        foreign=foreign,
    )
    return Imported(trajectory, tools, skills)


def _failure(record: dict[str, Any]) -> ErrorRecord | None:
    status = record.get("status", "completed")
    if status == "completed":
        return None
    return ErrorRecord(
        kind="Published", blame="harness", message=f"status {status!r}", retryable=False
    )


# -- messages in -----------------------------------------------------------------------------


def _import_messages(messages: Any, where: str) -> tuple[list[dict[str, Any]], list[CallRecord]]:
    if not isinstance(messages, list):
        raise ConfigError(f"{where}: field messages: expected a list")
    arguments: dict[str, tuple[int, str, dict[str, Any] | None]] = {}
    imported, calls, turn, step = [], [], 0, 0
    for number, message in enumerate(messages):
        place = f"{where}: field messages.{number}"
        if not isinstance(message, dict) or "role" not in message:
            raise ConfigError(f"{place}: expected an object with a role")
        turn += message["role"] == "user"
        step += message["role"] == "assistant"
        ours = _import_message(message, place)
        ours["x"].update(turn=turn, step=step)
        for call in ours.get("tool_calls") or ():
            function = call["function"]
            arguments[call["id"]] = (step, function["name"], _parsed(function["arguments"]))
        if message["role"] == "tool":
            calls.append(_label(ours, arguments, place))
        imported.append(ours)
    return imported, calls


def _import_message(message: dict[str, Any], place: str) -> dict[str, Any]:
    """Bring a message into the wire shape; what that changes goes to `x.published`."""
    ours = {key: value for key, value in message.items() if key in _WIRE}
    published: dict[str, Any] = {k: v for k, v in message.items() if k not in _WIRE}
    if ours.get("content") is None:
        published["content"] = message.get("content")
        ours["content"] = ""
    if "tool_calls" in ours:
        try:
            ours["tool_calls"] = [_import_call(call) for call in ours["tool_calls"] or ()]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{place}.tool_calls: not in the published layout") from error
        if ours["tool_calls"] != message["tool_calls"]:
            published["tool_calls"] = message["tool_calls"]
        if not ours["tool_calls"]:
            del ours["tool_calls"]
    published["keys"] = list(message)
    ours["x"] = {"published": published}
    return ours


def _import_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {
        "id": call["id"],
        "type": call.get("type", "function"),
        "function": {"name": function["name"], "arguments": arguments},
    }


def _parsed(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _label(
    message: dict[str, Any],
    known: dict[str, tuple[int, str, dict[str, Any] | None]],
    place: str,
) -> CallRecord:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        raise ConfigError(f"{place}.tool_call_id: missing")
    step, tool, arguments = known.get(call_id, (0, str(message.get("name")), None))
    outcome = outcome_from_text(tool, message["content"], arguments)
    message["x"]["outcome"] = outcome.model_dump(exclude_none=True)
    return CallRecord(step, call_id, tool, arguments, outcome)


def _note_recoveries(messages: list[dict[str, Any]], recoveries: list[Recovery]) -> None:
    healed = {r.failed: r.recovered for r in recoveries}
    for message in messages:
        if message.get("tool_call_id") in healed:
            message["x"]["outcome"]["recovered_by"] = healed[message["tool_call_id"]]


def differences(trajectory: Trajectory) -> Iterator[Relabelled]:
    """Yield the results whose published flag and recomputed outcome disagree."""
    names = {
        call["id"]: call["function"]["name"]
        for message in trajectory.messages
        for call in message.get("tool_calls") or ()
    }
    for message in trajectory.messages:
        note = message.get("x") or {}
        published = (note.get("published") or {}).get("success")
        if message["role"] == "tool" and published is not None:
            outcome = Outcome(**note["outcome"])
            if published == (outcome.status in FAILED):
                call_id = message["tool_call_id"]
                yield Relabelled(
                    trajectory.episode_id,
                    call_id,
                    names.get(call_id, str(message.get("name"))),
                    published,
                    outcome,
                    message["content"],
                )


# -- back out --------------------------------------------------------------------------------


def to_isetrace(
    trajectory: Trajectory, tools: list[Any], skills: list[Any] | None = None
) -> dict[str, Any]:
    """Write a record in the published layout.

    One that was imported comes back as it was. In one of ours `success` is honest: it is false
    for every failed call.

    Args:
        trajectory: The episode.
        tools: The schemas behind `provenance.tools_sha256`.
        skills: Of an imported record, those behind `foreign["skills_sha256"]`.
    """
    messages = [m for m in trajectory.messages if m["role"] != "system"]
    if trajectory.foreign is not None and "keys" in trajectory.foreign:
        messages = trajectory.messages
    record: dict[str, Any] = {
        "status": "completed" if trajectory.valid else "failed",
        "session_id": f"{trajectory.run_id}__{trajectory.episode_id}",
        "intent": trajectory.intent.utterance,
        "total_steps": sum(message["role"] == "tool" for message in messages),
        "enable_thinking": any(message.get("reasoning_content") for message in messages),
        "messages": list(_export_messages(messages)),
        "tools": tools,
        "skills": skills or [],
        "final_output": _last_words(messages),
        "intent_id": trajectory.intent.id,
        "metadata": _metadata(trajectory),
    }
    if trajectory.foreign is None:
        return record
    record |= {k: v for k, v in trajectory.foreign.items() if k not in ("keys", "skills_sha256")}
    keys = trajectory.foreign.get("keys")
    return {str(k): record[str(k)] for k in keys} if isinstance(keys, list) else record


def _export_messages(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    names: dict[str, str] = {}
    for message in messages:
        # In order: some servers count ids from 0 in every message.
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                names[str(call.get("id"))] = str(function.get("name") or "")
        yield _export_message(message, names)


def _export_message(message: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    note = message.get("x") or {}
    plain = {key: value for key, value in message.items() if key != "x"}
    if published := note.get("published"):
        plain |= {key: value for key, value in published.items() if key != "keys"}
        return {key: plain[key] for key in published["keys"]}
    if message["role"] == "tool":
        call_id = message.get("tool_call_id", "")
        status = (note.get("outcome") or {}).get("status")
        return {
            "role": "tool",
            "name": names.get(call_id, ""),
            "tool_call_id": call_id,
            "content": message["content"],
            "success": status not in FAILED,
        }
    return plain


def _last_words(messages: list[dict[str, Any]]) -> str:
    said = (text_of(m) for m in reversed(messages) if m["role"] == "assistant")
    return next(said, "")


def _metadata(trajectory: Trajectory) -> dict[str, Any]:
    intent = trajectory.intent
    metadata: dict[str, Any] = {
        "domains": [
            {
                "name": domain,
                "selected_tasks": [
                    {"name": task.title, "description": task.description}
                    for task in intent.tasks
                    if task.domain == domain
                ],
            }
            for domain in intent.domains
        ]
    }
    if intent.persona is not None:
        metadata["persona"] = intent.persona.model_dump(mode="json", exclude={"id"})
    return metadata
