"""A person at the terminal: text, tool calls, help, and the end of the input."""

from __future__ import annotations

import io
import json
import sys

import pytest

from ise_env.agents import AgentContext, make_agent
from ise_env.errors import AgentError
from ise_env.intents.model import Intent

OBSERVATION = {
    "messages": [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "Good morning."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "exec",
                "parameters": {
                    "properties": {"command": {"type": "string"}, "timeout": {"type": "number"}},
                    "required": ["command"],
                },
            },
        }
    ],
}


def typing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_what_is_typed_becomes_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = make_agent("human")()
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    typing(monkeypatch, '\n/exec {"command": "ls"}\n')
    message = agent.act(OBSERVATION)
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "exec", "arguments": '{"command": "ls"}'}
    shown = capsys.readouterr().out
    assert "Good morning." in shown
    assert "/exec command [timeout]" in shown
    typing(monkeypatch, "All done.\n")
    longer = [*OBSERVATION["messages"], message, {"role": "tool", "content": "a.txt"}]
    assert agent.act({**OBSERVATION, "messages": longer}) == {
        "role": "assistant",
        "content": "All done.",
    }
    shown = capsys.readouterr().out
    assert "a.txt" in shown
    assert "Good morning." not in shown


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("!ls -la", {"command": "ls -la"}),
        ("!cat > a <<END\n 1\n2\nEND", {"command": "cat > a <<END\n 1\n2\nEND"}),
        ("/exec command='ls -la' timeout=5", {"command": "ls -la", "timeout": 5}),
        ("/exec timeout=5 command=<<END\na 'b'\nc\nEND", {"command": "a 'b'\nc", "timeout": 5}),
    ],
)
def test_tools_are_called_without_writing_json(
    monkeypatch: pytest.MonkeyPatch, typed: str, arguments: dict[str, object]
) -> None:
    agent = make_agent("human")()
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    typing(monkeypatch, typed + "\n")
    (call,) = agent.act(OBSERVATION)["tool_calls"]
    assert call["function"]["name"] == "exec"
    assert json.loads(call["function"]["arguments"]) == arguments


def test_what_is_no_call_is_said_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = make_agent("human")()
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    typing(monkeypatch, "/dance\n/exec {broken\n/exec loud\ndone\n")
    hostile = {"role": "tool", "content": "\x1b[2Jgone"}
    observation = {**OBSERVATION, "messages": [*OBSERVATION["messages"], hostile]}
    assert agent.act(observation)["content"] == "done"
    shown = capsys.readouterr().out
    assert "there is no tool 'dance'" in shown
    assert "not JSON" in shown
    assert "'loud': expected command=..., timeout=..." in shown
    assert "\u241b[2Jgone" in shown


def test_the_end_of_the_input_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_agent("human")()
    agent.reset(AgentContext(Intent(id="i", utterance="u"), 1))
    typing(monkeypatch, "")
    with pytest.raises(AgentError, match="left"):
        agent.act(OBSERVATION)
