"""A person at the terminal plays the agent, with the same tools as any other.

    !ls -la                       runs a command (the tool exec)
    /read path=notes.md           calls a tool with values
    /write {"path": "a", ...}     calls a tool with JSON arguments
    anything else                 is said to the user

What tools and users send is shown as text; terminal escapes in it are made visible.
"""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

from ise_env.agents.protocol import AgentContext, AgentProvenance
from ise_env.errors import AgentError
from ise_env.terminal import neutral

_HELP = """\
You are the agent. Answer the user in plain words, or work with the tools first:
  !COMMAND              runs a command
  /TOOL key=value ...   calls a tool; /TOOL {JSON} does the same
  <<WORD                at the end of a line: more lines follow, up to one that is WORD
  /help                 lists the tools;  /quit  leaves (so does Ctrl-D)"""


class Human:
    """Shows what is new, reads one entry, makes it an assistant message."""

    def __init__(self) -> None:
        self.provenance = AgentProvenance(name="human", version="2", scripted=False)
        self._shown = self._calls = 0

    def reset(self, context: AgentContext) -> None:
        """Get ready for a new episode."""
        self._shown = self._calls = 0
        _print(_HELP)

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Ask the person.

        Raises:
            AgentError: They left (`/quit`, Ctrl-D).
        """
        for message in observation["messages"][self._shown :]:
            _show(message)
        self._shown = len(observation["messages"]) + 1
        tools = {tool["function"]["name"]: tool["function"] for tool in observation["tools"]}
        while True:
            entry = _entry()
            if entry in ("", "/help"):
                _print("\n".join(_signature(tool) for tool in tools.values()))
                continue
            try:
                return self._message(entry, tools)
            except ValueError as error:
                _print(f"{error}; /help lists the tools")

    def close(self) -> None:
        """Nothing is held."""

    def _message(self, entry: str, tools: dict[str, Any]) -> dict[str, Any]:
        """Make an entry an assistant message.

        Raises:
            ValueError: It is no call of a tool that there is; says why.
        """
        if entry.startswith("!"):
            return self._calling("exec", {"command": entry[1:].strip()})
        if not entry.startswith("/"):
            return {"role": "assistant", "content": entry}
        name, _, rest = entry[1:].partition(" ")
        if name not in tools:
            raise ValueError(f"there is no tool {name!r}")
        return self._calling(name, _arguments(rest.strip(), tools[name]))

    def _calling(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        call = {
            "id": f"call_human_{self._calls}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        return {"role": "assistant", "content": "", "tool_calls": [call]}


def _arguments(text: str, tool: dict[str, Any]) -> dict[str, Any]:
    """`{JSON}` or `key=value ...`; values are of the type that the tool asks for."""
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error
        return dict(value)
    known = tool.get("parameters", {}).get("properties", {})
    found = {}
    for word in shlex.split(text):
        key, sign, value = word.partition("=")
        if not sign or key not in known:
            raise ValueError(f"{word!r}: expected {', '.join(f'{k}=...' for k in known)}")
        found[key] = value if known[key].get("type") == "string" else _as_json(value)
    return found


def _as_json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _signature(tool: dict[str, Any]) -> str:
    parameters = tool.get("parameters", {})
    required = parameters.get("required", ())
    names = [n if n in required else f"[{n}]" for n in parameters.get("properties", {})]
    return f"  /{tool['name']} {' '.join(names)}"


def _entry() -> str:
    """One line, and those that `<<WORD` at its end announces.

    In a command they are a here-document of the shell's; elsewhere they stand where the mark is.
    """
    line = _line("\nyou> ").strip()
    head, mark, word = line.rpartition("<<")
    if mark and word.isidentifier():
        lines = []
        while (more := _line("")) != word:
            lines.append(more)
        body = "\n".join(lines)
        if line.startswith("!"):
            line = "\n".join((line, body, word))
        else:
            line = head + (shlex.quote(body) if line.startswith("/") else body)
    if line == "/quit":
        raise AgentError("the person at the terminal left")
    return line


def _line(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError as error:
        raise AgentError("the person at the terminal left") from error


def _show(message: dict[str, Any]) -> None:
    if message["role"] != "system":
        _print(f"\n[{message['role']}] {neutral(str(message.get('content') or ''))}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
