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

from ise_env.rollout.export.files import Report, new_directory, write_row
from ise_env.rollout.export.shape import Message, Shape, parsed_arguments
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
            system = message["content"]
        else:
            turns.append(_turn(message, report))
    while turns and turns[-1]["from"] in _GIVEN:
        turns.pop()  # there is nothing to learn after the last answer
    alternates = all((t["from"] in _GIVEN) == (i % 2 == 0) for i, t in enumerate(turns))
    return system, turns if alternates else []


_GIVEN = ("human", "observation")


def _turn(message: Message, report: Report) -> dict[str, str]:
    if message["role"] == "user":
        return {"from": "human", "value": message["content"]}
    if message["role"] == "tool":
        return {"from": "observation", "value": message["content"]}
    if not message.get("tool_calls"):
        return {"from": "gpt", "value": message["content"]}
    if message["content"]:
        report.notes["texts beside a tool call left out"] += 1
    (call,) = message["tool_calls"]
    function = {"name": call["function"]["name"], "arguments": parsed_arguments(call)}
    if function["arguments"] is None:
        report.notes["arguments that are no JSON object kept as text"] += 1
        function["arguments"] = call["function"]["arguments"]
    return {"from": "function_call", "value": json.dumps(function, ensure_ascii=False)}
