"""LLaMA-Factory's sharegpt layout: a folder with `ise.jsonl` and `dataset_info.json`.

Turns must alternate between those that are given (`human`, `observation`) and those that are
learnt (`gpt`, `function_call`). So parallel calls are split, consecutive users merged, and the
text that an assistant writes beside a tool call is left out: the layout has no place for it.
How often that happened is reported.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ise_env.action import text_of
from ise_env.rollout.export.files import Report, new_directory, write_row
from ise_env.rollout.export.shape import Message, Shape, calls_of, reasoning_of
from ise_env.rollout.export.source import Source

FILE = "ise.jsonl"
INFO = {
    "ise": {
        "file_name": FILE,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        "tags": {
            "role_tag": "from",
            "content_tag": "value",
            "user_tag": "human",
            "assistant_tag": "gpt",
            "observation_tag": "observation",
            "function_tag": "function_call",
        },
    }
}


def write(source: Source, out: Path, shape: Shape) -> Report:
    """Write the folder.

    Raises:
        ConfigError: Nothing is left to write, or `out` cannot be written.
    """
    shape = replace(shape, parallel="split", users="merge", system=True, empty="string")
    report = Report()
    with new_directory(out) as work:
        with (work / FILE).open("w", encoding="utf-8") as file:
            for episode in source.episodes():
                if any(not call.name for m in episode.messages for call in calls_of(m)):
                    source.selection.left_out["a call names no tool"] += 1
                    continue
                system, conversation = _conversation(shape.chat(episode.messages), report)
                if not conversation:
                    source.selection.left_out["turns do not alternate"] += 1
                    continue
                tools = [tool.get("function", tool) for tool in source.tools(episode)]
                row = {
                    "conversations": conversation,
                    "system": system,
                    "tools": json.dumps(tools, ensure_ascii=False),
                }
                write_row(file, row)
                report.written += 1
        (work / "dataset_info.json").write_text(json.dumps(INFO, indent=2) + "\n")
        report.conclude(source.selection)
    return report


def _conversation(messages: list[Message], report: Report) -> tuple[str, list[dict[str, str]]]:
    """System prompt and turns; no turns where they cannot be made to alternate."""
    system, turns = "", []
    for message in messages:
        if message["role"] == "system":
            system = text_of(message)
        else:
            turns.append(_turn(message, report))
    while turns and turns[-1]["from"] in _GIVEN:
        turns.pop()  # there is nothing to learn after the last answer
    alternates = all((t["from"] in _GIVEN) == (i % 2 == 0) for i, t in enumerate(turns))
    return system, turns if alternates else []


_GIVEN = ("human", "observation")


def _turn(message: Message, report: Report) -> dict[str, str]:
    text = text_of(message)
    if message["role"] == "user":
        return {"from": "human", "value": text}
    if message["role"] == "tool":
        return {"from": "observation", "value": text}
    if reasoning_of(message):
        report.notes["reasonings left out"] += 1
    if not message.get("tool_calls"):
        return {"from": "gpt", "value": text}
    if text:
        report.notes["texts beside a tool call left out"] += 1
    (call,) = calls_of(message)
    function: dict[str, Any] = {"name": call.name, "arguments": call.arguments}
    if call.arguments is None:
        report.notes["arguments that are no JSON object kept as text"] += 1
        function["arguments"] = call.raw["function"].get("arguments")
    return {"from": "function_call", "value": json.dumps(function, ensure_ascii=False)}
