"""ReplayUser: the turns of a recorded episode, said again in the same order.

For running another agent against the same words; the replayed user reacts to nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ise_env.errors import ConfigError, UserSimulatorError
from ise_env.intents.model import Intent
from ise_env.traces.reader import read_run
from ise_env.traces.record import is_users_turn
from ise_env.users.protocol import Digest, UserProvenance, UserTurn, UserVerdict
from ise_env.workspaces.protocol import FileChange

VERSION = "1"


class ReplayUser:
    """One episode's user, recorded.

    Args:
        turns: What was said; the last one ends the episode, or the user leaves after it.
        recorded: The ledger of the recording.
        name: For the provenance.
    """

    def __init__(self, turns: list[UserTurn], recorded: dict[str, Any] | None, name: str) -> None:
        self._turns = iter(turns)
        self._recorded = recorded or {}
        self.provenance = UserProvenance(name=name, version=VERSION, scripted=True)

    def open(self) -> UserTurn:
        """Say the first recorded words.

        Raises:
            UserSimulatorError: The recording is empty.
        """
        turn = next(self._turns, None)
        if turn is None:
            raise UserSimulatorError("the recording holds no user turn")
        return turn

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Look at nothing: the words are fixed."""
        return ()

    def reply(self, digest: Digest) -> UserTurn:
        """Say the next recorded words, or leave when there are none."""
        verdict = UserVerdict(satisfied=False, reason="the recording ends here")
        over = UserTurn(act="give_up", message="That is all I have to say.", verdict=verdict)
        return next(self._turns, over)

    def ledger(self) -> dict[str, Any]:
        """The ledger as it was recorded."""
        return dict(self._recorded)


def replay_user(path: str, intent: Intent) -> ReplayUser:
    """Find the first recording of an intent in a run and replay its user.

    Args:
        path: A run directory or a file of trajectories.
        intent: Whose recording.

    Raises:
        ConfigError: No such run, no recording of this intent, or no annotations in it.
    """
    if not Path(path).exists():
        raise ConfigError(f"user replay:{path}: no such run or file")
    for trajectory in read_run(path):
        if trajectory.intent.id == intent.id:
            turns = [_turn(m, path) for m in trajectory.messages if is_users_turn(m)]
            return ReplayUser(turns, trajectory.ledger, f"replay:{trajectory.episode_id}")
    raise ConfigError(f"user replay:{path}: holds no episode of the intent {intent.id}")


def _turn(message: dict[str, Any], path: str) -> UserTurn:
    note: dict[str, Any] = (message.get("x") or {}).get("user") or {}
    try:
        return UserTurn.model_validate({**note, "message": message["content"]})
    except (ValidationError, TypeError) as error:
        raise ConfigError(
            f"user replay:{path}: a user message has no annotation to replay; was it recorded here?"
        ) from error
