"""A trajectory as a transcript that a person enjoys reading.

What agents and commands wrote is shown as text and nothing else: terminal escapes, other
control characters and bidirectional overrides are made visible instead of being obeyed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ise_env.action import text_of
from ise_env.terminal import neutral
from ise_env.tools.base import FAILED
from ise_env.traces.record import SubagentRecord, Trajectory, is_users_turn

_SHOWN_LINES = 14
"""Lines of one text that are shown unless everything is asked for."""
_SHOWN_COLUMNS = 400


def transcript(
    trajectory: Trajectory, *, full: bool = False, system: bool = False
) -> Iterator[RenderableType]:
    """Yield the parts of a transcript, top to bottom.

    Args:
        trajectory: The episode.
        full: Cut nothing.
        system: Show the system prompt too.
    """
    writer = _Transcript(full)
    yield _head(trajectory)
    for message in trajectory.messages:
        if message["role"] != "system" or system:
            yield from writer.message(message)
    for child in trajectory.subagents:
        yield from writer.subagent(child, system)
    yield from writer.ending(trajectory)


def _head(t: Trajectory) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    rows.add_row("intent", Text(neutral(t.intent.utterance)))
    if t.intent.persona:
        persona = t.intent.persona
        rows.add_row("person", Text(neutral(f"{persona.name}, {persona.role}, {persona.industry}")))
    if t.intent.tasks:
        titles = "; ".join(f"{task.id} {task.title}" for task in t.intent.tasks)
        rows.add_row("tasks", Text(neutral(titles)))
    agent, user = t.provenance.agent, t.provenance.user
    rows.add_row("agent", _player(agent.name, agent.model, agent.scripted))
    rows.add_row("user", _player(user.name, user.model, user.scripted) if user else "none")
    rows.add_row("seed", f"{t.seed}, trial {t.trial}")
    title = Text(f"episode {t.episode_id}")
    return Panel(rows, title=title, title_align="left", border_style=_colour(t))


def _player(name: str, model: str | None, scripted: bool) -> Text:
    detail = "scripted" if scripted else model
    return Text(neutral(f"{name} ({detail})" if detail else name))


def _colour(t: Trajectory) -> str:
    if not t.valid:
        return "magenta"
    return {True: "green", False: "red", None: "blue"}[t.success]


class _Transcript:
    """Renders messages; remembers which tool a result comes from."""

    def __init__(self, full: bool) -> None:
        self._full = full
        self._tool_of: dict[str, str] = {}

    def subagent(self, child: SubagentRecord, system: bool) -> Iterator[RenderableType]:
        name = neutral(child.label or child.session_key)
        title = Text(f"sub-agent {name}, begun in step {child.begun_in_step}: {child.status}")
        yield Rule(title, align="left", style="magenta")
        for message in child.messages:
            if message["role"] == "user":
                yield self._text(f"task: {text_of(message)}", "magenta")
            elif message["role"] != "system" or system:
                yield from self.message(message)

    def message(self, message: dict[str, Any]) -> Iterator[RenderableType]:
        note = message.get("x") or {}
        if message["role"] == "user":
            yield from self._user(message, note)
        elif message["role"] == "assistant":
            yield from self._assistant(message)
        elif message["role"] == "tool":
            yield self._result(message, note.get("outcome") or {})
        else:
            yield Rule(Text(str(message["role"]), style="dim"), align="left", style="dim")
            yield self._text(text_of(message), "dim")

    def _user(self, message: dict[str, Any], note: dict[str, Any]) -> Iterator[RenderableType]:
        if not is_users_turn(message):
            yield Rule(Text("sub-agents", style="dim"), align="left", style="dim")
            yield self._text(text_of(message), "dim")
            return
        turn = note.get("user") or {}
        title = Text.assemble(
            ("user", "bold cyan"),
            (f"  turn {note.get('turn', '?')}", "cyan"),
            (f"  {neutral(str(turn.get('act') or ''))}", "dim cyan"),
            (f"  {neutral(str(turn.get('subgoal') or ''))}", "dim cyan"),
        )
        yield Rule(title, align="left", style="cyan")
        yield self._prose(text_of(message), "")
        for attempt in turn.get("attempts") or ():
            yield self._text(
                f"rejected: {json.dumps(attempt, ensure_ascii=False)}", "dim yellow", 2
            )

    def _assistant(self, message: dict[str, Any]) -> Iterator[RenderableType]:
        yield Text("assistant", style="bold green")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            yield self._prose(reasoning, "dim italic", 2)
        if said := text_of(message):
            yield self._prose(said, "", 2)
        for call in message.get("tool_calls") or ():
            yield Padding(self._call(call), (0, 0, 0, 2))

    def _call(self, call: Any) -> RenderableType:
        function = (call.get("function") if isinstance(call, dict) else None) or {}
        name, raw = str(function.get("name")), function.get("arguments")
        if isinstance(call, dict):
            self._tool_of[str(call.get("id"))] = name
        head = Text.assemble(("> ", "bold"), (neutral(name), "bold yellow"))
        try:
            arguments = json.loads(raw) if isinstance(raw, str) else raw
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return Group(head, self._text(str(raw), "red", 2))
        return Group(*self._arguments(head, arguments))

    def _arguments(self, head: Text, arguments: dict[str, Any]) -> Iterator[RenderableType]:
        """Short arguments beside the name, long ones below it, as what they are."""
        below = []
        for key, value in arguments.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if key == "command" and "\n" not in text:
                head.append(f"  $ {neutral(text)}", "bold")
            elif "\n" in text or len(text) > 80:
                below.append((key, text))
            else:
                head.append(f"  {neutral(key)}=", "dim").append(neutral(text))
        yield head
        for key, text in below:
            style = {"oldText": "red", "newText": "green"}.get(key, "")
            yield self._text(f"{key}:\n{text}" if key != "command" else text, style, 2)

    def _result(self, message: dict[str, Any], outcome: dict[str, Any]) -> RenderableType:
        status = neutral(str(outcome.get("status", "unlabelled")))
        colour = "red" if status in FAILED else "yellow" if status != "ok" else "green"
        tool = self._tool_of.get(str(message.get("tool_call_id")), message.get("name") or "?")
        label = Text.assemble((f"< {neutral(tool)} ", "dim"), (status, f"bold {colour}"))
        if outcome.get("exit_code"):
            label.append(f" {outcome['exit_code']}", colour)
        if outcome.get("error"):
            label.append(f" {neutral(str(outcome['error']))}", colour)
        if outcome.get("duration_s", 0) >= 0.05:
            label.append(f"  {outcome['duration_s']:.1f} s", "dim")
        if outcome.get("recovered_by"):
            label.append(f"  recovered by {neutral(str(outcome['recovered_by']))}", "dim green")
        body = self._text(text_of(message), "bright_black" if status == "ok" else colour, 2)
        return Padding(Group(label, body), (0, 0, 0, 2))

    def _prose(self, text: str, style: str, indent: int = 0) -> RenderableType:
        """What somebody said: never cut."""
        return Padding(Text(neutral(text).rstrip("\n"), style=style), (0, 0, 0, indent))

    def _text(self, text: str, style: str, indent: int = 0) -> RenderableType:
        """What a tool was given or gave back: shortened unless all is asked for."""
        lines = neutral(text).rstrip("\n").split("\n")
        if not self._full:
            lines = _shortened(lines)
        return Padding(Text("\n".join(lines), style=style), (0, 0, 0, indent))

    def ending(self, t: Trajectory) -> Iterator[RenderableType]:
        yield Rule(Text("end", style="bold"), align="left", style="dim")
        yield self._verdict(t)
        if t.checks:
            yield self._checks(t)
        if t.workspace and t.workspace.diff:
            yield self._files(t)

    def _verdict(self, t: Trajectory) -> RenderableType:
        by = f" by the {t.termination.by}" if t.termination.by != "harness" else ""
        line = Text(f"{t.termination.reason}{by}, {t.steps} steps, {t.wall_s:.1f} s. ")
        if not t.valid and t.error:
            line.append(f"Invalid: {t.error.kind}: {neutral(t.error.message)}", "bold magenta")
        elif t.success is None:
            line.append("Not judged.", "bold blue")
        else:
            word = "Success" if t.success else "Failure"
            line.append(f"{word}, reward {t.reward:.3g}.", f"bold {_colour(t)}")
        if t.user_verdict:
            mood = "satisfied" if t.user_verdict.satisfied else "not satisfied"
            line.append(f" The user was {mood}: {neutral(t.user_verdict.reason)}", "dim")
        return line

    def _checks(self, t: Trajectory) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for name in ("", "check", "weight", "evidence"):
            table.add_column(name)
        marks = {"passed": ("ok", "green"), "failed": ("no", "bold red")}
        for check in t.checks:
            mark, colour = marks.get(check.verdict, ("?", "yellow"))
            kind = "forbidden" if check.forbidden else f"{check.weight:g}"
            evidence = " ".join(neutral(check.evidence).split())
            if not self._full and len(evidence) > 160:
                evidence = f"{evidence[:157]}..."
            table.add_row(Text(mark, colour), Text(neutral(check.id)), kind, Text(evidence, "dim"))
        return table

    def _files(self, t: Trajectory) -> RenderableType:
        assert t.workspace is not None
        marks = {"added": ("+", "green"), "modified": ("~", "yellow"), "deleted": ("-", "red")}
        lines = Text("files\n", style="dim")
        shown = t.workspace.diff if self._full else t.workspace.diff[:30]
        for change in shown:
            mark, colour = marks[change.change]
            lines.append(f"{mark} {neutral(change.path)}", colour)
            lines.append(f"  {change.size:,} bytes\n", "dim")
        if rest := len(t.workspace.diff) - len(shown):
            lines.append(f"and {rest} more\n", "dim")
        return lines


def _shortened(lines: list[str]) -> list[str]:
    lines = [
        line
        if len(line) <= _SHOWN_COLUMNS
        else f"{line[:_SHOWN_COLUMNS]} ... ({len(line) - _SHOWN_COLUMNS} more characters)"
        for line in lines
    ]
    if len(lines) <= _SHOWN_LINES + 2:
        return lines
    head, tail = _SHOWN_LINES - 4, 4
    return [*lines[:head], f"... {len(lines) - head - tail} more lines ...", *lines[-tail:]]
