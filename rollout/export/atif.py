"""Harbor's Agent Trajectory Interchange Format (ATIF), one file an episode.

Written to version 1.7 of the format, checked in tests by the `atif` package. An agent's message
and the results of its calls are one step; a script's steps say `llm_call_count` 0. What the
format has no place for, outcomes among it, is under `extra`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ise_env import __version__
from ise_env.action import text_of
from ise_env.rollout.costs import cost_of
from ise_env.rollout.export.files import Report, new_directory
from ise_env.rollout.export.shape import Call, Message, Shape, calls_of, reasoning_of
from ise_env.rollout.export.source import Source
from ise_env.traces.record import Trajectory

SCHEMA = "ATIF-v1.7"


def write(source: Source, out: Path, shape: Shape) -> Report:
    """Write a folder of `<episode id>.json`.

    Raises:
        ConfigError: Nothing is left to write, or `out` cannot be written.
    """
    report = Report(unit="file")
    with new_directory(out) as work:
        for episode in source.episodes():
            whole = trajectory(episode, source.tools(episode))
            text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)
            (work / f"{episode.episode_id}.json").write_text(text + "\n", encoding="utf-8")
            report.written += 1
        report.conclude(source.selection)
    return report


def trajectory(episode: Trajectory, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """One episode in the format."""
    agent = episode.provenance.agent
    steps = [
        _without_none({"step_id": number, **step}) for number, step in enumerate(_steps(episode), 1)
    ]
    usage = episode.usage or {}
    return {
        "schema_version": SCHEMA,
        "session_id": f"{episode.run_id}-{episode.episode_id}",
        "agent": _without_none(
            {
                "name": agent.name,
                "version": agent.version or "unknown",
                "model_name": agent.model,
                "tool_definitions": tools or None,
                "extra": {"scripted": agent.scripted, "privileged": agent.privileged},
            }
        ),
        "steps": steps,
        "final_metrics": _without_none(
            {
                "total_prompt_tokens": usage.get("prompt_tokens"),
                "total_completion_tokens": usage.get("completion_tokens"),
                "total_cost_usd": cost_of(episode),
                "total_steps": len(steps),
            }
        ),
        "extra": {
            "ise_env": __version__,
            "intent_id": episode.intent.id,
            "trial": episode.trial,
            "reward": episode.reward,
            "success": episode.success,
            "termination": episode.termination.reason,
            "checks": [c.model_dump(include={"id", "verdict"}) for c in episode.checks],
        },
    }


def _steps(episode: Trajectory) -> Iterator[dict[str, Any]]:
    """Steps without their numbers."""
    scripted = episode.provenance.agent.scripted
    results: list[dict[str, Any]] = []
    for message in episode.messages:
        if message["role"] == "tool":
            results.append(_result(message))
        elif message["role"] == "assistant":
            results = []
            yield _agent_step(message, results, scripted=scripted)
        else:
            yield {"source": message["role"], "message": text_of(message)}


def _agent_step(
    message: Message, results: list[dict[str, Any]], *, scripted: bool
) -> dict[str, Any]:
    """One step of the agent; `results` is filled in by the messages that follow."""
    note = message.get("x") or {}
    calls = [_call(call) for call in calls_of(message)]
    return {
        "source": "agent",
        "message": text_of(message),
        "reasoning_content": None if scripted else reasoning_of(message),
        "tool_calls": calls or None,
        "observation": {"results": results} if calls else None,
        "metrics": None if scripted else _metrics(note),
        "llm_call_count": 0 if scripted else 1,
    }


def _call(call: Call) -> dict[str, Any]:
    extra = None
    if not call.name:
        extra = {"raw_call": call.raw}
    elif call.arguments is None:
        extra = {"raw_arguments": call.raw["function"].get("arguments")}
    return _without_none(
        {
            "tool_call_id": call.id,
            "function_name": call.name,
            "arguments": call.arguments or {},
            "extra": extra,
        }
    )


def _result(message: Message) -> dict[str, Any]:
    outcome = (message.get("x") or {}).get("outcome")
    return _without_none(
        {
            "source_call_id": message.get("tool_call_id"),
            "content": text_of(message),
            "extra": {"outcome": outcome} if outcome else None,
        }
    )


def _metrics(note: dict[str, Any]) -> dict[str, Any] | None:
    usage = note.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    tokens = ((note.get("logprobs") or {}).get("content")) or ()
    metrics = _without_none(
        {
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "cached_tokens": details.get("cached_tokens"),
            "cost_usd": note.get("cost_usd"),
            "prompt_token_ids": note.get("prompt_token_ids"),
            "completion_token_ids": note.get("token_ids"),
            "logprobs": [token["logprob"] for token in tokens] or None,
        }
    )
    return metrics or None


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: held for key, held in value.items() if held is not None}
