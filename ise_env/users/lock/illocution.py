"""What a turn has to do: every act has a speech act that it cannot be without.

A request asks for its step, a question about the result demands an answer, a permission says yes,
a goodbye takes leave. A message that carries another speech act than the declared one (a report,
an offer, a farewell in the middle) falls through, however it is worded.
"""

from __future__ import annotations

from ise_env.users.lock.frames import frames
from ise_env.users.lock.scene import Scene, covered, words
from ise_env.users.protocol import UserTurn

_SIGNS: dict[str, tuple[str, ...]] = {
    "status": ("sign.demand",),
    "challenge": ("sign.demand", "sign.discrepancy"),
    "correct": ("sign.demand", "sign.discrepancy"),
    "confirm": ("sign.assent",),
    "close": ("sign.closing",),
    "give_up": ("sign.leaving",),
}
"""Signs of which one has to be there; requests and answers are held to their content instead."""
_AGAIN = 0.5
_BRIEF = 4
"""So many words may wave somebody on who has just announced that they begin."""


def lacks_its_act(turn: UserTurn, text: str, scene: Scene) -> bool:
    """Whether the message does not do what its act is for.

    Args:
        turn: As the model declared it.
        text: The message without the step's own words, which may say anything.
        scene: Where it is said.
    """
    signs = _SIGNS.get(turn.act)
    if signs is None or not scene.english:
        return False
    if not text.isascii() and not any("a" <= c <= "z" for c in text.lower()):
        return False
    waved_on = scene.move is not None and scene.move.kind in ("promised", "silent")
    if waved_on and (len(words(text)) <= _BRIEF or frames()["sign.waiting"].pattern.search(text)):
        return False
    if turn.act == "correct" and any(
        covered(said, turn.message) >= _AGAIN for said in (scene.goal.request, scene.answer) if said
    ):
        return False  # the request itself or an answer, said again
    if turn.act == "close" and text.rstrip().endswith("?"):
        return True
    return not any(frames()[sign].pattern.search(text) for sign in signs)
