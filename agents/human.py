"""A person at the terminal plays the agent: text answers, `/tool {json}` calls a tool."""

from __future__ import annotations

import sys
from typing import Any

from ise_env.agents.protocol import AgentContext, AgentProvenance
from ise_env.errors import AgentError

_HELP = "Answer the user, or call a tool: /NAME {JSON arguments}. /help lists the tools."


class Human:
    """Shows what is new, reads one line, makes it an assistant message."""

    def __init__(self) -> None:
        self.provenance = AgentProvenance(name="human", version="1", scripted=False)
        self._shown = self._calls = 0

    def reset(self, context: AgentContext) -> None:
        """Get ready for a new episode."""
        self._shown = self._calls = 0
        _print(_HELP)

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Ask the person.

        Raises:
            AgentError: They left (Ctrl-D).
        """
        for message in observation["messages"][self._shown :]:
            _print(f"\n[{message['role']}] {message.get('content') or ''}")
        self._shown = len(observation["messages"]) + 1
        while (line := _line()) in ("", "/help"):
            for tool in observation["tools"]:
                function = tool["function"]
                names = ", ".join(function.get("parameters", {}).get("properties", {}))
                _print(f"/{function['name']} {{{names}}}")
        if not line.startswith("/"):
            return {"role": "assistant", "content": line}
        name, _, arguments = line[1:].partition(" ")
        self._calls += 1
        call = {
            "id": f"call_human_{self._calls}",
            "type": "function",
            "function": {"name": name, "arguments": arguments or "{}"},
        }
        return {"role": "assistant", "content": "", "tool_calls": [call]}

    def close(self) -> None:
        """Nothing is held."""


def _line() -> str:
    try:
        return input("\nyou> ").strip()
    except EOFError as error:
        raise AgentError("the person at the terminal left") from error


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
