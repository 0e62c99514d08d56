"""Speaking: a decided turn in this person's words.

The rule user decides what a turn is about; a `Speaker` finds the words, notes in the ledger what
was said and told, and never says the same thing twice in an episode. It decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ise_env.intents.model import Persona
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.expecting import wanted
from ise_env.users.ledger import GoalState, Ledger, asked_as
from ise_env.users.phrasing import Phrasebook, Voice, goal_slots, introduction
from ise_env.users.protocol import Act, Digest, UserTurn, UserVerdict
from ise_env.users.split import NAMELESS
from ise_env.users.temperament import Opening


class Speaker:
    """One episode's words.

    Args:
        book: Where every turn is recorded.
        voice: How this person writes.
        rng: Chooses among wordings.
        persona: Who they say they are.

    Attributes:
        case: Which kind of wording the last turn used (`ask.next`, `challenge.missing`, ...).
        digest: What the person sees while they speak.
    """

    def __init__(
        self, book: Ledger, voice: Voice, rng: np.random.Generator, persona: Persona | None
    ) -> None:
        self.digest = Digest("")
        self.phrases = Phrasebook(voice, rng)
        self._book = book
        self._rng = rng
        self._persona = persona
        self._pointed_out_at = -2
        """How many turns there were when a path was acknowledged last."""

    @property
    def case(self) -> str:
        """Which kind of wording the last turn used."""
        return self.phrases.last

    def opening(self, kind: Opening, context: Sequence[str]) -> UserTurn:
        """The first step, with more or less of a preamble.

        Args:
            kind: What this person likes to begin with, if there is something of it to say.
            context: Sentences of the utterance that ask for nothing.
        """
        goals = [state.goal for state in self._book.goals.values()]
        state = self._book.goals[goals[0].id]
        slots = {**introduction(self._persona), **goal_slots(asked_as(goals[0], "request"))}
        key: str = kind
        if kind == "goal" and goals[-1].label != NAMELESS and not context:
            if _of_one_task(goals[0], goals[-1]):
                slots["label_last"] = goals[-1].label
            elif self.phrases.has("open.context", **slots):
                key = "context"
        if context and kind != "straight":
            key, slots["own"] = "own", _bounded(context)
        if not self.phrases.has(f"open.{key}", **slots):
            key = "straight"
        return self._request(state, self.phrases.say(f"open.{key}", **slots))

    def next_request(self, state: GoalState, remark: str = "") -> UserTurn:
        """Ask for a step, perhaps after a word on the one before."""
        last = sum(s.believed == "pending" for s in self._book.goals.values()) == 1
        key = "ask.last" if last else "ask.next"
        words = self.phrases.say(key, **goal_slots(asked_as(state.goal, "request")))
        return self._request(state, f"{remark} {words}".strip())

    def instead(self, left: GoalState, following: GoalState) -> UserTurn:
        """Leave one step as it is and ask for the next."""
        remark = self.phrases.say("waive.goal", **goal_slots(left.goal))
        turn = self.next_request(following, remark)
        self.phrases.last = "waive.goal"
        return turn

    def acknowledgement(self, state: GoalState) -> str:
        """A word on what was just done, at times; only what was seen is acknowledged, once."""
        book = self._book
        if self._rng.random() < 0.45:
            return ""
        new = [p for p in state.goal.artifacts if p in book.seen and p not in book.acknowledged]
        told = state.lookups > 0 or state.answers > 0 or wanted(state.goal.request) is not None
        if new and not told and len(book.turns) > self._pointed_out_at + 1:
            self._pointed_out_at = len(book.turns)
            book.acknowledged.add(new[0])
            key = "ack.seen" if new[0] in book.came else "ack.changed"
            if self.phrases.has(key, path=new[0]):
                return self.phrases.say(key, path=new[0])
        return self.phrases.say("ack.plain")

    def about(
        self,
        act: Act,
        state: GoalState,
        key: str,
        *,
        observed: tuple[str, ...] = (),
        told: Sequence[Fact] = (),
        **slots: str,
    ) -> UserTurn:
        """A turn about a step in a wording of `key`."""
        words = self.phrases.say(key, **{**goal_slots(state.goal), **slots})
        return self.say(act, state, words, observed=observed, told=told)

    def say(
        self,
        act: Act,
        state: GoalState,
        message: str,
        *,
        observed: tuple[str, ...] = (),
        told: Sequence[Fact] = (),
        verdict: UserVerdict | None = None,
    ) -> UserTurn:
        """Say these words and note what they tell and point at."""
        used, new = self._book.reveal(told)
        turn = UserTurn(
            act=act,
            subgoal=state.goal.id,
            facts_used=used,
            new_facts=new,
            observed=list(dict.fromkeys([*observed, *self._pointed_at(message, observed)])),
            message=message,
            verdict=verdict,
        )
        return self._book.record(turn)

    def _request(self, state: GoalState, message: str) -> UserTurn:
        state.believed = "asked"
        state.asked_at = len(self._book.turns) + 1
        return self.say("request", state, message, told=asked_as(state.goal, "request").facts)

    def _pointed_at(self, message: str, claims: Sequence[str]) -> list[str]:
        """Paths in the user's own words that they have before their eyes, claims left out."""
        before = {c.path for c in self.digest.changes if c.change != "deleted"}
        before |= {path for path, _ in self.digest.heads} | set(self._book.seen)
        claimed = {claim.partition(": ")[0] for claim in claims}
        named = [m.group().rstrip("/.,") for m in _PATH_LIKE.finditer(message)]
        return [p for p in named if p in before - claimed and ("/" in p or "." in p)]


_PATH_LIKE = re.compile(r"[\w@+~-][\w.@+/-]*")


def _of_one_task(first: SubGoal, last: SubGoal) -> bool:
    """Whether one leads to the other: two steps of the same task, `t1.fetch` and `t1.sort`."""
    task, dot, _ = first.id.partition(".")
    return bool(dot) and first.id != last.id and last.id.startswith(f"{task}.")


def _bounded(sentences: Sequence[str], limit: int = 320) -> str:
    """As many of the person's own sentences as fit."""
    kept = ""
    for sentence in sentences:
        if kept and len(kept) + len(sentence) > limit:
            break
        kept = f"{kept} {sentence}".strip()
    return kept if len(kept) <= limit else kept[: limit - 3].rsplit(" ", 1)[0] + "..."
