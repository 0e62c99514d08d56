"""A tool of one's own: parameters, a function, a true outcome beside the text.

A package offers it to everybody by an entry point, `[project.entry-points."ise_env.tools"]`
with `count_words = "my_package:count_words"`.

python examples/own_tool.py
"""

import json

from pydantic import Field

from ise_env import IntentEnv
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.registry import tool


class CountWordsParams(Params):
    """What the agent may give; descriptions become the schema."""

    path: str = Field(description="Text file, relative to the workspace.")
    longerThan: int = Field(0, ge=0, description="Count only words longer than this.")


@tool("count_words", "Count the words of a text file.")
def count_words(p: CountWordsParams, context: ToolContext) -> ToolResult:
    try:
        # Through the workspace: the path means what it means to the agent, and nothing outside.
        text = context.workspace.read(p.path, max_bytes=2**20).decode("utf-8", "replace")
    except OSError as error:
        raise ToolFailure(f"cannot read {p.path}: {error.strerror}", error="unreadable") from error
    words = [word for word in text.split() if len(word) > p.longerThan]
    return ToolResult(json.dumps({"path": p.path, "words": len(words)}), Outcome(status="ok"))


def call(name: str, **arguments: object) -> dict:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call-{name}", "type": "function", "function": function}


env = IntentEnv("Write a short poem and tell me how long it is.", tools=["core", "count_words"])
observation, _ = env.reset(seed=1)
print("offered:", ", ".join(t["function"]["name"] for t in observation["tools"]))

calls = [
    call("write", path="poem.txt", content="the tide returns, the harbour sleeps"),
    call("count_words", path="poem.txt", longerThan=3),
]
observation, *_ = env.step({"role": "assistant", "content": "", "tool_calls": calls})
print("result:", observation["messages"][-1]["content"])

missing = {"role": "assistant", "content": "", "tool_calls": [call("count_words", path="no.txt")]}
observation, *_ = env.step(missing)
print("error:", json.loads(observation["messages"][-1]["content"])["error"])
print("outcomes:", [record.outcome.status for record in env.episode.calls])
env.close()
