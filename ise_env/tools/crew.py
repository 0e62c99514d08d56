"""The sub-agents of one episode, side by side with their parent and without threads.

Whoever plays the episode calls `advance` after every message of the parent's, which lets each
running sub-agent play one message, and `wait` when the parent ends its turn, which lets them
play until one ends and gives the text that announces it. So the same seed gives the same order
of events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ise_env.tools.announcement import announcement, name_of
from ise_env.tools.base import ToolFailure
from ise_env.tools.subagent import Subagent, SubagentLimits
from ise_env.traces.record import SubagentRecord


@dataclass
class Crew:
    """Sub-agents, the oldest first.

    Attributes:
        limits: What they may use up.
        workspace_gone: Whether one of them ended the workspace's processes.
    """

    limits: SubagentLimits = field(default_factory=SubagentLimits)
    workspace_gone: bool = False
    _members: list[Subagent] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)
    _billed: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    @property
    def members(self) -> list[Subagent]:
        """Every one so far."""
        return list(self._members)

    @property
    def running(self) -> list[Subagent]:
        """Those at work."""
        return [child for child in self._members if child.status == "running"]

    @property
    def tool_seconds(self) -> float:
        """Time that they spent inside tools."""
        return sum(call.outcome.duration_s for child in self._members for call in child.calls)

    def make_room(self, *, new: bool) -> None:
        """See whether one more may work.

        Raises:
            ToolFailure: There are too many, at once or (for a `new` one) in all.
        """
        if len(self.running) >= self.limits.at_once:
            raise ToolFailure(
                f"{self.limits.at_once} sub-agents are at work, which is the most at once: wait "
                "for one to end, or kill one",
                error="limit",
            )
        if new and len(self._members) >= self.limits.in_all:
            raise ToolFailure(
                f"no further sub-agents: {self.limits.in_all} is the most in one episode",
                error="limit",
            )

    def add(self, child: Subagent) -> None:
        """Take one in."""
        self._members.append(child)

    def find(self, target: str) -> Subagent:
        """Return one by its number in the list, label, key, run id, or `last`.

        Raises:
            ToolFailure: There is none.
        """
        wanted = target.strip()
        if wanted == "last" and self._members:
            return self._members[-1]
        if wanted.isdecimal() and 0 < int(wanted) <= len(self._members):
            return self._members[int(wanted) - 1]
        for child in reversed(self._members):
            if wanted in (child.brief.session_key, child.run_id, name_of(child)):
                return child
        raise ToolFailure(f"Unknown subagent target: {target}", error="not_found")

    def hear(self, child: Subagent, message: str) -> None:
        """Give one a message; if it had ended, it goes on.

        Raises:
            ToolFailure: It had ended, and too many others are at work.
        """
        if child.status != "running":
            self.make_room(new=False)
            self._told.discard(child.run_id)
        child.hear(message)

    def was_told(self, child: Subagent) -> bool:
        """Whether the parent knows how it ended."""
        return child.run_id in self._told

    def tell(self, child: Subagent) -> None:
        """Note that the parent knows how it ended: there is nothing to announce."""
        self._told.add(child.run_id)

    # -- for whoever plays the episode -------------------------------------------------------

    def advance(self) -> None:
        """Let each running one play one message.

        Raises:
            IseError: Infrastructure failed.
        """
        for child in self.running:
            if not self.workspace_gone:
                self.workspace_gone = child.play()

    def wait(self) -> str:
        """Let them work until one ends; announce all that have.

        Returns:
            The message for the parent; empty when there is nobody to wait for.

        Raises:
            IseError: Infrastructure failed.
        """
        while not self._to_announce() and self.running and not self.workspace_gone:
            self.advance()
        ended = self._to_announce()
        for child in ended:
            self.tell(child)
        return announcement(ended) if ended else ""

    def _to_announce(self) -> list[Subagent]:
        ended = [child for child in self._members if child.status != "running"]
        return [child for child in ended if child.announces and not self.was_told(child)]

    def take_usage(self) -> list[dict[str, Any]]:
        """What their models used since the last call."""
        new = []
        for child in self._members:
            steps, before = self._billed.get(child.run_id, (0, {}))
            if child.steps > steps and child.usage is not None:
                new.append({key: value - before.get(key, 0) for key, value in child.usage.items()})
            self._billed[child.run_id] = child.steps, dict(child.usage or {})
        return new

    def records(self) -> list[SubagentRecord]:
        """What the trace keeps of them."""
        return [child.record() for child in self._members]
