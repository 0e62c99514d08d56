"""SingleTurnUser: the whole intent at once, nothing after; the ablation without dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ise_env.intents.model import Intent
from ise_env.tasks.kit import SubGoal
from ise_env.users.agent_move import classify
from ise_env.users.ledger import Ledger
from ise_env.users.protocol import Digest, UserProvenance, UserTurn, UserVerdict
from ise_env.users.split import split
from ise_env.workspaces.protocol import FileChange

VERSION = "1"


class SingleTurnUser:
    """One episode's user who says everything in the opening and leaves after the answer.

    Args:
        intent: Its utterance is the only request. Where kits stand behind the intent, each
            step's request is added, so that every seeded detail is told.
        subgoals: The steps, as for every user.
        name: For the provenance.
    """

    def __init__(self, intent: Intent, subgoals: Sequence[SubGoal], *, name: str) -> None:
        self._book = Ledger(tuple(subgoals) or split(intent.utterance).subgoals)
        self._message = _everything(intent.utterance, subgoals)
        self.provenance = UserProvenance(name=name, version=VERSION, scripted=True)

    def open(self) -> UserTurn:
        """Say everything."""
        used = []
        for state in self._book.goals.values():
            state.believed, state.asked_at = "asked", 1
            used += self._book.reveal(state.goal.facts)[0]
        first = next(iter(self._book.goals))
        turn = UserTurn(
            act="request", subgoal=first, facts_used=used, new_facts=used, message=self._message
        )
        return self._book.record(turn)

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Look at nothing: there is no answer that it could change."""
        return ()

    def reply(self, digest: Digest) -> UserTurn:
        """Leave, with an opinion from what can be seen."""
        move = classify(digest.agent_text)
        self._book.moves.append(move)
        content = not digest.claims and move.kind in ("claimed_done", "said")
        for state in self._book.goals.values():
            state.believed = "done" if content else "attempted"
        reason = "nothing contradicts it" if content else "; ".join(digest.claims) or move.kind
        turn = UserTurn(
            act="close" if content else "give_up",
            subgoal=next(iter(self._book.goals)),
            message="Thank you." if content else "I'll leave it at that.",
            verdict=UserVerdict(satisfied=content, reason=reason),
        )
        return self._book.record(turn)

    def ledger(self) -> dict[str, Any]:
        """Believed state of every sub-goal and revealed facts."""
        return self._book.dump()


def _everything(utterance: str, subgoals: Sequence[SubGoal]) -> str:
    untold = [
        goal.request
        for goal in subgoals
        if not all(fact.value in utterance for fact in goal.facts) or goal.request not in utterance
    ]
    if not untold:
        return utterance
    steps = "\n".join(f"{i}. {request}" for i, request in enumerate(untold, 1))
    return f"{utterance}\n\nIn detail:\n{steps}"
