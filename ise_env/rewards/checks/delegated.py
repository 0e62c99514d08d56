"""What the agent has handed to sub-agents, by the record that the harness keeps of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet, listed
from ise_env.traces.record import SubagentRecord


class Delegated(Kind):
    """Sub-agents came to an end of their own, and did something on the way.

    One that was killed, ran into a limit or made no successful tool call does not count.
    """

    kind: Literal["delegated"] = "delegated"
    about: tuple[str, ...] = Field(
        default=(), description="For each of these there is one of its own whose task names it."
    )
    label: str = Field(default="", description="Only those with this label.")
    messages: int = Field(default=1, ge=1, description="Least number that one of them was sent.")

    def judge(self, evidence: Evidence) -> str:
        """Look for them."""
        done = [child for child in evidence.subagents if _worked(child)]
        if self.label:
            done = [child for child in done if child.label.casefold() == self.label.casefold()]
        if not any(_messages(child) >= self.messages for child in done):
            what = f"labelled {self.label} " if self.label else ""
            sent = f" that was sent {self.messages} messages" if self.messages > 1 else ""
            raise Unmet(f"no sub-agent {what}came to its end{sent}")
        lacking = _without_their_own(self.about, [child.task for child in done])
        if lacking:
            raise Unmet(f"no sub-agent of its own for {listed(lacking)}")
        return f"{len(done)} sub-agents came to their end"


def _worked(child: SubagentRecord) -> bool:
    outcomes = [(message.get("x") or {}).get("outcome") for message in child.messages]
    return child.status == "done" and any(o and o.get("status") == "ok" for o in outcomes)


def _messages(child: SubagentRecord) -> int:
    return sum(
        message["role"] == "user" and not (message.get("x") or {}).get("earlier")
        for message in child.messages
    )


def _without_their_own(names: tuple[str, ...], tasks: list[str]) -> list[str]:
    """Names for which no task is left: each task serves one name, as many as can be served."""
    server: dict[int, str] = {}

    def serve(name: str, seen: set[int]) -> bool:
        for number, task in enumerate(tasks):
            if name in task and number not in seen:
                seen.add(number)
                if number not in server or serve(server[number], seen):
                    server[number] = name
                    return True
        return False

    return [name for name in names if not serve(name, set())]
