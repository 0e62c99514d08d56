"""HumanUser: a person at the terminal plays the user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO, Any

from ise_env.errors import UserSimulatorError
from ise_env.intents.model import Intent
from ise_env.tasks.kit import SubGoal
from ise_env.users.agent_move import classify
from ise_env.users.digest import render
from ise_env.users.ledger import GoalState, Ledger
from ise_env.users.protocol import Act, Digest, UserProvenance, UserTurn, UserVerdict
from ise_env.users.split import split
from ise_env.workspaces.protocol import FileChange

VERSION = "1"

HELP = """Write the next message and press Enter.
  /next      go on with the next step (write its text after it, or nothing to use it as it is)
  /close     leave satisfied         /giveup    leave unsatisfied
  /open PATH look at a file before you answer next time
"""


class HumanUser:
    """One episode's user, typed in.

    Args:
        intent: What the person is to ask for; shown once.
        subgoals: The steps; empty for an intent without kits.
        source: Where lines come from.
        screen: Where the agent's messages and the observations are shown.
    """

    def __init__(
        self,
        intent: Intent,
        subgoals: Sequence[SubGoal],
        *,
        source: IO[str] | None = None,
        screen: IO[str] | None = None,
    ) -> None:
        self._book = Ledger(tuple(subgoals) or split(intent.utterance).subgoals)
        self._intent = intent
        self._source = source or sys.stdin
        self._screen = screen or sys.stderr
        self._look: tuple[str, ...] = ()
        self.provenance = UserProvenance(name="human", version=VERSION, scripted=False)

    def open(self) -> UserTurn:
        """Show the intent and read the first words."""
        self._show(f"You want: {self._intent.utterance}\n")
        for number, state in enumerate(self._book.goals.values(), 1):
            self._show(f"  {number}. {state.goal.request}")
        self._show(f"\n{HELP}")
        return self._read()

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """The files named with /open, or the result of the current step."""
        current = self._book.current
        return (self._look or (current.goal.artifacts if current else ()))[:2]

    def reply(self, digest: Digest) -> UserTurn:
        """Show what happened and read the next words."""
        self._book.moves.append(classify(digest.agent_text))
        for change in digest.changes:
            self._book.seen[change.path] = change.size
        self._look = ()
        self._show(f"\nAssistant: {digest.agent_text}\n\n{render(digest)}\n")
        return self._read()

    def ledger(self) -> dict[str, Any]:
        """Believed state of every sub-goal and revealed facts."""
        return self._book.dump()

    def _read(self) -> UserTurn:
        """Read lines until one is a turn.

        Raises:
            UserSimulatorError: The input ended.
        """
        while True:
            self._screen.write("> ")
            self._screen.flush()
            line = self._source.readline()
            if not line:
                raise UserSimulatorError("the person at the terminal is gone (end of input)")
            turn = self._turn(line.strip())
            if turn is not None:
                return self._book.record(turn)

    def _turn(self, line: str) -> UserTurn | None:
        word, _, rest = line.partition(" ")
        if word == "/open":
            self._look = (*self._look, rest.strip())[-2:]
        elif word in ("/close", "/giveup"):
            return self._leave("close" if word == "/close" else "give_up", rest)
        elif word == "/next" or (line and self._book.current is None):
            state = self._book.next_pending
            if state is not None:
                return self._ask(state, rest if word == "/next" else line)
            self._show("Every step was asked for.")
        elif line and not line.startswith("/"):
            return self._speak(line)
        else:
            self._show(HELP)
        return None

    def _ask(self, state: GoalState, text: str) -> UserTurn:
        current = self._book.current
        if current is not None:
            current.believed = "done"
        state.believed, state.asked_at = "asked", len(self._book.turns) + 1
        message = text or f"{state.goal.request}."
        told = [fact for fact in state.goal.facts if fact.value in message]
        used, new = self._book.reveal(told)
        return UserTurn(
            act="request", subgoal=state.goal.id, facts_used=used, new_facts=new, message=message
        )

    def _speak(self, line: str) -> UserTurn:
        move, current = self._book.move, self._book.current
        asked = move is not None and move.kind in ("asked", "asked_to_confirm")
        act: Act = "answer" if asked else "status"
        return UserTurn(act=act, subgoal=current.goal.id if current else None, message=line)

    def _leave(self, act: Act, rest: str) -> UserTurn:
        satisfied = act == "close"
        current = self._book.current
        if current is not None:
            current.believed = "done" if satisfied else "failed"
        verdict = UserVerdict(satisfied=satisfied, reason=rest or "said at the terminal")
        words = rest or ("Thank you, that's all." if satisfied else "I'm stopping here.")
        return UserTurn(
            act=act, subgoal=current.goal.id if current else None, message=words, verdict=verdict
        )

    def _show(self, text: str) -> None:
        self._screen.write(f"{text}\n")
